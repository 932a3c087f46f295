/* tests/unit/sample/integrator_test.c - every scheme with both flows: order, reversibility, cost, the exact rotation.
** */
#include "tests/unit/sample/check.h"
#include "tests/unit/sample/targets.h"

#include "worker/core/rng.h"
#include "worker/sample/integrator.h"

enum { MAX_N = 64 };

/* A state in memory of its own with everything a mover needs. */
struct bench {
    struct ff_target target;
    struct ff_shape shape;
    struct ff_metric metric;
    struct ff_mover mover;
    struct ff_phase state;
    double scratch[2 * MAX_N];
    unsigned char *block;
};

static void bench_init(struct bench *b, struct ff_target target, enum ff_integrator integrator, enum ff_scheme scheme)
{
    assert_true(target.nparam <= MAX_N);
    *b = (struct bench){.target = target, .shape = {target.nparam, target.nlatent, 1}};
    assert_true(ff_metric_init(&b->metric, target.nparam, NULL, NULL));
    b->block = aligned_alloc(FF_VEC_ALIGN, 3 * ff_vec_bytes(&b->shape));
    assert_non_null(b->block);
    unsigned char *cursor = b->block;
    b->state.at.x = ff_vec_take(&b->shape, &cursor);
    b->state.at.g = ff_vec_take(&b->shape, &cursor);
    b->state.p = ff_vec_take(&b->shape, &cursor);
    b->mover = (struct ff_mover){.target = &b->target,
                                 .shape = &b->shape,
                                 .metric = &b->metric,
                                 .splitting = ff_splitting_of(scheme),
                                 .integrator = integrator,
                                 .q = b->scratch,
                                 .gs = b->scratch + MAX_N};
}

static void bench_done(struct bench *b)
{
    ff_metric_done(&b->metric);
    free(b->block);
}

static void bench_start(struct bench *b)
{
    ff_ctx ctx = {0};
    ff_rng_normals_f64(7, FF_RNG_TEST, 0, 0, b->shape.nparam, b->state.at.x.a, 1);
    ff_rng_normals_f64(7, FF_RNG_TEST, 1, 0, b->shape.nparam, b->state.p.a, 1);
    ff_rng_normals_f32(7, FF_RNG_TEST, 2, 0, b->shape.nlatent, b->state.at.x.z, 1);
    ff_rng_normals_f32(7, FF_RNG_TEST, 3, 0, b->shape.nlatent, b->state.p.z, 1);
    CHECK_OK(ff_mover_eval(&b->mover, &b->state.at, &ctx), &ctx);
}

static void bench_run(struct bench *b, double eps, long steps)
{
    ff_ctx ctx = {0};
    bool inside = false;
    CHECK_OK(ff_mover_run(&b->mover, &b->state, eps, steps, &inside, &ctx), &ctx);
    assert_true(inside);
}

/* Root mean square energy error over a stretch of time at step eps, energies taken at each step. */
static double energy_error(struct bench *b, double eps, double time)
{
    bench_start(b);
    const double start = ff_mover_energy(&b->mover, &b->state);
    const long steps = lround(time / eps);
    double sum = 0;
    for (long i = 0; i < steps; i++) {
        bench_run(b, eps, 1);
        const double off = ff_mover_energy(&b->mover, &b->state) - start;
        sum += off * off;
    }
    return sqrt(sum / (double)steps);
}

/* Slope of log error over log eps between eps and eps / 2. */
static double order_of(struct ff_target target, enum ff_integrator integrator, enum ff_scheme scheme, double eps,
                       double time)
{
    struct bench b;
    bench_init(&b, target, integrator, scheme);
    const double slope = log2(energy_error(&b, eps, time) / energy_error(&b, eps / 2, time));
    bench_done(&b);
    return slope;
}

