/* The light-cone over ranks that are processes: started by mpirun (tests/py/test_comm.py does) the bits of every case are
** printed as hashes, which have to be the same for any number of ranks; alone it is the group of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/sim/cone_claims.h"
#include "worker/core/comm_mpi.h"

static ff_err print_bits(const struct ff_comm *c, const struct cone_case *k, enum ff_precision precision, ff_ctx *ctx)
{
    struct cone_bits b;
    const ff_err err = cone_bits_of(k, precision, 1, c, &b, ctx);
    if (!err && c->rank == 0)
        printf("# bits %s_f%d %016llx %016llx %016llx %016llx %016llx\n", k->name, precision == FF_F32 ? 32 : 64,
               (unsigned long long)b.maps, (unsigned long long)b.energy, (unsigned long long)b.gradient,
               (unsigned long long)b.adjoint, (unsigned long long)b.cells);
    return err;
}

static void light_cones_have_bits(void **state)
{
    struct ff_comm *c = *state;
    ff_ctx ctx = {0};
    ff_err err = FF_OK;
    for (int i = 0; i < CONE_CASES && !err; i++) {
        err = print_bits(c, &cone_cases[i], FF_F32, &ctx);
        if (!err) err = print_bits(c, &cone_cases[i], FF_F64, &ctx);
        if (err) fail_msg("%s: %s", cone_cases[i].name, ctx.message);
    }
}

static void claims_hold(void **state)
{
    struct ff_comm *c = *state;
    for (int i = 0; i < CONE_CLAIMS; i++) {
        ff_ctx ctx = {0};
        if (cone_claims[i].holds(NULL, c, &ctx)) fail_msg("%s: %s", cone_claims[i].name, ctx.message);
    }
}

int main(void)
{
    struct ff_comm comm;
    ff_ctx ctx = {0};
    if (ff_comm_mpi_init(&comm, &ctx)) {
        fprintf(stderr, "cone_ranks_test: %s\n", ctx.message);
        return 1;
    }
    printf("# rank %d of %d\n", comm.rank, comm.nranks);
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(light_cones_have_bits, &comm),
                                       cmocka_unit_test_prestate(claims_hold, &comm)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ff_comm_mpi_done(&comm);
    return failed;
}
