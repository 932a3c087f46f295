/* tests/unit/sample/chain_test.c - a chain as a machine: resumed bit for bit, the same for any number of threads,
** alive at walls and after errors, bad input refused; and that a short warm-up is enough when the given metric is
** good. */
#include <stdio.h>

#include "tests/unit/sample/runs.h"
#include "tests/unit/sample/targets.h"

enum { NPARAM = 3, NLATENT = 20000 };

/* A target with parameters and more latents than one block of any loop or sum. */
static const double mean[NPARAM] = {1, -2, 0.5}, sd[NPARAM] = {0.5, 2, 1}, axis[NPARAM] = {0.6, 0.8, 0};

struct setup {
    struct gaussian gaussian;
    double y[NPARAM], *latent_sd;
    struct ff_target target;
};

static void setup_init(struct setup *s)
{
    s->latent_sd = malloc(NLATENT * sizeof *s->latent_sd);
    assert_non_null(s->latent_sd);
    for (long i = 0; i < NLATENT; i++) s->latent_sd[i] = 0.8 + 0.2 * (double)i / NLATENT;
    s->gaussian = (struct gaussian){NPARAM, NLATENT, mean, sd, axis, s->y, s->latent_sd};
    s->target = (struct ff_target){.self = &s->gaussian, .nparam = NPARAM, .nlatent = NLATENT, .eval = gaussian_eval};
}

static void setup_done(struct setup *s)
{
    free(s->latent_sd);
}

static ff_chain *chain_of(const struct ff_chain_config *config, const struct ff_target *target)
{
    const double q0[NPARAM] = {0, 0, 0};
    ff_ctx ctx = {0};
    ff_chain *c = NULL;
    CHECK_OK(ff_chain_init(&c, config, target, q0, NULL, &ctx), &ctx);
    return c;
}

static void advance(ff_chain *c, int steps)
{
    ff_ctx ctx = {0};
    struct ff_transition t;
    for (int i = 0; i < steps; i++) CHECK_OK(ff_chain_step(c, &t, &ctx), &ctx);
}

struct bytes {
    void *at;
    size_t size;
};

static struct bytes saved(const ff_chain *c)
{
    ff_ctx ctx = {0};
    struct bytes b;
    CHECK_OK(ff_chain_save(c, &b.at, &b.size, &ctx), &ctx);
    return b;
}

static void check_same(const char *what, struct bytes a, struct bytes b)
{
    if (a.size == b.size && memcmp(a.at, b.at, a.size) == 0) return;
    print_error("%s: expected equal states of %zu bytes, got different ones of %zu\n", what, a.size, b.size);
    fail();
}

static struct ff_chain_config small_config(int algorithm, int integrator, int scheme)
{
    struct ff_chain_config config = run_config((enum ff_algorithm)algorithm, (enum ff_integrator)integrator, 24);
    config.scheme = (enum ff_scheme)scheme;
    config.max_depth = 6;
    return config;
}

enum { TOTAL = 34 }; /* iterations: warm-up with two windows, and ten draws */

static void a_loaded_chain_continues_bit_for_bit(void **unused)
{
    (void)unused;
    struct setup s;
    setup_init(&s);
    uint64_t state = 99;
    for (int kind = 0; kind < 8; kind++) {
        const int scheme = kind < 4 ? FF_SCHEME_VERLET : FF_SCHEME_SABA2;
        const struct ff_chain_config config = small_config(kind % 2, kind / 2 % 2, scheme);
        ff_chain *whole = chain_of(&config, &s.target);
        advance(whole, TOTAL);
        const struct bytes expected = saved(whole);
        ff_chain_free(whole);
        for (int trial = 0; trial < 3; trial++) {
            const int at = trial == 0 ? 0 : (int)(check_uniform(&state) * TOTAL);
            ff_chain *first = chain_of(&config, &s.target);
            advance(first, at);
            const struct bytes middle = saved(first);
            ff_chain_free(first);
            ff_chain *second = chain_of(&config, &s.target);
            ff_ctx ctx = {0};
            CHECK_OK(ff_chain_load(second, middle.at, middle.size, &ctx), &ctx);
            assert_int_equal(ff_chain_iteration(second), at);
            advance(second, TOTAL - at);
            const struct bytes got = saved(second);
            if (got.size != expected.size || memcmp(got.at, expected.at, got.size) != 0)
                print_error("kind %d split at %d of %d\n", kind, at, TOTAL);
            check_same("resumed", expected, got);
            ff_chain_free(second);
            free(middle.at);
            free(got.at);
        }
        free(expected.at);
    }
    setup_done(&s);
}

