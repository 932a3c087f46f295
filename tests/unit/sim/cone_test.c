/* The light-cone (worker/sim/cone.h) as a simulator: the same bits for any number of ranks and threads; what two meshes
** have in common; what it refuses, and that it goes on afterwards; its memory. Gradients: cone_gradient_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>

#include "tests/unit/sim/cone_claims.h"
#include "worker/core/comm_threads.h"
#include "worker/core/reduce.h"
#include "worker/sim/cone.h"

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if (call) fail_msg("%s: %s", #call, ctx.message);                                                              \
    } while (0)

/* ---- bits ---- */

struct asked {
    const struct cone_case *k;
    enum ff_precision precision;
    int threads;
    struct cone_bits bits;
};

static ff_err bits_of_rank(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    struct asked *a = self;
    struct cone_bits bits;
    const ff_err err = cone_bits_of(a->k, a->precision, a->threads, c, &bits, ctx);
    if (c->rank == 0) a->bits = bits;
    return err;
}

/* Threads of several that wait for each other on few cores take long: every case has some of those groups only. */
static void bits_do_not_depend_on_ranks_or_threads(void **state)
{
    (void)state;
    enum { SINGLE = 6, GROUPS = SINGLE + 3 };
    const int groups[GROUPS][2] = {{1, 1}, {2, 1}, {3, 1}, {4, 1}, {8, 1}, {10, 1}, {1, 2}, {1, 3}, {2, 2}};
    for (int i = 0; i < CONE_CASES; i++)
        for (int precision = FF_F32; precision <= FF_F64; precision++) {
            struct cone_bits alone = {0};
            for (int g = 0; g < GROUPS; g++) {
                if (g >= SINGLE && (g + i + precision) % 3) continue;
                ff_ctx ctx = {0};
                struct asked a = {&cone_cases[i], (enum ff_precision)precision, groups[g][1], {0}};
                OK(ff_comm_threads_run(groups[g][0], bits_of_rank, &a, &ctx));
                if (g == 0) alone = a.bits;
                if (memcmp(&alone, &a.bits, sizeof alone))
                    fail_msg("%s, f%d: other bits with %d ranks of %d threads", a.k->name, precision ? 64 : 32,
                             groups[g][0], groups[g][1]);
            }
        }
}

/* ---- f32 and f64 ---- */

static double norm(const double *x, long n)
{
    return sqrt(ff_dot_f64(x, x, n, 1));
}

static void single_precision_follows_double(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    for (int i = 0; i < CONE_CASES; i++) {
        struct cone c[2];
        struct cone_arrays a[2];
        struct ff_energy e[2];
        for (int p = 0; p < 2; p++) {
            OK(cone_make(&c[p], &cone_cases[i], (enum ff_precision)p, 1, NULL, &ctx));
            assert_true(cone_arrays_make(&a[p], &c[p]));
            const struct ff_sim_bars bars = cone_bars(&c[p].tables.light, a[p].bars);
            ff_sim_draw_latent(c[0].sim, 3, FF_RNG_TEST, 0, a[0].z);
            for (long j = 0; j < c[p].nlatent && p; j++) ((double *)a[1].z)[j] = (double)((float *)a[0].z)[j];
            OK(ff_sim_energy(c[p].sim, FF_WHITEN_NONE, a[p].z, &e[p], a[p].z_bar, &bars, &ctx));
        }
        double *exact = a[1].z_bar, *z = a[1].z, off = 0, off_bars = 0;
        for (long j = 0; j < c[1].nlatent; j++) {
            off += pow((double)((float *)a[0].z_bar)[j] - exact[j], 2);
            exact[j] += z[j]; /* the likelihood's share alone */
        }
        for (long j = 0; j < c[1].tables.n; j++) off_bars += pow(a[0].bars[j] - a[1].bars[j], 2);
        const double tolerance = cone_cases[i].amplitude > 1 ? 1e-2 : 1e-3;
        const double relative = sqrt(off) / norm(exact, c[1].nlatent);
        const double of_bars = sqrt(off_bars) / norm(a[1].bars, c[1].tables.n);
        print_message("# %s: f32 off by %.2g of the latent's gradient, %.2g of the tables'\n", cone_cases[i].name,
                      relative, of_bars);
        assert_true(relative < tolerance && of_bars < tolerance);
        assert_true(fabs(e[0].loglike / e[1].loglike - 1) < tolerance);
        for (int p = 0; p < 2; p++) cone_arrays_done(&a[p]), cone_done(&c[p]);
    }
}

