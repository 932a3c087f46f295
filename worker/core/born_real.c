/* worker/core/born_real.c - planes of mass to convergence maps and back (born.h; docs: physics, section 6; compute,
** section 4.7). Interpolation is separable: per plane, where every column and every row of pixels lies in the cells.
** Forward: a thread takes whole planes, each read once for its mean and for its pixels, and adds them to maps of its own;
** sums of integers have no order, so the threads' maps are added at the end. The means are the same for all pixels and
** are taken off once. Adjoint: a thread takes whole planes, written row after row of cells; which rows of pixels
** see a row of cells is listed first. Everything between is double: there are few pixels. */
#include "worker/core/real.h"

#include <limits.h>
#include <omp.h>
#include <string.h>

#include "worker/core/ops.h"

#define INLINE static inline __attribute__((always_inline))

enum { SUM_LANES = 16 }; /* of a row's sum */

static const double FIXED = (double)(1LL << FF_BORN_BITS), COUNT = 1.0 / (double)(1LL << FF_COUNT_BITS);

/* Between which cells the pixels of one axis lie, and how far from the lower: cell centres are at whole numbers. */
struct axis {
    int32_t *lower, *upper;
    double *weight; /* of upper */
};

/* Rows of pixels by row of cells: row y of the plane gets weight[e] of row pixel[e], e = start[y] .. start[y + 1]. */
struct hits {
    int32_t *start, *pixel;
    double *weight;
};

/* A thread's part of the scratch. */
struct space {
    struct axis x, y;
    struct hits hits;
    double *g;             /* (npix, npix) */
    int64_t *maps;         /* (nbins, npix, npix) */
    double *pixels, *line; /* (npix), (nx) */
    void *cells;           /* (2, npix, 2) masses */
};

static struct space space_of(const struct ff_born *b, int thread)
{
    const long n = b->npix;
    struct space s;
    double *at = (double *)((char *)b->scratch + thread * ff_born_scratch(b));
    s.x.weight = at, at += n;
    s.y.weight = at, at += n;
    s.hits.weight = at, at += 2 * n;
    s.pixels = at, at += n;
    s.line = at, at += b->mesh.nx;
    s.cells = at, at += 4 * n;
    s.g = at, at += n * n;
    s.maps = (int64_t *)at, at += b->nbins * n * n;
    int32_t *index = (int32_t *)at;
    s.x.lower = index, index += n;
    s.x.upper = index, index += n;
    s.y.lower = index, index += n;
    s.y.upper = index, index += n;
    s.hits.pixel = index, index += 2 * n;
    s.hits.start = index;
    return s;
}

static void axis_fill(const struct ff_born *b, int axis, int plane, struct axis *a)
{
    const int cells = axis == 0 ? b->mesh.nx : b->mesh.ny;
    const double step = b->r[plane] * b->size_rad / (b->npix * b->mesh.side[axis]);
    const double middle = 0.5 * cells - 0.5, half = 0.5 - 0.5 * b->npix, n = cells;
    int32_t *lower = a->lower, *upper = a->upper;
    double *weight = a->weight;
#pragma omp simd
    for (int p = 0; p < b->npix; p++) {
        const double u = middle + step * (p + half), cell = __builtin_floor(u);
        const int32_t i = (int32_t)(cell - n * __builtin_floor(cell / n));
        lower[p] = i;
        upper[p] = i + 1 == cells ? 0 : i + 1;
        weight[p] = u - cell;
    }
}

INLINE const void *plane_row(const struct ff_mesh *m, bool counts, const void *planes, long plane, long y)
{
    const long at = (plane * m->ny + y) * m->rp;
    return counts ? (const void *)((const ff_count *)planes + at) : (const void *)((const ff_real *)planes + at);
}

/* The two cells of every pixel side by side. A count is as large as a real: bytes are copied. */
INLINE void copy_cells(const void *row, const struct axis *x, int npix, void *out)
{
    const size_t size = sizeof(ff_real);
    const char *from = row;
    char *to = out;
    for (int p = 0; p < npix; p++, to += 2 * size) {
        if (x->upper[p] > x->lower[p]) {
            memcpy(to, from + (size_t)x->lower[p] * size, 2 * size);
        } else {
            memcpy(to, from + (size_t)x->lower[p] * size, size);
            memcpy(to + size, from + (size_t)x->upper[p] * size, size);
        }
    }
}

INLINE double mass(bool counts, const void *cells, long i)
{
    return counts ? (double)((const ff_count *)cells)[i] : (double)((const ff_real *)cells)[i];
}