static void threads_do_not_change_a_bit(void **unused)
{
    (void)unused;
    struct setup s;
    setup_init(&s);
    for (int kind = 0; kind < 2; kind++) { /* NUTS with leapfrog, HMC with the rotation */
        struct bytes expected = {0};
        for (int threads = 1; threads <= 3; threads++) {
            struct ff_chain_config config = small_config(kind, kind, FF_SCHEME_VERLET);
            config.max_depth = 4;
            config.threads = threads;
            ff_chain *c = chain_of(&config, &s.target);
            advance(c, 6);
            const struct bytes got = saved(c);
            ff_chain_free(c);
            if (threads == 1) {
                expected = got;
                continue;
            }
            check_same("threads", expected, got);
            free(got.at);
        }
        free(expected.at);
    }
    setup_done(&s);
}

static void chains_and_seeds_differ(void **unused)
{
    (void)unused;
    struct setup s;
    setup_init(&s);
    double first[3];
    for (int i = 0; i < 3; i++) {
        struct ff_chain_config config = small_config(FF_HMC, FF_ROTATION, FF_SCHEME_VERLET);
        config.chain = i == 1;
        config.seed += i == 2;
        ff_chain *c = chain_of(&config, &s.target);
        ff_ctx ctx = {0};
        struct ff_transition t;
        advance(c, 5);
        CHECK_OK(ff_chain_step(c, &t, &ctx), &ctx);
        first[i] = (double)t.z[NLATENT - 1];
        ff_chain_free(c);
    }
    assert_true(first[0] != first[1] && first[0] != first[2] && first[1] != first[2]);
    setup_done(&s);
}

static void warmup_ends_in_a_fixed_kernel(void **unused)
{
    (void)unused;
    struct setup s;
    setup_init(&s);
    const struct ff_chain_config config = small_config(FF_HMC, FF_ROTATION, FF_SCHEME_VERLET);
    ff_chain *c = chain_of(&config, &s.target);
    const double *centre, *factor;
    ff_chain_metric(c, &centre, &factor);
    assert_true(factor[0] == 1 && centre[0] == 0);
    advance(c, config.warmup);
    double f[NPARAM * NPARAM], eps = 0;
    memcpy(f, factor, sizeof f);
    assert_true(f[0] != 1);
    for (int i = 0; i < 10; i++) {
        ff_ctx ctx = {0};
        struct ff_transition t;
        const long before = ff_chain_gradients(c);
        CHECK_OK(ff_chain_step(c, &t, &ctx), &ctx);
        assert_false(t.warmup);
        assert_int_equal(t.iteration, config.warmup + i);
        assert_int_equal(t.gradients, ff_chain_gradients(c) - before);
        if (i > 0) assert_true(t.step_size == eps);
        eps = t.step_size;
    }
    assert_memory_equal(f, factor, sizeof f);
    ff_chain_free(c);
    setup_done(&s);
}

