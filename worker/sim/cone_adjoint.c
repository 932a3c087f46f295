/* worker/sim/cone_adjoint.c - see cone.h: the cotangent of convergence to those of latent and tables. */
#include <string.h>

#include "worker/core/planes.h"
#include "worker/sim/cone_inner.h"

/* Where this rank's planes have their cotangents of d1, d2 and the weights, in c->planes: (nz) (nz) (nbins, nz). */
double *ff_cone_own(const struct ff_cone *c, int row)
{
    return c->planes + (long)row * c->mesh.nz + c->mesh.z0;
}

/* Rows of c->planes whole on every rank. */
static ff_err gather_planes(struct ff_cone *c, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int row = 0; row < 2 + c->nbins && !err; row++)
        err = ff_rows_gather(&c->comm, c->mesh.nz, c->mesh.z0, c->mesh.nzl, 1, ff_cone_own(c, row),
                             c->planes + (long)row * c->mesh.nz, ctx);
    return err;
}

/* kappa_bar to the cotangents of the mass on the planes that this rank's particles touch. */
static ff_err born_adjoint(struct ff_cone *c, const void **window, ff_ctx *ctx)
{
    const struct ff_born born = ff_cone_born(c);
    const struct ff_mesh *m = &c->mesh;
    const bool alone = m->nranks == 1;
    void *to = alone ? c->mass : c->window;
    *window = to;
    if (!c->model.decic) { /* every rank knows kappa_bar: nothing has to be fetched */
        c->ops->born_adjoint(&born, c->kappa, c->lo, c->hi, to);
        ff_cone_lap(c, &c->times.born);
        return FF_OK;
    }
    c->ops->born_adjoint(&born, c->kappa, m->z0, m->z0 + m->nzl, c->mass);
    ff_cone_lap(c, &c->times.born);
    ff_err err = ff_cone_decic(c, ctx);
    if (err || alone) return err;
    err = ff_planes_fetch(&c->comm, m, c->mass, to, c->lo, c->hi, ff_cone_plane_bytes(c), ctx);
    ff_cone_lap(c, &c->times.exchange);
    return err;
}

ff_err ff_cone_source_adjoint(struct ff_cone *c, void *phi_bar, ff_ctx *ctx)
{
    void *source_bar = c->s[2], *flux = c->s[1];
    ff_cone_invert_laplacian(c);
    ff_err err = ff_cone_to_field(c, source_bar, ctx);
    if (!err) err = ff_cone_ghosts(c, source_bar, FF_GRADIENT_GHOSTS, ctx);
    if (err) return err;
    c->ops->stencil_source_flux(&c->mesh, c->phi, source_bar, c->stencil_scratch, phi_bar, flux);
    ff_cone_lap(c, &c->times.stencil);
    err = ff_cone_ghosts(c, flux, FF_GRADIENT_GHOSTS, ctx);
    if (err) return err;
    c->ops->stencil_source_adjoint(&c->mesh, flux, phi_bar);
    ff_cone_lap(c, &c->times.stencil);
    return FF_OK;
}

/* The cotangent in s to the transform of phi's in c->spectrum, and to those of the growth, by stencils. */
static ff_err displace_adjoint(struct ff_cone *c, ff_ctx *ctx)
{
    const void *const s_bar[3] = {c->s[0], c->s[1], c->s[2]};
    void *phi_bar = c->mass;
    ff_err err = ff_cone_ghosts(c, c->s[2], FF_GRADIENT_GHOSTS, ctx);
    if (err) return err;
    if (c->model.order == 2) { /* that of phi2 in c->mass, and then phi2 is free */
        c->ops->stencil_displace_adjoint(&c->mesh, c->phi2, c->d2, +1, s_bar, c->mass, ff_cone_own(c, 1));
        phi_bar = c->phi2;
    }
    c->ops->stencil_displace_adjoint(&c->mesh, c->phi, c->d1, -1, s_bar, phi_bar, ff_cone_own(c, 0));
    ff_cone_lap(c, &c->times.stencil);
    if (c->model.order == 2) {
        err = ff_cone_to_spectrum(c, c->mass, ctx);
        if (!err) err = ff_cone_source_adjoint(c, phi_bar, ctx);
    }
    return err ? err : ff_cone_to_spectrum(c, phi_bar, ctx);
}

