/* The communicator: alone it is the group of one; started by mpirun (tests/py/test_comm.py does) the same claims hold over all ranks.
** FF_COMM_FAULT=RANK:die or RANK:abort in the environment: that rank fails in the middle instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/comm_mpi.h"

static struct ff_comm *comm_of(void **state)
{
    return *state;
}

static void check_ok(ff_err err, const ff_ctx *ctx)
{
    if (err) fail_msg("%s: %s", ff_code_slug(err), ctx->message);
}

/* What rank `from` has for rank `to` at place i. */
static unsigned char byte_of(int from, int to, size_t i)
{
    return (unsigned char)(31 * from + 7 * to + 13 * (int)(i % 251) + 1);
}

static void every_rank_gets_what_each_has_for_it(void **state)
{
    const struct ff_comm *c = comm_of(state);
    const size_t n = (size_t)c->nranks, most = 70000;
    size_t counts[4][64];
    assert_in_range(c->nranks, 1, 64);
    unsigned char *send = malloc(n * most), *recv = calloc(n, most);
    for (size_t r = 0; r < n; r++) { /* lengths differ, some are 0; gaps between pieces */
        counts[0][r] = ((size_t)c->rank * 3 + r * 5) % 4 * 20011;
        counts[1][r] = r * most;
        counts[2][r] = (r * 3 + (size_t)c->rank * 5) % 4 * 20011;
        counts[3][r] = (n - 1 - r) * most;
        for (size_t i = 0; i < counts[0][r]; i++) send[counts[1][r] + i] = byte_of(c->rank, (int)r, i);
    }
    ff_ctx ctx = {0};
    check_ok(c->alltoallv(c, send, counts[0], counts[1], recv, counts[2], counts[3], &ctx), &ctx);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < most; i++)
            assert_int_equal(recv[counts[3][r] + i], i < counts[2][r] ? byte_of((int)r, c->rank, i) : 0);
    free(send);
    free(recv);
}

static void messages_between_two_ranks_keep_their_order(void **state)
{
    const struct ff_comm *c = comm_of(state);
    enum { N = 5 };
    const int next = (c->rank + 1) % c->nranks, before = (c->rank + c->nranks - 1) % c->nranks;
    int out[N], in[N];
    struct ff_message send[N], recv[N];
    for (int i = 0; i < N; i++) {
        out[i] = 100 * c->rank + i;
        in[i] = -1;
        send[i] = (struct ff_message){next, &out[i], sizeof out[i]};
        recv[i] = (struct ff_message){before, &in[i], sizeof in[i]};
    }
    ff_ctx ctx = {0};
    check_ok(c->sendrecv_list(c, send, N, recv, N, &ctx), &ctx);
    for (int i = 0; i < N; i++) assert_int_equal(in[i], 100 * before + i);
    check_ok(c->sendrecv_list(c, NULL, 0, NULL, 0, &ctx), &ctx);
}

/* A number whose sum depends on the order of summation. */
static double term(int rank, long i)
{
    static const double sizes[] = {1e16, 1, -1e16, 1e-3, 3e7};
    return sizes[(rank + i) % 5] * (1 + 1e-7 * (double)(i % 97)) * (rank % 2 ? -1.1 : 1);
}

static void sums_have_the_order_of_the_ranks(void **state)
{
    const struct ff_comm *c = comm_of(state);
    const long lengths[] = {0, 1, 5, 16384, 40001};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        const long n = lengths[k];
        double *x = malloc((size_t)(n + 1) * sizeof *x);
        for (long i = 0; i < n; i++) x[i] = term(c->rank, i);
        ff_ctx ctx = {0};
        check_ok(c->allreduce_f64(c, x, n, &ctx), &ctx);
        for (long i = 0; i < n; i++) {
            double sum = term(0, i);
            for (int r = 1; r < c->nranks; r++) sum += term(r, i);
            assert_memory_equal(&x[i], &sum, sizeof sum);
        }
        free(x);
    }
}

static void everyone_gathers_the_same(void **state)
{
    const struct ff_comm *c = comm_of(state);
    int mine[3] = {c->rank, 10 * c->rank, -1}, all[64][3] = {{0}};
    ff_ctx ctx = {0};
    check_ok(c->allgather(c, mine, sizeof mine, all, &ctx), &ctx);
    for (int r = 0; r < c->nranks; r++) {
        assert_int_equal(all[r][0], r);
        assert_int_equal(all[r][1], 10 * r);
    }
}

static void a_rank_that_does_not_exist_is_refused(void **state)
{
    const struct ff_comm *c = comm_of(state);
    int x = 0;
    const struct ff_message nobody = {c->nranks, &x, sizeof x}, me = {c->rank, &x, sizeof x};
    ff_ctx ctx = {0};
    assert_int_equal(c->sendrecv_list(c, &nobody, 1, &me, 1, &ctx), FF_EBUG);
}

static void lengths_that_do_not_agree_are_an_error(void **state)
{
    const struct ff_comm *c = comm_of(state);
    char out[4] = "abc", in[8];
    const struct ff_message send = {c->rank, out, sizeof out}, recv = {c->rank, in, sizeof in};
    ff_ctx ctx = {0};
    assert_int_equal(c->sendrecv_list(c, &send, 1, &recv, 1, &ctx), FF_EBUG);
}

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

static int start(void **state)
{
    static struct ff_comm comm;
    ff_ctx ctx = {0};
    if (ff_comm_mpi_init(&comm, &ctx)) return -1;
    printf("# rank %d of %d\n", comm.rank, comm.nranks);
    fflush(stdout);
    fail_as_asked(&comm);
    *state = &comm;
    return 0;
}

static int end(void **state)
{
    ff_comm_mpi_done(comm_of(state));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rank_gets_what_each_has_for_it),
        cmocka_unit_test(messages_between_two_ranks_keep_their_order),
        cmocka_unit_test(sums_have_the_order_of_the_ranks),
        cmocka_unit_test(everyone_gathers_the_same),
        cmocka_unit_test(a_rank_that_does_not_exist_is_refused),
        cmocka_unit_test(lengths_that_do_not_agree_are_an_error),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, end);
}
