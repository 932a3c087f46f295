/* worker/core/lattice_real.c - white modes to the modes of fields and back, and real factors of every mode (lattice.h;
** docs: compute, section 4 (1-4); physics, section 6). One pass over memory each. A thread takes whole rows ky,
** and sums are kept by row; factors depend on |kz| only, so the lines kz and -kz share them.
** With g_k the factor of X_k = g_k u_k, s_k/sqrt(2N) included, and R the transform of a field's cotangent:
** u_bar = w_k g_k R_k with w_k = 2, on the planes kx = 0 and (nx even) kx = h: 1. A enters g linearly, so the cotangent
** of A(k) is (u_bar . u)/A(k), spread over the table with the weights of the interpolation. */
#include "worker/core/real.h"

#include <string.h>

#include "worker/core/ops.h"
#include "worker/core/rng.h"

#define INLINE static inline __attribute__((always_inline))
#if defined(FF_REAL_IS_FLOAT)
#define LOG ff_log_f32
#define FLOOR __builtin_floorf
#define FMA ff_fma_f32
#define SINCOSPI ff_sincospi_f32
#else
#define LOG ff_log_f64
#define FLOOR __builtin_floor
#define FMA ff_fma_f64
#define SINCOSPI ff_sincospi_f64
#endif

enum { BLOCK = 256, GROUP = 64 }; /* modes whose factors are kept at a time; counters drawn at a time */

static const double PI = 3.14159265358979323846;

/* Rows of one ky: the lines kz and -kz. */
struct lines {
    int n; /* 1 when kz is its own mirror */
    long at[2];
};

INLINE struct lines lines_make(const struct ff_mesh *m, int iy, int kz)
{
    const int mirror = (m->nz - kz) % m->nz;
    return (struct lines){.n = mirror == kz ? 1 : 2, .at = {(long)iy * m->nz + kz, (long)iy * m->nz + mirror}};
}

INLINE int block_length(const struct ff_mesh *m, int first)
{
    return m->h + 1 - first < BLOCK ? m->h + 1 - first : BLOCK;
}

INLINE void zero_tail(const struct ff_mesh *m, ff_real *line)
{
    memset(line + 2L * (m->h + 1), 0, (size_t)(2 * m->cp - 2L * (m->h + 1)) * sizeof *line);
}

static double fundamental(const struct ff_mesh *m, int axis)
{
    const int n[3] = {m->nx, m->ny, m->nz};
    return 2 * PI / (n[axis] * m->side[axis]);
}

/* The planes' share of the modes first .. first + n of a row, one real a mode: times `by`. */
INLINE void scale_planes(const struct ff_mesh *m, int first, int n, ff_real by, ff_real *x)
{
    if (first == 0) x[0] *= by;
    if (m->nx % 2 == 0 && m->h >= first && m->h < first + n) x[m->h - first] *= by;
}

/* One real a mode to one for each of its two reals. */
INLINE void twice(int n, const ff_real *x, ff_real *out)
{
#pragma omp simd
    for (int i = 0; i < n; i++) out[2 * i] = out[2 * i + 1] = x[i];
}

INLINE void multiply(int n, const ff_real *factor, const ff_real *from, ff_real *to)
{
#pragma omp simd
    for (int i = 0; i < n; i++) to[i] = factor[i] * from[i];
}

/* Wavenumbers of a line of modes (kx = 0 .. h at one ky, kz): k^2 = unit (a + b kx^2), the unit being k^2 in the middle
** of the line: what is in brackets is near one, where the logarithm is a small number, good in float too. */
struct wave {
    double unit;
    ff_real a, b;
    bool has_zero; /* the mode k = 0 is the first */
};

