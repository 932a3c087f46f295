/* worker/sample/diagnostics.h - rank-normalised split R-hat, bulk and tail effective sample size, as in Vehtari,
** Gelman, Simpson, Carpenter, Buerkner 2021 (arXiv:1903.08008) and equal to ArviZ to 1e-6. Draws x are (nchains,
** ndraws) in C order. Fewer than 4 draws, or constant or non-finite draws: NAN. */
#ifndef FF_WORKER_SAMPLE_DIAGNOSTICS_H
#define FF_WORKER_SAMPLE_DIAGNOSTICS_H

double ff_rhat(const double *x, int nchains, long ndraws);
double ff_ess_bulk(const double *x, int nchains, long ndraws);
double ff_ess_tail(const double *x, int nchains, long ndraws);
/* Monte-Carlo error of the mean: for tests and plots. */
double ff_mcse_mean(const double *x, int nchains, long ndraws);

#endif
