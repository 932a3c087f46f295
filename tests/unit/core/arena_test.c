/* The arena's two passes and its refusals; the communicator of one rank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "worker/core/arena.h"
#include "worker/core/comm.h"

static void arrays_are_aligned_zero_and_apart(void **state)
{
    (void)state;
    struct ff_arena a = {0};
    ff_ctx ctx = {0};
    assert_null(ff_arena_take(&a, 100, 4));
    assert_null(ff_arena_take(&a, 3, 8));
    assert_int_equal(a.used, 512 + 256);
    assert_int_equal(ff_arena_alloc(&a, "a test", &ctx), FF_OK);
    char *p = ff_arena_take(&a, 100, 4), *q = ff_arena_take(&a, 3, 8);
    assert_true((uintptr_t)p % 256 == 0 && q == p + 512);
    for (int i = 0; i < 512 + 24; i++) assert_int_equal(p[i], 0);
    assert_null(ff_arena_take(&a, 1000, 8)); /* more than was planned */
    ff_arena_free(&a);
    assert_true(a.base == NULL && a.used == 0);
    ff_arena_free(&a);
}

static void sizes_that_cannot_be_counted_are_refused(void **state)
{
    (void)state;
    struct ff_arena a = {0};
    ff_ctx ctx = {0};
    assert_null(ff_arena_take(&a, INT64_MAX, 16));
    assert_int_equal(ff_arena_alloc(&a, "a test", &ctx), FF_ENOMEM);
    assert_non_null(strstr(ctx.message, "a test"));
#ifndef __SANITIZE_ADDRESS__ /* which ends the program where malloc would return NULL */
    struct ff_arena b = {0};
    assert_null(ff_arena_take(&b, INT64_MAX / 16, 8)); /* counted, but no machine has it */
    assert_int_equal(ff_arena_alloc(&b, "a test", &ctx), FF_ENOMEM);
    assert_non_null(strstr(ctx.message, "4611686018427387904"));
    ff_arena_free(&b);
#endif
}

static void one_rank_talks_to_itself(void **state)
{
    (void)state;
    const struct ff_comm c = ff_comm_self();
    ff_ctx ctx = {0};
    char from[] = "abcdef", to[8] = "";
    const size_t count = 3, send_at = 2, recv_at = 1, less = 2;
    assert_true(c.rank == 0 && c.nranks == 1);
    assert_int_equal(c.alltoallv(&c, from, &count, &send_at, to, &count, &recv_at, &ctx), FF_OK);
    assert_memory_equal(to + 1, "cde", 3);
    assert_int_equal(c.alltoallv(&c, from, &count, &send_at, to, &less, &recv_at, &ctx), FF_EBUG);
    const struct ff_message out[] = {{0, from, 2}, {0, from + 4, 2}}, in[] = {{0, to, 2}, {0, to + 5, 2}};
    const struct ff_message wrong[] = {{0, to, 1}, {0, to + 5, 2}};
    assert_int_equal(c.sendrecv_list(&c, out, 2, in, 2, &ctx), FF_OK);
    assert_true(memcmp(to, "ab", 2) == 0 && memcmp(to + 5, "ef", 2) == 0);
    assert_int_equal(c.sendrecv_list(&c, out, 2, in, 1, &ctx), FF_EBUG);
    assert_int_equal(c.sendrecv_list(&c, out, 2, wrong, 2, &ctx), FF_EBUG);
    double x[2] = {1, 2};
    assert_int_equal(c.allreduce_f64(&c, x, 2, &ctx), FF_OK);
    assert_true(x[0] == 1 && x[1] == 2);
    assert_int_equal(c.allgather(&c, from, 6, to, &ctx), FF_OK);
    assert_memory_equal(to, "abcdef", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_aligned_zero_and_apart),
        cmocka_unit_test(sizes_that_cannot_be_counted_are_refused),
        cmocka_unit_test(one_rank_talks_to_itself),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
