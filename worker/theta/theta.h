/* worker/theta/theta.h - parameters to tables: what a simulator needs to know of cosmology, with exact derivatives.
** Everything is double precision. Sources: docs of each file (background.h, power.h, halofit.h, limber.h, shift.h).
** Call order: ff_theta_init -> ff_theta_eval (any number, one thread each; use one ff_theta per thread)
** -> ff_theta_free. ff_theta_init does all that does not depend on the parameters. */
#ifndef FF_WORKER_THETA_THETA_H
#define FF_WORKER_THETA_THETA_H

#include <stdbool.h>

#include "common/err.h"
#include "common/model.h"

struct ff_theta_config {
    const struct ff_sources *sources; /* borrowed for the life of the ff_theta */
    enum ff_power power;
    double t_cmb_k; /* 0: 2.726 */
    int nell;
    const double *ell; /* (nell) multipoles > 0, increasing, at which C_l is wanted; copied */
    bool want_shift;   /* log-normal shifts wanted */
    enum ff_shift_kind shift_kind;
    double pixel_rad;                         /* side of a pixel, for FF_SHIFT_PERTURBATION */
    const struct ff_shift_table *shift_table; /* FF_SHIFT_TABLE; borrowed */
    double shift_numbers[FF_MAX_BINS];        /* FF_SHIFT_NUMBERS */
};

/* Tables at one theta. Pairs as ff_pair(). The multiplicative bias m is NOT in cl nor in shift: it is a gain on the
** observable that simulators take separately. A parameter a table does not depend on has zero derivative. */
struct ff_tables {
    int nbins, npairs, nell, npars; /* npars = ff_par_count(nbins) */
    bool inside;                    /* false: theta is outside the model and the tables hold no meaning */
    const char *why;                /* static text, when not inside */
    double *cl;                     /* (npairs, nell) */
    double *dcl;                    /* (npars, npairs, nell) d cl / d theta; zero rows for m; NULL if not asked for */
    double *shift;                  /* (nbins) log-normal shift lambda_i > 0 */
    double *dshift;                 /* (npars, nbins); NULL if not asked for */
};

typedef struct ff_theta ff_theta;

FF_MUST_USE ff_err ff_theta_init(ff_theta **out, const struct ff_theta_config *config, ff_ctx *ctx);
void ff_theta_free(ff_theta *t);

/* Storage for the tables of `t`; derivs: allocate dcl and dshift. */
FF_MUST_USE ff_err ff_tables_init(struct ff_tables *out, const ff_theta *t, bool derivs, ff_ctx *ctx);
void ff_tables_done(struct ff_tables *tables);

/* Tables at `theta` (ff_par_count(nbins) entries; all of them used). With out->dcl set, the derivatives with respect
** to every parameter are exact derivatives of the very arithmetic that makes the values (forward mode / hand
** derivation), at the cost of at most 7 evaluations. Any finite theta returns: out->inside tells whether the tables
** are finite and meaningful; never NaN while inside. The cost does not depend on where theta lies. */
FF_MUST_USE ff_err ff_theta_eval(ff_theta *t, const double *theta, struct ff_tables *out, ff_ctx *ctx);

#endif
