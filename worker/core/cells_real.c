/* worker/core/cells_real.c - which cells particles are in, as one number (particles.h: cells). The first node of a particle
** is unwrapped, and counted from the particle's own cell. Mixing: the finaliser of SplitMix64 (Steele, Lea & Flood 2014,
** OOPSLA). */
#include "worker/core/particles_chunk.h"

#include "worker/core/ops.h"

FF_HD uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t row_cells(const struct ff_particles *p, int z, int y)
{
    const struct ff_mesh *m = &p->mesh;
    const int nodes = ff_kernel_nodes(p->kernel);
    const long at = z * ff_mesh_plane(m) + y * m->rp;
    uint64_t sum = 0;
    for (int x = 0; x < m->nx; x++) {
        uint64_t hash = mixed(((uint64_t)(m->z0 + z) * (uint64_t)m->ny + (uint64_t)y) * (uint64_t)m->nx + (uint64_t)x);
        for (int axis = 0; axis < 3; axis++) {
            ff_real frac;
            const int place = ff_place(nodes, ((const ff_real *)p->s[axis])[at + x], (ff_real)p->offset, &frac);
            hash = mixed(hash + (uint32_t)place + 0x9e3779b97f4a7c15u);
        }
        sum += hash;
    }
    return sum;
}

uint64_t FF_NAME(ff_particles_cells)(const struct ff_particles *p)
{
    const struct ff_mesh *m = &p->mesh;
    uint64_t sum = 0;
#pragma omp parallel for num_threads(m->threads) schedule(static) reduction(+ : sum) if (m->threads > 1)
    for (int z = 0; z < m->nzl; z++)
        for (int y = 0; y < m->ny; y++) sum += row_cells(p, z, y);
    return sum;
}
