/* worker/sim/cone_spectral.c - displacements by i k (docs: compute, section 4.4): every component of every order is a
** transform of its own, so that the slopes, three fields an order, are kept for the adjoint instead of the potentials.
**   forward  slope_ij = F(-+ i k_j X_i)/side_j, X_1 the modes of phi, X_2 those of phi2;  s_j = D1 slope_1j + D2 slope_2j
**   adjoint  with t_ij = D_i s_bar_j: the transform of the cotangent of phi_i is sum_j (-+ i k_j)* R(t_ij)/side_j */
#include <string.h>

#include "worker/core/planes.h"
#include "worker/sim/cone_inner.h"

/* Of the first order's slope, -grad phi, and the second's, +grad phi2; in cells. */
static double sign_of(int which)
{
    return which == 0 ? -1 : 1;
}

/* Slopes of the potential whose modes are in c->spectrum, which stay; c->mass is written over. */
static ff_err slopes(struct ff_cone *c, int which, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int axis = 0; axis < 3 && !err; axis++) {
        c->ops->lattice_gradient(&c->mesh, axis, sign_of(which) / c->mesh.side[axis], c->spectrum, c->mass);
        ff_cone_lap(c, &c->times.lattice);
        err = ff_slab_inverse(c->slab, &c->comm, c->mass, c->slope[which][axis], c->work, ctx);
        ff_cone_lap(c, &c->times.fft);
    }
    return err;
}

/* The transform of the potential's cotangent, in c->spectrum, times `scale`; the cotangent of the growth in row `which` of
** c->planes. c->mass and the slopes are written over. */
static ff_err slopes_adjoint(struct ff_cone *c, int which, double scale, ff_ctx *ctx)
{
    const struct ff_mesh *m = &c->mesh;
    ff_err err = FF_OK;
    memset(c->spectrum, 0, (size_t)ff_mesh_room(m) * (size_t)c->ops->size);
    for (int axis = 0; axis < 3 && !err; axis++) {
        void *slope = c->slope[which][axis];
        c->ops->growth_adjoint(m, which == 0 ? c->d1 : c->d2, c->s[axis], slope, ff_cone_own(c, which));
        ff_cone_lap(c, &c->times.stencil);
        err = ff_slab_forward(c->slab, &c->comm, slope, c->mass, c->work, ctx);
        ff_cone_lap(c, &c->times.fft);
        if (err) return err;
        c->ops->lattice_gradient_adjoint(m, axis, scale * sign_of(which) / m->side[axis], c->mass, c->spectrum);
        ff_cone_lap(c, &c->times.lattice);
    }
    return err;
}

static void displace(struct ff_cone *c)
{
    for (int axis = 0; axis < 3; axis++) {
        c->ops->growth_apply(&c->mesh, c->d1, c->slope[0][axis], false, c->s[axis]);
        if (c->model.order == 2) c->ops->growth_apply(&c->mesh, c->d2, c->slope[1][axis], true, c->s[axis]);
    }
    ff_cone_lap(c, &c->times.stencil);
}

ff_err ff_cone_displace_spectral(struct ff_cone *c, const void *latent, ff_ctx *ctx)
{
    const bool second = c->model.order == 2;
    ff_cone_potential(c, latent);
    ff_err err = slopes(c, 0, ctx);
    if (!err && second) err = ff_cone_to_field(c, c->phi, ctx);
    if (!err && second) err = ff_cone_source(c, ctx);
    if (!err && second) ff_cone_invert_laplacian(c);
    if (!err && second) err = slopes(c, 1, ctx);
    if (!err) displace(c);
    return err;
}

ff_err ff_cone_displace_spectral_adjoint(struct ff_cone *c, ff_ctx *ctx)
{
    if (c->model.order == 1) return slopes_adjoint(c, 0, 1, ctx);
    void *phi_bar = c->slope[0][0]; /* free when the slopes have been used */
    ff_err err = slopes_adjoint(c, 0, 1 / (double)ff_mesh_cells(&c->mesh), ctx);
    if (!err) err = ff_cone_to_field(c, phi_bar, ctx);
    if (!err) err = slopes_adjoint(c, 1, 1, ctx);
    if (!err) err = ff_cone_source_adjoint(c, phi_bar, ctx);
    return err ? err : ff_cone_to_spectrum(c, phi_bar, ctx);
}
