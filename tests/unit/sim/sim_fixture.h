/* Shared by the tests of the simulators: smooth tables that are a covariance, data with masks and uneven noise, and
** small conveniences. */
#ifndef FF_TESTS_SIM_FIXTURE_H
#define FF_TESTS_SIM_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/core/reduce.h"
#include "worker/core/rng.h"
#include "worker/sim/sim.h"

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        const ff_err code_ = (call);                                                                                   \
        if (code_) print_message("%s: %s\n", #call, ctx.message);                                                      \
        assert_int_equal(code_, FF_OK);                                                                                \
    } while (0)

struct tables {
    int nbins, npairs, nell;
    double *cl, *shift, *gain;
    struct ff_sim_tables view;
};

static inline void *take(long count, size_t size)
{
    void *p = calloc(count > 0 ? (size_t)count : 1, size);
    assert_non_null(p);
    return p;
}

/* C_l like lensing of LSST bins: bin i has the power of a few e-9 at l = 100, neighbours are correlated. */
static inline double model_cl(int nbins, int i, int j, double l)
{
    const double ai = 1.0 + 2.2 * i, aj = 1.0 + 2.2 * j, r = pow(0.86, abs(i - j)) * (i == j ? 1 : 0.98);
    (void)nbins;
    return 7e-10 * ai * aj * r * pow(l / 100, -1.1) / pow(1 + l / 1500, 1.6);
}

static inline struct tables tables_make(const ff_sim *s, int nbins)
{
    struct tables t = {.nbins = nbins, .npairs = ff_pair_count(nbins)};
    const double *ell = ff_sim_ell(s, &t.nell);
    t.cl = take((long)t.npairs * t.nell, sizeof(double));
    t.shift = take(nbins, sizeof(double));
    t.gain = take(nbins, sizeof(double));
    for (int i = 0; i < nbins; i++) {
        t.shift[i] = 0.006 + 0.014 * i;
        t.gain[i] = 1 + 0.03 * (i + 1);
        for (int j = i; j < nbins; j++)
            for (int k = 0; k < t.nell; k++) t.cl[ff_pair(nbins, i, j) * t.nell + k] = model_cl(nbins, i, j, ell[k]);
    }
    t.view = (struct ff_sim_tables){.cl = t.cl, .shift = t.shift, .gain = t.gain};
    return t;
}

static inline void tables_done(struct tables *t)
{
    free(t->cl), free(t->shift), free(t->gain);
}

struct bars {
    double *cl, *shift, *gain;
    struct ff_sim_bars view;
};

static inline struct bars bars_make(const struct tables *t)
{
    struct bars b = {.cl = take((long)t->npairs * t->nell, sizeof(double)),
                     .shift = take(t->nbins, sizeof(double)),
                     .gain = take(t->nbins, sizeof(double))};
    b.view = (struct ff_sim_bars){.cl = b.cl, .shift = b.shift, .gain = b.gain};
    return b;
}

static inline void bars_done(struct bars *b)
{
    free(b->cl), free(b->shift), free(b->gain);
}

struct data {
    float *map, *sd;
};

/* Data a little above their noise; uneven: every bin its own noise, a gradient over the map, masked patches. */
static inline struct data data_make(const ff_sim *s, const struct ff_sim_config *c, bool uneven)
{
    const long n = ff_sim_nobs(s), plane = (long)c->npix * c->npix, ncomp = n / (c->nbins * plane);
    struct data d = {.map = take(n, sizeof(float)), .sd = take(n, sizeof(float))};
    ff_rng_normals_f32(11, FF_RNG_TEST, 7, 0, n, d.map, 1);
    for (long k = 0; k < n; k++) {
        const long pixel = k % plane, x = pixel % c->npix, y = pixel / c->npix, bin = k / plane / ncomp;
        double sd = 0.005;
        if (uneven) sd *= (1 + 0.2 * (double)bin) * (1 + 0.5 * (double)x / c->npix);
        d.map[k] *= (float)(0.006 + 0.004 * (double)bin);
        const bool masked = uneven && ((x > c->npix / 2 && y < c->npix / 4) || (x + 3 * y) % 7 == 0);
        d.sd[k] = masked ? INFINITY : (float)sd;
        if (masked) d.map[k] = NAN;
    }
    return d;
}

static inline void data_done(struct data *d)
{
    free(d->map), free(d->sd);
}

static inline double total(struct ff_energy e)
{
    return e.loglike + e.logprior + e.logdet;
}

static inline void expect_near(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        print_message("%s: got %.12g, expected %.12g, off by %.3g, tolerance %.3g\n", what, got, expected,
                      got - expected, tolerance);
    assert_true(fabs(got - expected) <= tolerance);
}

#endif
