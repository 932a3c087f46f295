/* worker/sim/cone_forward.c - see cone.h: latent to convergence. */
#include <stdlib.h>
#include <string.h>

#include "worker/core/planes.h"
#include "worker/core/share.h"
#include "worker/sim/cone_inner.h"

struct ff_particles ff_cone_particles(const struct ff_cone *c)
{
    return (struct ff_particles){
        .mesh = c->mesh, .kernel = c->model.paint, .offset = c->model.offset, .s = {c->s[0], c->s[1], c->s[2]}};
}

struct ff_born ff_cone_born(const struct ff_cone *c)
{
    return (struct ff_born){.mesh = c->mesh,
                            .nbins = c->nbins,
                            .npix = c->npix,
                            .size_rad = c->size_rad,
                            .r = c->distance,
                            .weight = c->weight,
                            .scratch = c->born_scratch};
}

size_t ff_cone_plane_bytes(const struct ff_cone *c)
{
    return (size_t)ff_mesh_plane(&c->mesh) * (size_t)c->ops->size;
}

ff_err ff_cone_ghosts(struct ff_cone *c, void *planes, int ghosts, ff_ctx *ctx)
{
    const ff_err err = ff_planes_ghosts(&c->comm, &c->mesh, planes, ghosts, ff_cone_plane_bytes(c), ctx);
    ff_cone_lap(c, &c->times.exchange);
    return err;
}

ff_err ff_cone_to_spectrum(struct ff_cone *c, void *field, ff_ctx *ctx)
{
    const ff_err err = ff_slab_forward(c->slab, &c->comm, field, c->spectrum, c->work, ctx);
    ff_cone_lap(c, &c->times.fft);
    return err;
}

ff_err ff_cone_to_field(struct ff_cone *c, void *field, ff_ctx *ctx)
{
    const ff_err err = ff_slab_inverse(c->slab, &c->comm, c->spectrum, field, c->work, ctx);
    ff_cone_lap(c, &c->times.fft);
    return err;
}

void ff_cone_potential(struct ff_cone *c, const void *latent)
{
    c->ops->lattice_potential(&c->lattice, latent, c->spectrum);
    ff_cone_lap(c, &c->times.lattice);
}

void ff_cone_invert_laplacian(struct ff_cone *c)
{
    c->ops->lattice_inverse_laplacian(&c->mesh, 1 / (double)ff_mesh_cells(&c->mesh), c->spectrum);
    ff_cone_lap(c, &c->times.lattice);
}

ff_err ff_cone_source(struct ff_cone *c, ff_ctx *ctx)
{
    ff_err err = ff_cone_ghosts(c, c->phi, FF_STRAIN_GHOSTS, ctx);
    if (err) return err;
    c->ops->stencil_source(&c->mesh, c->phi, c->stencil_scratch, c->s[1]);
    ff_cone_lap(c, &c->times.stencil);
    return ff_cone_to_spectrum(c, c->s[1], ctx);
}

/* Latent to s by stencils. */
static ff_err displace(struct ff_cone *c, const void *latent, ff_ctx *ctx)
{
    const bool second = c->model.order == 2;
    ff_cone_potential(c, latent);
    ff_err err = ff_cone_to_field(c, c->phi, ctx);
    if (!err && !second) err = ff_cone_ghosts(c, c->phi, FF_GRADIENT_GHOSTS, ctx);
    if (!err && second) err = ff_cone_source(c, ctx);
    if (!err && second) ff_cone_invert_laplacian(c);
    if (!err && second) err = ff_cone_to_field(c, c->phi2, ctx);
    if (!err && second) err = ff_cone_ghosts(c, c->phi2, FF_GRADIENT_GHOSTS, ctx);
    if (err) return err;
    c->ops->stencil_displace(&c->mesh, c->phi, c->phi2, c->d1, second ? c->d2 : NULL, c->s);
    ff_cone_lap(c, &c->times.stencil);
    return FF_OK;
}

/* Room for the planes lo .. hi that this rank's particles touch. */
static ff_err grow_window(struct ff_cone *c, ff_ctx *ctx)
{
    const size_t bytes = (size_t)(c->hi - c->lo) * ff_cone_plane_bytes(c);
    if (bytes <= c->window_bytes) return FF_OK;
    free(c->window);
    c->window_bytes = 0;
    c->window = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!c->window)
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the %d planes that the particles of %d planes reach",
                       c->hi - c->lo, c->mesh.nzl);
    c->window_bytes = bytes;
    return FF_OK;
}