static void energy_error_has_the_order_of_the_scheme(void **unused)
{
    (void)unused;
    struct disturbed t = {.nparam = 6, .e = 0.5};
    const struct ff_target target = {.self = &t, .nparam = t.nparam, .nlatent = 0, .eval = disturbed_eval};
    const double order[FF_NSCHEMES] = {2, 2, 2, 2, 4};
    for (int integrator = FF_LEAPFROG; integrator <= FF_ROTATION; integrator++)
        for (int scheme = 0; scheme < FF_NSCHEMES; scheme++)
            CHECK_NEAR(ff_splitting_of((enum ff_scheme)scheme)->name,
                       order_of(target, (enum ff_integrator)integrator, (enum ff_scheme)scheme, 0.02, 8), order[scheme],
                       0.1);
}

/* With a disturbance of size e the terms e^2 eps^k are out of sight and the first bracket of the pair shows. */
static void small_disturbance_shows_the_generalised_order(void **unused)
{
    (void)unused;
    struct disturbed t = {.nparam = 6, .e = 1e-5};
    const struct ff_target target = {.self = &t, .nparam = t.nparam, .nlatent = 0, .eval = disturbed_eval};
    CHECK_NEAR("verlet", order_of(target, FF_ROTATION, FF_SCHEME_VERLET, 0.2, 8), 2, 0.1);
    CHECK_NEAR("saba2", order_of(target, FF_ROTATION, FF_SCHEME_SABA2, 0.2, 8), 4, 0.1);
    CHECK_NEAR("aba84", order_of(target, FF_ROTATION, FF_SCHEME_ABA84, 1.6, 16), 8, 0.5);
}

static void going_back_returns_to_the_start(void **unused)
{
    (void)unused;
    struct disturbed t = {.nparam = 6, .e = 0.5};
    const struct ff_target target = {.self = &t, .nparam = t.nparam, .nlatent = 0, .eval = disturbed_eval};
    for (int integrator = FF_LEAPFROG; integrator <= FF_ROTATION; integrator++) {
        for (int scheme = 0; scheme < FF_NSCHEMES; scheme++) {
            struct bench b;
            bench_init(&b, target, (enum ff_integrator)integrator, (enum ff_scheme)scheme);
            bench_start(&b);
            double x[6], p[6];
            for (int i = 0; i < 6; i++) x[i] = b.state.at.x.a[i], p[i] = b.state.p.a[i];
            bench_run(&b, 0.2, 17);
            assert_true(fabs(b.state.at.x.a[0] - x[0]) > 1e-3);
            bench_run(&b, -0.2, 17);
            for (int i = 0; i < 6; i++) {
                CHECK_NEAR(b.mover.splitting->name, b.state.at.x.a[i], x[i], 1e-12);
                CHECK_NEAR(b.mover.splitting->name, b.state.p.a[i], p[i], 1e-12);
            }
            bench_done(&b);
        }
    }
}

static void many_steps_at_once_equal_single_steps(void **unused)
{
    (void)unused;
    struct disturbed t = {.nparam = 6, .e = 0.5};
    const struct ff_target target = {.self = &t, .nparam = t.nparam, .nlatent = 0, .eval = disturbed_eval};
    for (int scheme = 0; scheme < FF_NSCHEMES; scheme++) {
        struct bench a, b;
        bench_init(&a, target, FF_ROTATION, (enum ff_scheme)scheme);
        bench_init(&b, target, FF_ROTATION, (enum ff_scheme)scheme);
        bench_start(&a);
        bench_start(&b);
        const long before = a.mover.gradients;
        const int stages = a.mover.splitting->stages, ends = a.mover.splitting->kick[0] == 0;
        bench_run(&a, 0.3, 5);
        assert_int_equal(a.mover.gradients - before, 5 * stages + ends);
        for (int i = 0; i < 5; i++) bench_run(&b, 0.3, 1);
        assert_int_equal(b.mover.gradients - before, 5 * (stages + ends));
        for (int i = 0; i < 6; i++) CHECK_NEAR("position", a.state.at.x.a[i], b.state.at.x.a[i], 1e-13);
        CHECK_NEAR("lp", a.state.at.lp, b.state.at.lp, 1e-12);
        bench_done(&a);
        bench_done(&b);
    }
}

