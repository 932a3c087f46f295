/* worker/theta/lightcone.c - see lightcone.h: puts the room's parts together for planes along the line of sight.
** The redshift grid of the sources is gone on with by a second one behind them, which carries distances only. The lensing
** kernel of a plane is that of kernels.h, between its nodes by the panel's polynomial; alignments take n(z) itself. */
#include "worker/theta/lightcone.h"

#include <math.h>
#include <stdlib.h>

#include "worker/theta/place.h"
#include "worker/theta/universe.h"

#define FAR_Z 900.0 /* end of the second grid: a little after the growth begins */
#define FAR_STRETCH 1.4
#define ALLOWED_Z 20.0 /* of the last plane, for a matter density of ALLOWED_OM */
#define ALLOWED_OM 0.05
#define ROUNDING 1e-9
enum { MAX_FAR = 64, MAX_NODES = 65536, MAX_PLANES = 16384 };

struct plane {
    struct ff_place place;
    double l, lnd[FF_LANES], invh[FF_LANES]; /* ln(1+z), ln D, dchi/dz there */
    double steep;                            /* dln(E D^-1)/dl, as E and D change along the line of sight */
};

struct ff_lightcone {
    struct ff_pool pool;
    struct ff_lightcone_config config;
    struct ff_universe u;
    struct ff_growth_second second;
    struct ff_grid beyond; /* from the end of the sources to FAR_Z */
    struct ff_background far;
    struct plane *plane;       /* (nz) those in front of the last sources are filled */
    double *z;                 /* (nz) their redshifts */
    struct ff_nz_point *point; /* (nz) sources of one bin there */
};

/* The last panels looked at, so that increasing distances are found at once. */
struct walk {
    int near, far;
};

/* ---- life ---- */

static ff_err check(const struct ff_lightcone_config *c, ff_ctx *ctx)
{
    if (c->nk < 1 || c->nk > MAX_NODES || !isfinite(c->lnk0) || !(c->dlnk > 0 && isfinite(c->dlnk)))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE,
                       "%d wavenumbers from exp(%g) on in steps of %g: allowed are 1 to %d, increasing", c->nk, c->lnk0,
                       c->dlnk, (int)MAX_NODES);
    if (c->nz < 1 || c->nz > MAX_PLANES || !(c->spacing > 0 && isfinite(c->spacing)) ||
        !(fabs(c->particles_offset) <= 1))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE,
                       "%d planes %g Mpc/h apart, particles %g of that off: allowed are 1 to %d, above 0, -1 to 1",
                       c->nz, c->spacing, c->particles_offset, (int)MAX_PLANES);
    return FF_OK;
}

static ff_err init_far(ff_lightcone *l, ff_ctx *ctx)
{
    double edge[MAX_FAR + 1] = {l->u.nz.end};
    int n = 0;
    while (edge[n] < FAR_Z && n < MAX_FAR) {
        edge[n + 1] = fmin(edge[n] * FAR_STRETCH, FAR_Z);
        n++;
    }
    ff_err err = ff_grid_init(&l->beyond, edge, n, &l->pool, ctx);
    return err ? err : ff_background_init(&l->far, &l->beyond, &l->pool, ctx);
}

static ff_err init_parts(ff_lightcone *l, ff_ctx *ctx)
{
    const struct ff_lightcone_config *c = &l->config;
    const size_t n = (size_t)c->nz;
    double *plane = NULL, *point = NULL;
    ff_err err = ff_universe_init(&l->u, c->sources, c->t_cmb_k, &l->pool, ctx);
    if (!err) err = ff_growth_second_init(&l->second, &l->u.growth, &l->pool, ctx);
    if (!err) err = init_far(l, ctx);
    if (!err) err = ff_pool_doubles(&l->pool, &plane, n * sizeof(struct plane) / sizeof(double), ctx);
    if (!err) err = ff_pool_doubles(&l->pool, &point, n * sizeof(struct ff_nz_point) / sizeof(double), ctx);
    if (!err) err = ff_pool_doubles(&l->pool, &l->z, n, ctx);
    l->plane = (struct plane *)plane;
    l->point = (struct ff_nz_point *)point;
    return err;
}

