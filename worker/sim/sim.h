/* worker/sim/sim.h - tables and a white latent to maps on a flat patch, and back (adjoint): gaussian and log-normal
** fields, and the light-cone of a box of matter by Lagrangian perturbation theory (lpt).
** Model: docs physics sections 5 (arXiv:2407.10877) and 6 (arXiv:2304.04785), masks and shear section 8; whitening: docs
** compute section 6.
** Call order: ff_sim_init -> [ff_sim_set_data] -> per theta: ff_sim_set_tables -> ff_sim_forward / _vjp / _energy / ...
** -> ff_sim_free. One ff_sim belongs to one caller thread; it uses config.threads threads inside. Results are the same
** bits for any number of threads. Nothing is allocated after ff_sim_set_data.
**
** Grids. The data grid has npix x npix pixels of size_deg/npix; the simulated grid n x n with n = npix * padding, the
** same pixel, the data in its corner [0, npix)^2. Every map below is on the data grid.
** Latents. (nbins, n, n/2+1, 2) reals in C order, one complex number a stored mode (y frequency, then x frequency >= 0),
** every real ~ N(0,1). On the planes kx = 0 and kx = n/2 (n even) mode k and -k are both stored: the field uses
** (u_k + conj u_-k)/sqrt2, the rest is pure prior. The mode l = 0 and modes above l_max enter nothing (pure prior).
** lpt: (ny, nz, nx/2+1, 2), the modes of the box (core/mesh.h); with several ranks each has the rows of its own ky, and
** every call is collective; maps, energies and cotangents of tables are whole and the same on every rank.
** Reals are `float` or `double` as config.precision says; arrays of reals are passed as void * and commented "real". */
#ifndef FF_WORKER_SIM_SIM_H
#define FF_WORKER_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/model.h"
#include "worker/core/spread.h"

enum ff_precision { FF_F32, FF_F64 };
enum ff_whiten { FF_WHITEN_NONE, FF_WHITEN_WIENER };

struct ff_sim_config {
    enum ff_simulator simulator; /* FF_SIM_GAUSSIAN, FF_SIM_LOGNORMAL or FF_SIM_LPT */
    enum ff_observable observable;
    enum ff_variance variance; /* log-normal: var_i from theory, or each map's own */
    int nbins, npix, padding;  /* npix * padding a product of 2, 3, 5 */
    double size_deg;           /* side of the data grid */
    double l_max;              /* 0: none */
    bool pixel_window;         /* maps are averages over pixels (binned data), not values at their centres */
    enum ff_precision precision;
    int threads;                /* >= 1 */
    struct ff_lpt lpt;          /* lpt: the box */
    const struct ff_comm *comm; /* lpt: the ranks; copied; NULL: this one alone */
};

/* What a simulator sees of theta. */
struct ff_sim_tables {
    const double *cl;    /* (npairs, nell) at ff_sim_ell() */
    const double *shift; /* (nbins), log-normal only */
    const double *gain;  /* (nbins) 1 + m_i, multiplies the observable */
    /* lpt, instead of cl and shift: theta/lightcone.h for the places of ff_sim_light() */
    const double *amplitude, *d1, *d2, *weight; /* (nk) (nz) (nz) (nbins, nz) */
};
/* Cotangents of the tables (written, not added to); a NULL member is not computed. */
struct ff_sim_bars {
    double *cl;    /* (npairs, nell) */
    double *shift; /* (nbins) */
    double *gain;  /* (nbins) */
    double *amplitude, *d1, *d2, *weight;
};

typedef struct ff_sim ff_sim;

/* Bytes an ff_sim of this config will hold, with data set; refuse before allocating. */
size_t ff_sim_bytes(const struct ff_sim_config *config);
FF_MUST_USE ff_err ff_sim_init(ff_sim **out, const struct ff_sim_config *config, ff_ctx *ctx);
void ff_sim_free(ff_sim *s);

/* Multipoles at which tables are wanted; C_l in between is interpolated smoothly and linearly in the table (error below
** 2e-5 of C_l), so that cotangents of tables are exact. */
const double *ff_sim_ell(const ff_sim *s, int *nell);
/* lpt: where its tables are wanted. */
struct ff_sim_light {
    int nk, nz; /* nodes lnk0 + i dlnk, k in h/Mpc; planes */
    double lnk0, dlnk;
    double spacing, particles_offset; /* of planes, Mpc/h; of particles from their plane, in planes */
};
struct ff_sim_light ff_sim_light(const ff_sim *s);
long ff_sim_nlatent(const ff_sim *s); /* reals, of this rank */
/* How a latent is spread over the ranks; all zero but for lpt. Valid as long as the simulator. */
struct ff_spread ff_sim_spread(const ff_sim *s);
/* lpt: the white noise of the initial conditions as a field of variance 1, real (planes of this rank, ny, nx), and how the
** planes are spread; the linear density is its convolution with sqrt(P). */
struct ff_spread ff_sim_planes(const ff_sim *s);
FF_MUST_USE ff_err ff_sim_initial(ff_sim *s, const void *z, void *field, ff_ctx *ctx);
/* |z|^2 of a latent, over all ranks. */
FF_MUST_USE ff_err ff_sim_square(ff_sim *s, const void *z, double *square, ff_ctx *ctx);
/* lpt: a number that changes when a particle goes to other cells: where it is the same, maps are smooth functions of latent
** and tables; 0 of others, which always are. Of the last ff_sim_forward, or ff_sim_energy without gradient; FF_EBUG when
** something else came after it. */
FF_MUST_USE ff_err ff_sim_cells(ff_sim *s, uint64_t *cells, ff_ctx *ctx);
long ff_sim_nmap(const ff_sim *s);          /* nbins * npix * npix */
long ff_sim_nobs(const ff_sim *s);          /* nbins * ncomp * npix * npix */
uint64_t ff_sim_plan_hash(const ff_sim *s); /* identifies the FFT plans the bits depend on */