static struct wave wave_make(const struct ff_mesh *m, int ky, int kz)
{
    const double x = fundamental(m, 0), y = fundamental(m, 1) * ky, z = fundamental(m, 2) * kz;
    const double across = y * y + z * z, middle = x * (m->h + 1) / 2, unit = across + middle * middle;
    return (struct wave){
        .unit = unit, .a = (ff_real)(across / unit), .b = (ff_real)(x * x / unit), .has_zero = ky == 0 && kz == 0};
}

/* k^2/unit of mode kx; one for k = 0, whose factors are put to zero afterwards. */
INLINE ff_real wave_square(const struct wave *w, int kx)
{
    const ff_real r = FMA(w->b, (ff_real)kx * (ff_real)kx, w->a);
    return r > 0 ? r : 1;
}

/* The table of the amplitude, and where a line lies in it: ln k is node `base` + (offset + per_log ln r) with r =
** k^2/unit. base is a whole number, so what is added to it is small. */
struct table {
    ff_real node[FF_LATTICE_NODES];
};
struct place {
    int base;
    ff_real offset, per_log, lowest, highest; /* of the second of the four nodes, from base */
};

static void table_fill(const struct ff_lattice *l, struct table *t)
{
    for (int i = 0; i < l->nk; i++) t->node[i] = (ff_real)l->amplitude[i];
}

static struct place place_make(const struct ff_lattice *l, const struct wave *w)
{
    const double at = (0.5 * ff_log_f64(w->unit) - l->lnk0) / l->dlnk, base = __builtin_floor(at);
    return (struct place){.base = (int)base,
                          .offset = (ff_real)(at - base),
                          .per_log = (ff_real)(0.5 / l->dlnk),
                          .lowest = (ff_real)(1 - base),
                          .highest = (ff_real)(l->nk - 3 - base)};
}

/* A block of modes in the table: the first of four nodes, their values side by side, and the distance from the second.
** (A gather from the table costs more than copying.) */
struct found {
    int32_t first[BLOCK];
    ff_real node[BLOCK][4], distance[BLOCK];
};

INLINE void find(const struct table *table, const struct wave *w, const struct place *p, int first, int n,
                 struct found *f)
{
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const ff_real at = FMA(p->per_log, LOG(wave_square(w, first + i)), p->offset);
        ff_real j = FLOOR(at);
        j = j < p->lowest ? p->lowest : j;
        j = j > p->highest ? p->highest : j;
        f->distance[i] = at - j;
        f->first[i] = (int32_t)j + p->base - 1;
    }
    for (int i = 0; i < n; i++) memcpy(f->node[i], table->node + f->first[i], sizeof f->node[i]);
}

/* Weights of the nodes at -1, 0, 1, 2 in the cubic through them, at t. */
struct cubic {
    ff_real a, b, c, d;
};

INLINE struct cubic cubic(ff_real t)
{
    const ff_real u = t + 1, v = t - 1, w = t - 2, sixth = (ff_real)(1.0 / 6), half = (ff_real)0.5;
    return (struct cubic){-sixth * t * v * w, half * u * v * w, -half * u * t * w, sixth * u * t * v};
}

enum field { DELTA, POTENTIAL };

/* 1/sqrt(2 N V), for the potential -1/(unit sqrt(2 N V)): what all modes of a line have in common but s. */
INLINE ff_real constant(enum field field, const struct ff_mesh *m, const struct wave *w)
{
    const double volume = m->side[0] * m->side[1] * m->side[2];
    const double norm = 1 / __builtin_sqrt(2 * (double)ff_mesh_cells(m) * volume);
    return (ff_real)(field == POTENTIAL ? -norm / w->unit : norm);
}

INLINE void amplitude_block(enum field field, const struct ff_mesh *m, const struct table *table, const struct wave *w,
                            const struct place *p, int first, int n, ff_real *out)
{
    const ff_real c = constant(field, m, w);
    struct found f;
    find(table, w, p, first, n, &f);
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const struct cubic q = cubic(f.distance[i]);
        const ff_real *node = f.node[i];
        const ff_real a = c * (q.a * node[0] + q.b * node[1] + q.c * node[2] + q.d * node[3]);
        out[i] = field == POTENTIAL ? a / wave_square(w, first + i) : a;
    }
    if (first == 0 && w->has_zero) out[0] = 0;
}

