/* worker/theta/rows.h - P(k = (l+1/2)/chi(z), z) and its derivatives on the grid of redshifts and multipoles: the one
** expensive loop of the room. A redshift's state carries what does not depend on l.
** Call order: ff_state_set for every node -> ff_rows_at. */
#ifndef FF_WORKER_THETA_ROWS_H
#define FF_WORKER_THETA_ROWS_H

#include "worker/theta/background.h"
#include "worker/theta/halofit.h"

/* Lanes of background.h spread over the seven parameters (omega_c and omega_b both move Om). */
struct ff_dual ff_dual_spread(const double *lane);

struct ff_state {          /* one redshift */
    double lnchi, lnamp;   /* ln A + 2 ln D */
    double lnk[FF_NCOSMO]; /* dlnk/dtheta = -dlnchi/dtheta */
    double lnamp_d[FF_NCOSMO];
    struct ff_halofit fit;
};

/* chi, lnd, om, wde: the lanes of background.h at this redshift. */
void ff_state_set(struct ff_state *s, const struct ff_power_table *p, bool nonlinear, const double *chi,
                  const double *lnd, const double *om, const double *wde, bool derivs);

struct ff_rows {             /* one row of `n` multipoles at one redshift; derivatives NULL: not wanted */
    double *p;               /* (n) P(k, z) */
    double *dp[FF_NCOSMO];   /* (n) total derivatives, k moving with theta */
    double *lin;             /* (n) linear P(k, z), or NULL: not wanted */
    double *dlin[FF_NCOSMO]; /* (n) */
};

void ff_rows_at(const struct ff_power_table *p, const struct ff_state *s, const double *lnl, int n, bool derivs,
                const struct ff_rows *out);

#endif
