/* worker/sim/cone_inner.h - what the two ways through a light-cone (cone_forward.c, cone_adjoint.c) share, with each
** other and with spectral gradients (cone_spectral.c). */
#ifndef FF_WORKER_SIM_CONE_INNER_H
#define FF_WORKER_SIM_CONE_INNER_H

#include "common/clock.h"
#include "worker/sim/cone.h"

/* The time since the last lap goes to one of c->times. */
static inline void ff_cone_lap(struct ff_cone *c, double *to)
{
    const double now = ff_clock_s();
    *to += now - c->mark;
    c->mark = now;
}

struct ff_particles ff_cone_particles(const struct ff_cone *c);
struct ff_born ff_cone_born(const struct ff_cone *c);
/* Rows of maps of reals from one pitch to another. */
void ff_cone_copy_rows(const struct ff_cone *c, void *to, long to_pitch, const void *from, long from_pitch);
FF_MUST_USE ff_err ff_cone_ghosts(struct ff_cone *c, void *planes, int ghosts, ff_ctx *ctx);
/* Bytes of a plane of the box. */
size_t ff_cone_plane_bytes(const struct ff_cone *c);

/* Field to c->spectrum and back. What is transformed is destroyed. */
FF_MUST_USE ff_err ff_cone_to_spectrum(struct ff_cone *c, void *field, ff_ctx *ctx);
FF_MUST_USE ff_err ff_cone_to_field(struct ff_cone *c, void *field, ff_ctx *ctx);
/* c->mass (a field) over the window of its painting, in place. Symmetric, so its own adjoint. */
FF_MUST_USE ff_err ff_cone_decic(struct ff_cone *c, ff_ctx *ctx);
/* Latent to the modes of phi in c->spectrum. */
void ff_cone_potential(struct ff_cone *c, const void *latent);
/* c->spectrum *= -1/(N k^2), which solves lap phi = source where both are fields. Symmetric, so its own adjoint. */
void ff_cone_invert_laplacian(struct ff_cone *c);

/* The source of phi2 in c->spectrum, of c->phi (its ghosts are filled here); s[1] is written over. */
FF_MUST_USE ff_err ff_cone_source(struct ff_cone *c, ff_ctx *ctx);
/* The adjoint of that and of the Laplacian: phi_bar += what comes through phi2, whose cotangent's spectrum is in
** c->spectrum; s is written over. */
FF_MUST_USE ff_err ff_cone_source_adjoint(struct ff_cone *c, void *phi_bar, ff_ctx *ctx);

/* This rank's part of row `row` of c->planes. */
double *ff_cone_own(const struct ff_cone *c, int row);

/* Spectral gradients. Latent to s; and the cotangent in s to the transform of phi's in c->spectrum, and to those of the
** growth in rows 0 and 1 of c->planes (added). */
FF_MUST_USE ff_err ff_cone_displace_spectral(struct ff_cone *c, const void *latent, ff_ctx *ctx);
FF_MUST_USE ff_err ff_cone_displace_spectral_adjoint(struct ff_cone *c, ff_ctx *ctx);

#endif
