/* worker/core/particles_chunk.h - where the particles of a piece of a row are on a window of planes (mesh.h): what painting
** and gathering (paint_real.c, particles_real.c) share. A kernel touches `nodes` nodes along each axis: 2 (CIC), 3 (TSC).
** A position along an axis is base + offset + s with a whole number for base; only offset + s is a real, so a large mesh
** costs no digits. Whatever the displacements are, nodes lie in the window: x and y are periodic, and so is the window
** itself, which is what a window of all planes needs and nothing to particles that keep within one. */
#ifndef FF_WORKER_CORE_PARTICLES_CHUNK_H
#define FF_WORKER_CORE_PARTICLES_CHUNK_H

#include "worker/core/real.h"

#include "worker/core/particles.h"

#if defined(FF_REAL_IS_FLOAT)
#define FF_FLOOR __builtin_floorf
#else
#define FF_FLOOR __builtin_floor
#endif

enum { FF_CHUNK = 64, FF_NODES = 3 };

struct ff_window { /* planes lo .. lo + planes */
    int lo, planes;
};

struct ff_chunk {
    /* The first node (x, y: items within a plane; z: items) of a particle and those after it. */
    int32_t x[FF_NODES][FF_CHUNK], y[FF_NODES][FF_CHUNK];
    int64_t z[FF_NODES][FF_CHUNK];
    /* Position after the first node (CIC: 0 .. 1) or the middle one (TSC: -1/2 .. 1/2). */
    ff_real frac[3][FF_CHUNK];
};

static inline int ff_kernel_nodes(enum ff_paint_kernel kernel)
{
    return kernel == FF_PAINT_TSC ? 3 : 2;
}

/* Offset in cells from a particle's cell: of its first node, and the rest. NaN is taken for the low end of the reach. */
FF_HD int ff_place(int nodes, ff_real s, ff_real offset, ff_real *frac)
{
    const ff_real reach = (ff_real)FF_PARTICLES_REACH, half = nodes == 3 ? (ff_real)0.5 : 0;
    ff_real t = s > -reach ? s : -reach;
    t = (t < reach ? t : reach) + offset;
    const ff_real whole = FF_FLOOR(t + half);
    *frac = t - whole;
    return (int)whole - (nodes == 3);
}

/* i modulo n, in 0 .. n. i is at most the reach and a mesh's side: a real holds it exactly, and the quotient is off by
** one at most. */
FF_HD int ff_modulo(int i, int n, ff_real inverse)
{
    i -= (int)FF_FLOOR((ff_real)i * inverse) * n;
    i = i < 0 ? i + n : i;
    return i >= n ? i - n : i;
}

/* First nodes along one axis of `count` particles whose cells are base, base + step, ..; returns how many are lost. */
FF_HD int ff_chunk_axis(int nodes, const ff_real *s, int count, ff_real offset, int base, int step, int n,
                        int32_t *first, ff_real *frac)
{
    const ff_real reach = (ff_real)FF_PARTICLES_REACH, inverse = 1 / (ff_real)n;
    int lost = 0;
#pragma omp simd reduction(+ : lost)
    for (int i = 0; i < count; i++) {
        ff_real rest;
        const int place = ff_place(nodes, s[i], offset, &rest);
        first[i] = ff_modulo(base + step * i + place, n, inverse);
        frac[i] = rest;
        lost += s[i] >= -reach && s[i] <= reach ? 0 : 1;
    }
    return lost;
}

FF_HD int32_t ff_next(int32_t i, int n)
{
    return i + 1 == n ? 0 : i + 1;
}

/* Particles x .. x + count of row (z, y), z of this rank's planes. Returns how many are lost (particles.h). */
FF_HD int ff_chunk_find(int nodes, const struct ff_particles *p, const struct ff_window *w, int z, int y, int x,
                        int count, struct ff_chunk *c)
{
    const struct ff_mesh *m = &p->mesh;
    const long at = (long)z * ff_mesh_plane(m) + y * m->rp + x, plane = ff_mesh_plane(m);
    const int32_t rp = (int32_t)m->rp;
    const ff_real offset = (ff_real)p->offset, *sx = p->s[0], *sy = p->s[1], *sz = p->s[2];
    int32_t iy[FF_CHUNK], iz[FF_CHUNK];
    int lost = ff_chunk_axis(nodes, sx + at, count, offset, x, 1, m->nx, c->x[0], c->frac[0]);
    lost += ff_chunk_axis(nodes, sy + at, count, offset, y, 0, m->ny, iy, c->frac[1]);
    lost += ff_chunk_axis(nodes, sz + at, count, offset, m->z0 + z - w->lo, 0, w->planes, iz, c->frac[2]);
    for (int k = 0; k < nodes; k++) {
#pragma omp simd
        for (int i = 0; i < count; i++) {
            if (k > 0) {
                c->x[k][i] = ff_next(c->x[k - 1][i], m->nx);
                iy[i] = ff_next(iy[i], m->ny);
                iz[i] = ff_next(iz[i], w->planes);
            }
            c->y[k][i] = iy[i] * rp;
            c->z[k][i] = iz[i] * plane;
        }
    }
    return lost;
}

/* Nodes lo .. hi, unwrapped, that the particles of planes z[0] .. z[1] (this rank's) and rows y[0] .. y[1] touch along
** axis 1 (y) or 2 (z). There must be a row. */
void FF_NAME(ff_particles_reach)(const struct ff_particles *p, int axis, const int z[2], const int y[2], int *lo,
                                 int *hi);

#endif
