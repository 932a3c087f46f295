/* tests/unit/core/mesh_claims.h - what holds for meshes over any number of ranks: planes that travel (planes.h) and
** the bits of transforms (slab.h). Functions of one rank that return an error, as in comm_claims.h. */
#ifndef FF_TESTS_MESH_CLAIMS_H
#define FF_TESTS_MESH_CLAIMS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core/comm_claims.h"
#include "worker/core/ops.h"
#include "worker/core/planes.h"
#include "worker/core/rng.h"
#include "worker/core/slab.h"

static inline struct ff_mesh claim_mesh(const struct ff_comm *c, int nx, int ny, int nz, int threads)
{
    const int cells[3] = {nx, ny, nz};
    const double box[3] = {100, 90, 80};
    return ff_mesh_make(cells, box, c->rank, c->nranks, threads);
}

static inline void *claim_array(size_t bytes)
{
    void *p = aligned_alloc(256, bytes / 256 * 256 + 256);
    if (p) memset(p, 0, bytes / 256 * 256 + 256);
    return p;
}

/* ---- planes ---- */

/* What stands at place i of plane z, wrapped. */
static inline int32_t plane_value(const struct ff_mesh *m, long z, long i)
{
    const long wrapped = (z % m->nz + m->nz) % m->nz;
    return (int32_t)(1000003 * (wrapped + 1) + 7919 * i);
}

static inline void fill_planes(const struct ff_mesh *m, int32_t *planes)
{
    const long plane = ff_mesh_plane(m);
    for (long z = 0; z < m->nzl; z++)
        for (long i = 0; i < plane; i++) planes[z * plane + i] = plane_value(m, m->z0 + z, i);
}

/* Wrong numbers among planes lo .. hi that should be those of the mesh. */
static inline long wrong_planes(const struct ff_mesh *m, const int32_t *window, long lo, long hi)
{
    const long plane = ff_mesh_plane(m);
    long wrong = 0;
    for (long u = lo; u < hi; u++)
        for (long i = 0; i < plane; i++) wrong += window[(u - lo) * plane + i] != plane_value(m, u, i);
    return wrong;
}

/* From none to wider than a slab, and than the mesh. */
static inline ff_err ghosts_are_the_neighbours(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    const struct ff_mesh m = claim_mesh(c, 6, 5, 9, 1);
    const long plane = ff_mesh_plane(&m);
    for (int ghosts = 0; ghosts <= 20; ghosts += ghosts < 5 ? 1 : 5) {
        int32_t *all = claim_array((size_t)((2 * ghosts + m.nzl) * plane) * sizeof *all), *own = all + ghosts * plane;
        fill_planes(&m, own);
        ff_err err = ff_planes_ghosts(c, &m, own, ghosts, (size_t)plane * sizeof *own, ctx);
        const long wrong = err || !m.nzl ? 0 : wrong_planes(&m, all, m.z0 - ghosts, m.z0 + m.nzl + ghosts);
        free(all);
        if (err) return err;
        FF_CLAIM(wrong == 0);
    }
    return FF_OK;
}

/* A window that reaches `before` and `after` beyond the planes of this rank, or the whole mesh. */
static inline void reach(const struct ff_mesh *m, int before, int after, int *lo, int *hi)
{
    *lo = m->z0 - before, *hi = m->z0 + m->nzl + after;
    if (*hi - *lo > m->nz) *lo = 0, *hi = m->nz;
}

