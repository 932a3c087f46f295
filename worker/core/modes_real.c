/* worker/core/modes_real.c - latents to spectra and back, for every mode with the small matrices of its class
** (docs: compute sections 4.1, 4.9 and 6). Per mode, with B lower triangular, S upper triangular, e = response * data:
**   white      z = y                        whitened   p = B^T e,  u = y + S^T p,  z = S u        field  F = B z
** and, for the cotangent f of F:  zb = B^T f [- z],  white yb = zb;  whitened yb = S^T zb, pb = S yb,
**   Bb = f z^T + e pb^T,  Sb = zb u^T + p yb^T,  (response * data)b = B pb.
** A thread takes whole quadrant rows; a vector is FF_LANES neighbouring kx. The bins loop is unrolled for few bins. */
#pragma GCC optimize("fp-contract=fast") /* bits are promised for one build; a fused multiply-add is half the work */
#include "worker/core/real.h"

#include <omp.h>

#include "worker/core/modes_rows.h"
#include "worker/core/ops.h"

enum { MB = FF_MAX_BINS, MP = FF_MAX_PAIRS };

#define INLINE static inline __attribute__((always_inline))

INLINE int pair(int nb, int i, int j) /* i <= j */
{
    return i * nb - i * (i - 1) / 2 + j - i;
}

INLINE ff_vec load(const ff_real *p)
{
    return *(const ff_vec *)p;
}

/* y_i = sum over j >= i of m_ij x_j: S x, or B^T x. Matrices: entry of pair p at m + p * qp. */
INLINE void mul_up(int nb, const ff_real *m, long qp, const ff_vec *x, ff_vec *y)
{
    for (int i = 0; i < nb; i++) {
        ff_vec sum = load(m + pair(nb, i, i) * qp) * x[i];
        for (int j = i + 1; j < nb; j++) sum += load(m + pair(nb, i, j) * qp) * x[j];
        y[i] = sum;
    }
}

/* y_j = sum over i <= j of m_ij x_i: S^T x, or B x. */
INLINE void mul_down(int nb, const ff_real *m, long qp, const ff_vec *x, ff_vec *y)
{
    for (int j = 0; j < nb; j++) {
        ff_vec sum = load(m + pair(nb, j, j) * qp) * x[j];
        for (int i = 0; i < j; i++) sum += load(m + pair(nb, i, j) * qp) * x[i];
        y[j] = sum;
    }
}

/* bar_ij += x_i y_j for i <= j */
INLINE void outer(int nb, const ff_vec *x, const ff_vec *y, ff_vec *bar)
{
    for (int i = 0; i < nb; i++) {
        for (int j = i; j < nb; j++) bar[pair(nb, i, j)] += x[i] * y[j];
    }
}

/* One vector of modes on its way from y to z. */
struct chain {
    ff_vec e[MB], p[MB], u[MB], z[MB];
};

INLINE void to_white(int nb, bool wiener, const ff_real *signal, const ff_real *white, const ff_real *data,
                     const double *response, long qp, const ff_real *y, struct chain *c)
{
    if (!wiener) {
        for (int i = 0; i < nb; i++) c->z[i] = load(y + i * 2 * qp);
        return;
    }
    ff_vec shift[MB];
    for (int i = 0; i < nb; i++) c->e[i] = (ff_real)response[i] * load(data + i * 2 * qp);
    mul_up(nb, signal, qp, c->e, c->p);
    mul_down(nb, white, qp, c->p, shift);
    for (int i = 0; i < nb; i++) c->u[i] = load(y + i * 2 * qp) + shift[i];
    mul_up(nb, white, qp, c->u, c->z);
}

/* Pointers of one quadrant row. */
struct row {
    const ff_real *signal, *white, *data;
    ff_real *latent, *spectrum; /* split rows */
    ff_real *signal_bar, *white_bar;
    double sums[1 + MB]; /* |z|^2, response bars */
};

