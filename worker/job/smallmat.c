/* worker/job/smallmat.c - see smallmat.h. */
#include "worker/job/smallmat.h"

#include <math.h>

bool ff_mat_cholesky(double *a, int n)
{
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            double sum = a[i * n + j];
            for (int k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
            if (i == j) {
                if (!(sum > 0)) return false;
                a[j * n + j] = sqrt(sum);
            } else {
                a[i * n + j] = sum / a[j * n + j];
            }
        }
        for (int i = 0; i < j; i++) a[i * n + j] = 0;
    }
    return true;
}

void ff_mat_solve(const double *lower, int n, double *b)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++) b[i] -= lower[i * n + k] * b[k];
        b[i] /= lower[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++) b[i] -= lower[k * n + i] * b[k];
        b[i] /= lower[i * n + i];
    }
}

void ff_mat_inverse(const double *lower, int n, double *inverse)
{
    for (int j = 0; j < n; j++) {
        double *row = inverse + j * n; /* the inverse is symmetric: column j is row j */
        for (int i = 0; i < n; i++) row[i] = i == j;
        ff_mat_solve(lower, n, row);
    }
}
