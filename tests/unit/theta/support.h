/* tests/unit/theta/support.h - what the tests of worker/theta share: the fiducial point, closeness with a message, the
** reference files, and the room's chain of parts on a redshift grid of the test's own choice. */
#ifndef FF_TESTS_THETA_SUPPORT_H
#define FF_TESTS_THETA_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/theta/limber.h"
#include "worker/theta/shift.h"
#include "worker/theta/theta.h"

enum { NBINS = 5, NPARS = FF_NGLOBAL + 2 * NBINS };

static inline struct ff_sources lsst_sources(void)
{
    return (struct ff_sources){.kind = FF_NZ_SMAIL, .nbins = NBINS, .a = 2, .b = 0.68, .z0 = 0.11, .sigma_z = 0.05};
}

static inline void fiducial(int nbins, double *theta)
{
    const double global[FF_NGLOBAL] = {0.2664, 0.0492, 0.6727, 0.9645, 0.831, -1, 0, 0, 0, 0.62};
    memset(theta, 0, (size_t)ff_par_count(nbins) * sizeof *theta);
    memcpy(theta, global, sizeof global);
}

/* The same with alignments. At dz = 0 exactly, n(z) of a shifted bin begins to be cut at z = 0: differences need one side of
** it. */
static inline void near_fiducial(double *theta /* (NPARS) */)
{
    fiducial(NBINS, theta);
    theta[FF_A_IA] = 0.3;
    theta[FF_ETA_IA] = -0.4;
    for (int b = 0; b < NBINS; b++) theta[ff_par_dz(NBINS, b)] = 0.004 * (b + 1);
}

/* In (0, 1): xorshift (Marsaglia 2003), the same numbers in every run of a program. */
static inline double uniform(void)
{
    static uint64_t x = 0x9E3779B97F4A7C15u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return ((double)(x >> 11) + 0.5) * 0x1p-53;
}

/* Far wider than any prior. */
static inline void wild(double *theta /* (NPARS) */)
{
    fiducial(NBINS, theta);
    theta[FF_OMEGA_C] = pow(10, -9 + 10 * uniform());
    theta[FF_OMEGA_B] = pow(10, -9 + 10 * uniform());
    theta[FF_SIGMA8] = pow(10, -3 + 5 * uniform());
    theta[FF_H] = pow(10, -2 + 3 * uniform());
    theta[FF_N_S] = -4 + 8 * uniform();
    theta[FF_W0] = -6 + 8 * uniform();
    theta[FF_WA] = -5 + 10 * uniform();
    theta[FF_A_IA] = -1e3 + 2e3 * uniform();
    theta[FF_ETA_IA] = -9 + 18 * uniform();
    theta[FF_Z0_IA] = -2 + 4 * uniform();
    for (int b = 0; b < NBINS; b++) theta[ff_par_dz(NBINS, b)] = 0.6 * (uniform() - 0.5);
}

/* |got - want| <= tol |want|, or a message. */
#define CHECK_REL(what, got, want, tol) check_close(what, got, want, tol, fabs((double)(want)), __LINE__)
#define CHECK_ABS(what, got, want, tol) check_close(what, got, want, tol, 1, __LINE__)
static inline void check_close(const char *what, double got, double want, double tol, double scale, int line)
{
    if (fabs(got - want) <= tol * scale) return;
    print_error("line %d: %s: expected %.12g, got %.12g (off by %.3g of %.3g), tolerance %.3g\n", line, what, want, got,
                fabs(got - want) / scale, scale, tol);
    fail();
}

static inline void check_ok(ff_err err, const ff_ctx *ctx)
{
    if (err) fail_msg("unexpected error %d: %s", err, ctx->message);
}

/* A file of the shared reference data, or NULL after saying that it is absent (the caller skips). */
static inline FILE *open_shared(const char *name)
{
    const char *root = getenv("FF_SHARED");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared", name);
    FILE *f = fopen(path, "r");
    if (!f) print_message("# %s is not here: skipped\n", path);
    return f;
}

/* Up to `max` rows of `columns` numbers, other lines skipped; returns how many. */
static inline int read_columns(FILE *f, int columns, int max, double *out)
{
    char line[1024];
    int n = 0;
    while (n < max && fgets(line, sizeof line, f)) {
        char *at = line, *end;
        int c = 0;
        for (; c < columns; c++, at = end) {
            out[n * columns + c] = strtod(at, &end);
            if (end == at) break;
        }
        if (c == columns) n++;
    }
    return n;
}

