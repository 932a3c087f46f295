/* worker/core/shear_real.c - convergence to shear on a flat sky (docs: physics section 8):
**   gamma(l) = ((l1^2 - l2^2) + 2 i l1 l2)/|l|^2 kappa(l), zero at l = 0, the 2 l1 l2 part zero on the Nyquist lines.
** Both parts are real and even in l, so the operator on maps is symmetric and the adjoint is the same filter. */
#include "worker/core/real.h"

#include "worker/core/ops.h"

/* Filters of row y, times scale: p1, p2 at x frequency k. */
struct filter {
    ff_real scale, l2, zero_at; /* l2: y frequency; zero_at: x frequency of the Nyquist line, or -1 */
    ff_real cross;              /* 0 on the Nyquist row, else 1 */
};

static struct filter filter_of(const struct ff_grid *g, int y, double scale)
{
    const bool even = g->n % 2 == 0;
    return (struct filter){.scale = (ff_real)scale,
                           .l2 = (ff_real)(y <= g->h ? y : y - g->n),
                           .zero_at = even ? (ff_real)g->h : -1,
                           .cross = even && y == g->h ? 0 : 1};
}

FF_HD void filter_at(const struct filter *f, int k, ff_real *p1, ff_real *p2)
{
    const ff_real l1 = (ff_real)k, sum = l1 * l1 + f->l2 * f->l2, factor = f->scale / (sum > 0 ? sum : 1);
    *p1 = (l1 * l1 - f->l2 * f->l2) * factor;
    *p2 = l1 == f->zero_at ? 0 : 2 * f->cross * l1 * f->l2 * factor;
}

/* Spectra: convergence (nbins, n, cp) to shear (nbins, 2, n, cp), times scale. */
void FF_NAME(ff_shear_forward)(const struct ff_grid *g, const void *convergence, double scale, void *shear)
{
    const long map = (long)g->n * g->cp * 2;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const long bin = r / g->n, y = r % g->n;
        const struct filter f = filter_of(g, (int)y, scale);
        const ff_real *in = (const ff_real *)convergence + r * g->cp * 2;
        ff_real *out1 = (ff_real *)shear + 2 * bin * map + y * g->cp * 2, *out2 = out1 + map;
#pragma omp simd
        for (int k = 0; k <= g->h; k++) {
            ff_real p1, p2;
            filter_at(&f, k, &p1, &p2);
            out1[2 * k] = p1 * in[2 * k], out1[2 * k + 1] = p1 * in[2 * k + 1];
            out2[2 * k] = p2 * in[2 * k], out2[2 * k + 1] = p2 * in[2 * k + 1];
        }
        for (long k = 2L * (g->h + 1); k < 2 * g->cp; k++) out1[k] = out2[k] = 0;
    }
}

/* The adjoint: E part of a shear. */
void FF_NAME(ff_shear_adjoint)(const struct ff_grid *g, const void *shear, double scale, void *convergence)
{
    const long map = (long)g->n * g->cp * 2;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const long bin = r / g->n, y = r % g->n;
        const struct filter f = filter_of(g, (int)y, scale);
        ff_real *out = (ff_real *)convergence + r * g->cp * 2;
        const ff_real *in1 = (const ff_real *)shear + 2 * bin * map + y * g->cp * 2, *in2 = in1 + map;
#pragma omp simd
        for (int k = 0; k <= g->h; k++) {
            ff_real p1, p2;
            filter_at(&f, k, &p1, &p2);
            out[2 * k] = p1 * in1[2 * k] + p2 * in2[2 * k];
            out[2 * k + 1] = p1 * in1[2 * k + 1] + p2 * in2[2 * k + 1];
        }
        for (long k = 2L * (g->h + 1); k < 2 * g->cp; k++) out[k] = 0;
    }
}

/* In place: gamma -> g = gamma/(1 - kappa). Maps: kappa (nbins, n, rp), shear (nbins, 2, n, rp). */
void FF_NAME(ff_shear_reduce)(const struct ff_grid *g, const void *kappa, void *shear)
{
    const long map = (long)g->n * g->rp;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const ff_real *k = (const ff_real *)kappa + r * g->rp;
        ff_real *g1 = (ff_real *)shear + 2 * (r / g->n) * map + r % g->n * g->rp, *g2 = g1 + map;
#pragma omp simd
        for (int x = 0; x < g->n; x++) {
            const ff_real inverse = 1 / (1 - k[x]);
            g1[x] *= inverse, g2[x] *= inverse;
        }
    }
}

/* bar: cotangent of g in, of gamma out; kappa_bar = the part of kappa's that comes through 1 - kappa. */
void FF_NAME(ff_shear_reduce_adjoint)(const struct ff_grid *g, const void *kappa, const void *reduced, void *bar,
                                      void *kappa_bar)
{
    const long map = (long)g->n * g->rp;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const long at = 2 * (r / g->n) * map + r % g->n * g->rp;
        const ff_real *k = (const ff_real *)kappa + r * g->rp;
        const ff_real *g1 = (const ff_real *)reduced + at, *g2 = g1 + map;
        ff_real *b1 = (ff_real *)bar + at, *b2 = b1 + map, *kb = (ff_real *)kappa_bar + r * g->rp;
#pragma omp simd
        for (int x = 0; x < g->n; x++) {
            const ff_real inverse = 1 / (1 - k[x]);
            b1[x] *= inverse, b2[x] *= inverse;
            kb[x] = b1[x] * g1[x] + b2[x] * g2[x];
        }
    }
}