/* Eight seeds, 50 transitions of warm-up with a given metric that is 30 % off: all end with a useful step size. */
static void a_short_warmup_is_enough(void **unused)
{
    (void)unused;
    enum { SEEDS = 8, DRAWS = 60 };
    struct setup s;
    setup_init(&s);
    double factor[NPARAM * NPARAM] = {0};
    for (int i = 0; i < NPARAM; i++) factor[i * NPARAM + i] = 1.3 * sd[i];
    double average = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        struct ff_chain_config config = run_config(FF_HMC, FF_ROTATION, 50);
        config.centre = mean;
        config.factor = factor;
        config.seed = 1000 + (uint64_t)seed;
        ff_chain *c = chain_of(&config, &s.target);
        advance(c, config.warmup);
        double acceptance = 0;
        for (int i = 0; i < DRAWS; i++) {
            ff_ctx ctx = {0};
            struct ff_transition t;
            CHECK_OK(ff_chain_step(c, &t, &ctx), &ctx);
            acceptance += t.acceptance_rate / DRAWS;
        }
        CHECK_NEAR("acceptance of one chain", acceptance, 0.8, 0.2);
        average += acceptance / SEEDS;
        ff_chain_free(c);
    }
    CHECK_NEAR("mean acceptance", average, 0.8, 0.1);
    setup_done(&s);
}

static void walls_are_divergences_and_never_an_end(void **unused)
{
    (void)unused;
    const double limits[2] = {-INFINITY, NAN};
    for (int kind = 0; kind < 8; kind++) {
        /* |q|^2 < 2 of a standard normal in 2 dimensions: r^2 is exponential, cut off at 2. */
        struct walled w = {2, kind % 2, 2, limits[kind % 2]};
        const struct ff_target target = {.self = &w, .nparam = w.nparam, .nlatent = w.nlatent, .eval = walled_eval};
        const double q0[2] = {0.1, 0.1};
        struct ff_chain_config config =
            run_config((enum ff_algorithm)(kind / 2 % 2), (enum ff_integrator)(kind / 4), 100);
        config.scheme = kind / 4 ? FF_SCHEME_SABA2 : FF_SCHEME_VERLET;
        config.adapt_metric = false;
        config.step_size = 0.3;
        const long n = 3000;
        struct run r = run_chain(&config, &target, q0, n);
        assert_true(r.divergences > 10);
        double *square = malloc(n * sizeof *square), largest = 0;
        assert_non_null(square);
        for (long t = 0; t < n; t++) {
            square[t] = r.q[t] * r.q[t] + r.q[n + t] * r.q[n + t];
            largest = fmax(largest, square[t]);
        }
        CHECK_BELOW("largest |q|^2", largest, 2);
        /* Truncated exponential of mean 2: E = 2 - 2 / (e - 1), E x^2 = 8 - 12 / (e - 1). */
        const double e = exp(1) - 1, first = 2 - 2 / e, second = 8 - 12 / e;
        check_moments("|q|^2 inside the wall", square, n,
                      &(struct estimate){first, sqrt(second - first * first), 0, 0});
        free(square);
        run_done(&r);
    }
}

/* Passes calls on and fails at call number `fails`. */
struct fragile {
    const struct ff_target *target;
    long calls, fails;
};

static ff_err fragile_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz, ff_ctx *ctx)
{
    struct fragile *f = self;
    if (++f->calls == f->fails) return ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "stopped at call %ld", f->calls);
    return f->target->eval(f->target->self, q, z, lp, gq, gz, ctx);
}

