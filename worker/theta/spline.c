/* worker/theta/spline.c - see spline.h. */
#include "worker/theta/spline.h"

ff_err ff_spline_init(struct ff_spline *s, double x0, double h, int n, struct ff_pool *pool, ff_ctx *ctx)
{
    *s = (struct ff_spline){.n = n, .x0 = x0, .h = h};
    ff_err err = ff_pool_doubles(pool, &s->pivot, (size_t)n, ctx);
    if (err) return err;
    double previous = 0;
    for (int i = 1; i < n - 1; i++) {
        s->pivot[i] = 1 / (4 - previous);
        previous = s->pivot[i];
    }
    return FF_OK;
}

void ff_spline_fit(const struct ff_spline *s, const double *f, double *m)
{
    int n = s->n;
    m[0] = 0;
    for (int i = 1; i < n - 1; i++) m[i] = (f[i - 1] - 2 * f[i] + f[i + 1] - m[i - 1]) * s->pivot[i];
    m[n - 1] = 0;
    for (int i = n - 2; i > 0; i--) m[i] -= s->pivot[i] * m[i + 1];
}