INLINE void forward_row(enum field field, const struct ff_lattice *l, const struct table *table, int iy,
                        const ff_real *latent, ff_real *spectrum)
{
    const struct ff_mesh *m = &l->mesh;
    const long width = 2L * (m->h + 1);
    for (int kz = 0; kz <= m->nz / 2; kz++) {
        const struct lines lines = lines_make(m, iy, kz);
        const struct wave w = wave_make(m, ff_mesh_mode(m->ny, m->y0 + iy), kz);
        const struct place p = place_make(l, &w);
        for (int first = 0; first <= m->h; first += BLOCK) {
            const int n = block_length(m, first);
            ff_real factor[BLOCK], both[2 * BLOCK];
            amplitude_block(field, m, table, &w, &p, first, n, factor);
            scale_planes(m, first, n, (ff_real)1.41421356237309504880, factor);
            twice(n, factor, both);
            for (int s = 0; s < lines.n; s++)
                multiply(2 * n, both, latent + lines.at[s] * width + 2L * first,
                         spectrum + lines.at[s] * m->rp + 2L * first);
        }
        for (int s = 0; s < lines.n; s++) zero_tail(m, spectrum + lines.at[s] * m->rp);
    }
}

INLINE void forward(enum field field, const struct ff_lattice *l, const void *latent, void *spectrum)
{
    const struct ff_mesh *m = &l->mesh;
#pragma omp parallel num_threads(m->threads) if (m->threads > 1)
    {
        struct table table;
        table_fill(l, &table);
#pragma omp for schedule(static)
        for (int iy = 0; iy < m->nyl; iy++) forward_row(field, l, &table, iy, latent, spectrum);
    }
}

void FF_NAME(ff_lattice_delta)(const struct ff_lattice *l, const void *latent, void *spectrum)
{
    forward(DELTA, l, latent, spectrum);
}

void FF_NAME(ff_lattice_potential)(const struct ff_lattice *l, const void *latent, void *spectrum)
{
    forward(POTENTIAL, l, latent, spectrum);
}

void FF_NAME(ff_lattice_white)(const struct ff_mesh *m, const void *latent, void *spectrum)
{
    const ff_real inside = (ff_real)(1 / __builtin_sqrt(2 * (double)ff_mesh_cells(m)));
    const ff_real plane = (ff_real)(1 / __builtin_sqrt((double)ff_mesh_cells(m)));
    const int width = 2 * (m->h + 1), end = m->nx % 2 == 0 ? width - 2 : width;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long line = 0; line < (long)m->nyl * m->nz; line++) {
        const ff_real *from = (const ff_real *)latent + line * width;
        ff_real *to = (ff_real *)spectrum + line * m->rp;
        for (int i = 0; i < 2; i++) to[i] = plane * from[i];
#pragma omp simd
        for (int i = 2; i < end; i++) to[i] = inside * from[i];
        for (int i = end; i < width; i++) to[i] = plane * from[i];
        zero_tail(m, to);
    }
}

/* What the adjoint knows of a block of modes: w g / A, the products R . u, and the place in the table. */
struct block {
    ff_real factor[BLOCK], product[BLOCK];
    struct found found; /* shares: the weights in place of the nodes */
};

