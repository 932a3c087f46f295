/* worker/core/particles_real.c - reach of particles, the adjoint of painting, counts to mass (particles.h; docs: compute,
** section 4.6). Painting itself: paint_real.c. A thread takes whole rows or planes and writes what is its own. */
#include "worker/core/particles_chunk.h"

#include "worker/core/ops.h"

/* Smallest and largest of a row; a number that is none counts as both ends of the reach. */
static void row_range(const ff_real *s, int n, ff_real *least, ff_real *most)
{
    const ff_real reach = (ff_real)FF_PARTICLES_REACH;
    ff_real lo = reach, hi = -reach;
    int none = 0;
#pragma omp simd reduction(min : lo) reduction(max : hi) reduction(+ : none)
    for (int x = 0; x < n; x++) {
        lo = s[x] < lo ? s[x] : lo;
        hi = s[x] > hi ? s[x] : hi;
        none += s[x] == s[x] ? 0 : 1;
    }
    *least = none ? -reach : lo;
    *most = none ? reach : hi;
}

void FF_NAME(ff_particles_reach)(const struct ff_particles *p, int axis, const int z[2], const int y[2], int *lo,
                                 int *hi)
{
    const struct ff_mesh *m = &p->mesh;
    const int nodes = ff_kernel_nodes(p->kernel);
    const ff_real *s = p->s[axis], offset = (ff_real)p->offset;
    int first = INT32_MAX, last = INT32_MIN;
    for (int i = z[0]; i < z[1]; i++)
        for (int j = y[0]; j < y[1]; j++) {
            const int base = axis == 2 ? m->z0 + i : j;
            ff_real least, most, frac;
            row_range(s + i * ff_mesh_plane(m) + j * m->rp, m->nx, &least, &most);
            const int below = base + ff_place(nodes, least, offset, &frac);
            const int above = base + ff_place(nodes, most, offset, &frac);
            first = below < first ? below : first;
            last = above > last ? above : last;
        }
    *lo = first;
    *hi = last + nodes;
}

void FF_NAME(ff_particles_extent)(const struct ff_particles *p, int *lo, int *hi)
{
    const struct ff_mesh *m = &p->mesh;
    int first = INT32_MAX, last = INT32_MIN;
#pragma omp parallel for num_threads(m->threads) schedule(static) reduction(min                                        \
                                                                            : first) reduction(max                     \
                                                                                               : last)                 \
    collapse(2) if (m->threads > 1)
    for (int z = 0; z < m->nzl; z++)
        for (int y = 0; y < m->ny; y++) {
            const int zs[2] = {z, z + 1}, ys[2] = {y, y + 1};
            int below, above;
            FF_NAME(ff_particles_reach)(p, 2, zs, ys, &below, &above);
            first = below < first ? below : first;
            last = above > last ? above : last;
        }
    *lo = m->nzl > 0 ? first : m->z0;
    *hi = m->nzl > 0 ? last : m->z0;
}

/* Weights of the nodes of one axis and their derivatives (CIC: -1 and 1, not kept). */
struct kernel {
    ff_real w[FF_NODES][FF_CHUNK], slope[FF_NODES][FF_CHUNK];
};

FF_HD void kernel_make(int nodes, const ff_real *frac, int count, struct kernel *k)
{
    const ff_real half = (ff_real)0.5;
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const ff_real u = frac[i], left = half - u, right = half + u;
        if (nodes == 2) {
            k->w[0][i] = 1 - u, k->w[1][i] = u;
        } else {
            k->w[0][i] = half * left * left, k->slope[0][i] = -left;
            k->w[1][i] = (ff_real)0.75 - u * u, k->slope[1][i] = -2 * u;
            k->w[2][i] = half * right * right, k->slope[2][i] = right;
        }
    }
}

/* Sum over nodes of weights, or of their derivatives, times a value each. */
FF_HD ff_real weighed(int nodes, const struct kernel *k, int i, ff_real a, ff_real b, ff_real c)
{
    const ff_real sum = k->w[0][i] * a + k->w[1][i] * b;
    return nodes == 2 ? sum : sum + k->w[2][i] * c;
}
FF_HD ff_real sloped(int nodes, const struct kernel *k, int i, ff_real a, ff_real b, ff_real c)
{
    return nodes == 2 ? b - a : k->slope[0][i] * a + k->slope[1][i] * b + k->slope[2][i] * c;
}

/* Cotangents of a particle's nodes: [z][y][x]. */
typedef ff_real node_bars[FF_NODES][FF_NODES][FF_NODES][FF_CHUNK];

/* One by one: instructions that gather are slower than as many loads. All of a chunk first, since the loads of vectors
** below have to wait for what is still on its way to the cache. */
FF_HD void chunk_load(int nodes, const struct ff_chunk *c, int count, const ff_real *window, node_bars bar)
{
    for (int i = 0; i < count; i++) {
        int32_t x[FF_NODES], y[FF_NODES];
#pragma GCC unroll 3
        for (int l = 0; l < nodes; l++) x[l] = c->x[l][i], y[l] = c->y[l][i];
#pragma GCC unroll 3
        for (int k = 0; k < nodes; k++)
#pragma GCC unroll 3
            for (int j = 0; j < nodes; j++) {
                const ff_real *row = window + c->z[k][i] + y[j];
#pragma GCC unroll 3
                for (int l = 0; l < nodes; l++) bar[k][j][l][i] = row[x[l]];
            }
        __asm__ volatile("");
    }
}

