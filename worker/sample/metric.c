/* worker/sample/metric.c - see metric.h. */
#include "worker/sample/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/sample/vector.h"

bool ff_metric_init(struct ff_metric *m, int n, const double *centre, const double *factor)
{
    const size_t size = (size_t)n;
    m->n = n;
    m->centre = calloc(size + 1, sizeof(double)); /* + 1: calloc(0) may be NULL */
    m->factor = calloc(size * size + 1, sizeof(double));
    if (!m->centre || !m->factor) {
        ff_metric_done(m);
        return false;
    }
    if (centre && n) memcpy(m->centre, centre, size * sizeof(double));
    for (size_t i = 0; i < size; i++) {
        if (factor)
            memcpy(m->factor + i * size, factor + i * size, (i + 1) * sizeof(double));
        else
            m->factor[i * size + i] = 1;
    }
    return true;
}

void ff_metric_done(struct ff_metric *m)
{
    free(m->centre);
    free(m->factor);
    *m = (struct ff_metric){0};
}

void ff_metric_to_q(const struct ff_metric *m, const double *s, double *q)
{
    const size_t n = (size_t)m->n;
    for (size_t i = 0; i < n; i++) {
        q[i] = m->centre[i] + ff_param_dot(m->factor + i * n, s, i + 1);
    }
}

void ff_metric_to_s(const struct ff_metric *m, const double *q, double *s)
{
    const size_t n = (size_t)m->n;
    for (size_t i = 0; i < n; i++) {
        const double rest = q[i] - m->centre[i] - ff_param_dot(m->factor + i * n, s, i);
        s[i] = rest / m->factor[i * n + i];
    }
}

void ff_metric_pull(const struct ff_metric *m, const double *gq, double *gs)
{
    const size_t n = (size_t)m->n;
    memset(gs, 0, n * sizeof(double));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) gs[j] += m->factor[i * n + j] * gq[i];
}

/* Lower Cholesky factor of a (n, n); false when a is not positive definite or not finite. */
static bool cholesky(size_t n, const double *a, double *factor)
{
    memset(factor, 0, n * n * sizeof(double));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            const double sum = a[i * n + j] - ff_param_dot(factor + i * n, factor + j * n, j);
            if (i != j) {
                factor[i * n + j] = sum / factor[j * n + j];
                continue;
            }
            if (!(sum > 0) || !isfinite(sum)) return false;
            factor[i * n + i] = sqrt(sum);
        }
    }
    return true;
}

bool ff_metric_set(struct ff_metric *m, const double *centre, const double *covariance, double *scratch)
{
    const size_t n = (size_t)m->n;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(centre[i])) return false;
    if (!cholesky(n, covariance, scratch)) return false;
    memcpy(m->centre, centre, n * sizeof(double));
    memcpy(m->factor, scratch, n * n * sizeof(double));
    return true;
}