/* *lost: particles of this rank without a place. */
static ff_err paint(struct ff_cone *c, long *lost, ff_ctx *ctx)
{
    const struct ff_particles p = ff_cone_particles(c);
    const struct ff_mesh *m = &c->mesh;
    c->lo = 0, c->hi = m->nz;
    if (m->nranks == 1) {
        *lost = c->ops->particles_paint(&p, c->lo, c->hi, c->mass);
        ff_cone_lap(c, &c->times.paint);
        return FF_OK;
    }
    c->ops->particles_extent(&p, &c->lo, &c->hi);
    if (c->hi - c->lo > m->nz) c->lo = 0, c->hi = m->nz;
    ff_err err = ff_share_error(&c->comm, grow_window(c, ctx), ctx); /* or the others would wait for its planes */
    if (err) return err;
    *lost = c->ops->particles_paint(&p, c->lo, c->hi, c->window);
    ff_cone_lap(c, &c->times.paint);
    err = ff_planes_add(&c->comm, m, c->window, c->lo, c->hi, c->mass, c->ops->size, c->work,
                        (size_t)ff_mesh_room(m) * (size_t)c->ops->size, ctx);
    ff_cone_lap(c, &c->times.exchange);
    return err;
}

ff_err ff_cone_decic(struct ff_cone *c, ff_ctx *ctx)
{
    ff_err err = ff_cone_to_spectrum(c, c->mass, ctx);
    if (err) return err;
    c->ops->lattice_decic(&c->mesh, c->model.paint, 1 / (double)ff_mesh_cells(&c->mesh), c->spectrum);
    ff_cone_lap(c, &c->times.lattice);
    return ff_cone_to_field(c, c->mass, ctx);
}

/* Sharpened mass in place of the counts. *alarm: counts that overflowed are added. */
static ff_err sharpen(struct ff_cone *c, long *alarm, ff_ctx *ctx)
{
    *alarm += c->ops->particles_contrast(&c->mesh, c->mass, c->mass);
    ff_cone_lap(c, &c->times.paint);
    return ff_cone_decic(c, ctx);
}

/* c->mass to c->kappa. alarm: what went wrong on this rank so far, zero when all is well. */
static ff_err project(struct ff_cone *c, long alarm, ff_ctx *ctx)
{
    const struct ff_born born = ff_cone_born(c);
    const long maps = (long)c->nbins * c->npix * c->npix;
    memset(c->sums, 0, (size_t)maps * sizeof *c->sums);
    double all = (double)alarm + c->ops->born_forward(&born, c->mass, !c->model.decic, c->sums);
    ff_cone_lap(c, &c->times.born);
    ff_err err = c->comm.allreduce_f64(&c->comm, &all, 1, ctx);
    if (!err && all > 0)
        err = ff_fail(ctx, FF_EOUTSIDE, FF_HERE,
                      "displacements are not finite, or more mass met in a cell than its counter holds");
    if (!err && c->mesh.nranks > 1) err = ff_sum_i64(&c->comm, c->sums, maps, c->sums_work, ctx);
    ff_cone_lap(c, &c->times.exchange);
    if (!err) c->ops->born_maps(&born, c->sums, c->kappa);
    return err;
}

ff_err ff_cone_forward(struct ff_cone *c, const void *latent, void *kappa, long pitch, ff_ctx *ctx)
{
    long alarm = 0;
    c->moved = false;
    c->mark = ff_clock_s();
    ff_err err = c->model.spectral ? ff_cone_displace_spectral(c, latent, ctx) : displace(c, latent, ctx);
    if (!err) err = paint(c, &alarm, ctx);
    if (!err && c->model.decic) err = sharpen(c, &alarm, ctx);
    if (!err) err = project(c, alarm, ctx);
    if (err) return err;
    c->moved = true;
    ff_cone_copy_rows(c, kappa, pitch, c->kappa, c->npix);
    ff_cone_lap(c, &c->times.born);
    return FF_OK;
}

ff_err ff_cone_cells(struct ff_cone *c, uint64_t *cells, ff_ctx *ctx)
{
    const struct ff_particles p = ff_cone_particles(c);
    *cells = 0;
    if (!c->moved) return ff_fail(ctx, FF_EBUG, FF_HERE, "cells of particles whose displacements are not there");
    int64_t sum = (int64_t)c->ops->particles_cells(&p), work;
    const ff_err err = ff_sum_i64(&c->comm, &sum, 1, &work, ctx);
    if (!err) *cells = (uint64_t)sum;
    return err;
}
