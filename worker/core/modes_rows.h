/* worker/core/modes_rows.h - pairs of latent and spectrum rows as split, padded vectors: rows[sign][bin][re|im][qp].
** Quadrant row q holds the modes ky = +q and ky = -q. On the planes kx = 0 and kx = n/2 both k and -k are stored
** although the field has one complex number for the two. There the pair (u_k, u_-k) is turned into s = (u_k + conj
** u_-k)/sqrt2, put in the + row, which the field uses, and the rest a = (u_k - conj u_-k)/sqrt2, put aside, which
** is pure prior. A mode that is its own mirror has s = Re u, a = Im u. So, in the + row, every entry stands for one
** complex (or real) white number. */
#ifndef FF_WORKER_CORE_MODES_ROWS_H
#define FF_WORKER_CORE_MODES_ROWS_H

#include <stdbool.h>

#include "worker/core/ops.h"

struct ff_row_pair {
    int row[2]; /* rows of the spectrum; [1] only if signs == 2 */
    int signs;
    int nplanes, plane[2]; /* columns of the planes */
};
struct ff_row_rest { /* a of both planes; im is unused for self-conjugate modes, where re holds Im u */
    ff_real a[2][FF_MAX_BINS][2];
};

FF_HD struct ff_row_pair ff_row_pair_make(const struct ff_grid *g, int q)
{
    struct ff_row_pair p;
    p.row[0] = q;
    p.row[1] = (g->n - q) % g->n;
    p.signs = p.row[0] == p.row[1] ? 1 : 2;
    p.plane[0] = 0;
    p.plane[1] = g->h;
    p.nplanes = g->n % 2 == 0 ? 2 : 1;
    return p;
}

FF_HD ff_real *ff_row_at(const struct ff_grid *g, ff_real *rows, int sign, int bin)
{
    return rows + (sign * g->nbins + bin) * 2 * g->qp;
}

/* Interleaved complex row (h+1 numbers, times `scale`) to split vectors with a zero tail. */
FF_HD void ff_row_split(const struct ff_grid *g, const ff_real *in, ff_real scale, ff_real *out)
{
    ff_real *re = out, *im = out + g->qp;
    const int n = g->h + 1;
#pragma omp simd
    for (int k = 0; k < n; k++) {
        re[k] = scale * in[2 * k];
        im[k] = scale * in[2 * k + 1];
    }
    for (long k = n; k < g->qp; k++) re[k] = im[k] = 0;
}

FF_HD void ff_row_join(const struct ff_grid *g, const ff_real *in, ff_real scale, ff_real *out)
{
    const ff_real *re = in, *im = in + g->qp;
    const int n = g->h + 1;
#pragma omp simd
    for (int k = 0; k < n; k++) {
        out[2 * k] = scale * re[k];
        out[2 * k + 1] = scale * im[k];
    }
}

/* Latent rows of quadrant row pair p, with the planes turned into s (kept) and a (put in `rest`). */
FF_HD void ff_latent_load(const struct ff_grid *g, const struct ff_row_pair *p, const ff_real *latent, ff_real *rows,
                          struct ff_row_rest *rest)
{
    const ff_real half = (ff_real)0.70710678118654752440;
    const long width = 2L * (g->h + 1);
    for (int s = 0; s < p->signs; s++)
        for (int b = 0; b < g->nbins; b++)
            ff_row_split(g, latent + ((long)b * g->n + p->row[s]) * width, 1, ff_row_at(g, rows, s, b));
    for (int i = 0; i < p->nplanes; i++)
        for (int b = 0; b < g->nbins; b++) {
            ff_real *u = ff_row_at(g, rows, 0, b) + p->plane[i], *v = ff_row_at(g, rows, 1, b) + p->plane[i];
            ff_real *a = rest->a[i][b];
            if (p->signs == 1) {
                a[0] = u[g->qp], a[1] = 0;
                u[g->qp] = 0;
                continue;
            }
            const ff_real re = u[0], im = u[g->qp];
            a[0] = half * (re - v[0]), a[1] = half * (im + v[g->qp]);
            u[0] = half * (re + v[0]), u[g->qp] = half * (im - v[g->qp]);
            v[0] = v[g->qp] = 0;
        }
}