INLINE void forward_row(int nb, bool wiener, const struct ff_modes *m, int signs, struct row *r)
{
    const long qp = m->grid.qp;
    ff_vec square = {0};
    for (long v = 0; v < qp; v += FF_LANES)
        for (int part = 0; part < 2 * signs; part++) { /* sign, then re | im */
            const long at = (part / 2) * nb * 2 * qp + (part % 2) * qp + v;
            struct chain c;
            ff_vec f[MB];
            to_white(nb, wiener, r->signal + v, wiener ? r->white + v : NULL, wiener ? r->data + at : NULL, m->response,
                     qp, r->latent + at, &c);
            mul_down(nb, r->signal + v, qp, c.z, f);
            for (int i = 0; i < nb; i++) {
                square += c.z[i] * c.z[i];
                *(ff_vec *)(r->spectrum + at + i * 2 * qp) = f[i];
            }
        }
    r->sums[0] = ff_vec_sum(square);
}

INLINE void adjoint_row(int nb, bool wiener, bool bars, const struct ff_modes *m, bool prior, int signs, struct row *r)
{
    const long qp = m->grid.qp;
    const ff_real weight = prior ? 1 : 0;
    ff_vec square = {0}, response[MB] = {{0}};
    for (long v = 0; v < qp; v += FF_LANES) {
        ff_vec sbar[MP] = {{0}}, wbar[MP] = {{0}};
        for (int part = 0; part < 2 * signs; part++) {
            const long at = (part / 2) * nb * 2 * qp + (part % 2) * qp + v;
            struct chain c;
            ff_vec f[MB], zb[MB], ub[MB], pb[MB], eb[MB];
            to_white(nb, wiener, r->signal + v, wiener ? r->white + v : NULL, wiener ? r->data + at : NULL, m->response,
                     qp, r->latent + at, &c);
            for (int i = 0; i < nb; i++) f[i] = load(r->spectrum + at + i * 2 * qp);
            mul_up(nb, r->signal + v, qp, f, zb);
            for (int i = 0; i < nb; i++) {
                square += c.z[i] * c.z[i];
                zb[i] -= weight * c.z[i];
                ub[i] = zb[i];
            }
            if (bars) outer(nb, c.z, f, sbar);
            if (wiener) {
                mul_down(nb, r->white + v, qp, zb, ub);
                if (bars) {
                    mul_up(nb, r->white + v, qp, ub, pb);
                    mul_down(nb, r->signal + v, qp, pb, eb);
                    outer(nb, pb, c.e, sbar);
                    outer(nb, zb, c.u, wbar);
                    outer(nb, c.p, ub, wbar);
                    for (int i = 0; i < nb; i++) response[i] += load(r->data + at + i * 2 * qp) * eb[i];
                }
            }
            for (int i = 0; i < nb; i++) *(ff_vec *)(r->latent + at + i * 2 * qp) = ub[i];
        }
        const int np = nb * (nb + 1) / 2;
        if (bars) {
            for (int p = 0; p < np; p++) *(ff_vec *)(r->signal_bar + p * qp + v) = sbar[p];
        }
        if (bars && wiener) {
            for (int p = 0; p < np; p++) *(ff_vec *)(r->white_bar + p * qp + v) = wbar[p];
        }
    }
    r->sums[0] = ff_vec_sum(square);
    if (bars && wiener)
        for (int i = 0; i < nb; i++) r->sums[1 + i] = ff_vec_sum(response[i]);
}

static void forward_bins(const struct ff_modes *m, int signs, struct row *r)
{
    const int nb = m->grid.nbins;
#define CASE(N)                                                                                                        \
    case N:                                                                                                            \
        if (m->white)                                                                                                  \
            forward_row(N, true, m, signs, r);                                                                         \
        else                                                                                                           \
            forward_row(N, false, m, signs, r);                                                                        \
        break;
    switch (nb) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) default : forward_row(nb, m->white != NULL, m, signs, r);
    }
#undef CASE
}

static void adjoint_bins(const struct ff_modes *m, bool bars, bool prior, int signs, struct row *r)
{
    const int nb = m->grid.nbins;
#define CASE(N)                                                                                                        \
    case N:                                                                                                            \
        if (m->white)                                                                                                  \
            adjoint_row(N, true, true, m, prior, signs, r);                                                            \
        else                                                                                                           \
            adjoint_row(N, false, true, m, prior, signs, r);                                                           \
        break;
    if (!bars) {
        adjoint_row(nb, m->white != NULL, false, m, prior, signs, r);
        return;
    }
    switch (nb) {
        CASE(1)
        CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) default : adjoint_row(nb, m->white != NULL, true, m, prior, signs, r);
    }
