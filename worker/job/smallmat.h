/* worker/job/smallmat.h - dense symmetric matrices of a few parameters, C order. */
#ifndef FF_WORKER_JOB_SMALLMAT_H
#define FF_WORKER_JOB_SMALLMAT_H

#include <stdbool.h>

/* Lower Cholesky factor of the symmetric positive definite a (n, n), in place (upper part zeroed); false when it is not. */
bool ff_mat_cholesky(double *a, int n);

/* x with L L^T x = b, in place. */
void ff_mat_solve(const double *lower, int n, double *b);

/* inverse = (L L^T)^-1 (n, n). */
void ff_mat_inverse(const double *lower, int n, double *inverse);

#endif
