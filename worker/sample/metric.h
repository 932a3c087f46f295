/* worker/sample/metric.h - the affine map q = centre + factor s between the parameters q and the coordinates s in which
** momenta are N(0, I): a dense inverse mass matrix factor factor^T (Neal 2011, arXiv:1206.1901, section 5.4.1).
** Call order: ff_metric_init -> the maps, ff_metric_set -> ff_metric_done. */
#ifndef FF_WORKER_SAMPLE_METRIC_H
#define FF_WORKER_SAMPLE_METRIC_H

#include <stdbool.h>

struct ff_metric {
    int n;
    double *centre; /* (n) */
    double *factor; /* (n, n) lower triangular, positive diagonal; zero above */
};

/* centre and factor (lower triangle read) may be NULL: 0 and I. Returns false when out of memory. */
bool ff_metric_init(struct ff_metric *m, int n, const double *centre, const double *factor);
void ff_metric_done(struct ff_metric *m);

void ff_metric_to_q(const struct ff_metric *m, const double *s /* (n) */, double *q /* (n) */);
void ff_metric_to_s(const struct ff_metric *m, const double *q /* (n) */, double *s /* (n) */);
/* Gradient in q to gradient in s: gs = factor^T gq. */
void ff_metric_pull(const struct ff_metric *m, const double *gq /* (n) */, double *gs /* (n) */);

/* Takes a new centre (n) and covariance (n, n; lower triangle read). Returns false and leaves the metric as it was when
** the covariance has no Cholesky factor. `scratch` (n, n). */
bool ff_metric_set(struct ff_metric *m, const double *centre, const double *covariance, double *scratch);

#endif
