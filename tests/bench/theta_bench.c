/* tests/bench/theta_bench.c - milliseconds per evaluation of the theory tables of LSST Y10 (5 bins, 15 pairs, 20
** parameters, log-normal shift), and of those of its light-cone (512 wavenumbers, 128 planes), one core, median of 20.
** Prints "name value unit" lines. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "worker/theta/lightcone.h"
#include "worker/theta/theta.h"

enum { NBINS = 5, NELL = 96, NK = 512, NZ = 128, RUNS = 20 };

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

/* One of the two kinds of tables, and how to make it. */
struct subject {
    ff_theta *theory;
    struct ff_tables tables;
    ff_lightcone *cone;
    struct ff_light_tables light;
};

/* false: an evaluation failed. */
static bool make(struct subject *s, const double *theta, ff_ctx *ctx)
{
    if (s->theory) return !ff_theta_eval(s->theory, theta, &s->tables, ctx) && s->tables.inside;
    return !ff_lightcone_eval(s->cone, theta, &s->light, ctx) && s->light.inside;
}

/* Median time, or a negative number when an evaluation fails. */
static double median_ms(struct subject s, const double *theta, bool derivs, ff_ctx *ctx)
{
    double ms[RUNS], median = -1;
    if (s.theory ? ff_tables_init(&s.tables, s.theory, derivs, ctx)
                 : ff_light_tables_init(&s.light, s.cone, derivs, ctx))
        return -1;
    if (!make(&s, theta, ctx)) goto done;
    for (int i = 0; i < RUNS; i++) {
        double start = now_ms();
        if (!make(&s, theta, ctx)) goto done;
        ms[i] = now_ms() - start;
    }
    qsort(ms, RUNS, sizeof *ms, order);
    median = (ms[RUNS / 2 - 1] + ms[RUNS / 2]) / 2;
done:
    ff_tables_done(&s.tables);
    ff_light_tables_done(&s.light);
    return median;
}

/* Prints the times of a subject; `corner`: a theta that may cost more than others. */
static bool report(const char *name, struct subject s, const double *theta, const double *corner, ff_ctx *ctx)
{
    const double values = median_ms(s, theta, false, ctx), derivs = median_ms(s, theta, true, ctx);
    const double far = median_ms(s, corner, true, ctx);
    if (values < 0 || derivs < 0 || far < 0) return false;
    printf("%s_values %.3f ms\n", name, values);
    printf("%s_derivatives %.3f ms\n", name, derivs);
    printf("%s_derivatives_corner %.3f ms\n", name, far);
    printf("%s_derivatives_cost %.2f evaluations\n", name, derivs / values);
    return true;
}

int main(void)
{
    struct ff_sources sources = {.kind = FF_NZ_SMAIL, .nbins = NBINS, .a = 2, .b = 0.68, .z0 = 0.11, .sigma_z = 0.05};
    double ell[NELL], theta[FF_MAX_PARS] = {0}, corner[FF_MAX_PARS] = {0};
    for (int i = 0; i < NELL; i++) ell[i] = 25 * pow(20000. / 25, i / (NELL - 1.));
    for (int p = 0; p < ff_par_count(NBINS); p++) theta[p] = corner[p] = ff_par_default(NBINS, p);
    corner[FF_OMEGA_C] = 0.02; /* most redshifts without a nonlinear scale */
    struct ff_theta_config config = {.sources = &sources,
                                     .power = FF_POWER_HALOFIT,
                                     .nell = NELL,
                                     .ell = ell,
                                     .want_shift = true,
                                     .shift_kind = FF_SHIFT_PERTURBATION,
                                     .pixel_rad = 10. / 256 * M_PI / 180};
    struct ff_lightcone_config light = {.sources = &sources,
                                        .nk = NK,
                                        .lnk0 = log(1e-3),
                                        .dlnk = log(1e5) / (NK - 1),
                                        .nz = NZ,
                                        .spacing = 4000. / NZ,
                                        .particles_offset = 0.5};
    ff_ctx ctx = {0};
    struct subject spectra = {0}, cone = {0};
    bool done = !ff_theta_init(&spectra.theory, &config, &ctx) && !ff_lightcone_init(&cone.cone, &light, &ctx) &&
                report("theta", spectra, theta, corner, &ctx) && report("light", cone, theta, corner, &ctx);
    if (!done) fprintf(stderr, "theta_bench: an evaluation failed: %s\n", ctx.message);
    ff_theta_free(spectra.theory);
    ff_lightcone_free(cone.cone);
    return done ? 0 : 1;
}
