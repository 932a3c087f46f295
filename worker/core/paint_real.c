/* worker/core/paint_real.c - mass of particles to a window of counts (particles.h): fixed point, docs compute section 5.
** The unit is split along x by u, every part along y by v, every part along z by w; what rounding leaves goes to the partner
** (TSC: to the middle node), so the parts of a particle add up to exactly one.
**
** Threads: sums of integers have no order, so only two threads at one counter have to be kept apart, and that without
** atomic additions (one costs as much as a whole particle). The particles are cut into blocks of planes, or of rows where
** there are few planes; even blocks are painted at once, then odd ones. It is allowed where blocks of one parity touch
** planes (rows) of their own only, which is measured: a displacement is smooth, and wider than a block only where a mesh is
** fine and has many threads. As many blocks as can be are taken, along the axis that has more; one is always allowed. */
#include "worker/core/particles_chunk.h"

#include <string.h>

#include "worker/core/blocks.h"
#include "worker/core/ops.h"

/* What of a particle goes to its nodes: [z][y][x]. */
typedef ff_count node_parts[FF_NODES][FF_NODES][FF_NODES][FF_CHUNK];

/* `whole` (NULL: the unit) split between the nodes of an axis. The products are below 2^(FF_COUNT_BITS + 1): a real is
** exact enough. */
FF_HD void split(int nodes, const ff_count *whole, const ff_real *frac, int count, ff_count *first, ff_count *second,
                 ff_count *third)
{
    const ff_real half = (ff_real)0.5;
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const ff_count all = whole ? whole[i] : (ff_count)1 << FF_COUNT_BITS;
        const ff_real mass = (ff_real)all, left = half - frac[i], right = half + frac[i];
        if (nodes == 2) {
            const ff_count part = (ff_count)(mass * frac[i] + half);
            first[i] = all - part;
            second[i] = part;
        } else {
            const ff_count low = (ff_count)(mass * (half * left * left) + half);
            const ff_count high = (ff_count)(mass * (half * right * right) + half);
            first[i] = low;
            second[i] = all - low - high;
            third[i] = high;
        }
    }
}

FF_HD void chunk_parts(int nodes, const struct ff_chunk *c, int count, node_parts p)
{
    ff_count a[FF_NODES][FF_CHUNK], b[FF_NODES][FF_CHUNK];
    split(nodes, NULL, c->frac[0], count, a[0], a[1], a[2]);
    for (int l = 0; l < nodes; l++) {
        split(nodes, a[l], c->frac[1], count, b[0], b[1], b[2]);
        for (int j = 0; j < nodes; j++) split(nodes, b[j], c->frac[2], count, p[0][j][l], p[1][j][l], p[2][j][l]);
    }
}

FF_HD void chunk_add(int nodes, const struct ff_chunk *c, int count, node_parts p, ff_count *window)
{
    for (int i = 0; i < count; i++) {
        int32_t x[FF_NODES], y[FF_NODES];
#pragma GCC unroll 3
        for (int l = 0; l < nodes; l++) x[l] = c->x[l][i], y[l] = c->y[l][i];
#pragma GCC unroll 3
        for (int k = 0; k < nodes; k++)
#pragma GCC unroll 3
            for (int j = 0; j < nodes; j++) {
                ff_count *row = window + c->z[k][i] + y[j];
#pragma GCC unroll 3
                for (int l = 0; l < nodes; l++)
                    row[x[l]] = (ff_count)((ff_count_bits)row[x[l]] + (ff_count_bits)p[k][j][l][i]);
            }
    }
}

FF_HD long paint_row(int nodes, const struct ff_particles *p, const struct ff_window *w, int z, int y, ff_count *window)
{
    struct ff_chunk chunk;
    node_parts part;
    long lost = 0;
    for (int x = 0; x < p->mesh.nx; x += FF_CHUNK) {
        const int count = p->mesh.nx - x < FF_CHUNK ? p->mesh.nx - x : FF_CHUNK;
        lost += ff_chunk_find(nodes, p, w, z, y, x, count, &chunk);
        chunk_parts(nodes, &chunk, count, part);
        chunk_add(nodes, &chunk, count, part, window);
    }
    return lost;
}

