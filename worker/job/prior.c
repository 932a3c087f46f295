/* worker/job/prior.c - see prior.h. Truncated normals keep their digits in either tail: masses are held as logarithms of
** the upper tail Q(x) = erfc(x / sqrt 2) / 2, after mirroring so that the support leans to the right. */
#include "worker/job/prior.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sf_erf.h>
#include <math.h>

#include "worker/core/rng.h"

static double log_q(double x)
{
    if (isinf(x)) return x > 0 ? -INFINITY : 0;
    return gsl_sf_log_erfc(x / M_SQRT2) - M_LN2;
}

/* x with log Q(x) = lq. Where Q underflows, Newton on log Q, which is nearly a parabola there. */
static double log_q_inverse(double lq)
{
    if (lq > -0.5) return gsl_cdf_ugaussian_Pinv(-expm1(lq)); /* Q near 1 has no digits left, P has */
    if (lq > -650) return gsl_cdf_ugaussian_Qinv(exp(lq));
    double x = sqrt(-2 * lq);
    for (int i = 0; i < 8; i++) x += (log_q(x) - lq) / gsl_sf_hazard(x);
    return x;
}

struct support { /* standardised edges with a <= b, mirrored so that a + b >= 0 */
    double a, b, sign;
    double la, lmass; /* log Q(a), log (Q(a) - Q(b)) */
};

static struct support support_of(const struct ff_prior *prior)
{
    double a = (prior->low - prior->mean) / prior->sd, b = (prior->high - prior->mean) / prior->sd;
    struct support s = {.a = a, .b = b, .sign = 1};
    if (a == -INFINITY ? b < INFINITY : b < -a) s = (struct support){.a = -b, .b = -a, .sign = -1};
    s.la = log_q(s.a);
    const double drop = log_q(s.b) - s.la; /* <= 0 */
    if (drop > -1e-6) { /* an interval so narrow that the difference has no digits: density times width */
        const double middle = 0.5 * (s.a + s.b);
        s.lmass = log(s.b - s.a) - 0.5 * middle * middle - 0.5 * log(2 * M_PI);
    } else {
        s.lmass = s.la + log(-expm1(drop));
    }
    return s;
}

double ff_prior_logp(const struct ff_prior *prior, double x, double *dlogp)
{
    *dlogp = 0;
    if (prior->kind == FF_PRIOR_FIXED) return 0;
    if (!(x >= prior->low && x <= prior->high)) return -INFINITY;
    if (prior->kind == FF_PRIOR_UNIFORM) return -log(prior->high - prior->low);
    const double t = (x - prior->mean) / prior->sd;
    *dlogp = -t / prior->sd;
    return -0.5 * t * t - 0.5 * log(2 * M_PI) - log(prior->sd) - support_of(prior).lmass;
}

/* The value below which a fraction u of the prior lies. */
static double quantile(const struct ff_prior *prior, double u)
{
    double x;
    if (prior->kind == FF_PRIOR_UNIFORM) {
        x = prior->low + u * (prior->high - prior->low);
    } else {
        const struct support s = support_of(prior);
        const double below = s.sign > 0 ? u : 1 - u; /* in the mirrored coordinate */
        const double rest = exp(s.lmass - s.la);     /* mass / Q(a) */
        x = prior->mean + prior->sd * s.sign * log_q_inverse(s.la + log1p(-below * rest));
    }
    return fmin(fmax(x, prior->low), prior->high);
}

void ff_prior_draw(const struct ff_model *model, uint64_t seed, uint32_t draw, double *theta)
{
    for (int p = 0; p < model->npars; p++) {
        const struct ff_prior *prior = &model->par[p];
        theta[p] = prior->kind == FF_PRIOR_FIXED
                       ? prior->value
                       : quantile(prior, ff_rng_uniform(seed, FF_RNG_PRIOR, draw, (uint64_t)p));
    }
}

void ff_prior_centre(const struct ff_model *model, double *theta)
{
    for (int p = 0; p < model->npars; p++) theta[p] = model->par[p].value;
}