static void an_error_of_the_target_leaves_the_chain_as_it_was(void **unused)
{
    (void)unused;
    struct setup s;
    setup_init(&s);
    for (int algorithm = FF_NUTS; algorithm <= FF_HMC; algorithm++) {
        struct fragile f = {&s.target, 0, -1};
        const struct ff_target target = {.self = &f, .nparam = NPARAM, .nlatent = NLATENT, .eval = fragile_eval};
        const struct ff_chain_config config = small_config(algorithm, FF_LEAPFROG, FF_SCHEME_VERLET);
        ff_chain *c = chain_of(&config, &target);
        advance(c, 8);
        const struct bytes before = saved(c);
        f.fails = f.calls + 3;
        struct ff_transition t;
        ff_ctx ctx = {0};
        assert_int_equal(ff_chain_step(c, &t, &ctx), FF_EINTERRUPTED);
        assert_true(t.q == NULL && t.z == NULL);
        assert_true(ctx.nframes >= 2);
        const struct bytes after = saved(c);
        check_same("after an error", before, after);
        advance(c, 1);
        const struct bytes again = saved(c);
        CHECK_OK(ff_chain_load(c, before.at, before.size, &ctx), &ctx);
        advance(c, 1);
        const struct bytes direct = saved(c);
        check_same("the step after an error", direct, again);
        ff_chain_free(c);
        free(before.at);
        free(after.at);
        free(again.at);
        free(direct.at);
    }
    setup_done(&s);
}

static void check_refused(ff_chain *c, const void *bytes, size_t size, const char *what)
{
    const struct bytes before = saved(c);
    ff_ctx ctx = {0};
    const ff_err err = ff_chain_load(c, bytes, size, &ctx);
    if (err != FF_ECHECKPOINT)
        print_error("%s: expected %s, got %s\n", what, ff_code_slug(FF_ECHECKPOINT), ff_code_slug(err));
    assert_int_equal(err, FF_ECHECKPOINT);
    assert_true(ctx.message[0] != 0);
    const struct bytes after = saved(c);
    check_same(what, before, after);
    free(before.at);
    free(after.at);
}

static void foreign_and_damaged_states_are_refused(void **unused)
{
    (void)unused;
    struct setup s;
    setup_init(&s);
    struct ff_chain_config config = small_config(FF_HMC, FF_ROTATION, FF_SCHEME_VERLET);
    ff_chain *c = chain_of(&config, &s.target);
    advance(c, 3);
    const struct bytes good = saved(c);
    unsigned char *bad = malloc(good.size + 8);
    assert_non_null(bad);
    memcpy(bad, good.at, good.size);
    memset(bad + good.size, 0, 8);
    check_refused(c, bad, 0, "empty");
    check_refused(c, bad, 17, "half a head");
    check_refused(c, bad, good.size - 1, "one byte short");
    check_refused(c, bad, good.size + 8, "eight bytes long");
    const int64_t huge = INT64_MAX, negative = -1;
    const double nan = NAN;
    /* Words of the head: 0 magic, 1 version, 2 nparam, 3 nlatent, 10 chain, 11 seed, 18 iteration, 21 trials, 22 draws in
    ** the window, 25 step size, 26 lp; behind it, from 31: parameters, kept momentum. */
    const struct {
        size_t word;
        const void *value;
    } damage[] = {{0, &huge},      {1, &huge},  {2, &huge},  {2, &negative},  {3, &huge},
                  {3, &negative},  {10, &huge}, {11, &huge}, {18, &negative}, {21, &negative},
                  {22, &negative}, {25, &nan},  {26, &nan},  {31, &nan},      {34, &nan}};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        memcpy(bad, good.at, good.size);
        memcpy(bad + 8 * damage[i].word, damage[i].value, 8);
        char what[64];
        snprintf(what, sizeof what, "damaged word %zu", damage[i].word);
        check_refused(c, bad, good.size, what);
    }
    config.seed++;
    ff_chain *other = chain_of(&config, &s.target);
    check_refused(other, good.at, good.size, "another seed");
    ff_chain_free(other);
    config.seed--;
    config.algorithm = FF_NUTS;
    other = chain_of(&config, &s.target);
    check_refused(other, good.at, good.size, "another algorithm");
    ff_chain_free(other);
    free(bad);
    free(good.at);
    ff_chain_free(c);
    setup_done(&s);
}