/* Sum over rows in their order, whichever rank they came from. */
static void add_rows(const double *rows, int nrows, long width, double *out)
{
    memset(out, 0, (size_t)width * sizeof *out);
    for (int y = 0; y < nrows; y++)
        for (long i = 0; i < width; i++) out[i] += rows[y * width + i];
}

/* The transform of phi's cotangent in c->spectrum to latent and amplitude. */
static ff_err lattice_adjoint(struct ff_cone *c, const void *latent, bool prior, void *latent_bar,
                              double *amplitude_bar, ff_ctx *ctx)
{
    const struct ff_mesh *m = &c->mesh;
    const long nk = c->lattice.nk;
    const struct ff_lattice_bar bar = {.amplitude = amplitude_bar ? c->rows + m->y0 * nk : NULL, .prior = prior};
    c->ops->lattice_potential_adjoint(&c->lattice, latent, c->spectrum, latent_bar, &bar);
    ff_cone_lap(c, &c->times.lattice);
    if (!amplitude_bar) return FF_OK;
    const ff_err err = ff_rows_gather(&c->comm, m->ny, m->y0, m->nyl, nk, bar.amplitude, c->rows, ctx);
    ff_cone_lap(c, &c->times.exchange);
    if (!err) add_rows(c->rows, m->ny, nk, amplitude_bar);
    ff_cone_lap(c, &c->times.lattice);
    return err;
}

struct ff_spread ff_cone_spread(const struct ff_cone *c)
{
    const struct ff_mesh *m = &c->mesh;
    return (struct ff_spread){.comm = m->nranks > 1 ? &c->comm : NULL,
                              .row = (long)m->nz * (m->h + 1) * 2,
                              .nrows = m->ny,
                              .first = m->y0,
                              .count = m->nyl};
}

ff_err ff_cone_square(struct ff_cone *c, const void *latent, double *square, ff_ctx *ctx)
{
    const struct ff_spread s = ff_cone_spread(c);
    const long n = ff_mesh_nlatent(&c->mesh);
    const int threads = c->mesh.threads;
    c->mark = ff_clock_s();
    const ff_err err = c->ops->size == sizeof(float)
                           ? ff_spread_dot_f32(&s, latent, latent, n, threads, c->rows, square, ctx)
                           : ff_spread_dot_f64(&s, latent, latent, n, threads, c->rows, square, ctx);
    ff_cone_lap(c, &c->times.lattice);
    return err;
}

static void copy_out(double *to, const double *from, size_t n)
{
    if (to) memcpy(to, from, n * sizeof *to);
}

ff_err ff_cone_adjoint(struct ff_cone *c, const void *latent, const void *kappa_bar, long pitch, bool prior,
                       void *latent_bar, const struct ff_sim_bars *bars, ff_ctx *ctx)
{
    static const struct ff_sim_bars none = {0};
    const struct ff_sim_bars *b = bars ? bars : &none;
    const size_t nz = (size_t)c->mesh.nz;
    const struct ff_particles p = ff_cone_particles(c);
    const struct ff_born born = ff_cone_born(c);
    const void *window;
    if (!c->moved) return ff_fail(ctx, FF_EBUG, FF_HERE, "the way back without the way there");
    c->moved = false;
    c->mark = ff_clock_s();
    memset(c->planes, 0, (2 + (size_t)c->nbins) * nz * sizeof *c->planes);
    ff_cone_copy_rows(c, c->kappa, c->npix, kappa_bar, pitch);
    if (b->weight) c->ops->born_weight_adjoint(&born, c->kappa, c->mass, !c->model.decic, ff_cone_own(c, 2));
    ff_cone_lap(c, &c->times.born);
    ff_err err = born_adjoint(c, &window, ctx);
    if (err) return err;
    c->ops->particles_gather(&p, c->lo, c->hi, window, c->s);
    ff_cone_lap(c, &c->times.gather);
    err = c->model.spectral ? ff_cone_displace_spectral_adjoint(c, ctx) : displace_adjoint(c, ctx);
    if (!err) err = lattice_adjoint(c, latent, prior, latent_bar, b->amplitude, ctx);
    if (!err) err = gather_planes(c, ctx);
    ff_cone_lap(c, &c->times.exchange);
    if (err) return err;
    copy_out(b->d1, c->planes, nz);
    copy_out(b->d2, c->planes + nz, nz);
    copy_out(b->weight, c->planes + 2 * nz, (size_t)c->nbins * nz);
    return FF_OK;
}