/* out[p] = mass at the pixels of a row - `less`. */
INLINE void interpolate(const struct ff_mesh *m, bool counts, const void *planes, long plane, const struct space *s,
                        int row, int npix, double less, double *out)
{
    const double v = s->y.weight[row], *weight = s->x.weight;
    const void *cells = s->cells;
    copy_cells(plane_row(m, counts, planes, plane, s->y.lower[row]), &s->x, npix, s->cells);
    copy_cells(plane_row(m, counts, planes, plane, s->y.upper[row]), &s->x, npix,
               (char *)s->cells + 2 * (size_t)npix * sizeof(ff_real));
#pragma omp simd
    for (int p = 0; p < npix; p++) {
        const double a = mass(counts, cells, 2 * p), b = mass(counts, cells, 2 * p + 1);
        const double c = mass(counts, cells, 2 * (npix + p)), d = mass(counts, cells, 2 * (npix + p) + 1);
        const double low = a + weight[p] * (b - a), high = c + weight[p] * (d - c);
        out[p] = low + v * (high - low) - less;
    }
}

/* Exact: the sum of a row and how many are negative. */
static double counts_sum(const ff_count *row, int n, long *negative)
{
    int64_t sum = 0;
    int below = 0;
#pragma omp simd reduction(+ : sum, below)
    for (int x = 0; x < n; x++) {
        sum += row[x];
        below += row[x] < 0;
    }
    *negative += below;
    return (double)sum;
}

/* The same order wherever the row is in memory. */
INLINE double lanes_sum(const double *lane)
{
    double sum = 0;
    for (int l = 0; l < SUM_LANES; l++) sum += lane[l];
    return sum;
}
static double reals_sum(const ff_real *row, int n)
{
    double lane[SUM_LANES] = {0};
    int x = 0;
    for (; x + SUM_LANES <= n; x += SUM_LANES)
#pragma omp simd
        for (int l = 0; l < SUM_LANES; l++) lane[l] += (double)row[x + l];
    for (int l = 0; x < n; x++, l++) lane[l] += (double)row[x];
    return lanes_sum(lane);
}
static double dot(const ff_real *a, const double *b, int n)
{
    double lane[SUM_LANES] = {0};
    int i = 0;
    for (; i + SUM_LANES <= n; i += SUM_LANES)
#pragma omp simd
        for (int l = 0; l < SUM_LANES; l++) lane[l] += (double)a[i + l] * b[i + l];
    for (int l = 0; i < n; i++, l++) lane[l] += (double)a[i] * b[i];
    return lanes_sum(lane);
}

/* Mean of a plane as its cells are stored. alarm: what cannot be a mass is added. */
static double plane_mean(const struct ff_mesh *m, bool counts, const void *planes, long plane, long *alarm)
{
    double sum = 0;
    for (long y = 0; y < m->ny; y++) {
        const void *row = plane_row(m, counts, planes, plane, y);
        sum += counts ? counts_sum(row, m->nx, alarm) : reals_sum(row, m->nx);
    }
    *alarm += !(__builtin_fabs(sum) <= 0x1p1000);
    return sum / ((double)m->nx * m->ny);
}

/* To fixed point. What does not fit, or is no number, becomes a value that is defined. Adding and taking off 1.5 2^52
** rounds, and leaves a loop that becomes vectors, which rint does not. */
INLINE int64_t fixed(double x)
{
    const double most = 0x1p61, round = 0x1.8p52;
    double y = x < most ? x : most;
    y = y > -most ? y : -most;
    return (int64_t)(y + round - round);
}

INLINE int64_t add(int64_t a, uint64_t b) /* wraps where the sum does not fit */
{
    return (int64_t)((uint64_t)a + b);
}

static double weight_of(const struct ff_born *b, int bin, int plane)
{
    return b->weight[(long)bin * b->mesh.nz + plane];
}

/* Planes behind all sources do nothing. */
static bool is_seen(const struct ff_born *b, int plane)
{
    for (int bin = 0; bin < b->nbins; bin++)
        if (weight_of(b, bin, plane) != 0) return true;
    return false;
}

