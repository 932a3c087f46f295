/* worker/sim/maps.c - Gaussian field to observable on the simulated grid, and its adjoint (docs: physics sections
** 5, 8). */
#include <string.h>

#include "common/clock.h"
#include "worker/sim/state.h"

/* Time since *mark to `to`, and a new mark. */
static void lap(double *mark, double *to)
{
    const double now = ff_clock_s();
    *to += now - *mark;
    *mark = now;
}

void ff_sim_maps_forward(struct ff_sim *s, bool with_shear)
{
    const struct ff_grid *g = &s->grid;
    const double pixels = (double)g->n * g->n;
    double mark = ff_clock_s();
    s->ops->fft_inverse(s->fft, s->spectra, s->field, g->nbins, g->threads);
    lap(&mark, &s->times.fft);
    struct ff_pixels p = ff_sim_pixels(s);
    if (ff_sim_is_empirical(s)) {
        s->ops->pixels_square(&p, s->field, s->variance);
        for (int b = 0; b < g->nbins; b++) s->variance[b] /= pixels; /* the field's mean is zero */
        p = ff_sim_pixels(s);
    }
    s->ops->pixels_convergence(&p, s->field, s->kappa);
    lap(&mark, &s->times.pixels);
    if (with_shear) ff_sim_observe(s);
}

void ff_sim_observe(struct ff_sim *s)
{
    const struct ff_grid *g = &s->grid;
    const double pixels = (double)g->n * g->n;
    if (!ff_sim_is_shear(s)) return;
    double mark = ff_clock_s();
    s->ops->fft_forward(s->fft, s->kappa, s->spectra, g->nbins, g->threads);
    s->ops->shear_forward(g, s->spectra, 1 / pixels, s->shear_spectra);
    s->ops->fft_inverse(s->fft, s->shear_spectra, s->shear, 2 * g->nbins, g->threads);
    lap(&mark, &s->times.fft);
    if (s->config.observable == FF_REDUCED_SHEAR) s->ops->shear_reduce(g, s->kappa, s->shear);
    lap(&mark, &s->times.pixels);
}

void ff_sim_observe_adjoint(struct ff_sim *s)
{
    if (!ff_sim_is_shear(s)) return;
    const struct ff_grid *g = &s->grid;
    const bool reduced = s->config.observable == FF_REDUCED_SHEAR;
    double one[FF_MAX_BINS];
    for (int b = 0; b < FF_MAX_BINS; b++) one[b] = 1;
    double mark = ff_clock_s();
    if (reduced) s->ops->shear_reduce_adjoint(g, s->kappa, s->shear, s->shear_bar, s->extra);
    lap(&mark, &s->times.pixels);
    s->ops->fft_forward(s->fft, s->shear_bar, s->shear_spectra, 2 * g->nbins, g->threads);
    s->ops->shear_adjoint(g, s->shear_spectra, 1.0 / ((double)g->n * g->n), s->spectra);
    s->ops->fft_inverse(s->fft, s->spectra, s->bar, g->nbins, g->threads);
    lap(&mark, &s->times.fft);
    const struct ff_pixels p = ff_sim_pixels(s);
    if (reduced) s->ops->pixels_add(&p, one, s->extra, s->bar);
    lap(&mark, &s->times.pixels);
}

void ff_sim_maps_adjoint(struct ff_sim *s, struct ff_pixel_sums *sums)
{
    const struct ff_grid *g = &s->grid;
    struct ff_pixel_sums more;
    ff_sim_observe_adjoint(s);
    double mark = ff_clock_s();
    const struct ff_pixels p = ff_sim_pixels(s);
    s->ops->pixels_convergence_adjoint(&p, s->kappa, s->bar, &more);
    for (int b = 0; b < g->nbins; b++) {
        sums->shift[b] += more.shift[b];
        sums->variance[b] += more.variance[b];
    }
    if (ff_sim_is_empirical(s)) { /* variance = (1/N) sum f^2: its cotangent goes into the field, not into the tables */
        double factor[FF_MAX_BINS];
        for (int b = 0; b < g->nbins; b++) {
            factor[b] = 2 * sums->variance[b] / ((double)g->n * g->n);
            sums->variance[b] = 0;
        }
        s->ops->pixels_add(&p, factor, s->field, s->bar);
    }
    lap(&mark, &s->times.pixels);
    s->ops->fft_forward(s->fft, s->bar, s->spectra, g->nbins, g->threads);
    lap(&mark, &s->times.fft);
}