/* Some windows are whole, one begins elsewhere than the mesh, some are far outside, some are empty. */
static inline ff_err fetched_windows_are_the_owners_planes(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    const struct ff_mesh m = claim_mesh(c, 6, 5, 9, 1);
    const long plane = ff_mesh_plane(&m);
    for (int k = 0; k < 6; k++) {
        int lo, hi;
        reach(&m, k, 2 * k, &lo, &hi);
        if (k == 1) lo = m.z0 - 20 * m.nz - 3, hi = lo + m.nz;
        if (k == 2 && c->rank % 2) hi = lo;
        int32_t *own = claim_array((size_t)(m.nzl * plane) * sizeof *own);
        int32_t *window = claim_array((size_t)((hi - lo) * plane) * sizeof *window);
        fill_planes(&m, own);
        ff_err err = ff_planes_fetch(c, &m, own, window, lo, hi, (size_t)plane * sizeof *own, ctx);
        const long wrong = err ? 0 : wrong_planes(&m, window, lo, hi);
        free(own), free(window);
        if (err) return err;
        FF_CLAIM(wrong == 0);
    }
    return FF_OK;
}

/* Every plane of the mesh gives to the planes from `before` before it to `after` behind it, by its owner's window. */
static inline int64_t gift(long z, long offset, long i)
{
    return ((1L << 40) + 3) * (z + 1) - (offset + 50) * 1000 * (i + 1);
}

static inline ff_err check_sums(const struct ff_comm *c, const struct ff_mesh *m, int before, int after, int int_bytes,
                                const void *planes, ff_ctx *ctx)
{
    const long plane = ff_mesh_plane(m);
    for (long z = 0; z < m->nzl; z++)
        for (long i = 0; i < plane; i += 1 + i % 7) {
            int64_t sum = 0;
            for (long d = -before; d <= after; d++) {
                const long from = ((m->z0 + z - d) % m->nz + m->nz) % m->nz;
                sum += gift(from, d, i);
            }
            if (int_bytes == 4)
                FF_CLAIM(((const uint32_t *)planes)[z * plane + i] == (uint32_t)sum);
            else
                FF_CLAIM(((const int64_t *)planes)[z * plane + i] == sum);
        }
    return FF_OK;
}

static inline ff_err add_windows(const struct ff_comm *c, int before, int after, int int_bytes, long room, ff_ctx *ctx)
{
    const struct ff_mesh m = claim_mesh(c, 6, 5, 9, 1 + c->rank % 2);
    const long plane = ff_mesh_plane(&m);
    const size_t bytes = (size_t)plane * (size_t)int_bytes;
    int lo, hi;
    reach(&m, before, after, &lo, &hi);
    if (!m.nzl) hi = lo;
    char *window = claim_array((size_t)(hi - lo) * bytes), *planes = claim_array((size_t)m.nzl * bytes);
    char *work = claim_array((size_t)(room + 1) * bytes);
    memset(planes, 77, (size_t)m.nzl * bytes); /* set, not added to */
    for (long z = m.z0; z < m.z0 + m.nzl; z++)
        for (long d = -before; d <= after; d++) {
            const long at = ((z + d - lo) % m.nz + m.nz) % m.nz;
            for (long i = 0; i < plane; i++)
                if (int_bytes == 4)
                    ((uint32_t *)(void *)window)[at * plane + i] += (uint32_t)gift(z, d, i);
                else
                    ((int64_t *)(void *)window)[at * plane + i] += gift(z, d, i);
        }
    ff_err err = ff_planes_add(c, &m, window, lo, hi, planes, int_bytes, work, (size_t)room * bytes + bytes / 2, ctx);
    if (!err) err = check_sums(c, &m, before, after, int_bytes, planes, ctx);
    free(window), free(planes), free(work);
    return err;
}

static inline ff_err windows_add_up_at_the_owners(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    /* negative: the window begins behind the rank's own planes, or ends before them */
    const int reaches[][2] = {{0, 0}, {1, 0}, {0, 1}, {2, 3}, {4, 3}, {4, 4}, {12, 30}, {-3, 5}, {11, -10}};
    ff_err err = FF_OK;
    for (size_t k = 0; k < sizeof reaches / sizeof *reaches && !err; k++)
        for (int int_bytes = 4; int_bytes <= 8 && !err; int_bytes += 4)
            for (long room = 1; room <= 36 && !err; room *= 6)
                err = add_windows(c, reaches[k][0], reaches[k][1], int_bytes, room + c->rank % 2, ctx);
    return err;
}