/* Redshift at distance r > 0; *seen: there may be sources behind it. false: beyond FAR_Z. */
static bool look(const ff_lightcone *l, double r, struct walk *walk, struct ff_place *out, bool *seen)
{
    static const double here[FF_LANES] = {0};
    *seen = ff_place_find(&l->u.bg, here, r, &walk->near, out);
    return *seen || ff_place_find(&l->far, l->u.bg.chi_end, r, &walk->far, out);
}

static double distance(const ff_lightcone *l, int plane, double offset)
{
    return (plane + 0.5 + offset) * l->config.spacing;
}

static ff_err check_nodes(const ff_lightcone *l, ff_ctx *ctx)
{
    const struct ff_lightcone_config *c = &l->config;
    const struct ff_spline *grid = &l->u.power.grid;
    const double last = c->lnk0 + (c->nk - 1) * c->dlnk, end = grid->x0 + (grid->n - 1) * grid->h;
    if (c->lnk0 >= grid->x0 - ROUNDING && last <= end + ROUNDING) return FF_OK;
    return ff_fail(ctx, FF_EBADJOB, FF_HERE, "wavenumbers from %g to %g h/Mpc: allowed are %g to %g", exp(c->lnk0),
                   exp(last), exp(grid->x0), exp(end));
}

static ff_err check_reach(ff_lightcone *l, ff_ctx *ctx)
{
    const struct ff_cosmology empty = {.om = ALLOWED_OM, .w0 = -1};
    const double last = distance(l, l->config.nz - 1, fmax(l->config.particles_offset, 0));
    struct walk walk = {0, 0};
    struct ff_place place;
    bool seen;
    if (ff_background_solve(&l->u.bg, &empty) && ff_background_solve(&l->far, &empty) &&
        look(l, last, &walk, &place, &seen) && place.z[0] <= ALLOWED_Z)
        return FF_OK;
    return ff_fail(
        ctx, FF_EBADJOB, FF_HERE,
        "the last plane is %g Mpc/h away, beyond redshift %g even for a matter density of %g: a shorter box is "
        "needed",
        last, ALLOWED_Z, ALLOWED_OM);
}

ff_err ff_lightcone_init(ff_lightcone **out, const struct ff_lightcone_config *config, ff_ctx *ctx)
{
    *out = NULL;
    ff_err err = check(config, ctx);
    if (err) return err;
    ff_lightcone *l = calloc(1, sizeof *l);
    if (!l) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a light-cone (%zu bytes)", sizeof *l);
    l->config = *config;
    err = init_parts(l, ctx);
    if (!err) err = check_nodes(l, ctx);
    if (!err) err = check_reach(l, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while preparing the tables of a light-cone");
        ff_lightcone_free(l);
        return err;
    }
    *out = l;
    return FF_OK;
}

void ff_lightcone_free(ff_lightcone *l)
{
    if (!l) return;
    ff_pool_done(&l->pool);
    free(l);
}

double ff_lightcone_distance(const ff_lightcone *l, int plane)
{
    return distance(l, plane, 0);
}

/* ---- tables ---- */

/* How many numbers the tables hold, without derivatives. */
static size_t values(const struct ff_light_tables *t)
{
    return (size_t)t->nk + (size_t)t->nz * (size_t)(2 + t->nbins);
}

/* One block: amplitude, d1, d2, weight one after the other, `times` of each. */
static void carve(const struct ff_light_tables *t, double *block, int times, double **amplitude, double **d1,
                  double **d2, double **weight)
{
    *amplitude = block;
    *d1 = *amplitude + (long)times * t->nk;
    *d2 = *d1 + (long)times * t->nz;
    *weight = *d2 + (long)times * t->nz;
}

ff_err ff_light_tables_init(struct ff_light_tables *out, const ff_lightcone *l, bool derivs, ff_ctx *ctx)
{
    *out = (struct ff_light_tables){.nbins = l->u.nz.nbins, .nk = l->config.nk, .nz = l->config.nz};
    out->npars = ff_par_count(out->nbins);
    double *block = calloc(values(out), sizeof *block);
    double *rest = derivs ? calloc(values(out) * (size_t)out->npars, sizeof *rest) : NULL;
    if (!block || (derivs && !rest)) {
        free(block);
        free(rest);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for tables of %d wavenumbers and %d planes", out->nk,
                       out->nz);
    }
    carve(out, block, 1, &out->amplitude, &out->d1, &out->d2, &out->weight);
    if (derivs) carve(out, rest, out->npars, &out->damplitude, &out->dd1, &out->dd2, &out->dweight);
    return FF_OK;
}

