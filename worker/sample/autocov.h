/* worker/sample/autocov.h - autocovariances of several chains at all lags, by a fast Fourier transform. */
#ifndef FF_WORKER_SAMPLE_AUTOCOV_H
#define FF_WORKER_SAMPLE_AUTOCOV_H

#include <stdbool.h>

/* Mean over chains of (1/n) sum_t (x_t - mean)(x_(t+lag) - mean) for lag = 0 .. n-1; each chain with its own mean.
** x (nchains, n) C order; acov (n). Returns false when out of memory. */
bool ff_autocov(const double *x, int nchains, long n, double *acov);

#endif