/* One rank asks for what cannot be, and all ranks hear of it. */
static inline ff_err windows_wider_than_the_mesh_are_refused(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    const struct ff_mesh m = claim_mesh(c, 6, 5, 9, 1);
    const size_t bytes = (size_t)ff_mesh_plane(&m) * 4;
    const bool odd_one = c->rank == c->nranks - 1;
    char *window = claim_array(10 * bytes), *planes = claim_array(9 * bytes);
    const ff_err fetched = ff_planes_fetch(c, &m, planes, window, 0, odd_one ? 10 : 1, bytes, ctx);
    const ff_err added = ff_planes_add(c, &m, window, 0, odd_one ? -1 : 1, planes, 4, window, bytes, ctx);
    free(window), free(planes);
    FF_CLAIM(fetched == FF_EBUG && added == FF_EBUG);
    return FF_OK;
}

static inline ff_err rows_are_gathered(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    enum { WIDTH = 3, ROWS = 11 };
    double all[ROWS * WIDTH], mine[ROWS * WIDTH];
    for (int in_place = 0; in_place < 2; in_place++) {
        /* the last rank's rows come first, and the first has twice as many as fair */
        const int even = ff_mesh_first(ROWS, c->nranks + 1, c->rank + 1), more = ff_mesh_first(ROWS, c->nranks + 1, 1);
        const int count = ff_mesh_first(ROWS, c->nranks + 1, c->rank + 2) - even + (c->rank == 0 ? more : 0);
        const int first = ROWS - ff_mesh_first(ROWS, c->nranks + 1, c->rank + 2);
        double *from = in_place ? all + first * WIDTH : mine;
        memset(all, 0, sizeof all);
        for (int i = 0; i < count * WIDTH; i++) from[i] = 1 + first * WIDTH + i;
        const ff_err err = ff_rows_gather(c, ROWS, first, count, WIDTH, from, all, ctx);
        if (err) return err;
        for (int i = 0; i < ROWS * WIDTH; i++) FF_CLAIM(all[i] == 1 + i);
    }
    FF_CLAIM(ff_rows_gather(c, ROWS, 0, ROWS + (c->rank == 0), 1, mine, all, ctx) == FF_EBUG);
    return FF_OK;
}

static inline ff_err integers_are_summed_exactly(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    for (long n = 0; n < 700; n = n < 9 ? n + 1 : 3 * n - 2) {
        int64_t x[700], work[700 + 1];
        long wrong = 0;
        for (long i = 0; i < n; i++) x[i] = (c->rank + 1) * ((1L << 54) + 3 * i) * (i % 2 ? -1 : 1);
        work[n] = 4711; /* more room is not promised */
        const ff_err err = ff_sum_i64(c, x, n, work, ctx);
        if (err) return err;
        const long ranks = (long)c->nranks * (c->nranks + 1) / 2;
        for (long i = 0; i < n; i++)
            wrong += (uint64_t)x[i] != (uint64_t)ranks * (uint64_t)(((1L << 54) + 3 * i) * (i % 2 ? -1 : 1));
        FF_CLAIM(wrong == 0 && work[n] == 4711);
    }
    return FF_OK;
}

static const struct claim mesh_claims[] = {
    {"ghosts_are_the_neighbours", ghosts_are_the_neighbours},
    {"fetched_windows_are_the_owners_planes", fetched_windows_are_the_owners_planes},
    {"windows_add_up_at_the_owners", windows_add_up_at_the_owners},
    {"windows_wider_than_the_mesh_are_refused", windows_wider_than_the_mesh_are_refused},
    {"rows_are_gathered", rows_are_gathered},
    {"integers_are_summed_exactly", integers_are_summed_exactly},
};
enum { MESH_CLAIMS = sizeof mesh_claims / sizeof *mesh_claims };

