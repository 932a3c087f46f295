/* worker/sim/energy.c - maps, densities and their gradients: the order of the operations, forward and backward.
** Fused road (convergence data, variance from theory): modes, columns, then rows with the pixels between, columns,
** modes. General road: whole maps, for shear, empirical variance and given cotangents (docs: compute sections 4 and
** 6). */
#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "worker/sim/state.h"
#include "worker/sim/whiten.h"

static ff_err need(const ff_sim *s, bool data, ff_ctx *ctx)
{
    if (!s->have_tables) return ff_fail(ctx, FF_EBUG, FF_HERE, "no tables are set, or the last ones were refused");
    if (data && !s->have_data) return ff_fail(ctx, FF_EBUG, FF_HERE, "no data are set");
    return FF_OK;
}

static void to_spectra(ff_sim *s, bool wiener, const void *latent, double *square)
{
    const double start = ff_clock_s();
    const struct ff_modes m = ff_sim_modes(s, wiener);
    s->ops->modes_forward(&m, latent, s->spectra, square);
    s->times.modes += ff_clock_s() - start;
}

/* Latent to convergence, and to shear where that is wanted. */
static ff_err to_maps(ff_sim *s, const void *z, bool shear, ff_ctx *ctx)
{
    if (!ff_sim_is_lpt(s)) {
        to_spectra(s, false, z, NULL);
        ff_sim_maps_forward(s, shear);
        return FF_OK;
    }
    const ff_err err = ff_cone_forward(&s->cone, z, s->kappa, s->grid.rp, ctx);
    if (!err && shear) ff_sim_observe(s);
    return err;
}

ff_err ff_sim_forward(ff_sim *s, const void *z, void *convergence, void *observable, ff_ctx *ctx)
{
    const struct ff_grid *g = &s->grid;
    ff_err err = need(s, false, ctx);
    if (err) return err;
    const bool shear = observable && ff_sim_is_shear(s);
    err = to_maps(s, z, shear, ctx);
    if (err) return err;
    const double start = ff_clock_s();
    if (convergence) s->ops->pixels_copy_out(g, 1, NULL, s->kappa, convergence);
    if (observable) s->ops->pixels_copy_out(g, g->ncomp, s->gain, shear ? s->shear : s->kappa, observable);
    s->times.pixels += ff_clock_s() - start;
    return FF_OK;
}

/* Cotangents of S and B on the quadrant to the cotangent of G on the classes (in cov.g), and of the responses
** (added). */
static void classes_adjoint(ff_sim *s, bool wiener, double *response_bar)
{
    struct ff_covariance *c = &s->cov;
    const struct ff_classes *k = &c->classes;
    const struct ff_grid *g = &s->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long at = 0; at < k->pitch; at += FF_BLOCK) {
        ff_lanes b[FF_MAX_PAIRS], inverse[FF_MAX_BINS], b_bar[FF_MAX_PAIRS], g_bar[FF_MAX_PAIRS];
        double *sums = c->block_sums + at / FF_BLOCK * FF_BLOCK_SUMS;
        ff_covariance_load(c, c->b, g->npairs, at, b);
        ff_covariance_load(c, c->inverse, g->nbins, at, inverse);
        s->ops->modes_collapse(g, s->signal_bar, k->at + at, k->mirror + at, k->twice + at, FF_BLOCK, b_bar[0],
                               FF_BLOCK);
        if (wiener) {
            ff_lanes white[FF_MAX_PAIRS], white_bar[FF_MAX_PAIRS], w[FF_MAX_BINS];
            ff_covariance_load(c, s->s, g->npairs, at, white);
            s->ops->modes_collapse(g, s->white_bar, k->at + at, k->mirror + at, k->twice + at, FF_BLOCK, white_bar[0],
                                   FF_BLOCK);
            ff_sim_information(s, at, w);
            ff_block_wiener_adjoint(g->nbins, b, s->response, w, white, white_bar, k->modes + at, b_bar, sums);
        }
        ff_block_cholesky_adjoint(g->nbins, b, inverse, b_bar, g_bar);
        ff_covariance_store(c, g_bar, g->npairs, at, c->g);
    }
    if (!wiener) return;
    for (long x = 0; x < k->pitch / FF_BLOCK; x++)
        for (int i = 0; i < g->nbins; i++) response_bar[i] += c->block_sums[x * FF_BLOCK_SUMS + i];
}

