/* Planes that go from rank to rank, over ranks that are threads: fewer and more of them than the mesh has planes.
** The claims are in mesh_claims.h; comm_test.c asks the same over MPI. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/core/mesh_claims.h"
#include "worker/core/comm_threads.h"

static void holds_over_any_ranks(void **state)
{
    const struct claim *claim = *state;
    const int ranks[] = {1, 2, 3, 4, 5, 8, 13};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        ff_ctx ctx = {0};
        if (ff_comm_threads_run(ranks[i], claim->holds, NULL, &ctx)) fail_msg("%d ranks: %s", ranks[i], ctx.message);
    }
}

static void holds_alone(void **state)
{
    const struct claim *claim = *state;
    const struct ff_comm self = ff_comm_self();
    ff_ctx ctx = {0};
    if (claim->holds(NULL, &self, &ctx)) fail_msg("%s", ctx.message);
}

/* One rank may paint on the planes themselves. */
static void a_whole_window_of_one_rank_may_be_the_planes(void **state)
{
    (void)state;
    const struct ff_comm self = ff_comm_self();
    const struct ff_mesh m = claim_mesh(&self, 6, 5, 9, 2);
    const size_t bytes = (size_t)ff_mesh_plane(&m) * 4;
    int32_t *planes = claim_array((size_t)m.nz * bytes);
    ff_ctx ctx = {0};
    fill_planes(&m, planes);
    assert_int_equal(ff_planes_add(&self, &m, planes, 0, m.nz, planes, 4, NULL, 0, &ctx), FF_OK);
    assert_int_equal(wrong_planes(&m, planes, 0, m.nz), 0);
    free(planes);
}

static ff_err add_without_room(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    return add_windows(c, 2, 2, 4, 0, ctx);
}

static void no_room_for_a_plane_is_an_error(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    assert_int_equal(ff_comm_threads_run(3, add_without_room, NULL, &ctx), FF_EBUG);
    assert_non_null(strstr(ctx.message, "no room for a single plane"));
}

static ff_err share_planes_of_another_mesh(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    const struct ff_comm alone = ff_comm_self();
    const struct ff_mesh m = claim_mesh(&alone, 6, 5, 9, 1);
    int32_t none[1];
    return ff_planes_ghosts(c, &m, none, 1, 4, ctx);
}

static void a_mesh_of_another_group_is_refused(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    assert_int_equal(ff_comm_threads_run(2, share_planes_of_another_mesh, NULL, &ctx), FF_EBUG);
}

int main(void)
{
    struct CMUnitTest tests[2 * MESH_CLAIMS + 3];
    int n = 0;
    for (int k = 0; k < MESH_CLAIMS; k++) {
        void *claim = (void *)(uintptr_t)&mesh_claims[k];
        tests[n++] = (struct CMUnitTest){mesh_claims[k].name, holds_over_any_ranks, NULL, NULL, claim};
        tests[n++] = (struct CMUnitTest){mesh_claims[k].name, holds_alone, NULL, NULL, claim};
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_whole_window_of_one_rank_may_be_the_planes);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(no_room_for_a_plane_is_an_error);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_mesh_of_another_group_is_refused);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