/* ---- bits of transforms ---- */

static inline void claim_normals(const struct ff_ops *ops, uint32_t stream, long first, long n, void *out)
{
    if (ops->size == 4)
        ff_rng_normals_f32(1, FF_RNG_TEST, stream, (uint64_t)first, n, out, 1);
    else
        ff_rng_normals_f64(1, FF_RNG_TEST, stream, (uint64_t)first, n, out, 1);
}

/* `used` reals of each of nrows rows, number `first` and following of all, by the row's number. */
static inline void claim_rows(const struct ff_mesh *m, const struct ff_ops *ops, uint32_t stream, long first,
                              long nrows, long used, void *rows)
{
    const size_t pitch = (size_t)m->rp * (size_t)ops->size;
    for (long r = 0; r < nrows; r++)
        claim_normals(ops, stream, (first + r) * used, used, (char *)rows + (size_t)r * pitch);
}

/* A number for what stands in the rows of all ranks, the same for any number of ranks if and only if the bits are. */
static inline uint64_t claim_hash(const struct ff_mesh *m, const struct ff_ops *ops, long first, long nrows, long used,
                                  const void *rows)
{
    const size_t pitch = (size_t)m->rp * (size_t)ops->size;
    uint64_t sum = 0;
    for (long r = 0; r < nrows; r++) {
        const unsigned char *bytes = (const unsigned char *)rows + (size_t)r * pitch;
        uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)(first + r);
        for (size_t i = 0; i < (size_t)used * (size_t)ops->size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
        sum += hash;
    }
    return sum;
}

struct bits {
    uint64_t spectrum, field, plans;
};

/* The spectrum of a field of normals, and the field of a spectrum of normals (that has no symmetry); same on all
** ranks. */
static inline ff_err transform_bits(const struct ff_comm *c, const struct ff_mesh *m, const struct ff_ops *ops,
                                    struct bits *out, ff_ctx *ctx)
{
    const size_t bytes = (size_t)ff_mesh_room(m) * (size_t)ops->size;
    void *field = claim_array(bytes), *spectrum = claim_array(bytes), *work = claim_array(bytes);
    int64_t sums[2] = {0}, more[2];
    ff_slab *slab;
    ff_err err = ff_slab_init(&slab, ops, m, ctx);
    if (!err) {
        claim_rows(m, ops, 0, (long)m->z0 * m->ny, (long)m->nzl * m->ny, m->nx, field);
        err = ff_slab_forward(slab, c, field, spectrum, m->nranks == 1 ? NULL : work, ctx);
        sums[0] = (int64_t)claim_hash(m, ops, (long)m->y0 * m->nz, (long)m->nyl * m->nz, 2 * (m->h + 1), spectrum);
    }
    if (!err) {
        claim_rows(m, ops, 1, (long)m->y0 * m->nz, (long)m->nyl * m->nz, 2 * (m->h + 1), spectrum);
        err = ff_slab_inverse(slab, c, spectrum, field, m->nranks == 1 ? NULL : work, ctx);
        sums[1] = (int64_t)claim_hash(m, ops, (long)m->z0 * m->ny, (long)m->nzl * m->ny, m->nx, field);
    }
    if (!err) err = ff_sum_i64(c, sums, 2, more, ctx);
    *out = (struct bits){(uint64_t)sums[0], (uint64_t)sums[1], slab ? ff_slab_hash(slab) : 0};
    ff_slab_free(slab);
    free(field), free(spectrum), free(work);
    return err;
}

/* Sides whose rows end within a chunk of columns, odd ones, fewer planes or rows than ranks. */
static const int bit_meshes[][3] = {{40, 12, 9}, {9, 5, 6}, {16, 20, 3}, {30, 2, 25}};
enum { BIT_MESHES = sizeof bit_meshes / sizeof *bit_meshes };

#endif
