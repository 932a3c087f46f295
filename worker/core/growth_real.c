/* worker/core/growth_real.c - displacements out of slopes of potentials that are fields of their own (spectral
** gradients), and back: every plane has its growth d[z] (ops.def; docs: compute, section 4.4). By stencils the same is
** done on the way (stencil_real.c). A thread takes whole planes. */
#include "worker/core/real.h"

#include "worker/core/ops.h"
#include "worker/core/reduce.h"

void FF_NAME(ff_growth_apply)(const struct ff_mesh *m, const double *d, const void *slope, bool add, void *s)
{
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long r = 0; r < (long)m->nzl * m->ny; r++) {
        const ff_real factor = (ff_real)d[m->z0 + r / m->ny], *from = (const ff_real *)slope + r * m->rp;
        ff_real *to = (ff_real *)s + r * m->rp;
#pragma omp simd
        for (int x = 0; x < m->nx; x++) to[x] = factor * from[x] + (add ? to[x] : 0);
    }
}

void FF_NAME(ff_growth_adjoint)(const struct ff_mesh *m, const double *d, const void *s_bar, void *slope, double *d_bar)
{
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (int z = 0; z < m->nzl; z++) {
        const ff_real factor = (ff_real)d[m->z0 + z];
        double sum = 0;
        for (int y = 0; y < m->ny; y++) {
            const long at = z * ff_mesh_plane(m) + y * m->rp;
            const ff_real *from = (const ff_real *)s_bar + at;
            ff_real *to = (ff_real *)slope + at;
            sum += FF_NAME(ff_dot)(from, to, m->nx, 1);
#pragma omp simd
            for (int x = 0; x < m->nx; x++) to[x] = factor * from[x];
        }
        d_bar[z] += sum;
    }
}
