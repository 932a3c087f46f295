/* The communicator: alone it is the group of one; started by mpirun (tests/py/test_comm.py does) the same claims
** hold over all ranks, those of meshes too. The bits of transforms are printed as hashes, which have to be the same
** for any number of ranks. FF_COMM_FAULT=RANK:die or RANK:abort in the environment: that rank fails in the middle
** instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core/comm_claims.h"
#include "tests/unit/core/mesh_claims.h"
#include "worker/core/comm_mpi.h"

struct asked {
    struct ff_comm *comm;
    const struct claim *claim;
};

static void holds(void **state)
{
    const struct asked *a = *state;
    ff_ctx ctx = {0};
    const ff_err err = a->claim->holds(NULL, a->comm, &ctx);
    if (err) fail_msg("%s: %s", ff_code_slug(err), ctx.message);
}

static ff_err print_bits(const struct ff_comm *c, const struct ff_ops *ops, const int sides[3], ff_ctx *ctx)
{
    const struct ff_mesh m = claim_mesh(c, sides[0], sides[1], sides[2], 1);
    struct bits bits;
    const ff_err err = transform_bits(c, &m, ops, &bits, ctx);
    if (!err && c->rank == 0)
        printf("# bits %dx%dx%d_f%d %016llx %016llx %016llx\n", m.nx, m.ny, m.nz, 8 * ops->size,
               (unsigned long long)bits.spectrum, (unsigned long long)bits.field, (unsigned long long)bits.plans);
    return err;
}

static ff_err transforms_have_bits(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    ff_err err = FF_OK;
    for (int i = 0; i < BIT_MESHES && !err; i++) {
        err = print_bits(c, &ff_ops_cpu_f32, bit_meshes[i], ctx);
        if (!err) err = print_bits(c, &ff_ops_cpu_f64, bit_meshes[i], ctx);
    }
    return err;
}

static const struct claim own_claims[] = {
    {"a_rank_that_does_not_exist_is_refused", a_rank_that_does_not_exist_is_refused},
    {"lengths_that_do_not_agree_are_an_error", lengths_that_do_not_agree_are_an_error},
    {"transforms_have_bits", transforms_have_bits},
};
enum { OWN_CLAIMS = sizeof own_claims / sizeof *own_claims, CLAIMS = COMM_CLAIMS + MESH_CLAIMS + OWN_CLAIMS };

/* The rank of FF_COMM_FAULT fails; the others wait for it in a call that it never makes. */
static void fail_as_asked(const struct ff_comm *c)
{
    const char *fault = getenv("FF_COMM_FAULT");
    if (!fault) return;
    ff_ctx ctx = {0};
    double x = 1;
    if (atoi(fault) == c->rank) {
        if (strstr(fault, ":die")) raise(SIGKILL);
        ff_comm_mpi_abort(c, 77);
    }
    if (!c->allreduce_f64(c, &x, 1, &ctx)) printf("rank %d went on\n", c->rank);
}

int main(void)
{
    struct ff_comm comm;
    ff_ctx ctx = {0};
    if (ff_comm_mpi_init(&comm, &ctx)) {
        fprintf(stderr, "comm_test: %s\n", ctx.message);
        return 1;
    }
    printf("# rank %d of %d\n", comm.rank, comm.nranks);
    fflush(stdout);
    fail_as_asked(&comm);
    struct CMUnitTest tests[CLAIMS];
    struct asked asked[CLAIMS];
    for (int i = 0; i < CLAIMS; i++) {
        const int mesh = i - COMM_CLAIMS, own = mesh - MESH_CLAIMS;
        const struct claim *claim = mesh < 0 ? &comm_claims[i] : own < 0 ? &mesh_claims[mesh] : &own_claims[own];
        asked[i] = (struct asked){&comm, claim};
        tests[i] = (struct CMUnitTest){claim->name, holds, NULL, NULL, &asked[i]};
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ff_comm_mpi_done(&comm);
    return failed;
}