/* From the transform of the field's cotangent in s->spectra, and the sums of the pixels, to latent and tables. */
static void pull_back(ff_sim *s, bool wiener, bool prior, const void *latent, void *latent_bar,
                      const struct ff_pixel_sums *sums, const struct ff_sim_bars *bars)
{
    const struct ff_grid *g = &s->grid;
    const bool tables = bars && (bars->cl || bars->shift || bars->gain);
    double response_bar[FF_MAX_BINS] = {0}, variance_bar[FF_MAX_BINS], shift_bar[FF_MAX_BINS], gain_bar[FF_MAX_BINS];
    double mark = ff_clock_s();
    const struct ff_modes m = ff_sim_modes(s, wiener);
    const struct ff_modes_bar bar = {.prior = prior,
                                     .latent = latent_bar,
                                     .signal = tables ? s->signal_bar : NULL,
                                     .white = tables && wiener ? s->white_bar : NULL,
                                     .response = response_bar};
    s->ops->modes_adjoint(&m, latent, s->spectra, &bar);
    s->times.modes += ff_clock_s() - mark;
    if (!tables) return;
    mark = ff_clock_s();
    classes_adjoint(s, wiener, response_bar);
    for (int b = 0; b < g->nbins; b++) { /* c = gain shift exp(RESPONSE var), or gain */
        const bool lognormal = s->cov.lognormal;
        const double factor = wiener && lognormal ? s->cov.shift[b] * exp(FF_RESPONSE * s->cov.variance[b]) : 1;
        const double c_bar = wiener ? response_bar[b] : 0, per_gain = c_bar * factor, by_size = per_gain * s->gain[b];
        gain_bar[b] = sums->gain[b] + per_gain;
        shift_bar[b] = lognormal ? sums->shift[b] + by_size / s->cov.shift[b] : 0;
        variance_bar[b] = lognormal ? sums->variance[b] + FF_RESPONSE * by_size : 0;
    }
    ff_covariance_adjoint(&s->cov, variance_bar, bars->cl, shift_bar);
    if (bars->shift) memcpy(bars->shift, shift_bar, (size_t)g->nbins * sizeof *shift_bar);
    if (bars->gain) memcpy(bars->gain, gain_bar, (size_t)g->nbins * sizeof *gain_bar);
    s->times.classes += ff_clock_s() - mark;
}

/* lpt: from the cotangent of the observable in s->shear_bar or s->bar to latent and tables. */
static ff_err cone_back(ff_sim *s, bool prior, const void *z, void *z_bar, const struct ff_pixel_sums *sums,
                        const struct ff_sim_bars *bars, ff_ctx *ctx)
{
    ff_sim_observe_adjoint(s);
    const ff_err err = ff_cone_adjoint(&s->cone, z, s->bar, s->grid.rp, prior, z_bar, bars, ctx);
    if (!err && bars && bars->gain) memcpy(bars->gain, sums->gain, (size_t)s->grid.nbins * sizeof *bars->gain);
    return err;
}

ff_err ff_sim_vjp(ff_sim *s, const void *z, const void *obs_bar, void *z_bar, const struct ff_sim_bars *bars,
                  ff_ctx *ctx)
{
    ff_err err = need(s, false, ctx);
    if (err) return err;
    struct ff_pixel_sums sums;
    const bool shear = ff_sim_is_shear(s);
    err = to_maps(s, z, shear, ctx);
    if (err) return err;
    const struct ff_pixels p = ff_sim_pixels(s);
    s->ops->pixels_cotangent(&p, shear ? s->shear : s->kappa, obs_bar, shear ? s->shear_bar : s->bar, &sums);
    if (ff_sim_is_lpt(s)) return cone_back(s, false, z, z_bar, &sums, bars, ctx);
    ff_sim_maps_adjoint(s, &sums);
    pull_back(s, false, false, z, z_bar, &sums, bars);
    return FF_OK;
}