static void check_not_started(struct ff_chain_config config, const struct ff_target *target, const double *q0,
                              ff_err expected, const char *what)
{
    ff_ctx ctx = {0};
    ff_chain *c = (ff_chain *)(uintptr_t)1;
    const ff_err err = ff_chain_init(&c, &config, target, q0, NULL, &ctx);
    if (err != expected) print_error("%s: expected %s, got %s\n", what, ff_code_slug(expected), ff_code_slug(err));
    assert_int_equal(err, expected);
    assert_null(c);
    assert_true(ctx.message[0] != 0);
}

static void impossible_chains_are_refused(void **unused)
{
    (void)unused;
    struct walled w = {2, 3, 2, -INFINITY};
    const struct ff_target target = {.self = &w, .nparam = 2, .nlatent = 3, .eval = walled_eval};
    const double inside[2] = {0.1, 0.1}, outside[2] = {5, 0}, broken[2] = {NAN, 0};
    const double flat[4] = {1, 0, 1, 0}, endless[2] = {0, INFINITY};
    const struct ff_chain_config good = run_config(FF_NUTS, FF_ROTATION, 10);
    struct ff_chain_config config = good;
    check_not_started(good, &target, outside, FF_ENUMERIC, "start outside");
    check_not_started(good, &target, broken, FF_ENUMERIC, "start at NAN");
    config.algorithm = FF_MCLMC;
    check_not_started(config, &target, inside, FF_ENOTBUILT, "mclmc");
    config = good;
    config.target_accept = 1;
    check_not_started(config, &target, inside, FF_EBUG, "target_accept");
    config = good;
    config.max_depth = 60;
    check_not_started(config, &target, inside, FF_EBUG, "max_depth");
    config = good;
    config.length = NAN;
    check_not_started(config, &target, inside, FF_EBUG, "length");
    config = good;
    config.scheme = FF_NSCHEMES;
    check_not_started(config, &target, inside, FF_EBUG, "scheme");
    config = good;
    config.chain = -1;
    check_not_started(config, &target, inside, FF_EBUG, "chain");
    config = good;
    config.factor = flat;
    check_not_started(config, &target, inside, FF_ENUMERIC, "singular factor");
    config = good;
    config.centre = endless;
    check_not_started(config, &target, inside, FF_ENUMERIC, "infinite centre");
    const struct ff_target huge = {.self = &w, .nparam = 1 << 20, .nlatent = 3, .eval = walled_eval},
                           empty = {.self = &w, .nparam = 0, .nlatent = 0, .eval = walled_eval};
    check_not_started(good, &huge, inside, FF_ETOOLARGE, "a million parameters");
    check_not_started(good, &empty, inside, FF_ETOOLARGE, "nothing to sample");
    ff_chain_free(NULL);
}

static void memory_estimate_follows_the_workspace(void **unused)
{
    (void)unused;
    struct ff_chain_config config = run_config(FF_HMC, FF_ROTATION, 10);
    const double latent = 1e6 * sizeof(float);
    CHECK_NEAR("vectors of hmc", (double)ff_chain_bytes(&config, 6, 1000000) / latent, 5, 0.01);
    config.algorithm = FF_NUTS;
    config.max_depth = 8;
    CHECK_NEAR("vectors of nuts", (double)ff_chain_bytes(&config, 6, 1000000) / latent, 5 + 13 + 3 * 7, 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_chain_continues_bit_for_bit),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(chains_and_seeds_differ),
        cmocka_unit_test(warmup_ends_in_a_fixed_kernel),
        cmocka_unit_test(a_short_warmup_is_enough),
        cmocka_unit_test(walls_are_divergences_and_never_an_end),
        cmocka_unit_test(an_error_of_the_target_leaves_the_chain_as_it_was),
        cmocka_unit_test(foreign_and_damaged_states_are_refused),
        cmocka_unit_test(impossible_chains_are_refused),
        cmocka_unit_test(memory_estimate_follows_the_workspace),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