/* The reverse: split rows and `rest` (times `factor`) to latent rows. Rows are changed. */
FF_HD void ff_latent_store(const struct ff_grid *g, const struct ff_row_pair *p, ff_real *rows,
                           const struct ff_row_rest *rest, ff_real factor, ff_real *latent)
{
    const ff_real half = (ff_real)0.70710678118654752440;
    const long width = 2L * (g->h + 1);
    for (int i = 0; i < p->nplanes; i++)
        for (int b = 0; b < g->nbins; b++) {
            ff_real *u = ff_row_at(g, rows, 0, b) + p->plane[i], *v = ff_row_at(g, rows, 1, b) + p->plane[i];
            const ff_real are = factor * rest->a[i][b][0], aim = factor * rest->a[i][b][1];
            if (p->signs == 1) {
                u[g->qp] = are;
                continue;
            }
            const ff_real re = u[0], im = u[g->qp];
            u[0] = half * (re + are), u[g->qp] = half * (im + aim);
            v[0] = half * (re - are), v[g->qp] = half * (aim - im);
        }
    for (int s = 0; s < p->signs; s++)
        for (int b = 0; b < g->nbins; b++)
            ff_row_join(g, ff_row_at(g, rows, s, b), 1, latent + ((long)b * g->n + p->row[s]) * width);
}

/* sum of |a|^2 */
FF_HD double ff_rest_square(const struct ff_grid *g, const struct ff_row_pair *p, const struct ff_row_rest *rest)
{
    double sum = 0;
    for (int i = 0; i < p->nplanes; i++)
        for (int b = 0; b < g->nbins; b++)
            for (int c = 0; c < 2; c++) sum += (double)rest->a[i][b][c] * (double)rest->a[i][b][c];
    return sum;
}

/* Spectrum of a real field to the + row convention, times `scale`: mirrors on the planes dropped, self-conjugate modes
** over sqrt2. It is the adjoint of ff_spectrum_store up to the weight 2 of each kept mode. */
FF_HD void ff_spectrum_load(const struct ff_grid *g, const struct ff_row_pair *p, const ff_real *spectra, ff_real scale,
                            ff_real *rows)
{
    const ff_real half = (ff_real)0.70710678118654752440;
    for (int s = 0; s < p->signs; s++)
        for (int b = 0; b < g->nbins; b++)
            ff_row_split(g, spectra + ((long)b * g->n + p->row[s]) * g->cp * 2, scale, ff_row_at(g, rows, s, b));
    for (int i = 0; i < p->nplanes; i++)
        for (int b = 0; b < g->nbins; b++) {
            ff_real *u = ff_row_at(g, rows, 0, b) + p->plane[i], *v = ff_row_at(g, rows, 1, b) + p->plane[i];
            if (p->signs == 1)
                u[0] *= half, u[g->qp] = 0;
            else
                v[0] = v[g->qp] = 0;
        }
}

/* Split rows to the spectrum of a real field, times `scale`. Rows are changed. */
FF_HD void ff_spectrum_store(const struct ff_grid *g, const struct ff_row_pair *p, ff_real *rows, ff_real scale,
                             ff_real *spectra)
{
    const ff_real root = (ff_real)1.41421356237309504880;
    for (int i = 0; i < p->nplanes; i++)
        for (int b = 0; b < g->nbins; b++) {
            ff_real *u = ff_row_at(g, rows, 0, b) + p->plane[i], *v = ff_row_at(g, rows, 1, b) + p->plane[i];
            if (p->signs == 1)
                u[0] *= root, u[g->qp] = 0;
            else
                v[0] = u[0], v[g->qp] = -u[g->qp];
        }
    for (int s = 0; s < p->signs; s++)
        for (int b = 0; b < g->nbins; b++) {
            ff_real *out = spectra + ((long)b * g->n + p->row[s]) * g->cp * 2;
            ff_row_join(g, ff_row_at(g, rows, s, b), scale, out);
            for (long k = 2L * (g->h + 1); k < 2 * g->cp; k++) out[k] = 0;
        }
}

#endif