/* ---- refusals ---- */

static void claims_hold_over_threads(void **state)
{
    (void)state;
    for (int ranks = 1; ranks <= 3; ranks += 2)
        for (int i = 0; i < CONE_CLAIMS; i++) {
            ff_ctx ctx = {0};
            if (ff_comm_threads_run(ranks, cone_claims[i].holds, NULL, &ctx))
                fail_msg("%s, %d ranks: %s", cone_claims[i].name, ranks, ctx.message);
        }
}

static void the_way_back_needs_the_way_there(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    struct cone c;
    struct cone_arrays a;
    uint64_t cells;
    OK(cone_make(&c, &cone_cases[0], FF_F64, 1, NULL, &ctx));
    assert_true(cone_arrays_make(&a, &c));
    ff_sim_draw_latent(c.sim, 3, FF_RNG_TEST, 0, a.z);
    assert_int_equal(ff_sim_cells(c.sim, &cells, &ctx), FF_EBUG);
    OK(ff_sim_vjp(c.sim, a.z, a.obs_bar, a.z_bar, NULL, &ctx));
    assert_int_equal(ff_sim_cells(c.sim, &cells, &ctx), FF_EBUG);
    OK(ff_sim_forward(c.sim, a.z, NULL, NULL, &ctx));
    OK(ff_sim_cells(c.sim, &cells, &ctx));
    cone_arrays_done(&a), cone_done(&c);
}

/* ---- two meshes ---- */

/* Convergence of the same waves, none shorter than a sixth of the box, by a mesh of `scale` times 16 x 12 x 20. */
static double *maps_of_scale(int scale, double offset, int order, long *n)
{
    ff_ctx ctx = {0};
    struct cone_case k = cone_cases[order - 1];
    struct cone c;
    for (int i = 0; i < 3; i++) k.mesh[i] *= scale;
    k.offset = offset, k.paint = FF_PAINT_TSC; /* clouds that start on nodes are of first order only */
    OK(cone_make(&c, &k, FF_F64, 1, NULL, &ctx));
    struct ff_sim_config config = c.config;
    for (int i = 0; i < 3; i++) config.lpt.box_mpch[i] /= scale; /* the fixture has cells of one size */
    ff_sim_free(c.sim), free(c.tables.at);
    OK(ff_sim_init(&c.sim, &config, &ctx));
    assert_true(cone_tables_make(&c.tables, c.sim, 1));
    for (int i = 0; i < c.tables.light.nk; i++)
        c.tables.at[i] *= exp(-pow(exp(c.tables.light.lnk0 + i * c.tables.light.dlnk) / 0.06, 4));
    const struct ff_sim_tables view = cone_view(&c.tables);
    OK(ff_sim_set_tables(c.sim, &view, &ctx));
    void *z = calloc((size_t)ff_sim_nlatent(c.sim), sizeof(double));
    double *maps = calloc((size_t)c.nmap, sizeof *maps);
    assert_true(z && maps);
    ff_sim_draw_latent(c.sim, 3, FF_RNG_TEST, 0, z);
    OK(ff_sim_forward(c.sim, z, maps, NULL, &ctx));
    *n = c.nmap;
    free(z);
    cone_done(&c);
    return maps;
}

