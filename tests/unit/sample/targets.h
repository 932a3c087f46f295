/* tests/unit/sample/targets.h - log densities with known posteriors, for the tests of the samplers. Each is a struct
** that the test fills and a function of the ff_target form. */
#ifndef FF_TESTS_SAMPLE_TARGETS_H
#define FF_TESTS_SAMPLE_TARGETS_H

#include <math.h>
#include <stdlib.h>

#include "worker/sample/target.h"

/* q ~ N(mean, H diag(sd^2) H), H = 1 - 2 v v^T a reflection: any condition number, O(nparam) work. z ~ N(0,
** diag(latent_sd^2)). */
struct gaussian {
    int nparam;
    long nlatent;
    const double *mean, *sd, *v; /* (nparam) each; |v| = 1 */
    double *y;                   /* (nparam) scratch */
    const double *latent_sd;     /* (nlatent), NULL: 1 */
};

static inline void reflect(int n, const double *v, double *y)
{
    double along = 0;
    for (int i = 0; i < n; i++) along += v[i] * y[i];
    for (int i = 0; i < n; i++) y[i] -= 2 * along * v[i];
}

static inline ff_err gaussian_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz,
                                   ff_ctx *ctx)
{
    const struct gaussian *g = self;
    (void)ctx;
    double sum = 0;
    for (int i = 0; i < g->nparam; i++) g->y[i] = q[i] - g->mean[i];
    reflect(g->nparam, g->v, g->y);
    for (int i = 0; i < g->nparam; i++) {
        const double scaled = g->y[i] / (g->sd[i] * g->sd[i]);
        sum += g->y[i] * scaled;
        gq[i] = -scaled;
    }
    reflect(g->nparam, g->v, gq);
    for (long i = 0; i < g->nlatent; i++) {
        const double weight = g->latent_sd ? 1 / (g->latent_sd[i] * g->latent_sd[i]) : 1;
        sum += weight * (double)z[i] * (double)z[i];
        gz[i] = (float)(-weight * (double)z[i]);
    }
    *lp = -0.5 * sum;
    return FF_OK;
}

/* A curved ridge: x has density ~ exp(-x^4/4), y | x ~ N(x^2, 1/4). E x = 0, E x^2 = E y = 2 G(3/4)/G(1/4), E x^4 =
** 1. */
static inline ff_err ridge_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz,
                                ff_ctx *ctx)
{
    (void)self, (void)z, (void)gz, (void)ctx;
    const double x = q[0], d = q[1] - x * x;
    *lp = -0.25 * x * x * x * x - 2 * d * d;
    gq[0] = -x * x * x + 8 * d * x;
    gq[1] = -4 * d;
    return FF_OK;
}
static const double ridge_x2 = 0.67597823998, ridge_x4 = 1;

/* N(0, I) with a smooth disturbance: lp = -|x|^2/2 - e sum of cos(x_i + x_(i+1)); e 0: exactly the rotation's
** reference. */
struct disturbed {
    int nparam;
    double e;
};

static inline ff_err disturbed_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz,
                                    ff_ctx *ctx)
{
    const struct disturbed *t = self;
    (void)z, (void)gz, (void)ctx;
    *lp = 0;
    for (int i = 0; i < t->nparam; i++) gq[i] = -q[i];
    for (int i = 0; i < t->nparam; i++) {
        const int next = (i + 1) % t->nparam;
        *lp -= 0.5 * q[i] * q[i] + t->e * cos(q[i] + q[next]);
        gq[i] += t->e * sin(q[i] + q[next]);
        gq[next] += t->e * sin(q[i] + q[next]);
    }
    return FF_OK;
}

/* Neal's funnel (Neal 2003): v ~ N(0, sd_v^2), x_i ~ N(0, exp(v)), i = 1 .. nparam-1. */
struct funnel {
    int nparam;
    double sd_v;
};

static inline ff_err funnel_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz,
                                 ff_ctx *ctx)
{
    const struct funnel *f = self;
    (void)z, (void)gz, (void)ctx;
    const double v = q[0], precision = exp(-v), inverse = 1 / (f->sd_v * f->sd_v);
    double sum = 0;
    for (int i = 1; i < f->nparam; i++) {
        sum += q[i] * q[i];
        gq[i] = -q[i] * precision;
    }
    *lp = -0.5 * v * v * inverse - 0.5 * sum * precision - 0.5 * (f->nparam - 1) * v;
    gq[0] = -v * inverse + 0.5 * sum * precision - 0.5 * (f->nparam - 1);
    return FF_OK;
}

/* N(0, I) cut off: outside radius^2 the density is zero (-INFINITY), or the code breaks (NAN with NAN gradients). */
struct walled {
    int nparam;
    long nlatent;
    double radius2;
    double outside; /* lp there: -INFINITY or NAN */
};

static inline ff_err walled_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz,
                                 ff_ctx *ctx)
{
    const struct walled *w = self;
    (void)ctx;
    double sum = 0;
    for (int i = 0; i < w->nparam; i++) sum += q[i] * q[i];
    const int in = sum < w->radius2;
    for (int i = 0; i < w->nparam; i++) gq[i] = in ? -q[i] : NAN;
    for (long i = 0; i < w->nlatent; i++) {
        sum += (double)z[i] * (double)z[i];
        gz[i] = in ? -z[i] : NAN;
    }
    *lp = in ? -0.5 * sum : w->outside;
    return FF_OK;
}

/* One parameter t and latents y_k of precision exp(a_k t), a_k of alternating sign: t ~ N(0, 1), and given y it is
** narrower by 1 / sqrt(1 + sum a_k^2 / 2). self: struct tied. */
struct tied {
    long n;
    double a; /* |a_k| */
};

static inline ff_err tied_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz,
                               ff_ctx *ctx)
{
    (void)ctx;
    const struct tied *t = self;
    *lp = -0.5 * q[0] * q[0];
    gq[0] = -q[0];
    for (long k = 0; k < t->n; k++) {
        const double a = k % 2 ? t->a : -t->a, precision = exp(a * q[0]),
                     square = precision * (double)z[k] * (double)z[k];
        *lp += 0.5 * a * q[0] - 0.5 * square;
        gq[0] += 0.5 * a - 0.5 * a * square;
        gz[k] = (float)(-precision * (double)z[k]);
    }
    return FF_OK;
}

#endif