/* Likelihood of the field in s->spectra, and (back) the transform of its cotangent there. */
static void likelihood_fused(ff_sim *s, bool back, struct ff_pixel_sums *sums)
{
    const struct ff_grid *g = &s->grid;
    const struct ff_pixels p = ff_sim_pixels(s);
    const double start = ff_clock_s();
    s->ops->fft_columns(s->fft, s->spectra, g->nbins, +1, g->threads);
    const double middle = ff_clock_s();
    s->ops->pixels_fused(&p, s->fft, s->spectra, sums);
    const double end = ff_clock_s();
    if (back) s->ops->fft_columns(s->fft, s->spectra, g->nbins, -1, g->threads);
    s->times.fft += middle - start + ff_clock_s() - end;
    s->times.pixels += end - middle;
}

static void likelihood_general(ff_sim *s, bool back, struct ff_pixel_sums *sums)
{
    const bool shear = ff_sim_is_shear(s);
    ff_sim_maps_forward(s, shear);
    const struct ff_pixels p = ff_sim_pixels(s);
    const double start = ff_clock_s();
    s->ops->pixels_residual(&p, shear ? s->shear : s->kappa, shear ? s->shear_bar : s->bar, sums);
    s->times.pixels += ff_clock_s() - start;
    if (back) ff_sim_maps_adjoint(s, sums);
}

static ff_err cone_energy(ff_sim *s, const void *z, struct ff_energy *energy, void *z_bar,
                          const struct ff_sim_bars *bars, ff_ctx *ctx)
{
    struct ff_pixel_sums sums;
    double square = NAN;
    const bool shear = ff_sim_is_shear(s);
    ff_err err = to_maps(s, z, shear, ctx);
    if (err) return err;
    const double start = ff_clock_s();
    const struct ff_pixels p = ff_sim_pixels(s);
    s->ops->pixels_residual(&p, shear ? s->shear : s->kappa, shear ? s->shear_bar : s->bar, &sums);
    s->times.pixels += ff_clock_s() - start;
    err = ff_cone_square(&s->cone, z, &square, ctx);
    if (!err && z_bar) err = cone_back(s, true, z, z_bar, &sums, bars, ctx);
    if (!err) *energy = (struct ff_energy){.loglike = sums.loglike, .logprior = -0.5 * square, .logdet = 0};
    return err;
}

ff_err ff_sim_energy(ff_sim *s, enum ff_whiten whiten, const void *y, struct ff_energy *energy, void *y_bar,
                     const struct ff_sim_bars *bars, ff_ctx *ctx)
{
    *energy = (struct ff_energy){.loglike = NAN, .logprior = NAN, .logdet = NAN};
    const ff_err err = need(s, true, ctx);
    if (err) return err;
    const bool wiener = whiten == FF_WHITEN_WIENER, fused = !ff_sim_is_shear(s) && !ff_sim_is_empirical(s);
    struct ff_pixel_sums sums;
    double square;
    if (ff_sim_is_lpt(s)) return cone_energy(s, y, energy, y_bar, bars, ctx);
    if (wiener) ff_sim_prepare_white(s);
    to_spectra(s, wiener, y, &square);
    if (fused)
        likelihood_fused(s, y_bar != NULL, &sums);
    else
        likelihood_general(s, y_bar != NULL, &sums);
    *energy = (struct ff_energy){.loglike = sums.loglike, .logprior = -0.5 * square, .logdet = wiener ? s->logdet : 0};
    if (y_bar) pull_back(s, wiener, true, y, y_bar, &sums, bars);
    return FF_OK;
}