INLINE void adjoint_block(const struct ff_mesh *m, const struct table *table, const struct wave *w,
                          const struct place *p, int first, int n, bool shares, struct block *b, ff_real *both)
{
    const ff_real c = 2 * constant(POTENTIAL, m, w);
    ff_real a[BLOCK];
    find(table, w, p, first, n, &b->found);
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const struct cubic q = cubic(b->found.distance[i]);
        ff_real *node = b->found.node[i];
        a[i] = q.a * node[0] + q.b * node[1] + q.c * node[2] + q.d * node[3];
        b->factor[i] = c / wave_square(w, first + i);
        if (shares) node[0] = q.a, node[1] = q.b, node[2] = q.c, node[3] = q.d;
    }
    if (first == 0 && w->has_zero) b->factor[0] = 0;
    scale_planes(m, first, n, (ff_real)0.70710678118654752440, b->factor); /* s w: 2, on the planes sqrt2 */
    for (int i = 0; i < n; i++) a[i] *= b->factor[i];
    twice(n, a, both);
}

/* product += R . u, mode by mode */
INLINE void add_products(int n, const ff_real *u, const ff_real *r, ff_real *product)
{
#pragma omp simd
    for (int i = 0; i < n; i++) product[i] += u[2 * i] * r[2 * i] + u[2 * i + 1] * r[2 * i + 1];
}

/* Adds the block's cotangents of A to the nodes of the table. Modes of one interval follow each other: they are summed
** before the table is touched. */
static void add_shares(int n, const struct block *b, double *nodes)
{
    double sum[4] = {0};
    for (int i = 0; i < n; i++) {
        const ff_real product = b->factor[i] * b->product[i];
        for (int j = 0; j < 4; j++) sum[j] += (double)(b->found.node[i][j] * product);
        if (i + 1 == n || b->found.first[i + 1] != b->found.first[i])
            for (int j = 0; j < 4; j++) {
                nodes[b->found.first[i] + j] += sum[j];
                sum[j] = 0;
            }
    }
}

INLINE void latent_block(int n, bool prior, const ff_real *both, const ff_real *r, const ff_real *u, ff_real *out)
{
    if (!prior) {
        multiply(n, both, r, out);
        return;
    }
#pragma omp simd
    for (int i = 0; i < n; i++) out[i] = both[i] * r[i] - u[i];
}

/* One row ky: latent_bar (or NULL), nodes (nk) (or NULL). */
static void adjoint_row(const struct ff_lattice *l, const struct table *table, int iy, bool prior,
                        const ff_real *latent, const ff_real *spectrum, ff_real *latent_bar, double *nodes)
{
    const struct ff_mesh *m = &l->mesh;
    const long width = 2L * (m->h + 1);
    if (nodes) memset(nodes, 0, (size_t)l->nk * sizeof *nodes);
    for (int kz = 0; kz <= m->nz / 2; kz++) {
        const struct lines lines = lines_make(m, iy, kz);
        const struct wave w = wave_make(m, ff_mesh_mode(m->ny, m->y0 + iy), kz);
        const struct place p = place_make(l, &w);
        for (int first = 0; first <= m->h; first += BLOCK) {
            const int n = block_length(m, first);
            struct block b;
            ff_real both[2 * BLOCK];
            if (nodes)
                adjoint_block(m, table, &w, &p, first, n, true, &b, both);
            else
                adjoint_block(m, table, &w, &p, first, n, false, &b, both);
            if (nodes) memset(b.product, 0, (size_t)n * sizeof *b.product);
            for (int s = 0; s < lines.n; s++) {
                const ff_real *u = latent + lines.at[s] * width + 2L * first;
                const ff_real *r = spectrum + lines.at[s] * m->rp + 2L * first;
                if (nodes) add_products(n, u, r, b.product);
                if (latent_bar) latent_block(2 * n, prior, both, r, u, latent_bar + lines.at[s] * width + 2L * first);
            }
            if (nodes) add_shares(n, &b, nodes);
        }
    }
}

void FF_NAME(ff_lattice_potential_adjoint)(const struct ff_lattice *l, const void *latent, const void *spectrum,
                                           void *latent_bar, const struct ff_lattice_bar *bar)
{
    const struct ff_mesh *m = &l->mesh;
#pragma omp parallel num_threads(m->threads) if (m->threads > 1)
    {
        struct table table;
        table_fill(l, &table);
#pragma omp for schedule(static)
        for (int iy = 0; iy < m->nyl; iy++) {
            adjoint_row(l, &table, iy, bar->prior, latent, spectrum, latent_bar,
                        bar->amplitude ? bar->amplitude + (long)iy * l->nk : NULL);
        }
    }
}

