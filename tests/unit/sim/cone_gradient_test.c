/* Gradients of the light-cone against central differences, in double. Clouds in cells have kinks: the gradient jumps where
** a particle crosses a cell's face (docs: compute, "Test strategy"), so that steps are halved until no particle does
** (ff_sim_cells). Triangles in cells have none, and need no such care. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/sim/cone_claims.h"
#include "worker/core/reduce.h"

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if (call) fail_msg("%s: %s", #call, ctx.message);                                                              \
    } while (0)

enum { MAX_HALVINGS = 40 };

/* A point, its gradient, and a line through it. */
struct line {
    struct cone c;
    struct cone_arrays a;
    double *z, *bars, *moved, *tables; /* the point's latent, its cotangents of tables, room for moved ones */
    double *dz, *dt;                   /* the direction: (nlatent) (ntables) */
    double loglike;
    long halvings, differences; /* of steps, so far */
};

static double *take(long n)
{
    double *p = calloc((size_t)n + 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static void line_make(struct line *l, const struct cone_case *k)
{
    ff_ctx ctx = {0};
    struct ff_energy e;
    *l = (struct line){0};
    OK(cone_make(&l->c, k, FF_F64, 1, NULL, &ctx));
    assert_true(cone_arrays_make(&l->a, &l->c));
    l->z = l->a.z, l->bars = l->a.bars;
    l->moved = take(l->c.nlatent), l->dz = take(l->c.nlatent);
    l->tables = take(l->c.tables.n), l->dt = take(l->c.tables.n);
    memcpy(l->tables, l->c.tables.at, (size_t)l->c.tables.n * sizeof *l->tables);
    const struct ff_sim_bars bars = cone_bars(&l->c.tables.light, l->bars);
    ff_sim_draw_latent(l->c.sim, 3, FF_RNG_TEST, 0, l->z);
    OK(ff_sim_energy(l->c.sim, FF_WHITEN_NONE, l->z, &e, l->a.z_bar, &bars, &ctx));
    l->loglike = e.loglike;
}

static void line_done(struct line *l)
{
    free(l->moved), free(l->dz), free(l->tables), free(l->dt);
    cone_arrays_done(&l->a);
    cone_done(&l->c);
}

/* Log density at h along the line, and the particles' cells. The prior's share, a square, is without rounding. */
static double value_at(struct line *l, double h, uint64_t *cells)
{
    ff_ctx ctx = {0};
    struct ff_energy e;
    for (long i = 0; i < l->c.tables.n; i++) l->c.tables.at[i] = l->tables[i] + h * l->dt[i];
    for (long i = 0; i < l->c.nlatent; i++) l->moved[i] = l->z[i] + h * l->dz[i];
    const struct ff_sim_tables view = cone_view(&l->c.tables);
    OK(ff_sim_set_tables(l->c.sim, &view, &ctx));
    OK(ff_sim_energy(l->c.sim, FF_WHITEN_NONE, l->moved, &e, NULL, NULL, &ctx));
    OK(ff_sim_cells(l->c.sim, cells, &ctx));
    const double slope = ff_dot_f64(l->z, l->dz, l->c.nlatent, 1), curve = ff_dot_f64(l->dz, l->dz, l->c.nlatent, 1);
    return e.loglike - h * slope - h * h * curve / 2;
}

/* Central difference over -h .. h; NAN when a particle changes its cells on the way. */
static double central(struct line *l, double h, uint64_t here)
{
    uint64_t cells;
    const double up = value_at(l, h, &cells);
    if (cells != here) return NAN;
    const double down = value_at(l, -h, &cells);
    return cells == here ? (up - down) / (2 * h) : NAN;
}

/* By the largest step, halved from `step` on, on which no particle does, and half of it (Richardson). */
static double difference(struct line *l, double step)
{
    uint64_t here;
    (void)value_at(l, 0, &here);
    l->differences++;
    double coarse = central(l, step, here);
    for (int i = 0; i < MAX_HALVINGS && isnan(coarse); i++, l->halvings++) coarse = central(l, step /= 2, here);
    return (4 * central(l, step / 2, here) - coarse) / 3;
}

static double gradient(const struct line *l)
{
    return ff_dot_f64(l->a.z_bar, l->dz, l->c.nlatent, 1) + ff_dot_f64(l->bars, l->dt, l->c.tables.n, 1);
}

static double norm(const double *x, long n)
{
    return sqrt(ff_dot_f64(x, x, n, 1));
}

static void fill_latent_direction(struct line *l, bool some)
{
    memset(l->dz, 0, (size_t)l->c.nlatent * sizeof *l->dz);
    if (some) ff_rng_normals_f64(2, FF_RNG_TEST, 5, 0, l->c.nlatent, l->dz, 1);
}

/* Every number of the tables by a random part of itself. */
static void fill_table_direction(struct line *l, bool some)
{
    double *dt = l->dt;
    memset(dt, 0, (size_t)l->c.tables.n * sizeof *dt);
    if (some) ff_rng_normals_f64(4, FF_RNG_TEST, 6, 0, l->c.tables.n, dt, 1);
    for (long i = 0; i < l->c.tables.n; i++) dt[i] *= 0.3 * l->tables[i];
}

/* A number along a random direction is of the order of what it is a product of; by chance it may be small. */
static double scale_of(const struct line *l)
{
    double sum = pow(norm(l->a.z_bar, l->c.nlatent) * norm(l->dz, l->c.nlatent), 2) / (double)l->c.nlatent;
    for (long i = 0; i < l->c.tables.n; i++) sum += pow(l->bars[i] * l->dt[i], 2);
    return sqrt(sum);
}

static void gradients_are_those_of_differences(void **state)
{
    (void)state;
    static const char *const what[] = {"latent", "tables", "both"};
    long halvings = 0, differences = 0;
    double worst = 0;
    for (int i = 0; i < CONE_CASES; i++) {
        struct line l;
        line_make(&l, &cone_cases[i]);
        for (int k = 0; k < 3; k++) {
            fill_latent_direction(&l, k != 1);
            fill_table_direction(&l, k != 0);
            const double got = gradient(&l), expected = difference(&l, 0.01);
            const double error = fabs(got - expected) / fmax(fabs(expected), 0.1 * scale_of(&l));
            worst = fmax(worst, error);
            print_message("# %s, %s: %.10g, by differences %.10g, off by %.2g\n", cone_cases[i].name, what[k], got,
                          expected, error);
            assert_true(error < 1e-7);
        }
        halvings += l.halvings, differences += l.differences;
        line_done(&l);
    }
    print_message("# worst %.2g; %ld differences, steps of 0.01 halved %ld times\n", worst, differences, halvings);
}

/* One number of the tables after the other. What differences of single numbers leave is compared with the larger ones of
** the same table. */
static void every_number_of_the_tables_has_its_cotangent(void **state)
{
    (void)state;
    static const char *const names[] = {"amplitude", "d1", "d2", "weight", "gain"};
    for (int i = 0; i < 2; i++) {
        struct line l;
        line_make(&l, &cone_cases[i == 0 ? 1 : 4]);
        fill_latent_direction(&l, false);
        for (int table = 0; table < CONE_NTABLES; table++) {
            const long first = cone_first(&l.c.tables.light, table), end = cone_first(&l.c.tables.light, table + 1);
            double most = 0, worst = 0;
            for (long t = first; t < end; t++) most = fmax(most, fabs(l.tables[t]));
            double scale = 0;
            for (long t = first; t < end; t++) scale = fmax(scale, 0.01 * fabs(l.bars[t] * most));
            for (long t = first; t < end; t++) {
                fill_table_direction(&l, false);
                l.dt[t] = most;
                const double expected = difference(&l, 0.02);
                worst = fmax(worst, fabs(l.bars[t] * most - expected) / fmax(fabs(expected), scale));
            }
            print_message("# %s, each of %s: off by %.2g at most\n", i == 0 ? "second" : "spectral", names[table],
                          worst);
            assert_true(worst < 1e-6);
        }
        line_done(&l);
    }
}

/* One step for all, during which many particles change their cells. */
static void triangles_need_no_care(void **state)
{
    (void)state;
    double off[2];
    for (int tsc = 0; tsc < 2; tsc++) {
        struct cone_case k = cone_cases[0];
        struct line l;
        uint64_t here, there;
        k.paint = tsc ? FF_PAINT_TSC : FF_PAINT_CIC;
        line_make(&l, &k);
        fill_latent_direction(&l, true);
        (void)value_at(&l, 0, &here);
        const double h = 1e-3, up = value_at(&l, h, &there), down = value_at(&l, -h, &there);
        assert_true(there != here);
        off[tsc] = fabs((up - down) / (2 * h) - gradient(&l)) / scale_of(&l);
        line_done(&l);
    }
    print_message("# with particles that cross: off by %.2g (clouds), %.2g (triangles)\n", off[0], off[1]);
    assert_true(off[1] < 1e-5 && off[0] > 100 * off[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(every_number_of_the_tables_has_its_cotangent),
        cmocka_unit_test(triangles_need_no_care),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