void ff_light_tables_done(struct ff_light_tables *tables)
{
    free(tables->amplitude);
    free(tables->damplitude);
    *tables = (struct ff_light_tables){0};
}

static void fill_amplitude(const ff_lightcone *l, struct ff_light_tables *out)
{
    const struct ff_power_table *p = &l->u.power;
    for (int i = 0; i < out->nk; i++) {
        const double lnk = l->config.lnk0 + i * l->config.dlnk, x = exp(lnk) / FF_POWER_K0, scale = 1 / (1 + x * x);
        const struct ff_spot spot = ff_spline_spot(&p->grid, lnk);
        const double front = exp((p->lnamp.v + p->ns.v * lnk) / 2) * scale; /* of the splined transfer function */
        const double value = front * ff_spline_value(p->t[0], p->m[0], spot);
        out->amplitude[i] = value;
        if (!out->damplitude) continue;
        for (int j = 0; j < FF_NCOSMO; j++) {
            double d = value / 2 * (p->lnamp.d[j] + p->ns.d[j] * lnk);
            if (j < FF_NTRANSFER) d += front * ff_spline_value(p->t[1 + j], p->m[1 + j], spot);
            out->damplitude[(long)j * out->nk + i] = d;
        }
    }
}

/* The lanes of background.h at entry i of a table of n, into the rows of the parameters. */
static void put_lanes(double *table, int n, int i, const double d[FF_LANES])
{
    table[(long)FF_OMEGA_C * n + i] = table[(long)FF_OMEGA_B * n + i] = d[1 + FF_OM];
    table[(long)FF_W0 * n + i] = d[1 + FF_DW0];
    table[(long)FF_WA * n + i] = d[1 + FF_DWA];
}

/* At and behind the observer a = 1. false: particles beyond FAR_Z. */
static bool fill_growth(const ff_lightcone *l, struct ff_light_tables *out)
{
    struct walk walk = {0, 0};
    for (int k = 0; k < out->nz; k++) {
        const double r = distance(l, k, l->config.particles_offset);
        struct ff_place place = {.z = {0}};
        bool seen;
        if (r > 0 && !look(l, r, &walk, &place, &seen)) return false;
        double lnd[FF_LANES], f[FF_LANES], d2[FF_LANES], f2, dd1[FF_LANES], dd2[FF_LANES];
        const double at = log1p(place.z[0]);
        ff_growth_at(&l->u.growth, at, lnd, f);
        ff_growth_second_at(&l->second, at, d2, &f2);
        out->d1[k] = exp(lnd[0]);
        out->d2[k] = d2[0];
        if (!out->dd1) continue;
        for (int j = 1; j < FF_LANES; j++) {
            const double dl = place.z[j] / (1 + place.z[0]);
            dd1[j] = out->d1[k] * (lnd[j] - f[0] * dl);
            dd2[j] = d2[j] - f2 * d2[0] * dl;
        }
        put_lanes(out->dd1, out->nz, k, dd1);
        put_lanes(out->dd2, out->nz, k, dd2);
    }
    return true;
}

/* What all bins share at the planes in front of the last sources; how many these are, or -1: E^2 <= 0. */
static int fill_planes(ff_lightcone *l, const struct ff_cosmology *c)
{
    struct walk walk = {0, 0};
    for (int k = 0; k < l->config.nz; k++) {
        struct plane *p = &l->plane[k];
        struct ff_expansion at;
        double f[FF_LANES];
        bool seen;
        if (!look(l, distance(l, k, 0), &walk, &p->place, &seen) || !seen) return k;
        l->z[k] = p->place.z[0];
        p->l = log1p(l->z[k]);
        if (!ff_expansion_at(c, p->l, &at)) return -1;
        ff_expansion_invh(&at, p->invh);
        ff_growth_at(&l->u.growth, p->l, p->lnd, f);
        p->steep = f[0] - at.turn[0];
    }
    return l->config.nz;
}

