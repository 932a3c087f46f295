/* worker/sample/ranks.h - order statistics of draws: rank-normal scores, medians, quantiles. */
#ifndef FF_WORKER_SAMPLE_RANKS_H
#define FF_WORKER_SAMPLE_RANKS_H

#include <stdbool.h>

/* Inverse of the standard normal distribution function, 0 < p < 1, to rounding. */
double ff_normal_quantile(double p);

/* z[i] = quantile((rank(x[i]) - 3/8) / (n + 1/4)), ties sharing their average rank (Vehtari et al. 2021, equation 14).
** Returns false when out of memory. */
bool ff_rank_scores(const double *x /* (n) */, long n, double *z /* (n) */);

/* Quantiles prob (nprob) of x (n) by linear interpolation between order statistics (Hyndman, Fan 1996, type 7).
** Returns false when out of memory. */
bool ff_quantiles(const double *x /* (n) */, long n, const double *prob, int nprob, double *out /* (nprob) */);

#endif