/* A curve from two columns of a shared file; n = 0 when absent. */
static inline struct ff_curve read_curve(const char *name)
{
    enum { MAX = 2000 };
    static double raw[MAX * 2];
    struct ff_curve c = {0};
    FILE *f = open_shared(name);
    if (!f) return c;
    int n = read_columns(f, 2, MAX, raw);
    fclose(f);
    c.x = malloc((size_t)n * sizeof *c.x);
    c.y = malloc((size_t)n * sizeof *c.y);
    assert_true(c.x && c.y);
    for (int i = 0; i < n; i++) {
        c.x[c.n] = raw[2 * i];
        c.y[c.n] = raw[2 * i + 1];
        if (!c.n || c.x[c.n] > c.x[c.n - 1]) c.n++;
    }
    return c;
}

/* The room's parts up to the matter power, on any redshift grid. */
struct chain {
    struct ff_pool pool;
    struct ff_nz nz;
    struct ff_grid grid;
    struct ff_background bg;
    struct ff_growth growth;
    struct ff_power_table power;
    struct ff_kernels kernels;
    struct ff_limber limber;
    struct ff_state *state; /* (grid.n) */
};

static inline void chain_init(struct chain *c, const struct ff_sources *s, const double *edge, int npanels,
                              const double *ell, int nell)
{
    ff_ctx ctx = {0};
    memset(c, 0, sizeof *c);
    check_ok(ff_nz_init(&c->nz, s, &c->pool, &ctx), &ctx);
    check_ok(ff_grid_init(&c->grid, edge, npanels, &c->pool, &ctx), &ctx);
    check_ok(ff_background_init(&c->bg, &c->grid, &c->pool, &ctx), &ctx);
    check_ok(ff_growth_init(&c->growth, &c->pool, &ctx), &ctx);
    check_ok(ff_power_init(&c->power, 2.726, &c->pool, &ctx), &ctx);
    check_ok(ff_kernels_init(&c->kernels, &c->nz, &c->bg, &c->pool, &ctx), &ctx);
    check_ok(ff_limber_init(&c->limber, ell, nell, &c->kernels, &c->pool, &ctx), &ctx);
    c->state = calloc((size_t)c->grid.n, sizeof *c->state);
    assert_non_null(c->state);
}

static inline void chain_done(struct chain *c)
{
    free(c->state);
    ff_pool_done(&c->pool);
}

static inline void chain_solve(struct chain *c, const double *theta, bool nonlinear, bool derivs)
{
    struct ff_cosmology cosmo = {.om = theta[FF_OMEGA_C] + theta[FF_OMEGA_B], .w0 = theta[FF_W0], .wa = theta[FF_WA]};
    assert_true(ff_background_solve(&c->bg, &cosmo));
    assert_true(ff_growth_solve(&c->growth, &cosmo));
    assert_true(ff_power_solve(&c->power, theta, derivs));
    assert_true(ff_power_sigma(&c->power, derivs));
    ff_kernels_growth(&c->kernels, &c->growth);
    for (int i = 0; i < c->grid.n; i++)
        ff_state_set(&c->state[i], &c->power, nonlinear, c->bg.chi + i * FF_LANES, c->kernels.lnd + i * FF_LANES,
                     c->bg.at[i].om, c->bg.at[i].wde, derivs);
}

/* C_l of all pairs without derivatives. */
static inline void chain_cl(struct chain *c, const double *theta, double *cl)
{
    chain_solve(c, theta, true, false);
    struct ff_alignment ia = {.a = theta[FF_A_IA], .eta = theta[FF_ETA_IA], .z0 = theta[FF_Z0_IA]};
    ff_kernels_solve(&c->kernels, theta[FF_OMEGA_C] + theta[FF_OMEGA_B], &ia, theta + ff_par_dz(c->nz.nbins, 0));
    for (int i = 0; i < c->grid.n; i++) ff_limber_row(&c->limber, &c->power, &c->state[i], i, false);
    ff_limber_contract(&c->limber, &c->kernels, cl, NULL);
}

#endif
