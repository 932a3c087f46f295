/* worker/sim/state.h - what an ff_sim holds; inside this room only. Shapes: core/grid.h; "real" is float or double.
** Who fills what: sim.c the arrays and tables, data.c the data, whiten.c the Wiener factors, maps.c field to
** observable and back, energy.c the densities and gradients. */
#ifndef FF_WORKER_SIM_STATE_H
#define FF_WORKER_SIM_STATE_H

#include "worker/core/ops.h"
#include "worker/sim/cone.h"
#include "worker/sim/covariance.h"
#include "worker/sim/sim.h"

enum { FF_MARGINAL_PARTS = 16 }; /* runs of blocks whose sums are kept apart, for any number of threads */

struct ff_sim {
    struct ff_sim_config config;
    const struct ff_ops *ops;
    struct ff_fft *fft;
    struct ff_arena arena;
    struct ff_grid grid;      /* simulated grid; ncomp components observed */
    struct ff_covariance cov; /* lpt: of the marginal likelihood only */
    struct ff_cone cone;      /* lpt only */
    bool have_tables, have_data, have_white;
    double gain[FF_MAX_BINS];
    struct ff_sim_times times;

    /* modes */
    void *signal, *white;         /* real quadrants: B, S of the tables set */
    void *signal_bar, *white_bar; /* real quadrants */
    void *spectra;                /* real (nbins, n, cp, 2) */
    void *mode_scratch;           /* real */
    double *mode_sums;            /* (h+1, 1 + FF_MAX_BINS) */

    /* pixels */
    void *field, *kappa, *bar;    /* real (nbins, n, rp); kappa is field where the field is not needed again */
    void *shear, *shear_bar;      /* real (nbins, 2, n, rp), shear only */
    void *shear_spectra;          /* real (nbins, 2, n, cp, 2), shear only */
    void *extra;                  /* real (nbins, n, rp), reduced shear only */
    void *pixel_scratch;          /* real (threads, 2, rp) */
    double *pixel_sums;           /* (nbins, n, FF_PIXEL_SUMS) */
    double variance[FF_MAX_BINS]; /* of the field at hand: theory, or its own */

    /* data */
    void *data, *weight;                /* real observed layout */
    void *transform;                    /* real, modes_data layout: the transform of d/sigma^2 (E mode for shear) */
    double *moments;                    /* (npairs, pitch) sum over each class's modes of d_i conj d_j / N */
    double mean_weight[FF_MAX_BINS][2]; /* 1/sigma^2 of each component, mean over the simulated grid */
    /* The data weighted by 1/sigma^2 have the moments of a field seen with ... */
    double fraction[FF_MAX_BINS];      /* this share of independent modes, mean(w^2)^2 / mean(w^4) */
    double noise[FF_MAX_BINS];         /* this variance per pixel, mean(w) / mean(w^2) */
    double mean_product[FF_MAX_PAIRS]; /* after division by this, mean(w_i w_j) */

    /* whitening */
    double *part1, *part2;        /* (pitch) share of the two components in the information on a class */
    double *s;                    /* (npairs, pitch) S */
    double response[FF_MAX_BINS]; /* c */
    double logdet;

    /* marginal fit */
    double *marginal_scratch; /* (threads, FF_MAX_PARS, npairs, FF_BLOCK) */
    double *marginal_sums;    /* (FF_MARGINAL_PARTS, 1 + FF_MAX_PARS + FF_MAX_PARS^2) */
};

static inline bool ff_sim_is_shear(const struct ff_sim *s)
{
    return s->config.observable != FF_CONVERGENCE;
}
static inline bool ff_sim_is_lpt(const struct ff_sim *s)
{
    return s->config.simulator == FF_SIM_LPT;
}
static inline bool ff_sim_is_empirical(const struct ff_sim *s)
{
    return s->config.simulator == FF_SIM_LOGNORMAL && s->config.variance == FF_VARIANCE_EMPIRICAL;
}

/* The operands of the mode and pixel operations; wiener: with the Wiener factors. */
struct ff_modes ff_sim_modes(const struct ff_sim *s, bool wiener);
struct ff_pixels ff_sim_pixels(const struct ff_sim *s);

/* whiten.c: the Wiener factors of the tables and data at hand, if they are not there yet. */
void ff_sim_prepare_white(struct ff_sim *s);
/* Information weights W of a block of classes. */
void ff_sim_information(const struct ff_sim *s, long at, ff_lanes *w);

/* maps.c. Convergence in s->kappa to shear in s->shear, and the cotangent of shear in s->shear_bar to that of the convergence in
** s->bar; nothing when convergence is what is observed. */
void ff_sim_observe(struct ff_sim *s);
void ff_sim_observe_adjoint(struct ff_sim *s);
/* Forward: s->spectra -> s->field (and s->variance), s->kappa, and for shear s->shear. Adjoint: from the
** cotangent of gain * observable in s->shear_bar (shear) or s->bar (convergence) to the transform of the field's
** cotangent in s->spectra; adds the sums of shift and variance. */
void ff_sim_maps_forward(struct ff_sim *s, bool with_shear);
void ff_sim_maps_adjoint(struct ff_sim *s, struct ff_pixel_sums *sums);

#endif