/* Adds a plane to the maps, the mean not yet taken off. unit: of what is in the cells. */
INLINE void add_plane(const struct ff_born *b, bool counts, const void *planes, int k, double unit, struct space *s,
                      int64_t *maps)
{
    const int npix = b->npix, plane = b->mesh.z0 + k;
    if (!is_seen(b, plane)) return;
    axis_fill(b, 0, plane, &s->x);
    axis_fill(b, 1, plane, &s->y);
    for (int row = 0; row < npix; row++) {
        const double *pixels = s->pixels;
        interpolate(&b->mesh, counts, planes, k, s, row, npix, 0, s->pixels);
        for (int bin = 0; bin < b->nbins; bin++) {
            const double w = weight_of(b, bin, plane) * unit * FIXED;
            int64_t *map = maps + ((long)bin * npix + row) * npix;
            if (w == 0) continue;
#pragma omp simd
            for (int p = 0; p < npix; p++) map[p] = add(map[p], (uint64_t)fixed(w * pixels[p]));
        }
    }
}

/* Row `row` of all maps: what the other threads have, and the means off. */
static void finish_row(const struct ff_born *b, int nthreads, long row, uint64_t mean, int64_t *maps)
{
    int64_t *to = maps + row * b->npix;
    for (int t = 1; t < nthreads; t++) {
        const int64_t *from = space_of(b, t).maps + row * b->npix;
        for (int p = 0; p < b->npix; p++) to[p] = add(to[p], (uint64_t)from[p]);
    }
    for (int p = 0; p < b->npix; p++) to[p] = add(to[p], 0 - mean);
}

int FF_NAME(ff_born_forward)(const struct ff_born *b, const void *planes, bool counts, int64_t *maps)
{
    const struct ff_mesh *m = &b->mesh;
    const double unit = counts ? COUNT : 1;
    const long nrows = (long)b->nbins * b->npix;
    uint64_t means[FF_MAX_BINS] = {0}; /* summed over planes, as the maps are */
    long alarm = 0;
    int nthreads = 1;
#pragma omp parallel num_threads(m->threads) reduction(+ : means, alarm) if (m->threads > 1)
    {
        struct space s = space_of(b, omp_get_thread_num());
        int64_t *own = omp_get_thread_num() == 0 ? maps : s.maps;
        if (own == maps)
            nthreads = omp_get_num_threads();
        else
            memset(own, 0, (size_t)(nrows * b->npix) * sizeof *own);
#pragma omp for schedule(static)
        for (int k = 0; k < m->nzl; k++) {
            const double mean = plane_mean(m, counts, planes, k, &alarm);
            for (int bin = 0; bin < b->nbins; bin++)
                means[bin] += (uint64_t)fixed(weight_of(b, bin, m->z0 + k) * unit * FIXED * mean);
            if (counts)
                add_plane(b, true, planes, k, unit, &s, own);
            else
                add_plane(b, false, planes, k, unit, &s, own);
        }
    }
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long row = 0; row < nrows; row++) finish_row(b, nthreads, row, means[row / b->npix], maps);
    return alarm < INT_MAX ? (int)alarm : INT_MAX;
}

void FF_NAME(ff_born_maps)(const struct ff_born *b, const int64_t *sums, void *kappa)
{
    const long n = (long)b->nbins * b->npix * b->npix;
    ff_real *out = kappa;
#pragma omp parallel for simd num_threads(b->mesh.threads) schedule(static) if (b->mesh.threads > 1)
    for (long i = 0; i < n; i++) out[i] = (ff_real)((double)sums[i] / FIXED);
}

static void hits_fill(int cells, int npix, const struct axis *a, struct hits *h)
{
    memset(h->start, 0, (size_t)(cells + 1) * sizeof *h->start);
    for (int p = 0; p < npix; p++) h->start[a->lower[p]]++, h->start[a->upper[p]]++;
    for (int y = 0, sum = 0; y <= cells; y++) { /* counts to ends; filling from the end makes them starts */
        sum += h->start[y];
        h->start[y] = sum;
    }
    for (int p = npix - 1; p >= 0; p--) {
        const int up = --h->start[a->upper[p]], low = --h->start[a->lower[p]];
        h->pixel[up] = h->pixel[low] = p;
        h->weight[up] = a->weight[p], h->weight[low] = 1 - a->weight[p];
    }
}

/* g = sum over bins of weight * kappa_bar. */
static void cotangent_fill(const struct ff_born *b, const ff_real *kappa_bar, int plane, double *g)
{
    const long n = (long)b->npix * b->npix;
    memset(g, 0, (size_t)n * sizeof *g);
    for (int bin = 0; bin < b->nbins; bin++) {
        const double w = weight_of(b, bin, plane);
        const ff_real *bar = kappa_bar + bin * n;
        if (w == 0) continue;
#pragma omp simd
        for (long p = 0; p < n; p++) g[p] += w * (double)bar[p];
    }
}

