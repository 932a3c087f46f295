/* worker/theta/spline.h - natural cubic splines on a uniform grid, several functions ("lanes") on the same nodes.
** The spline is linear in its node values: the spline of the derivatives of the values with respect to a parameter is
** the derivative of the spline. Source: any numerical analysis text; second derivatives m solve
** m[i-1] + 4 m[i] + m[i+1] = f[i-1] - 2 f[i] + f[i+1] in units of h^2/6.
** Call order: ff_spline_init -> ff_spline_fit for each lane -> ff_spline_at. Outside the nodes it goes on linearly. */
#ifndef FF_WORKER_THETA_SPLINE_H
#define FF_WORKER_THETA_SPLINE_H

#include "worker/theta/pool.h"

struct ff_spline {
    int n; /* nodes x0, x0 + h, .. */
    double x0, h;
    double *pivot; /* (n) of the elimination */
};

FF_MUST_USE ff_err ff_spline_init(struct ff_spline *s, double x0, double h, int n, struct ff_pool *pool, ff_ctx *ctx);
/* m (n) for the values f (n): h^2/6 times the second derivatives. */
void ff_spline_fit(const struct ff_spline *s, const double *f, double *m);

struct ff_spot { /* where x lies */
    int i;
    double b, over; /* fraction of the cell; distance (in cells) beyond the end nodes */
};

static inline struct ff_spot ff_spline_spot(const struct ff_spline *s, double x)
{
    double u = (x - s->x0) / s->h;
    double last = s->n - 1;
    double in = u < 0 ? 0 : (u > last ? last : u);
    int i = (int)in;
    i = i > s->n - 2 ? s->n - 2 : i;
    return (struct ff_spot){.i = i, .b = in - i, .over = u - in};
}

/* Slope with respect to the cell coordinate (times h) inside the cell. */
static inline double ff_spline_slope(const double *f, const double *m, struct ff_spot p)
{
    double a = 1 - p.b;
    return f[p.i + 1] - f[p.i] - (3 * a * a - 1) * m[p.i] + (3 * p.b * p.b - 1) * m[p.i + 1];
}

static inline double ff_spline_value(const double *f, const double *m, struct ff_spot p)
{
    double a = 1 - p.b, b = p.b;
    double in = a * f[p.i] + b * f[p.i + 1] + (a * a - 1) * a * m[p.i] + (b * b - 1) * b * m[p.i + 1];
    return in + p.over * ff_spline_slope(f, m, p);
}

#endif
