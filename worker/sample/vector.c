/* worker/sample/vector.c - see vector.h. */
#include "worker/sample/vector.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 4096 }; /* latents a loop turn: small enough to share out, large enough to cost nothing */

static long block_end(const struct ff_shape *shape, long block)
{
    const long end = (block + 1) * BLOCK;
    return end < shape->nlatent ? end : shape->nlatent;
}

static size_t rounded(size_t bytes)
{
    return (bytes + FF_VEC_ALIGN - 1) / FF_VEC_ALIGN * FF_VEC_ALIGN;
}

size_t ff_vec_bytes(const struct ff_shape *shape)
{
    return rounded((size_t)shape->nparam * sizeof(double)) + rounded((size_t)shape->nlatent * sizeof(float));
}

struct ff_vec ff_vec_take(const struct ff_shape *shape, unsigned char **cursor)
{
    struct ff_vec v;
    v.a = (double *)(void *)*cursor;
    *cursor += rounded((size_t)shape->nparam * sizeof(double));
    v.z = (float *)(void *)*cursor;
    *cursor += rounded((size_t)shape->nlatent * sizeof(float));
    return v;
}

void ff_vec_zero(const struct ff_shape *shape, struct ff_vec y)
{
    memset(y.a, 0, (size_t)shape->nparam * sizeof(double));
    memset(y.z, 0, (size_t)shape->nlatent * sizeof(float));
}

void ff_vec_copy(const struct ff_shape *shape, struct ff_vec y, struct ff_vec x)
{
    memcpy(y.a, x.a, (size_t)shape->nparam * sizeof(double));
    memcpy(y.z, x.z, (size_t)shape->nlatent * sizeof(float));
}

static void add_latents(float *restrict y, const float *restrict x, long first, long last)
{
    for (long i = first; i < last; i++) y[i] += x[i];
}

/* One thread runs without a parallel region: opening one costs more than a short vector. */
void ff_vec_add(const struct ff_shape *shape, struct ff_vec y, struct ff_vec x)
{
    for (int i = 0; i < shape->nparam; i++) y.a[i] += x.a[i];
    const long nblocks = (shape->nlatent + BLOCK - 1) / BLOCK;
    if (shape->threads <= 1) {
        add_latents(y.z, x.z, 0, shape->nlatent);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(shape->threads)
    for (long b = 0; b < nblocks; b++) add_latents(y.z, x.z, b * BLOCK, block_end(shape, b));
}

double ff_param_dot(const double *a, const double *b, size_t n)
{
    enum { LANES = 8 };
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += a[i + l] * b[i + l];
    for (size_t l = 0; i < n; i++, l++) lane[l] += a[i] * b[i];
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

double ff_vec_dot(const struct ff_shape *shape, struct ff_vec x, struct ff_vec y)
{
    double latents;
    ff_ctx ctx = {0};
    if (ff_spread_dot_f32(&shape->spread, x.z, y.z, shape->nlatent, shape->threads, shape->rows, &latents, &ctx))
        return NAN;
    return ff_param_dot(x.a, y.a, (size_t)shape->nparam) + latents;
}

/* The latents [first, last) of ff_vec_move. */
static void move_latents(const struct ff_motion *m, float *restrict x, float *restrict p, const float *restrict g,
                         long first, long last)
{
    const double kick = m->kick, reference = m->reference, xx = m->xx, xp = m->xp, px = m->px, pp = m->pp;
    if (kick == 0) {
        for (long i = first; i < last; i++) {
            const double xi = x[i], pi = p[i];
            x[i] = (float)(xx * xi + xp * pi);
            p[i] = (float)(px * xi + pp * pi);
        }
        return;
    }
    for (long i = first; i < last; i++) {
        const double xi = x[i], pi = (double)p[i] + kick * ((double)g[i] + reference * xi);
        x[i] = (float)(xx * xi + xp * pi);
        p[i] = (float)(px * xi + pp * pi);
    }
}

void ff_vec_move(const struct ff_shape *shape, const struct ff_motion *m, struct ff_vec x, struct ff_vec p,
                 struct ff_vec g)
{
    for (int i = 0; i < shape->nparam; i++) {
        const double xi = x.a[i], pi = m->kick == 0 ? p.a[i] : p.a[i] + m->kick * (g.a[i] + m->reference * xi);
        x.a[i] = m->xx * xi + m->xp * pi;
        p.a[i] = m->px * xi + m->pp * pi;
    }
    const long nblocks = (shape->nlatent + BLOCK - 1) / BLOCK;
    if (shape->threads <= 1) {
        move_latents(m, x.z, p.z, g.z, 0, shape->nlatent);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(shape->threads)
    for (long b = 0; b < nblocks; b++) move_latents(m, x.z, p.z, g.z, b * BLOCK, block_end(shape, b));
}