static void rotation_is_exact_for_a_standard_normal(void **unused)
{
    (void)unused;
    const double zero[2] = {0, 0}, one[2] = {1, 1}, axis[2] = {1, 0};
    double y[2];
    struct gaussian g = {2, 100000, zero, one, axis, y, NULL};
    const struct ff_target target = {.self = &g, .nparam = 2, .nlatent = g.nlatent, .eval = gaussian_eval};
    for (int scheme = 0; scheme < FF_NSCHEMES; scheme++) {
        struct bench b;
        bench_init(&b, target, FF_ROTATION, (enum ff_scheme)scheme);
        bench_start(&b);
        const double x0 = b.state.at.x.a[0], p0 = b.state.p.a[0], start = ff_mover_energy(&b.mover, &b.state);
        bench_run(&b, 0.7, 20);
        CHECK_NEAR("rotated by 14", b.state.at.x.a[0], x0 * cos(14) + p0 * sin(14), 1e-12);
        /* Rounding of 2e5 floats, 20 to 100 times: 1e-5 each way; a drift of one unit in the last place would be 0.2.
        ** */
        CHECK_NEAR("energy", ff_mover_energy(&b.mover, &b.state), start, 2e-3);
        bench_done(&b);
    }
}

static void outside_stops_the_run_and_never_reaches_the_target(void **unused)
{
    (void)unused;
    struct walled w = {2, 8, 1e-3, NAN};
    const struct ff_target target = {.self = &w, .nparam = 2, .nlatent = 8, .eval = walled_eval};
    struct bench b;
    bench_init(&b, target, FF_LEAPFROG, FF_SCHEME_VERLET);
    ff_vec_zero(&b.shape, b.state.at.x);
    ff_vec_zero(&b.shape, b.state.p);
    ff_ctx ctx = {0};
    bool inside = true;
    CHECK_OK(ff_mover_eval(&b.mover, &b.state.at, &ctx), &ctx);
    b.state.p.a[0] = 1;
    CHECK_OK(ff_mover_run(&b.mover, &b.state, 0.5, 10, &inside, &ctx), &ctx);
    assert_false(inside);
    assert_true(isinf(ff_mover_energy(&b.mover, &b.state)));
    const long before = b.mover.gradients;
    b.state.at.x.z[3] = NAN;
    CHECK_OK(ff_mover_eval(&b.mover, &b.state.at, &ctx), &ctx);
    assert_int_equal(b.mover.gradients, before);
    assert_true(isinf(b.state.at.lp));
    bench_done(&b);
}

static void tables_are_palindromes_of_unit_length(void **unused)
{
    (void)unused;
    for (int scheme = 0; scheme < FF_NSCHEMES; scheme++) {
        const struct ff_splitting *s = ff_splitting_of((enum ff_scheme)scheme);
        double kicks = 0, times = 0;
        const int kick_first = s->kick[0] != 0;
        for (int i = 0; i <= s->stages; i++) {
            kicks += s->kick[i];
            times += s->time[i];
            const int kick_mate = kick_first ? s->stages - i : s->stages + 1 - i;
            const int time_mate = kick_first ? s->stages - 1 - i : s->stages - i;
            if (kick_mate <= s->stages) CHECK_NEAR(s->name, s->kick[i], s->kick[kick_mate], 1e-15);
            if (time_mate >= 0) CHECK_NEAR(s->name, s->time[i], s->time[time_mate], 1e-15);
        }
        CHECK_NEAR(s->name, kicks, 1, 1e-15);
        CHECK_NEAR(s->name, times, 1, 1e-15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_palindromes_of_unit_length),
        cmocka_unit_test(energy_error_has_the_order_of_the_scheme),
        cmocka_unit_test(small_disturbance_shows_the_generalised_order),
        cmocka_unit_test(going_back_returns_to_the_start),
        cmocka_unit_test(many_steps_at_once_equal_single_steps),
        cmocka_unit_test(rotation_is_exact_for_a_standard_normal),
        cmocka_unit_test(outside_stops_the_run_and_never_reaches_the_target),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
