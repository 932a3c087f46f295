/* worker/theta/lightcone.h - parameters to the tables of a light-cone of matter (LPT, particle mesh): spectrum, growth
** and lensing weights along the line of sight, with exact derivatives. Double precision. Docs: physics, sections 1-4, 6.
**   amplitude  A(k) = sqrt(P_lin(k, z = 0)), (Mpc/h)^(3/2), k in h/Mpc, with the sign of the transfer function
**   d1, d2     growth at comoving distance r of each plane's particles: D1 (1 today); D2 -> -3/7 D1^2 early
**   weight     of plane k in the convergence of bin b: 3/2 Om (H0/c)^2 dz r_k/a_k g_b(r_k), g_b(r) = int dz n_b(z) max(0,
**              1 - r/chi(z)), plus the alignment of galaxies (NLA, kernels.h) in the plane. The multiplicative bias m is
**              not in it (theta.h)
** Call order: ff_lightcone_init -> ff_lightcone_eval (any number, one thread each) -> ff_lightcone_free. */
#ifndef FF_WORKER_THETA_LIGHTCONE_H
#define FF_WORKER_THETA_LIGHTCONE_H

#include <stdbool.h>

#include "common/err.h"
#include "common/model.h"

struct ff_lightcone_config {
    const struct ff_sources *sources; /* borrowed */
    double t_cmb_k;                   /* 0: 2.726 */
    int nk;                           /* nodes lnk0 + i dlnk of the amplitude */
    double lnk0, dlnk;
    int nz;                  /* planes */
    double spacing;          /* of planes, Mpc/h; plane k is at r = (k + 1/2) spacing */
    double particles_offset; /* particles of plane k start at r = (k + 1/2 + particles_offset) spacing; -1 .. 1 */
};

struct ff_light_tables {
    int nbins, npars, nk, nz;
    bool inside;                              /* false: theta is outside the model and the tables hold no meaning */
    const char *why;                          /* static text, when not inside */
    double *amplitude, *d1, *d2, *weight;     /* (nk) (nz) (nz) (nbins, nz), in one block */
    double *damplitude, *dd1, *dd2, *dweight; /* (npars, ..) each, in one block; NULL if not asked for */
};

typedef struct ff_lightcone ff_lightcone;

/* FF_EBADJOB when the planes reach farther than z = 20 for a matter density of 0.05: nothing would be left to lens; when
** nodes leave the 1e-5 .. 9e4 h/Mpc of power.h. The config is copied. */
FF_MUST_USE ff_err ff_lightcone_init(ff_lightcone **out, const struct ff_lightcone_config *config, ff_ctx *ctx);
void ff_lightcone_free(ff_lightcone *l);
/* Comoving distance of plane k, Mpc/h. */
double ff_lightcone_distance(const ff_lightcone *l, int plane);

FF_MUST_USE ff_err ff_light_tables_init(struct ff_light_tables *out, const ff_lightcone *l, bool derivs, ff_ctx *ctx);
void ff_light_tables_done(struct ff_light_tables *tables);
/* Any finite theta (ff_par_count(nbins) entries) returns; never NaN while inside. Planes may lie behind all sources (their
** weights are zero), but not beyond z = 900: theta is outside then. A table's derivatives with respect to what it does not
** depend on are zero. */
FF_MUST_USE ff_err ff_lightcone_eval(ff_lightcone *l, const double *theta, struct ff_light_tables *out, ff_ctx *ctx);

#endif