#undef CASE
}

static struct row row_of(const struct ff_modes *m, int q, ff_real *scratch)
{
    const struct ff_grid *g = &m->grid;
    const long matrix = (long)g->npairs * g->qp, split = 4L * g->nbins * g->qp;
    return (struct row){.signal = (const ff_real *)m->signal + q * matrix,
                        .white = m->white ? (const ff_real *)m->white + q * matrix : NULL,
                        .data = m->data ? (const ff_real *)m->data + q * split : NULL,
                        .latent = scratch,
                        .spectrum = scratch + split};
}

static ff_real *thread_scratch(const struct ff_modes *m)
{
    return (ff_real *)m->scratch + omp_get_thread_num() * ff_modes_scratch(&m->grid);
}

static double sum_rows(const struct ff_modes *m, int k)
{
    double sum = 0;
    for (int q = 0; q <= m->grid.h; q++) sum += m->row_sums[q * (1 + MB) + k];
    return sum;
}

void FF_NAME(ff_modes_forward)(const struct ff_modes *m, const void *latent, void *spectra, double *square)
{
    const struct ff_grid *g = &m->grid;
    const ff_real scale = (ff_real)(0.70710678118654752440 / g->n); /* sqrt(N/2)/N */
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (int q = 0; q <= g->h; q++) {
        const struct ff_row_pair p = ff_row_pair_make(g, q);
        struct row r = row_of(m, q, thread_scratch(m));
        struct ff_row_rest rest;
        ff_latent_load(g, &p, latent, r.latent, &rest);
        forward_bins(m, p.signs, &r);
        ff_spectrum_store(g, &p, r.spectrum, scale, spectra);
        m->row_sums[q * (1 + MB)] = r.sums[0] + ff_rest_square(g, &p, &rest);
    }
    if (square) *square = sum_rows(m, 0);
}

void FF_NAME(ff_modes_adjoint)(const struct ff_modes *m, const void *latent, const void *spectra,
                               const struct ff_modes_bar *bar)
{
    const struct ff_grid *g = &m->grid;
    const ff_real scale = (ff_real)(1.41421356237309504880 / g->n); /* 2 sqrt(N/2)/N */
    const long matrix = (long)g->npairs * g->qp;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (int q = 0; q <= g->h; q++) {
        const struct ff_row_pair p = ff_row_pair_make(g, q);
        struct row r = row_of(m, q, thread_scratch(m));
        struct ff_row_rest rest;
        r.signal_bar = bar->signal ? (ff_real *)bar->signal + q * matrix : NULL;
        r.white_bar = bar->white ? (ff_real *)bar->white + q * matrix : NULL;
        ff_latent_load(g, &p, latent, r.latent, &rest);
        ff_spectrum_load(g, &p, spectra, scale, r.spectrum);
        adjoint_bins(m, bar->signal != NULL, bar->prior, p.signs, &r);
        if (bar->latent) ff_latent_store(g, &p, r.latent, &rest, bar->prior ? -1 : 0, bar->latent);
        r.sums[0] += ff_rest_square(g, &p, &rest);
        for (int k = 0; k <= g->nbins; k++) m->row_sums[q * (1 + MB) + k] = r.sums[k];
    }
    if (bar->square) *bar->square = sum_rows(m, 0);
    if (bar->response)
        for (int b = 0; b < g->nbins; b++) bar->response[b] = m->white && bar->signal ? sum_rows(m, 1 + b) : 0;
}

/* Solves S u = z, S upper triangular. */
INLINE void solve_up(int nb, const ff_real *m, long qp, const ff_vec *z, ff_vec *u)
{
    for (int i = nb - 1; i >= 0; i--) {
        ff_vec sum = z[i];
        for (int j = i + 1; j < nb; j++) sum -= load(m + pair(nb, i, j) * qp) * u[j];
        u[i] = sum / load(m + pair(nb, i, i) * qp);
    }
}

