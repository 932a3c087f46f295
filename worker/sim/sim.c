/* worker/sim/sim.c - see sim.h: life of a simulator, its tables and its white latents. */
#include "worker/sim/sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/core/reduce.h"
#include "worker/core/rng.h"
#include "worker/sim/state.h"

enum { MAX_SIDE = 16384 };

static bool is_smooth(int n)
{
    for (int p = 2; p <= 5; p++)
        while (n % p == 0) n /= p;
    return n == 1;
}

static ff_err check_config(const struct ff_sim_config *c, ff_ctx *ctx)
{
    if (c->simulator != FF_SIM_GAUSSIAN && c->simulator != FF_SIM_LOGNORMAL && c->simulator != FF_SIM_LPT)
        return ff_fail(ctx, FF_ENOTBUILT, FF_HERE, "simulator %d is not in this build: gaussian, lognormal and lpt are",
                       (int)c->simulator);
    if (c->nbins < 1 || c->nbins > FF_MAX_BINS)
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "%d bins; 1 to %d are possible", c->nbins, (int)FF_MAX_BINS);
    if (c->padding < 1 || c->padding > 2)
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "padding %d; 1 and 2 are possible", c->padding);
    if (c->npix < 4 || c->npix > MAX_SIDE / c->padding || !is_smooth(c->npix * c->padding))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "npix %d; products of 2, 3 and 5 from 4 to %d are possible", c->npix,
                       MAX_SIDE / c->padding);
    if (!(c->size_deg > 0 && c->size_deg <= 180))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "a field of %g degrees; more than 0 and at most 180 are possible",
                       c->size_deg);
    if (c->l_max < 0 || !isfinite(c->l_max))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "l_max %g; 0 (none) or more is possible", c->l_max);
    if (c->threads < 1) return ff_fail(ctx, FF_EBADJOB, FF_HERE, "%d threads; at least 1 is needed", c->threads);
    return FF_OK;
}

static double side_rad(const struct ff_sim_config *c)
{
    return c->size_deg * c->padding * M_PI / 180;
}

static void layout_modes(struct ff_sim *s, struct ff_arena *a, size_t real)
{
    const struct ff_grid *g = &s->grid;
    const long quadrant = (long)(g->h + 1) * g->npairs * g->qp, pitch = s->cov.classes.pitch;
    s->signal = ff_arena_take(a, quadrant, real);
    s->white = ff_arena_take(a, quadrant, real);
    s->signal_bar = ff_arena_take(a, quadrant, real);
    s->white_bar = ff_arena_take(a, quadrant, real);
    s->spectra = ff_arena_take(a, (long)g->nbins * g->n * g->cp * 2, real);
    s->mode_scratch = ff_arena_take(a, g->threads * ff_modes_scratch(g), real);
    s->mode_sums = ff_arena_take(a, (long)(g->h + 1) * (1 + FF_MAX_BINS), sizeof(double));
    s->part1 = ff_arena_take(a, pitch, sizeof(double));
    s->part2 = ff_arena_take(a, pitch, sizeof(double));
    s->s = ff_arena_take(a, g->npairs * pitch, sizeof(double));
    s->moments = ff_arena_take(a, g->npairs * pitch, sizeof(double));
    s->transform = ff_arena_take(a, ff_modes_data_size(g), real);
    s->marginal_scratch = ff_arena_take(a, (long)g->threads * FF_MAX_PARS * g->npairs * FF_BLOCK, sizeof(double));
    s->marginal_sums =
        ff_arena_take(a, FF_MARGINAL_PARTS * (1 + FF_MAX_PARS + FF_MAX_PARS * FF_MAX_PARS), sizeof(double));
}

static void layout_pixels(struct ff_sim *s, struct ff_arena *a, size_t real)
{
    const struct ff_grid *g = &s->grid;
    const long maps = (long)g->nbins * g->n * g->rp, observed = (long)g->nbins * g->ncomp * g->npix * g->dp;
    s->field = ff_arena_take(a, maps, real);
    s->kappa = ff_sim_is_empirical(s) ? ff_arena_take(a, maps, real) : s->field;
    s->bar = ff_arena_take(a, maps, real);
    if (ff_sim_is_shear(s)) {
        s->shear = ff_arena_take(a, 2 * maps, real);
        s->shear_bar = ff_arena_take(a, 2 * maps, real);
        s->shear_spectra = ff_arena_take(a, 4L * g->nbins * g->n * g->cp, real);
    }
    if (s->config.observable == FF_REDUCED_SHEAR) s->extra = ff_arena_take(a, maps, real);
    s->pixel_scratch = ff_arena_take(a, 2L * g->threads * g->rp, real);
    s->pixel_sums = ff_arena_take(a, (long)g->nbins * g->n * FF_PIXEL_SUMS, sizeof(double));
    s->data = ff_arena_take(a, observed, real);
    s->weight = ff_arena_take(a, observed, real);
}

