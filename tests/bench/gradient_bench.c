/* Bench of what a chain waits for: value and gradient of the log density of the LSST Y10 model (256 x 256 pixels, five bins, six
** parameters, f32), tables and field together, white and whitened, on one thread and two; and the same at a theta far outside
** the printed tables, which has to cost the same. Prints `name value unit threads` lines, medians. Usage: gradient_bench [repeats] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "files/dataset.h"
#include "worker/core/rng.h"
#include "worker/job/meter.h"
#include "worker/job/run.h"
#include "worker/job/target.h"

static const char JOB[] =
    "{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\"},\"data\":{\"mock\":{\"seed\":7}},"
    "\"sampler\":{\"whiten\":\"%s\"}}";
enum { MAX_REPEATS = 1000 };

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct place { /* a point in v, and its name in the table */
    const char *name;
    double v;
};

/* Median milliseconds of an evaluation at v = (place->v, ..); NAN when it fails. */
static double median_ms(struct ff_posterior *p, const struct place *place, int repeats, ff_ctx *ctx)
{
    const struct ff_target t = ff_posterior_target(p);
    double q[FF_MAX_PARS], gq[FF_MAX_PARS], lp, times[MAX_REPEATS], median = NAN;
    float *z = malloc((size_t)t.nlatent * sizeof *z), *gz = malloc((size_t)t.nlatent * sizeof *gz);
    if (z && gz) {
        /* v is u sheared for sigma8 only; going through theta keeps every u at place->v. */
        double theta[FF_MAX_PARS];
        struct ff_transformed at;
        memset(q, 0, sizeof q);
        ff_transform_at(&p->transform, q, &at);
        memcpy(theta, at.theta, sizeof theta);
        for (int f = 0; f < t.nparam; f++) {
            const struct ff_prior *prior = &p->transform.model->par[p->transform.place[f]];
            theta[p->transform.place[f]] = fmax(prior->low + 0.01, prior->value + place->v * prior->sd);
        }
        ff_transform_inverse(&p->transform, theta, q);
        ff_rng_normals_f32(1, FF_RNG_TEST, 0, 0, t.nlatent, z, 1);
        ff_err err = t.eval(t.self, q, z, &lp, gq, gz, ctx);
        for (int r = 0; !err && r < repeats; r++) {
            const double begun = ff_clock_s();
            err = t.eval(t.self, q, z, &lp, gq, gz, ctx);
            times[r] = 1e3 * (ff_clock_s() - begun);
        }
        if (!err && isfinite(lp)) {
            qsort(times, (size_t)repeats, sizeof *times, ascending);
            median = times[repeats / 2];
        }
    }
    free(z);
    free(gz);
    return median;
}

static int bench(const char *whiten, const char *label, int repeats, ff_ctx *ctx)
{
    static const struct place places[] = {{"", 0}, {"_far", -1.2}};
    char text[sizeof JOB + 16];
    struct ff_job *job;
    struct ff_prepared prepared;
    struct ff_maps data = {0};
    snprintf(text, sizeof text, JOB, whiten);
    ff_err err = ff_job_parse(&job, text, strlen(text), ".", ctx);
    if (err) return err;
    err = ff_prepare(&prepared, job, 1, ctx);
    if (err) return err;
    err = ff_make_mock(&prepared, 1, NULL, &data, ctx);
    for (int threads = 1; !err && threads <= 2; threads++) {
        struct ff_posterior posterior;
        err = ff_posterior_init(&posterior, prepared.job, &prepared.shift, &data, threads, NULL, ctx);
        if (err) break;
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            printf("log_density_gradient_%s%s_256x256x5 %.4g ms %d\n", label, places[i].name,
                   median_ms(&posterior, &places[i], repeats, ctx), threads);
        ff_posterior_done(&posterior);
    }
    ff_maps_done(&data);
    ff_prepared_done(&prepared);
    return err;
}

int main(int argc, char **argv)
{
    ff_ctx ctx = {0};
    int repeats = argc > 1 ? atoi(argv[1]) : 20;
    repeats = repeats < 1 ? 1 : repeats > MAX_REPEATS ? MAX_REPEATS : repeats;
    ff_err err = bench("none", "white", repeats, &ctx);
    if (!err) err = bench("wiener", "wiener", repeats, &ctx);
    if (err) fprintf(stderr, "gradient_bench: %s\n", ctx.message);
    return err ? 1 : 0;
}
