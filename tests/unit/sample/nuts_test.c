/* tests/unit/sample/nuts_test.c - the iterative tree against a plain recursion over stored momenta: from each state of
** a chain, a leapfrog of this file's own and the recursive definition of the U-turn checks (as in Stan) have to give
** the same depth, with the chain's momenta and directions. */
#include "tests/unit/sample/runs.h"
#include "tests/unit/sample/targets.h"

#include "worker/core/rng.h"
#include "worker/sample/kernel.h"

enum { D = 4, MAX_DEPTH = 9, MAX_LEAVES = 1 << MAX_DEPTH };

/* A stretch of momenta in order of time, p[0] .. p[n-1]. */
struct stretch {
    const double (*p)[D];
    long n;
};

static bool criterion(const double *first, const double *last, const double *sum)
{
    double a = 0, b = 0;
    for (int i = 0; i < D; i++) {
        a += first[i] * sum[i];
        b += last[i] * sum[i];
    }
    return a > 0 && b > 0;
}

static bool goes_on_between(struct stretch s, long first, long last)
{
    double sum[D] = {0};
    for (long k = first; k <= last; k++)
        for (int i = 0; i < D; i++) sum[i] += s.p[k][i];
    return criterion(s.p[first], s.p[last], sum);
}

/* Two stretches next to each other, the first `left` momenta and the rest, do not turn when joined. */
static bool joined(struct stretch s, long left)
{
    return goes_on_between(s, 0, s.n - 1) && goes_on_between(s, 0, left) && goes_on_between(s, left - 1, s.n - 1);
}

static bool whole_tree(struct stretch s)
{
    if (s.n == 1) return true;
    const struct stretch left = {s.p, s.n / 2}, right = {s.p + s.n / 2, s.n / 2};
    return whole_tree(left) && whole_tree(right) && joined(s, s.n / 2);
}

static void leapfrog(const double *sd, double eps, double *q, double *p)
{
    for (int i = 0; i < D; i++) {
        p[i] -= 0.5 * eps * q[i] / (sd[i] * sd[i]);
        q[i] += eps * p[i];
        p[i] -= 0.5 * eps * q[i] / (sd[i] * sd[i]);
    }
}

/* Depth of the tree from q at one iteration of the chain's random numbers. */
static int recursive_depth(const struct ff_chain_config *config, long iteration, const double *sd, const double *q0)
{
    static const int middle = MAX_LEAVES;
    double(*p)[D] = calloc(2 * MAX_LEAVES + 1, sizeof *p);
    double q[2][D], v[2][D];
    assert_non_null(p);
    ff_rng_normals_f64(config->seed, FF_RNG_CHAIN + FF_USE_MOMENTUM_S, (uint32_t)iteration, 0, D, p[middle], 1);
    for (int side = 0; side < 2; side++) {
        memcpy(q[side], q0, sizeof q[side]);
        memcpy(v[side], p[middle], sizeof v[side]);
    }
    long first = middle, last = middle;
    int depth = 0;
    for (bool going = true; going && depth < config->max_depth;) {
        const uint64_t index = (uint64_t)depth;
        const int forward =
            ff_rng_uniform(config->seed, FF_RNG_CHAIN + FF_USE_DECISION, (uint32_t)iteration, index) < 0.5;
        const long size = 1L << depth, old = last - first + 1;
        for (long k = 0; k < size; k++) {
            leapfrog(sd, forward ? config->step_size : -config->step_size, q[forward], v[forward]);
            memcpy(p[forward ? ++last : --first], v[forward], sizeof v[forward]);
        }
        const struct stretch fresh = {(const double(*)[D])(forward ? p + last + 1 - size : p + first), size};
        if (!whole_tree(fresh)) break;
        depth++;
        going = joined((struct stretch){(const double(*)[D])(p + first), last - first + 1}, forward ? old : size);
    }
    free(p);
    return depth;
}

static void tree_depths_equal_the_recursive_definition(void **unused)
{
    (void)unused;
    const double zero[D] = {0}, axis[D] = {1, 0, 0, 0}, sd[D] = {1, 0.3, 3, 10};
    double y[D], q[D] = {0.5, 0.1, 1, 2};
    struct gaussian g = {D, 0, zero, sd, axis, y, NULL};
    const struct ff_target target = {.self = &g, .nparam = D, .nlatent = 0, .eval = gaussian_eval};
    struct ff_chain_config config = run_config(FF_NUTS, FF_LEAPFROG, 0);
    config.max_depth = MAX_DEPTH;
    long seen[MAX_DEPTH + 1] = {0};
    for (int round = 0; round < 2; round++) {
        config.step_size = round ? 0.1 : 0.35;
        ff_ctx ctx = {0};
        ff_chain *c = NULL;
        CHECK_OK(ff_chain_init(&c, &config, &target, q, NULL, &ctx), &ctx);
        for (long i = 0; i < 400; i++) {
            const int expected = recursive_depth(&config, i, sd, q);
            struct ff_transition t;
            CHECK_OK(ff_chain_step(c, &t, &ctx), &ctx);
            if (t.tree_depth != expected) print_error("step %g, iteration %ld:\n", config.step_size, i);
            assert_int_equal(t.tree_depth, expected);
            assert_true(t.n_steps >= (1L << expected) - 1 && t.n_steps < 2L << expected);
            seen[expected]++;
            memcpy(q, t.q, sizeof q);
        }
        ff_chain_free(c);
    }
    int kinds = 0;
    for (int depth = 0; depth <= MAX_DEPTH; depth++) kinds += seen[depth] > 5;
    assert_true(kinds >= 4); /* the comparison has seen shallow and deep trees */
}

static void full_depth_is_reported(void **unused)
{
    (void)unused;
    const double zero[D] = {0}, axis[D] = {1, 0, 0, 0}, sd[D] = {1, 1, 1, 1};
    double y[D];
    struct gaussian g = {D, 0, zero, sd, axis, y, NULL};
    const struct ff_target target = {.self = &g, .nparam = D, .nlatent = 0, .eval = gaussian_eval};
    struct ff_chain_config config = run_config(FF_NUTS, FF_LEAPFROG, 0);
    config.max_depth = 3;
    config.step_size = 1e-3;
    struct run r = run_chain(&config, &target, zero, 20);
    assert_int_equal(r.hit_depth, 20);
    assert_int_equal(r.steps, 20 * 7);
    run_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_depths_equal_the_recursive_definition),
        cmocka_unit_test(full_depth_is_reported),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
