/* Arrays of a mesh for tests: reals of either precision behind void *, as the tables of operations have them. */
#ifndef FF_TESTS_UNIT_CORE_BOX_H
#define FF_TESTS_UNIT_CORE_BOX_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/core/ops.h"
#include "worker/core/rng.h"

static inline double box_get(const struct ff_ops *ops, const void *p, long i)
{
    return ops->size == 4 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}
static inline void box_put(const struct ff_ops *ops, void *p, long i, double value)
{
    if (ops->size == 4)
        ((float *)p)[i] = (float)value;
    else
        ((double *)p)[i] = value;
}
static inline void *box_at(const struct ff_ops *ops, void *p, long i)
{
    return (char *)p + i * ops->size;
}
/* n reals (or counts), zero. */
static inline void *box_array(const struct ff_ops *ops, long n)
{
    const size_t bytes = ((size_t)(n > 0 ? n : 1) * (size_t)ops->size + 255) / 256 * 256;
    void *p = aligned_alloc(256, bytes);
    assert_non_null(p);
    memset(p, 0, bytes);
    return p;
}
static inline struct ff_mesh box_mesh(int nx, int ny, int nz, int rank, int nranks, int threads)
{
    return ff_mesh_make((const int[3]){nx, ny, nz}, (const double[3]){2.0 * nx, 2.5 * ny, 3.0 * nz}, rank, nranks,
                        threads);
}
static inline long box_index(const struct ff_mesh *m, int x, int y, int z)
{
    return z * ff_mesh_plane(m) + y * m->rp + x;
}
/* The same for any precision, rows' ends left alone: rms times the normals of a stream, in the order of cells. Float's
** numbers are double's rounded; with `exact` double's are rounded too. */
static inline void box_normals(const struct ff_ops *ops, const struct ff_mesh *m, uint32_t stream, double rms,
                               bool exact, void *field)
{
    double *row = malloc((size_t)m->nx * sizeof *row);
    assert_non_null(row);
    for (int z = 0; z < m->nz; z++)
        for (int y = 0; y < m->ny; y++) {
            ff_rng_normals_f64(1, FF_RNG_TEST, stream, (uint64_t)(((long)z * m->ny + y) * m->nx), m->nx, row, 1);
            for (int x = 0; x < m->nx; x++)
                box_put(ops, field, box_index(m, x, y, z), exact ? (double)(float)(rms * row[x]) : rms * row[x]);
        }
    free(row);
}
/* Sum over cells of a b. */
static inline double box_dot(const struct ff_ops *ops, const struct ff_mesh *m, const void *a, const void *b)
{
    double sum = 0;
    for (int z = 0; z < m->nz; z++)
        for (int y = 0; y < m->ny; y++)
            for (int x = 0; x < m->nx; x++) {
                const long i = box_index(m, x, y, z);
                sum += box_get(ops, a, i) * box_get(ops, b, i);
            }
    return sum;
}
static inline void box_same_bits(const struct ff_ops *ops, const struct ff_mesh *m, const void *a, const void *b)
{
    for (int z = 0; z < m->nz; z++)
        for (int y = 0; y < m->ny; y++) {
            const long at = box_index(m, 0, y, z) * ops->size;
            assert_memory_equal((const char *)a + at, (const char *)b + at, (size_t)(m->nx * ops->size));
        }
}

#endif
