/* worker/core/particles.h - particles that start on the mesh, one a cell at (x + offset, y + offset, z + offset) in
** cells (mesh node n at n), move by a displacement, and are painted: docs compute, sections 4.6 and 5. Painting adds
** integers (mesh.h), so mass is exact and the order does not matter; the weights of one particle add up to exactly one.
** Operations on particles (ops.def):
**   extent   the planes lo .. hi (unwrapped) that this rank's particles touch; hi - lo may come out above nz
**   paint    a window of counts, set (not added to); particles must touch no other planes, or the window be the whole.
**            Returns how many particles are lost: a displacement that is no number, or beyond FF_PARTICLES_REACH cells. These
**            are put at the reach's end, so that mass stays exact, but the picture means nothing
**   gather   adjoint of paint for a real window of cotangents: s_bar_j = sum_n (dw_n/dx_j) bar_n; s_bar may be s itself
**   contrast counts to reals: mass over the mean; in place if wanted. Returns how many counts are negative: more mass met
**            in these cells than a counter holds (2047 times the mean for float)
**   cells    a number that changes when a particle's first node does: a sum over particles, without an order, of hashes of
**            their places; those of ranks are to be added (modulo 2^64). Where it is the same, painting is smooth
** Stencil: D f = [8 (f(+1) - f(-1)) - (f(+2) - f(-2))] / 12, with image i (8 sin w - sin 2w)/6 (docs: physics, 6). A mesh
** has FF_STENCIL_CELLS at least along each axis.
**   displace           s_j(z) = (-d1[z] D_j phi + d2[z] D_j phi2) / side_j^2, d1 and d2 (nz) of all planes, d2 and phi2 may be
**                      NULL; phi, phi2 with FF_GRADIENT_GHOSTS
**   displace_adjoint   of one order (sign -1: the first, +1: the second): phi_bar = -sign sum_j D_j(d s_bar_j)/side_j^2, set;
**                      d_bar[z] (nzl) = sum over the plane of s_bar_j sign D_j phi/side_j^2, set; phi with ghosts,
**                      s_bar[2] with FF_GRADIENT_GHOSTS
**   source             S = sum_{i<j} (phi_ii phi_jj - phi_ij^2), phi_ij = D_i D_j phi/(side_i side_j); phi with
**                      FF_STRAIN_GHOSTS. The second-order potential solves lap phi2 = S (physics, 6; compute, 4.5)
**   source_flux, source_adjoint   its adjoint in two steps, with one exchange of ghosts between them. With
**                      P_ii = S_bar (phi_jj + phi_kk), P_ij = -2 S_bar phi_ij (i < j) and D_i here over side_i,
**                        phi_bar += sum_{i <= j} D_i D_j P_ij = [D_x D_x P_xx + D_x D_y P_xy + D_y D_y P_yy]
**                                                             + D_z [D_z P_zz + D_x P_xz + D_y P_yz];
**                      flux adds the first bracket, which stays within a plane, to phi_bar, and sets `flux` to the second
**                      (times 1/(12 side_z)); adjoint adds 12 D_z flux. phi with FF_STRAIN_GHOSTS, source_bar and flux with
**                      FF_GRADIENT_GHOSTS
** scratch: threads * ff_stencil_scratch() reals. */
#ifndef FF_WORKER_CORE_PARTICLES_H
#define FF_WORKER_CORE_PARTICLES_H

#include "common/model.h"
#include "worker/core/mesh.h"

enum { FF_GRADIENT_GHOSTS = 2, FF_STRAIN_GHOSTS = 4, FF_STENCIL_CELLS = 8 };
enum { FF_PARTICLES_REACH = 1 << 20 }; /* cells; a float still tells eighths of a cell there */

struct ff_particles {
    struct ff_mesh mesh;
    enum ff_paint_kernel kernel;
    double offset;    /* 0 <= offset < 1 */
    const void *s[3]; /* displacements along x, y, z in cells; each (nzl, ny, rp) reals */
};

/* Rows are worked on in strips that go through all planes, so that the planes around a row are still in cache. */
enum { FF_STRIP = 32 };
static inline int ff_strips(const struct ff_mesh *m)
{
    return (m->ny + FF_STRIP - 1) / FF_STRIP;
}
static inline int ff_strip_end(const struct ff_mesh *m, int first)
{
    return m->ny - first < FF_STRIP ? m->ny : first + FF_STRIP;
}

/* Scratch of a thread (source_real.c): rows of nx reals with room for what is beyond both ends. */
enum { FF_STENCIL_ROWS = 5 * FF_STRIP + 4 * 8 + 5, FF_STENCIL_MARGIN = 16 };
static inline long ff_stencil_pitch(const struct ff_mesh *m)
{
    return ((long)m->nx + 15) / 16 * 16 + 2 * FF_STENCIL_MARGIN;
}
static inline long ff_stencil_scratch(const struct ff_mesh *m)
{
    return FF_STENCIL_ROWS * ff_stencil_pitch(m);
}

#endif