/* The lanes of a bin's kernel at a plane, at fixed distance. */
static void kernel(const ff_lightcone *l, const struct plane *p, int bin, const struct ff_nz_point *point, double om,
                   const struct ff_alignment *ia, double w[FF_K_LANES])
{
    const double *lens = l->u.kernels.lens + (bin * l->u.grid.n + p->place.first) * FF_G_LANES;
    double rise = 0; /* with z, at fixed parameters */
    for (int j = 0; j < FF_K_LANES; j++) w[j] = 0;
    for (int m = 0; m < FF_PANEL; m++) {
        for (int j = 0; j < FF_G_LANES; j++) w[j] += p->place.value[m] * lens[m * FF_G_LANES + j];
        rise += p->place.slope[m] * lens[m * FF_G_LANES];
    }
    const double aligned = ff_kernels_align(ia, om, p->l, p->lnd, p->invh, point, w);
    rise += aligned * (point->n * (ia->eta + p->steep) / (1 + p->place.z[0]) + point->n_z);
    for (int j = 1; j < FF_LANES; j++) w[j] += rise * p->place.z[j];
}

/* Entry (bin, k) of the weights from the lanes of the kernel there. */
static void put_weight(const ff_lightcone *l, struct ff_light_tables *out, int bin, int k, const double w[FF_K_LANES])
{
    const double spacing = l->config.spacing;
    const int n = out->nbins * out->nz, i = bin * out->nz + k;
    out->weight[i] = spacing * w[FF_K_VALUE];
    if (!out->dweight) return;
    double d[FF_K_LANES];
    for (int j = 0; j < FF_K_LANES; j++) d[j] = spacing * w[j];
    put_lanes(out->dweight, n, i, d);
    out->dweight[(long)FF_A_IA * n + i] = d[FF_K_A];
    out->dweight[(long)FF_ETA_IA * n + i] = d[FF_K_ETA];
    out->dweight[(long)FF_Z0_IA * n + i] = d[FF_K_Z0];
    out->dweight[(long)ff_par_dz(out->nbins, bin) * n + i] = d[FF_K_DZ];
}

/* false: E^2 <= 0 at a plane. */
static bool fill_weights(ff_lightcone *l, const double *theta, struct ff_light_tables *out)
{
    static const double nothing[FF_K_LANES] = {0};
    const struct ff_cosmology c = ff_cosmology_of(theta);
    const struct ff_alignment ia = {.a = theta[FF_A_IA], .eta = theta[FF_ETA_IA], .z0 = theta[FF_Z0_IA]};
    const int count = fill_planes(l, &c);
    if (count < 0) return false;
    for (int b = 0; b < out->nbins; b++) {
        ff_nz_at(&l->u.nz, b, theta[ff_par_dz(out->nbins, b)], l->z, count, l->point);
        for (int k = 0; k < out->nz; k++) {
            double w[FF_K_LANES];
            if (k < count) kernel(l, &l->plane[k], b, &l->point[k], c.om, &ia, w);
            put_weight(l, out, b, k, k < count ? w : nothing);
        }
    }
    return true;
}

static bool tables_finite(const struct ff_light_tables *t)
{
    return ff_all_finite(t->amplitude, values(t)) &&
           (!t->damplitude || ff_all_finite(t->damplitude, values(t) * (size_t)t->npars));
}

/* NULL, or what puts theta outside the model. */
static const char *evaluate(ff_lightcone *l, const double *theta, struct ff_light_tables *out)
{
    const struct ff_cosmology c = ff_cosmology_of(theta);
    const char *why = ff_universe_solve(&l->u, theta, out->damplitude != NULL);
    if (why) return why;
    if (!ff_background_solve(&l->far, &c) || !ff_growth_second_solve(&l->second, &c))
        return "the universe does not expand monotonically far away (E^2 <= 0)";
    fill_amplitude(l, out);
    if (!fill_growth(l, out)) return "the planes of the light-cone reach beyond redshift 900";
    if (!fill_weights(l, theta, out)) return "the universe does not expand monotonically (E^2 <= 0)";
    return tables_finite(out) ? NULL : "a table is not finite";
}

ff_err ff_lightcone_eval(ff_lightcone *l, const double *theta, struct ff_light_tables *out, ff_ctx *ctx)
{
    if (out->nbins != l->u.nz.nbins || out->nk != l->config.nk || out->nz != l->config.nz)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "tables of %d bins, %d wavenumbers and %d planes, made for %d, %d and %d",
                       out->nbins, out->nk, out->nz, l->u.nz.nbins, l->config.nk, l->config.nz);
    out->why = evaluate(l, theta, out);
    out->inside = out->why == NULL;
    return FF_OK;
}