/* In place on the split rows: y -> z, or z -> y. */
static void change_row(const struct ff_modes *m, bool whiten, int signs, struct row *r)
{
    const int nb = m->grid.nbins;
    const long qp = m->grid.qp;
    for (long v = 0; v < qp; v += FF_LANES)
        for (int part = 0; part < 2 * signs; part++) {
            const long at = (part / 2) * nb * 2 * qp + (part % 2) * qp + v;
            struct chain c;
            to_white(nb, true, r->signal + v, r->white + v, r->data + at, m->response, qp, r->latent + at, &c);
            if (whiten) { /* what was loaded is z: undo u = y + S^T p after solving for u */
                ff_vec z[MB], shift[MB];
                for (int i = 0; i < nb; i++) z[i] = load(r->latent + at + i * 2 * qp);
                mul_down(nb, r->white + v, qp, c.p, shift);
                solve_up(nb, r->white + v, qp, z, c.u);
                for (int i = 0; i < nb; i++) c.z[i] = c.u[i] - shift[i];
            }
            for (int i = 0; i < nb; i++) *(ff_vec *)(r->latent + at + i * 2 * qp) = c.z[i];
        }
}

static void change(const struct ff_modes *m, bool whiten, const void *from, void *to)
{
    const struct ff_grid *g = &m->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (int q = 0; q <= g->h; q++) {
        const struct ff_row_pair p = ff_row_pair_make(g, q);
        struct row r = row_of(m, q, thread_scratch(m));
        struct ff_row_rest rest;
        ff_latent_load(g, &p, from, r.latent, &rest);
        change_row(m, whiten, p.signs, &r);
        ff_latent_store(g, &p, r.latent, &rest, 1, to);
    }
}

void FF_NAME(ff_modes_unwhiten)(const struct ff_modes *m, const void *y, void *z)
{
    change(m, false, y, z);
}

void FF_NAME(ff_modes_whiten)(const struct ff_modes *m, const void *z, void *y)
{
    change(m, true, z, y);
}

void FF_NAME(ff_modes_data)(const struct ff_grid *g, const void *spectra, double scale, void *data)
{
    const long split = 4L * g->nbins * g->qp;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (int q = 0; q <= g->h; q++) {
        const struct ff_row_pair p = ff_row_pair_make(g, q);
        ff_spectrum_load(g, &p, spectra, (ff_real)scale, (ff_real *)data + q * split);
    }
}

/* Products of bins summed over each quadrant entry's modes: with scale sqrt2/n, sum over the full plane of d_i conj
** d_j / N. */
void FF_NAME(ff_modes_moments)(const struct ff_modes *m, const void *spectra, double scale, void *quadrant)
{
    const struct ff_grid *g = &m->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (int q = 0; q <= g->h; q++) {
        const struct ff_row_pair p = ff_row_pair_make(g, q);
        ff_real *rows = thread_scratch(m), *to = (ff_real *)quadrant + (long)q * g->npairs * g->qp;
        ff_spectrum_load(g, &p, spectra, (ff_real)scale, rows);
        for (int i = 0; i < g->nbins; i++)
            for (int j = i; j < g->nbins; j++)
                for (long k = 0; k < g->qp; k++) {
                    ff_real sum = 0;
                    for (int s = 0; s < p.signs; s++) {
                        const ff_real *a = ff_row_at(g, rows, s, i) + k, *b = ff_row_at(g, rows, s, j) + k;
                        sum += a[0] * b[0] + a[g->qp] * b[g->qp];
                    }
                    to[pair(g->nbins, i, j) * g->qp + k] = sum;
                }
    }
}

void FF_NAME(ff_modes_expand)(const struct ff_grid *g, const double *classes, long pitch, const int32_t *index,
                              void *quadrant)
{
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (int q = 0; q <= g->h; q++)
        for (int p = 0; p < g->npairs; p++) {
            const double *from = classes + p * pitch;
            const int32_t *at = index + q * g->qp;
            ff_real *to = (ff_real *)quadrant + ((long)q * g->npairs + p) * g->qp;
#pragma omp simd
            for (long j = 0; j < g->qp; j++) to[j] = (ff_real)from[at[j]];
        }
}

void FF_NAME(ff_modes_collapse)(const struct ff_grid *g, const void *quadrant, const int64_t *at, const int64_t *mirror,
                                const double *twice, long n, double *out, long pitch)
{
    for (int p = 0; p < g->npairs; p++) {
        const ff_real *from = (const ff_real *)quadrant + p * g->qp;
        double *to = out + p * pitch;
#pragma omp simd
        for (long c = 0; c < n; c++) to[c] = (double)from[at[c]] + twice[c] * (double)from[mirror[c]];
    }
}