/* Particles of planes z[0] .. z[1], rows y[0] .. y[1]. */
struct block {
    int z[2], y[2];
};

static long paint_block(const struct ff_particles *p, const struct ff_window *w, const struct block *b,
                        ff_count *window)
{
    long lost = 0;
    for (int first = b->y[0]; first < b->y[1]; first += FF_STRIP)
        for (int z = b->z[0]; z < b->z[1]; z++)
            for (int y = first; y < b->y[1] && y < first + FF_STRIP; y++)
                lost += p->kernel == FF_PAINT_TSC ? paint_row(3, p, w, z, y, window) : paint_row(2, p, w, z, y, window);
    return lost;
}

/* Slices are what the reach of particles is measured for: planes or rows, or a few of them. */
enum { SLICES = 256 };

struct cut {
    int axis; /* 1: rows, 2: planes */
    int slices, blocks;
    int lo[SLICES], hi[SLICES]; /* nodes that a slice touches */
};

/* Slices first .. last of a cut. */
static struct block block_of(const struct ff_mesh *m, const struct cut *cut, int first, int last)
{
    struct block b = {.z = {0, m->nzl}, .y = {0, m->ny}};
    int *range = cut->axis == 2 ? b.z : b.y;
    const int items = range[1];
    range[0] = ff_block_first(items, cut->slices, first), range[1] = ff_block_first(items, cut->slices, last);
    return b;
}

/* nodes: that there are along the axis. */
static void cut_along(const struct ff_particles *p, int axis, int nodes, struct cut *cut)
{
    const int items = axis == 2 ? p->mesh.nzl : p->mesh.ny;
    cut->axis = axis;
    cut->slices = items < SLICES ? items : SLICES;
#pragma omp parallel for num_threads(p->mesh.threads) schedule(static)
    for (int i = 0; i < cut->slices; i++) {
        const struct block b = block_of(&p->mesh, cut, i, i + 1);
        FF_NAME(ff_particles_reach)(p, axis, b.z, b.y, &cut->lo[i], &cut->hi[i]);
    }
    cut->blocks = ff_blocks_apart(cut->lo, cut->hi, cut->slices, nodes, 2 * p->mesh.threads);
}

static long paint_blocks(const struct ff_particles *p, const struct ff_window *w, ff_count *window)
{
    struct cut cut;
    long lost = 0;
    cut_along(p, 2, w->planes, &cut);
    if (cut.blocks < 2 * p->mesh.threads) {
        struct cut rows;
        cut_along(p, 1, p->mesh.ny, &rows);
        if (rows.blocks > cut.blocks) cut = rows;
    }
    for (int parity = 0; parity < 2; parity++)
#pragma omp parallel for num_threads(p->mesh.threads) schedule(static, 1) reduction(+ : lost) if (cut.blocks > 1)
        for (int b = parity; b < cut.blocks; b += 2) {
            const struct block block = block_of(&p->mesh, &cut, ff_block_first(cut.slices, cut.blocks, b),
                                                ff_block_first(cut.slices, cut.blocks, b + 1));
            lost += paint_block(p, w, &block, window);
        }
    return lost;
}

long FF_NAME(ff_particles_paint)(const struct ff_particles *p, int lo, int hi, void *window)
{
    const struct ff_mesh *m = &p->mesh;
    const struct ff_window w = {lo, hi - lo};
    const long rows = (long)w.planes * m->ny;
    ff_count *counts = window;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long r = 0; r < rows; r++) memset(counts + r * m->rp, 0, (size_t)m->rp * sizeof *counts);
    if (w.planes < 1) return 0;
    const struct block all = {.z = {0, m->nzl}, .y = {0, m->ny}};
    return m->threads > 1 ? paint_blocks(p, &w, counts) : paint_block(p, &w, &all, counts);
}