/* Factors every class of modes for these tables. FF_EOUTSIDE when they are not a covariance at all. */
FF_MUST_USE ff_err ff_sim_set_tables(ff_sim *s, const struct ff_sim_tables *tables, ff_ctx *ctx);

/* White latent of draw `draw` (the address is the signed mode number, so large scales agree across npix). */
void ff_sim_draw_latent(const ff_sim *s, uint64_t seed, uint32_t purpose, uint32_t draw, void *z /* real (nlatent) */);

/* White latent -> maps. convergence (without gain) and observable (with gain: convergence or shear); either may be NULL. */
FF_MUST_USE ff_err ff_sim_forward(ff_sim *s, const void *z, void *convergence /* real (nbins,npix,npix) */,
                                  void *observable /* real (nbins,ncomp,npix,npix) */, ff_ctx *ctx);

/* Adjoint of z, tables -> observable at z: cotangents for the cotangent obs_bar of the observable. z_bar may be NULL. */
FF_MUST_USE ff_err ff_sim_vjp(ff_sim *s, const void *z, const void *obs_bar, void *z_bar /* real (nlatent) */,
                              const struct ff_sim_bars *bars, ff_ctx *ctx);

/* Data of the likelihood, on the data grid: map and noise_sd as in struct ff_maps (copied; INFINITY = masked). Also
** prepares what whitening and the marginal fit need: the transform of d/sigma^2 and the mean of 1/sigma^2 per bin. */
FF_MUST_USE ff_err ff_sim_set_data(ff_sim *s, const float *map, const float *noise_sd, ff_ctx *ctx);

struct ff_energy {
    double loglike;  /* -1/2 sum ((d - model)/sigma)^2 over unmasked pixels */
    double logprior; /* -1/2 |z|^2 of the white latent z */
    double logdet;   /* log |dz/dy|: 0 in white coordinates */
};

/* Log density of the latent y given the tables, log p(d, y | tables) = loglike + logprior + logdet up to a constant, and
** its gradient with respect to y and the tables. With FF_WHITEN_WIENER, y is the latent whitened by its Wiener posterior
** per mode: z = M^-1 A^T D + R^-T y, M = I + A^T W A = R R^T, D the transform of d/sigma^2, W the mean of 1/sigma^2 over
** the simulated grid, A the response of the observable's convergence to z. Exact for any mask and noise. */
FF_MUST_USE ff_err ff_sim_energy(ff_sim *s, enum ff_whiten whiten, const void *y, struct ff_energy *energy,
                                 void *y_bar /* real (nlatent), gradient of the sum; NULL: value only */,
                                 const struct ff_sim_bars *bars, ff_ctx *ctx);

/* Coordinates: y -> z and z -> y at the current tables and data. */
FF_MUST_USE ff_err ff_sim_unwhiten(ff_sim *s, const void *y, void *z, ff_ctx *ctx);
FF_MUST_USE ff_err ff_sim_whiten(ff_sim *s, const void *z, void *y, ff_ctx *ctx);

/* Log-likelihood of the data as a Gaussian field with the covariance C_l + noise, mode by mode (the field
** marginalised; masks and uneven noise enter through means of the weights only: a start and a scale, not the answer),
** with gradient and Fisher matrix with respect to npar numbers that cl depends on through dcl. cl includes the gains. */
FF_MUST_USE ff_err ff_sim_marginal(ff_sim *s, const double *cl, int npar, const double *dcl /* (npar,npairs,nell) */,
                                   double *logp, double *gradient /* (npar) */, double *fisher /* (npar,npar) */,
                                   ff_ctx *ctx);

/* Where the time of the calls so far went, seconds: for `make bench`. */
struct ff_sim_times {
    double classes, fft, modes, pixels; /* class algebra and its transforms; field FFTs; per-mode ops; per-pixel ops */
    /* lpt: its transforms are in fft; white modes and filters; potentials to displacements; painting and counting; its adjoint;
    ** planes to maps; ghosts, windows and sums that go from rank to rank */
    double lattice, stencil, paint, gather, born, exchange;
};
void ff_sim_times(const ff_sim *s, struct ff_sim_times *out);

#endif