enum filter { INVERSE_LAPLACIAN, DECIC };

/* w/sin w, or 1: the inverse of the window's root for frequency m of n, w = pi m/n. */
INLINE ff_real inverse_sinc(ff_real x)
{
    ff_real sine, cosine;
    SINCOSPI(x, &sine, &cosine);
    return x > 0 ? (ff_real)PI * x / sine : 1;
}

INLINE void filter_block(enum filter filter, const struct ff_mesh *m, int nodes, double scale, int ky, int kz,
                         int first, int n, ff_real *out)
{
    const struct wave w = wave_make(m, ky, kz);
    const double yz = (double)inverse_sinc((ff_real)(ky < 0 ? -ky : ky) / (ff_real)m->ny) *
                      (double)inverse_sinc((ff_real)kz / (ff_real)m->nz);
    const double across = nodes == 3 ? yz * yz * yz : yz * yz;
    const ff_real c = (ff_real)(filter == DECIC ? scale * across : -scale / w.unit), per_x = 1 / (ff_real)m->nx;
#pragma omp simd
    for (int i = 0; i < n; i++) {
        if (filter == DECIC) {
            const ff_real x = inverse_sinc((ff_real)(first + i) * per_x);
            out[i] = c * x * x * (nodes == 3 ? x : 1);
        } else {
            out[i] = c / wave_square(&w, first + i);
        }
    }
    if (filter == INVERSE_LAPLACIAN && first == 0 && w.has_zero) out[0] = 0;
}

INLINE void filter_all(enum filter filter, const struct ff_mesh *m, int nodes, double scale, ff_real *spectrum)
{
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (int iy = 0; iy < m->nyl; iy++)
        for (int kz = 0; kz <= m->nz / 2; kz++) {
            const struct lines lines = lines_make(m, iy, kz);
            for (int first = 0; first <= m->h; first += BLOCK) {
                const int n = block_length(m, first);
                ff_real factor[BLOCK], both[2 * BLOCK];
                filter_block(filter, m, nodes, scale, ff_mesh_mode(m->ny, m->y0 + iy), kz, first, n, factor);
                twice(n, factor, both);
                for (int s = 0; s < lines.n; s++) {
                    ff_real *x = spectrum + lines.at[s] * m->rp + 2L * first;
                    multiply(2 * n, both, x, x);
                }
            }
        }
}

void FF_NAME(ff_lattice_inverse_laplacian)(const struct ff_mesh *m, double scale, void *spectrum)
{
    filter_all(INVERSE_LAPLACIAN, m, 0, scale, spectrum);
}

void FF_NAME(ff_lattice_decic)(const struct ff_mesh *m, enum ff_paint_kernel kernel, double scale, void *spectrum)
{
    if (kernel == FF_PAINT_TSC)
        filter_all(DECIC, m, 3, scale, spectrum);
    else
        filter_all(DECIC, m, 2, scale, spectrum);
}

/* scale k_j of a block of modes; zero at the Nyquist frequency, where the gradient of a real field has no value. */
INLINE void gradient_block(const struct ff_mesh *m, int axis, double scale, int ky, int kz, int first, int n,
                           ff_real *out)
{
    const int cells[3] = {m->nx, m->ny, m->nz}, mode[3] = {0, ky, kz};
    const double unit = scale * fundamental(m, axis);
    const ff_real per_x = axis == 0 ? (ff_real)unit : 0;
    const ff_real rest = axis == 0 || 2 * mode[axis] == cells[axis] ? 0 : (ff_real)(unit * mode[axis]);
#pragma omp simd
    for (int i = 0; i < n; i++) out[i] = per_x * (ff_real)(first + i) + rest;
    if (axis == 0 && m->nx % 2 == 0 && m->h >= first && m->h < first + n) out[m->h - first] = 0;
}