/* Both passes of the arena (core/arena.h). */
static void layout(struct ff_sim *s, struct ff_arena *a)
{
    const struct ff_sim_config *c = &s->config;
    s->ops = c->precision == FF_F32 ? &ff_ops_cpu_f32 : &ff_ops_cpu_f64;
    s->grid = ff_grid_make(c->nbins, ff_sim_is_shear(s) ? 2 : 1, c->npix * c->padding, c->npix, c->threads);
    ff_covariance_layout(&s->cov, &s->grid, c->simulator == FF_SIM_LOGNORMAL, side_rad(c), c->l_max, a);
    s->cov.pixel_window = c->pixel_window;
    layout_modes(s, a, (size_t)s->ops->size);
    layout_pixels(s, a, (size_t)s->ops->size);
}

size_t ff_sim_bytes(const struct ff_sim_config *config)
{
    struct ff_sim s = {.config = *config};
    struct ff_arena a = {0};
    ff_ctx ctx;
    if (check_config(config, &ctx)) return 0;
    layout(&s, &a);
    size_t more = config->simulator == FF_SIM_LOGNORMAL ? ff_cosine_bytes(s.grid.n) : 0;
    if (config->simulator == FF_SIM_LPT) more = ff_cone_bytes(config);
    const size_t own = sizeof s + a.used;
    return a.overflow || more > SIZE_MAX - own ? SIZE_MAX : own + more;
}

/* Shares of the two shear components in the information on an E mode: cos^2 and sin^2 of twice its angle, as the
** filters of core/shear_real.c have them. |cos| and |sin| are the same for all modes of a class. */
static void fill_parts(struct ff_sim *s)
{
    const struct ff_classes *k = &s->cov.classes;
    for (long x = 0; x < k->pitch; x++) {
        const double i = k->i[x], j = k->j[x], square = x < k->count ? i * i + j * j : 1;
        const bool nyquist = s->grid.n % 2 == 0 && k->j[x] == s->grid.h;
        s->part1[x] = ff_sim_is_shear(s) ? pow((i * i - j * j) / square, 2) : 1;
        s->part2[x] = ff_sim_is_shear(s) && !nyquist ? pow(2 * i * j / square, 2) : 0;
    }
}

ff_err ff_sim_init(ff_sim **out, const struct ff_sim_config *config, ff_ctx *ctx)
{
    *out = NULL;
    ff_err err = check_config(config, ctx);
    if (err) return err;
    ff_sim *s = calloc(1, sizeof *s);
    if (!s) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a simulator");
    s->config = *config;
    layout(s, &s->arena);
    if (s->cov.classes.count < 1) {
        err = ff_fail(ctx, FF_EBADJOB, FF_HERE, "l_max %g is below the lowest mode of the field, l = %g", config->l_max,
                      s->cov.classes.fundamental);
        goto done;
    }
    err = ff_arena_alloc(&s->arena, "the simulator", ctx);
    if (err) goto done;
    layout(s, &s->arena);
    err = ff_covariance_init(&s->cov, ctx);
    if (err) goto done;
    err = s->ops->fft_init(&s->fft, s->grid.n, ctx);
    if (err) goto done;
    if (ff_sim_is_lpt(s)) err = ff_cone_init(&s->cone, config, s->ops, ctx);
    if (err) goto done;
    fill_parts(s);
    *out = s;
    s = NULL;
done:
    if (err)
        ff_note(ctx, FF_HERE, "making a simulator of %d bins, side %d", config->nbins, config->npix * config->padding);
    ff_sim_free(s);
    return err;
}

void ff_sim_free(ff_sim *s)
{
    if (!s) return;
    s->ops->fft_free(s->fft);
    ff_cone_free(&s->cone);
    ff_covariance_done(&s->cov);
    ff_arena_free(&s->arena);
    free(s);
}

const double *ff_sim_ell(const ff_sim *s, int *nell)
{
    *nell = s->cov.classes.nell;
    return s->cov.classes.ell;
}

struct ff_sim_light ff_sim_light(const ff_sim *s)
{
    const struct ff_cone *c = &s->cone;
    return (struct ff_sim_light){.nk = c->lattice.nk,
                                 .nz = c->mesh.nz,
                                 .lnk0 = c->lattice.lnk0,
                                 .dlnk = c->lattice.dlnk,
                                 .spacing = c->mesh.side[2],
                                 .particles_offset = c->model.offset};
}

long ff_sim_nlatent(const ff_sim *s)
{
    if (ff_sim_is_lpt(s)) return ff_mesh_nlatent(&s->cone.mesh);
    return 2L * s->grid.nbins * s->grid.n * (s->grid.h + 1);
}

