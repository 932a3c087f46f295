/* tests/bench/theta_bench.c - milliseconds per evaluation of the theory tables of LSST Y10 (5 bins, 15 pairs, 20
** parameters, log-normal shift), one core, median of 20. Prints "name value unit" lines. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "worker/theta/theta.h"

enum { NBINS = 5, NELL = 96, RUNS = 20 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median time, or a negative number when an evaluation fails. */
static double median_ms(ff_theta *t, const double *theta, bool derivs, ff_ctx *ctx)
{
    struct ff_tables tables;
    double ms[RUNS], median = -1;
    if (ff_tables_init(&tables, t, derivs, ctx)) return -1;
    if (ff_theta_eval(t, theta, &tables, ctx) || !tables.inside) goto done;
    for (int i = 0; i < RUNS; i++) {
        double start = now_ms();
        if (ff_theta_eval(t, theta, &tables, ctx)) goto done;
        ms[i] = now_ms() - start;
    }
    qsort(ms, RUNS, sizeof *ms, order);
    median = (ms[RUNS / 2 - 1] + ms[RUNS / 2]) / 2;
done:
    ff_tables_done(&tables);
    return median;
}

int main(void)
{
    struct ff_sources sources = {.kind = FF_NZ_SMAIL, .nbins = NBINS, .a = 2, .b = 0.68, .z0 = 0.11, .sigma_z = 0.05};
    double ell[NELL], theta[FF_MAX_PARS] = {0};
    for (int i = 0; i < NELL; i++) ell[i] = 25 * pow(20000. / 25, i / (NELL - 1.));
    for (int p = 0; p < ff_par_count(NBINS); p++) theta[p] = ff_par_default(NBINS, p);
    struct ff_theta_config config = {.sources = &sources,
                                     .power = FF_POWER_HALOFIT,
                                     .nell = NELL,
                                     .ell = ell,
                                     .want_shift = true,
                                     .shift_kind = FF_SHIFT_PERTURBATION,
                                     .pixel_rad = 10. / 256 * M_PI / 180};
    ff_ctx ctx = {0};
    ff_theta *t = NULL;
    if (ff_theta_init(&t, &config, &ctx)) {
        fprintf(stderr, "theta_bench: %s\n", ctx.message);
        return 1;
    }
    double values = median_ms(t, theta, false, &ctx), derivs = median_ms(t, theta, true, &ctx);
    theta[FF_OMEGA_C] = 0.02; /* most redshifts without a nonlinear scale */
    double corner = median_ms(t, theta, true, &ctx);
    ff_theta_free(t);
    if (values < 0 || derivs < 0 || corner < 0) {
        fprintf(stderr, "theta_bench: an evaluation failed: %s\n", ctx.message);
        return 1;
    }
    printf("theta_values %.3f ms\n", values);
    printf("theta_derivatives %.3f ms\n", derivs);
    printf("theta_derivatives_corner %.3f ms\n", corner);
    printf("theta_derivatives_cost %.2f evaluations\n", derivs / values);
    return 0;
}
