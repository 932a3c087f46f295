/* worker/sim/cone.h - white modes of a periodic box to the convergence of its light-cone by Lagrangian perturbation
** theory, and back: the order of the operations, forward and adjoint. Docs: physics, section 6 (arXiv:2304.04785);
** compute, sections 1a and 4. Inside this room only.
**   u -> phi = -A u_k/k^2 -> displacement D1(z) s1 [+ D2(z) s2] -> paint -> [de-CIC] -> Born -> kappa
** s1 = -grad phi and s2 = grad phi2, lap phi2 = S(phi), in cells; the gradient by stencils, or by i k (cone_spectral.c),
** the source S by stencils always.
** Every rank has its slab of planes (core/mesh.h) and its rows of the latent; kappa and its cotangent are whole on every
** rank. Results are the same bits for any number of ranks and threads. Collective.
** Call order: ff_cone_init -> per theta: ff_cone_set -> ff_cone_forward -> [ff_cone_cells] -> ff_cone_adjoint, which
** needs the forward just made and uses up what that has left -> ff_cone_free. */
#ifndef FF_WORKER_SIM_CONE_H
#define FF_WORKER_SIM_CONE_H

#include "worker/core/arena.h"
#include "worker/core/ops.h"
#include "worker/core/slab.h"
#include "worker/core/spread.h"
#include "worker/sim/sim.h"

enum { FF_CONE_NODES = 512 }; /* of the amplitude's table */
_Static_assert((int)FF_CONE_NODES <= (int)FF_LATTICE_NODES, "operations have room for no more");

struct ff_cone {
    struct ff_lpt model;
    const struct ff_ops *ops;
    struct ff_comm comm;
    struct ff_mesh mesh;
    struct ff_arena arena;
    ff_slab *slab;
    int nbins, npix;
    double size_rad;

    /* tables: copies */
    struct ff_lattice lattice;
    double *amplitude, *d1, *d2, *weight, *distance; /* (nk) (nz) (nz) (nbins, nz) (nz) */

    /* the box; real, as core/mesh.h has them. Left by the forward for the way back: phi (and phi2) or the slopes, s, mass */
    void *phi, *phi2;  /* with ghosts; by stencils, and phi for the source of second order too */
    void *s[3];        /* displacements, then their cotangents; s[1] (second order) and s[2] with ghosts */
    void *slope[2][3]; /* spectral: s1 and s2 without the growth */
    void *mass;        /* counts, or sharpened reals; then cotangents of what they were made of */
    void *spectrum;    /* s[0] itself where spectra come and go before there are displacements, and after */
    void *work;        /* several ranks only */
    void *window;      /* several ranks only: planes this rank's particles touch; grows */
    size_t window_bytes;
    int lo, hi; /* planes the particles touch */
    bool moved; /* s are displacements */

    /* the maps */
    int64_t *sums, *sums_work; /* (nbins, npix, npix) */
    void *kappa;               /* real (nbins, npix, npix) */
    double *rows;              /* (ny, nk) of all ranks: what the lattice's adjoint adds up */
    double *planes;            /* (2 + nbins, nz) of all ranks: cotangents of d1, d2, weight */
    void *born_scratch, *stencil_scratch;

    struct ff_sim_times times; /* seconds spent so far */
    double mark;               /* when the last of them were added */
};

/* Bytes that one rank holds. With several ranks: its window of the size it has while particles stay within half a slab
** of their own planes on either side. */
size_t ff_cone_bytes(const struct ff_sim_config *config);
FF_MUST_USE ff_err ff_cone_init(struct ff_cone *c, const struct ff_sim_config *config, const struct ff_ops *ops,
                                ff_ctx *ctx);
void ff_cone_free(struct ff_cone *c);
/* FF_EOUTSIDE when a table is not finite. */
FF_MUST_USE ff_err ff_cone_set(struct ff_cone *c, const struct ff_sim_tables *tables, ff_ctx *ctx);

/* Latent to kappa (nbins, npix, pitch), real. FF_EOUTSIDE when the displacements are not finite or more mass meets in a
** cell than its counter can hold. */
FF_MUST_USE ff_err ff_cone_forward(struct ff_cone *c, const void *latent, void *kappa, long pitch, ff_ctx *ctx);
/* After it: the cotangent of kappa to those of the latent (latent_bar, set; NULL: not wanted) and of the tables (bars or
** members NULL: not wanted). prior: latent_bar also gets -u. */
FF_MUST_USE ff_err ff_cone_adjoint(struct ff_cone *c, const void *latent, const void *kappa_bar, long pitch, bool prior,
                                   void *latent_bar, const struct ff_sim_bars *bars, ff_ctx *ctx);
/* A number that changes when a particle of the last forward goes to other cells (core/particles.h). FF_EBUG when the
** displacements are gone. */
FF_MUST_USE ff_err ff_cone_cells(struct ff_cone *c, uint64_t *cells, ff_ctx *ctx);
/* How the latent is spread over the ranks. */
struct ff_spread ff_cone_spread(const struct ff_cone *c);
/* |u|^2 over all ranks, in an order that does not depend on them. */
FF_MUST_USE ff_err ff_cone_square(struct ff_cone *c, const void *latent, double *square, ff_ctx *ctx);

#endif