/* Row y of cells: what its pixels have for it, along y and then along x, less the share of the mean. */
static void adjoint_row(const struct ff_born *b, const struct space *s, int y, double mean, ff_real *out)
{
    const int nx = b->mesh.nx, from = s->hits.start[y], to = s->hits.start[y + 1];
    double *line = s->line, *pixels = s->pixels;
    memset(line, 0, (size_t)nx * sizeof *line);
    if (to > from) {
        memset(pixels, 0, (size_t)b->npix * sizeof *pixels);
        for (int e = from; e < to; e++) {
            const double w = s->hits.weight[e], *g = s->g + (long)s->hits.pixel[e] * b->npix;
#pragma omp simd
            for (int p = 0; p < b->npix; p++) pixels[p] += w * g[p];
        }
        for (int p = 0; p < b->npix; p++) {
            const double upper = s->x.weight[p] * pixels[p];
            line[s->x.lower[p]] += pixels[p] - upper;
            line[s->x.upper[p]] += upper;
        }
    }
#pragma omp simd
    for (int x = 0; x < nx; x++) out[x] = (ff_real)(line[x] - mean);
    memset(out + nx, 0, (size_t)(b->mesh.rp - nx) * sizeof *out);
}

static void adjoint_plane(const struct ff_born *b, const ff_real *kappa_bar, const double *totals, int plane,
                          ff_real *out)
{
    const struct ff_mesh *m = &b->mesh;
    struct space s = space_of(b, omp_get_thread_num());
    double mean = 0;
    if (!is_seen(b, plane)) {
        memset(out, 0, (size_t)ff_mesh_plane(m) * sizeof *out);
        return;
    }
    for (int bin = 0; bin < b->nbins; bin++) mean += weight_of(b, bin, plane) * totals[bin];
    axis_fill(b, 0, plane, &s.x);
    axis_fill(b, 1, plane, &s.y);
    hits_fill(m->ny, b->npix, &s.y, &s.hits);
    cotangent_fill(b, kappa_bar, plane, s.g);
    for (int y = 0; y < m->ny; y++) adjoint_row(b, &s, y, mean / ((double)m->nx * m->ny), out + y * m->rp);
}

void FF_NAME(ff_born_adjoint)(const struct ff_born *b, const void *kappa_bar, int lo, int hi, void *window_bar)
{
    const struct ff_mesh *m = &b->mesh;
    double totals[FF_MAX_BINS] = {0};
    for (int bin = 0; bin < b->nbins; bin++)
        for (int row = 0; row < b->npix; row++)
            totals[bin] += reals_sum((const ff_real *)kappa_bar + ((long)bin * b->npix + row) * b->npix, b->npix);
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (int k = lo; k < hi; k++) {
        const int plane = (k % m->nz + m->nz) % m->nz;
        adjoint_plane(b, kappa_bar, totals, plane, (ff_real *)window_bar + (k - lo) * ff_mesh_plane(m));
    }
}

INLINE void weight_adjoint_plane(const struct ff_born *b, bool counts, const ff_real *kappa_bar, const void *planes,
                                 int k, double *bars)
{
    const struct ff_mesh *m = &b->mesh;
    struct space s = space_of(b, omp_get_thread_num());
    long alarm = 0;
    const double mean = plane_mean(m, counts, planes, k, &alarm);
    axis_fill(b, 0, m->z0 + k, &s.x);
    axis_fill(b, 1, m->z0 + k, &s.y);
    for (int row = 0; row < b->npix; row++) {
        interpolate(m, counts, planes, k, &s, row, b->npix, mean, s.pixels);
        for (int bin = 0; bin < b->nbins; bin++)
            bars[bin] += dot(kappa_bar + ((long)bin * b->npix + row) * b->npix, s.pixels, b->npix);
    }
}

void FF_NAME(ff_born_weight_adjoint)(const struct ff_born *b, const void *kappa_bar, const void *planes, bool counts,
                                     double *weight_bar)
{
    const struct ff_mesh *m = &b->mesh;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (int k = 0; k < m->nzl; k++) {
        double bars[FF_MAX_BINS] = {0};
        if (counts)
            weight_adjoint_plane(b, true, kappa_bar, planes, k, bars);
        else
            weight_adjoint_plane(b, false, kappa_bar, planes, k, bars);
        for (int bin = 0; bin < b->nbins; bin++) weight_bar[(long)bin * m->nz + k] = bars[bin] * (counts ? COUNT : 1);
    }
}