/* out = i q x; adjoint: out += -i q x */
INLINE void gradient_line(bool adjoint, int n, const ff_real *q, const ff_real *x, ff_real *out)
{
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const ff_real re = q[i] * x[2 * i], im = q[i] * x[2 * i + 1];
        out[2 * i] = adjoint ? out[2 * i] + im : -im;
        out[2 * i + 1] = adjoint ? out[2 * i + 1] - re : re;
    }
}

INLINE void gradient(bool adjoint, const struct ff_mesh *m, int axis, double scale, const ff_real *spectrum,
                     ff_real *out)
{
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long line = 0; line < (long)m->nyl * m->nz; line++) {
        const int ky = ff_mesh_mode(m->ny, m->y0 + (int)(line / m->nz)), kz = ff_mesh_mode(m->nz, (int)(line % m->nz));
        for (int first = 0; first <= m->h; first += BLOCK) {
            const int n = block_length(m, first);
            const long at = line * m->rp + 2L * first;
            ff_real q[BLOCK];
            gradient_block(m, axis, scale, ky, kz, first, n, q);
            gradient_line(adjoint, n, q, spectrum + at, out + at);
        }
        if (!adjoint) zero_tail(m, out + line * m->rp);
    }
}

void FF_NAME(ff_lattice_gradient)(const struct ff_mesh *m, int axis, double scale, const void *spectrum, void *out)
{
    gradient(false, m, axis, scale, spectrum, out);
}

void FF_NAME(ff_lattice_gradient_adjoint)(const struct ff_mesh *m, int axis, double scale, const void *spectrum,
                                          void *sum)
{
    gradient(true, m, axis, scale, spectrum, sum);
}

/* Address of the four normals of the modes kx = 2 pair and 2 pair + 1: frequencies by their signs, so that large scales
** are the same in meshes of any size. 21 bits each for kz and ky. */
static uint64_t address(int kz, int ky, int pair)
{
    const uint64_t z = (uint64_t)(kz + (1 << 20)), y = (uint64_t)(ky + (1 << 20));
    return (z << 21 | y) << 20 | (uint64_t)pair;
}

static void draw_row(const struct ff_mesh *m, int iy, uint64_t seed, uint32_t purpose, uint32_t draw, ff_real *latent)
{
    const int ky = ff_mesh_mode(m->ny, m->y0 + iy), npairs = m->h / 2 + 1;
    const long width = 2L * (m->h + 1), total = (long)m->nz * npairs;
    int kz = 0, pair = 0;
    for (long first = 0; first < total; first += GROUP) {
        const int n = total - first < GROUP ? (int)(total - first) : GROUP;
        uint64_t index[GROUP];
        long at[GROUP], count[GROUP];
        double normals[4 * GROUP];
        for (int i = 0; i < n; i++) {
            index[i] = address(ff_mesh_mode(m->nz, kz), ky, pair);
            at[i] = kz * width + 4L * pair;
            count[i] = width - 4L * pair < 4 ? width - 4L * pair : 4; /* h even: the last mode stands alone */
            if (++pair == npairs) pair = 0, kz++;
        }
        ff_rng_normals_at(seed, purpose, draw, index, n, normals);
        for (int i = 0; i < n; i++)
            for (int c = 0; c < count[i]; c++) latent[at[i] + c] = (ff_real)normals[4 * i + c];
    }
}

void FF_NAME(ff_lattice_draw)(const struct ff_mesh *m, uint64_t seed, uint32_t purpose, uint32_t draw, void *latent)
{
    const long row = (long)m->nz * (m->h + 1) * 2;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (int iy = 0; iy < m->nyl; iy++) draw_row(m, iy, seed, purpose, draw, (ff_real *)latent + iy * row);
}