/* The same draw on two meshes, one of cells half as long: what is off is of second order in a cell. The wave that has
** phase 0 at cell 0 stands at the place where particle 0 starts, (1/2 + offset) of a cell from the box's corner: 0 of a
** cell is 1/2 of half a cell. */
static void meshes_agree_on_large_scales(void **state)
{
    (void)state;
    for (int order = 1; order <= 2; order++) {
        double off[2];
        for (int i = 0; i < 2; i++) {
            long n;
            double *coarse = maps_of_scale(1 + i, 0, order, &n), *fine = maps_of_scale(2 + 2 * i, 0.5, order, &n);
            const double size = norm(fine, n);
            for (long p = 0; p < n; p++) coarse[p] -= fine[p];
            off[i] = norm(coarse, n) / size;
            free(coarse), free(fine);
        }
        print_message("# order %d: maps differ by %.3g and %.3g\n", order, off[0], off[1]);
        assert_true(off[0] < 0.1 && off[1] < 0.02 && off[0] / off[1] > 3.5);
    }
}

/* ---- memory ---- */

static size_t in_use(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

struct memory {
    const struct ff_sim_config *config;
    double promised, taken; /* bytes of all ranks */
};

static ff_err take_memory(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    struct memory *m = self;
    struct ff_sim_config config = *m->config;
    ff_sim *s = NULL;
    struct cone_tables tables = {0};
    config.comm = c;
    double bytes = (double)ff_sim_bytes(&config), before = 0, after = 0;
    ff_err err = c->allreduce_f64(c, &bytes, 1, ctx);
    before = (double)in_use();
    if (!err) err = c->allreduce_f64(c, &(double){0}, 1, ctx); /* nobody begins before all have looked */
    if (!err) err = ff_sim_init(&s, &config, ctx);
    if (!err && !cone_tables_make(&tables, s, 1)) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for tables");
    const struct ff_sim_tables view = cone_view(&tables);
    void *z = err ? NULL : malloc((size_t)ff_sim_nlatent(s) * sizeof(float));
    if (!err) err = ff_sim_set_tables(s, &view, ctx);
    if (!err) ff_sim_draw_latent(s, 1, FF_RNG_TEST, 0, z);
    if (!err) err = ff_sim_forward(s, z, NULL, NULL, ctx);
    free(z), free(tables.at);
    if (!err) err = c->allreduce_f64(c, &(double){0}, 1, ctx);
    after = (double)in_use();
    if (!err) err = c->allreduce_f64(c, &(double){0}, 1, ctx);
    if (c->rank == 0) m->promised = bytes, m->taken = after - before;
    ff_sim_free(s);
    return err;
}

static void memory_is_as_promised(void **state)
{
    (void)state;
    mallopt(M_MMAP_THRESHOLD, 1 << 16); /* large arrays are counted by themselves, whatever was freed before */
    for (int ranks = 1; ranks <= 3; ranks += 2)
        for (int kind = 0; kind < 4; kind++) {
            ff_ctx ctx = {0};
            const struct cone_case k = {
                "memory", {64, 64, 128}, 1 + kind % 2, FF_PAINT_CIC, 0.5, kind > 1, kind > 1, FF_CONVERGENCE, 1, 1};
            struct ff_sim_config config = cone_config(&k, FF_F32, 1, NULL);
            struct memory m = {.config = &config};
            const double field = 64.0 * 64 * 128 * sizeof(float), fields = (double)ff_cone_bytes(&config) / field;
            OK(ff_comm_threads_run(ranks, take_memory, &m, &ctx));
            print_message("# order %d%s, %d ranks: %.2f fields promised, %.2f taken (the box of one: %.2f)\n", k.order,
                          k.spectral ? ", spectral, decic" : "", ranks, m.promised / field, m.taken / field, fields);
            if (in_use() > 0)
                assert_true(fabs(m.taken / m.promised - 1) < 0.1); /* a sanitizer's allocator does not count */
            if (!k.spectral) assert_true(fields <= 9);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_do_not_depend_on_ranks_or_threads),
        cmocka_unit_test(single_precision_follows_double),
        cmocka_unit_test(claims_hold_over_threads),
        cmocka_unit_test(the_way_back_needs_the_way_there),
        cmocka_unit_test(meshes_agree_on_large_scales),
        cmocka_unit_test(memory_is_as_promised),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