/* One plane of nodes: [y][x] to sum_n w_n bar_n over it, and its derivatives along x and y. */
struct plane {
    ff_real value[FF_CHUNK], dx[FF_CHUNK], dy[FF_CHUNK];
};

FF_HD void plane_make(int nodes, const struct kernel kernel[2], ff_real (*bar)[FF_NODES][FF_CHUNK], int count,
                      struct plane *p)
{
    const struct kernel *kx = &kernel[0], *ky = &kernel[1];
    ff_real(*b0)[FF_CHUNK] = bar[0], (*b1)[FF_CHUNK] = bar[1], (*b2)[FF_CHUNK] = bar[nodes - 1];
    const int last = nodes - 1;
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const ff_real a0 = weighed(nodes, kx, i, b0[0][i], b0[1][i], b0[last][i]);
        const ff_real a1 = weighed(nodes, kx, i, b1[0][i], b1[1][i], b1[last][i]);
        const ff_real a2 = weighed(nodes, kx, i, b2[0][i], b2[1][i], b2[last][i]);
        p->dx[i] = weighed(nodes, ky, i, sloped(nodes, kx, i, b0[0][i], b0[1][i], b0[last][i]),
                           sloped(nodes, kx, i, b1[0][i], b1[1][i], b1[last][i]),
                           sloped(nodes, kx, i, b2[0][i], b2[1][i], b2[last][i]));
        p->dy[i] = sloped(nodes, ky, i, a0, a1, a2);
        p->value[i] = weighed(nodes, ky, i, a0, a1, a2);
    }
}

/* Derivatives of sum_n w_n bar_n along x, y, z. */
FF_HD void chunk_gather(int nodes, const struct ff_chunk *c, int count, const ff_real *window, ff_real *const out[3])
{
    struct kernel kernel[3];
    struct plane plane[FF_NODES];
    node_bars bars;
    chunk_load(nodes, c, count, window, bars);
    for (int axis = 0; axis < 3; axis++) kernel_make(nodes, c->frac[axis], count, &kernel[axis]);
    for (int k = 0; k < nodes; k++) plane_make(nodes, kernel, bars[k], count, &plane[k]);
    const struct kernel *kz = &kernel[2];
    const struct plane *p0 = &plane[0], *p1 = &plane[1], *p2 = &plane[nodes - 1];
    ff_real *x = out[0], *y = out[1], *z = out[2];
#pragma omp simd
    for (int i = 0; i < count; i++) {
        x[i] = weighed(nodes, kz, i, p0->dx[i], p1->dx[i], p2->dx[i]);
        y[i] = weighed(nodes, kz, i, p0->dy[i], p1->dy[i], p2->dy[i]);
        z[i] = sloped(nodes, kz, i, p0->value[i], p1->value[i], p2->value[i]);
    }
}

FF_HD void gather_row(int nodes, const struct ff_particles *p, const struct ff_window *w, int z, int y,
                      const ff_real *window, ff_real *const s_bar[3])
{
    const struct ff_mesh *m = &p->mesh;
    struct ff_chunk chunk;
    for (int x = 0; x < m->nx; x += FF_CHUNK) {
        const int count = m->nx - x < FF_CHUNK ? m->nx - x : FF_CHUNK;
        const long at = z * ff_mesh_plane(m) + y * m->rp + x;
        ff_real *const out[3] = {s_bar[0] + at, s_bar[1] + at, s_bar[2] + at};
        (void)ff_chunk_find(nodes, p, w, z, y, x, count, &chunk); /* before what it reads is written over */
        chunk_gather(nodes, &chunk, count, window, out);
    }
}

void FF_NAME(ff_particles_gather)(const struct ff_particles *p, int lo, int hi, const void *window_bar,
                                  void *const s_bar[3])
{
    const struct ff_mesh *m = &p->mesh;
    const struct ff_window w = {lo, hi - lo};
    ff_real *const out[3] = {s_bar[0], s_bar[1], s_bar[2]};
    const long tasks = (long)ff_strips(m) * m->nzl;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long t = 0; t < tasks; t++) {
        const int z = (int)(t % m->nzl), first = (int)(t / m->nzl) * FF_STRIP;
        for (int y = first; y < ff_strip_end(m, first); y++) {
            if (p->kernel == FF_PAINT_TSC)
                gather_row(3, p, &w, z, y, window_bar, out);
            else
                gather_row(2, p, &w, z, y, window_bar, out);
        }
    }
}

typedef ff_count in_place __attribute__((may_alias)); /* the reals may take the integers' place */

long FF_NAME(ff_particles_contrast)(const struct ff_mesh *m, const void *counts, void *field)
{
    const ff_real unit = 1 / (ff_real)((ff_count)1 << FF_COUNT_BITS);
    long negative = 0;
#pragma omp parallel for num_threads(m->threads) schedule(static) reduction(+ : negative) if (m->threads > 1)
    for (long r = 0; r < (long)m->nzl * m->ny; r++) {
        const in_place *in = (const in_place *)counts + r * m->rp;
        ff_real *out = (ff_real *)field + r * m->rp;
        int below = 0;
#pragma omp simd reduction(+ : below)
        for (int x = 0; x < m->nx; x++) {
            const ff_count count = in[x];
            below += count < 0 ? 1 : 0;
            out[x] = unit * (ff_real)count;
        }
        negative += below;
    }
    return negative;
}