struct ff_spread ff_sim_spread(const ff_sim *s)
{
    return ff_sim_is_lpt(s) ? ff_cone_spread(&s->cone) : (struct ff_spread){0};
}

ff_err ff_sim_square(ff_sim *s, const void *z, double *square, ff_ctx *ctx)
{
    if (ff_sim_is_lpt(s)) return ff_cone_square(&s->cone, z, square, ctx);
    const long n = ff_sim_nlatent(s);
    *square =
        s->config.precision == FF_F32 ? ff_dot_f32(z, z, n, s->config.threads) : ff_dot_f64(z, z, n, s->config.threads);
    return FF_OK;
}

ff_err ff_sim_cells(ff_sim *s, uint64_t *cells, ff_ctx *ctx)
{
    *cells = 0;
    return ff_sim_is_lpt(s) ? ff_cone_cells(&s->cone, cells, ctx) : FF_OK;
}

long ff_sim_nmap(const ff_sim *s)
{
    return (long)s->grid.nbins * s->grid.npix * s->grid.npix;
}

long ff_sim_nobs(const ff_sim *s)
{
    return ff_sim_nmap(s) * s->grid.ncomp;
}

uint64_t ff_sim_plan_hash(const ff_sim *s)
{
    const uint64_t hash = s->ops->fft_hash(s->fft);
    return ff_sim_is_lpt(s) ? hash * 0x100000001b3u ^ ff_slab_hash(s->cone.slab) : hash;
}

void ff_sim_times(const ff_sim *s, struct ff_sim_times *out)
{
    *out = s->cone.times;
    out->classes = s->times.classes;
    out->modes = s->times.modes;
    out->pixels = s->times.pixels;
    out->fft += s->times.fft;
}

struct ff_modes ff_sim_modes(const struct ff_sim *s, bool wiener)
{
    struct ff_modes m = {.grid = s->grid,
                         .signal = s->signal,
                         .white = wiener ? s->white : NULL,
                         .data = wiener ? s->transform : NULL,
                         .scratch = s->mode_scratch,
                         .row_sums = s->mode_sums};
    memcpy(m.response, s->response, sizeof m.response);
    return m;
}

struct ff_pixels ff_sim_pixels(const struct ff_sim *s)
{
    struct ff_pixels p = {.grid = s->grid,
                          .lognormal = s->config.simulator == FF_SIM_LOGNORMAL,
                          .data = s->data,
                          .weight = s->weight,
                          .scratch = s->pixel_scratch,
                          .row_sums = s->pixel_sums};
    memcpy(p.shift, s->cov.shift, sizeof p.shift);
    memcpy(p.variance, s->variance, sizeof p.variance);
    memcpy(p.gain, s->gain, sizeof p.gain);
    return p;
}

ff_err ff_sim_set_tables(ff_sim *s, const struct ff_sim_tables *tables, ff_ctx *ctx)
{
    const double start = ff_clock_s();
    s->have_tables = s->have_white = false;
    for (int b = 0; b < s->grid.nbins; b++) {
        if (!isfinite(tables->gain[b]))
            return ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "the gain of bin %d is not finite", b);
        s->gain[b] = tables->gain[b];
    }
    if (ff_sim_is_lpt(s)) {
        const ff_err err = ff_cone_set(&s->cone, tables, ctx);
        s->have_tables = !err;
        return err;
    }
    ff_err err = ff_covariance_set(&s->cov, tables->cl, tables->shift, ctx);
    if (err) return err;
    memcpy(s->variance, s->cov.variance, sizeof s->variance);
    s->ops->modes_expand(&s->grid, s->cov.b, s->cov.classes.pitch, s->cov.classes.index, s->signal);
    s->have_tables = true;
    s->times.classes += ff_clock_s() - start;
    return FF_OK;
}

void ff_sim_draw_latent(const ff_sim *s, uint64_t seed, uint32_t purpose, uint32_t draw, void *z)
{
    const struct ff_grid *g = &s->grid;
    const long width = 2L * (g->h + 1);
    if (ff_sim_is_lpt(s)) {
        s->ops->lattice_draw(&s->cone.mesh, seed, purpose, draw, z);
        return;
    }
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const long bin = r / g->n, y = r % g->n, signed_y = y <= g->h ? y : y - g->n;
        /* (bin, y frequency, x frequency, re | im), 16 bits for each frequency */
        const uint64_t first = (((uint64_t)bin << 16 | (uint64_t)(signed_y + 32768)) << 16) * 2;
        if (s->config.precision == FF_F32)
            ff_rng_normals_f32(seed, purpose, draw, first, width, (float *)z + r * width, 1);
        else
            ff_rng_normals_f64(seed, purpose, draw, first, width, (double *)z + r * width, 1);
    }
}
