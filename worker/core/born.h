/* worker/core/born.h - planes of mass to convergence maps in the Born approximation, and back. Docs: physics, section
** 6; compute, section 4.7.
**   kappa_b(p) = sum_k weight[b][k] [I_k(p) - mean_k]
** I_k is the bilinear value of plane k (mass of a cell over its mean) at the point where the ray of pixel p cuts it:
** along x at cell (L_x/2 + r_k t)/side - 1/2, t = ((px + 1/2)/npix - 1/2) size_rad, along y alike. The field is centred
** on the axis of the box. Rays that leave the box wrap around.
** Sums over planes are made in 64-bit fixed point (2^-FF_BORN_BITS), so that they do not depend on which rank has which
** planes. Planes: counts (mesh.h), or reals, masses over the mean. Maps and their cotangents: (nbins, npix, npix).
** Operations (ops.def):
**   forward         adds this rank's planes to the maps in fixed point. Returns an alarm, zero when all is well: counts
**                   below zero (a counter that overflowed) and planes whose sum is not finite. Maps then mean nothing
**   maps            fixed point to reals
**   adjoint         of the planes lo .. hi (unwrapped, mesh.h), whoever has them: kappa_bar with the weights, summed
**                   over bins, through the transpose of the interpolation, less the mean's share; set, padding zero
**   weight_adjoint  of this rank's planes, set; weight_bar points to its first plane in (nbins, nz) */
#ifndef FF_WORKER_CORE_BORN_H
#define FF_WORKER_CORE_BORN_H

#include "worker/core/mesh.h"

enum { FF_BORN_BITS = 52 };

struct ff_born {
    struct ff_mesh mesh;
    int nbins, npix; /* nbins <= FF_MAX_BINS */
    double size_rad;
    const double *r;      /* (nz) comoving distance of the planes, Mpc/h */
    const double *weight; /* (nbins, nz) */
    void *scratch;        /* threads * ff_born_scratch() bytes */
};

/* Bytes of scratch a thread needs: where the pixels of both axes lie, a plane of pixels, maps of its own, a row of cells. */
static inline long ff_born_scratch(const struct ff_born *b)
{
    const long plane = (long)b->npix * b->npix;
    const long doubles = 12L * b->npix + (1 + b->nbins) * plane + b->mesh.nx + b->mesh.ny + 2;
    return (doubles + 7) / 8 * 8 * (long)sizeof(double);
}

#endif
