/* Bench of the light-cone by Lagrangian perturbation theory: the log density of four convergence maps of the preset
** porqueres23 and its gradient in modes and parameters, float. `name value unit threads` lines; times are medians of whole
** evaluations, tables of theta included.
**   lpt_value, lpt_gradient     ms; _ranks: of two ranks that are threads, one thread each
**   lpt_gradient_.._rate        GB/s of the bytes that have to move (docs: compute, section 1a)
**   lpt_part_fft, .. _theta     ms of a gradient; .._rate: of what it has to move
**   lpt_memory                  of the engine (simulator, and some 16 MB for theta), in fields of one real a cell
** Usage: lpt_bench [NXxNYxNZ ORDER [REPEATS]]: this case alone, on as many threads as there are processors; without, 64x64x128
** and 256x256x256, both orders, one thread and two. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/job.h"
#include "worker/core/comm_threads.h"
#include "worker/core/rng.h"
#include "worker/job/engine.h"
#include "worker/job/prior.h"

enum { MAX_REPEATS = 1000 };

static const char form[] =
    "{\"kind\":\"draws\",\"count\":1,\"model\":{\"preset\":\"porqueres23\",\"lpt\":{\"mesh\":[%d,%d,"
    "%d],\"order\":%d}}}";

struct bench {
    int mesh[3], order, ranks, threads, repeats;
    struct ff_job *job;
    double value[MAX_REPEATS], gradient[MAX_REPEATS]; /* seconds on rank 0 */
    struct ff_sim_times times;                        /* of all gradients */
    double theta, bytes;                              /* seconds of all gradients; of memory */
};

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Data: noise of the size of the preset's; bits do not matter here. */
static ff_err set_data(ff_sim *s, ff_ctx *ctx)
{
    const long n = ff_sim_nobs(s);
    float *map = malloc(2 * (size_t)n * sizeof *map), *sd = map + n;
    if (!map) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld pixels", n);
    ff_rng_normals_f32(1, FF_RNG_TEST, 0, 0, n, map, 1);
    for (long i = 0; i < n; i++) map[i] *= 0.02f, sd[i] = 0.02f;
    const ff_err err = ff_sim_set_data(s, map, sd, ctx);
    free(map);
    return err;
}

static ff_err evaluate(struct ff_engine *e, const double *theta, const float *z, float *z_bar, ff_ctx *ctx)
{
    struct ff_energy energy;
    double theta_bar[FF_MAX_PARS];
    const struct ff_sim_bars bars = ff_engine_bars(e);
    bool inside;
    ff_err err = ff_engine_set(e, theta, &inside, ctx);
    if (!err && !inside) err = ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "outside: %s", e->why);
    if (!err) err = ff_sim_energy(e->sim, FF_WHITEN_NONE, z, &energy, z_bar, &bars, ctx);
    if (!err && z_bar) ff_engine_theta_bar(e, theta_bar);
    return err;
}

static ff_err repeat(struct bench *b, const struct ff_comm *c, struct ff_engine *e, const float *z, float *z_bar,
                     double *seconds, ff_ctx *ctx)
{
    double theta[FF_MAX_PARS], together = 0;
    struct ff_sim_times before, after;
    ff_prior_centre(&b->job->model, theta);
    ff_err err = evaluate(e, theta, z, z_bar, ctx); /* not counted */
    ff_sim_times(e->sim, &before);
    const double theta_before = e->seconds_theta;
    for (int i = 0; i < b->repeats && !err; i++) {
        err = c->allreduce_f64(c, &together, 1, ctx);
        const double start = ff_clock_s();
        if (!err) err = evaluate(e, theta, z, z_bar, ctx);
        if (c->rank == 0) seconds[i] = ff_clock_s() - start;
    }
    ff_sim_times(e->sim, &after);
    if (c->rank || !z_bar) return err;
    for (size_t i = 0; i < sizeof after / sizeof(double); i++)
        ((double *)&b->times)[i] = (((double *)&after)[i] - ((double *)&before)[i]) / b->repeats;
    b->theta = (e->seconds_theta - theta_before) / b->repeats;
    return err;
}

static ff_err run_rank(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    struct bench *b = self;
    struct ff_engine e;
    ff_err err = ff_engine_init(&e, &b->job->model, NULL, FF_F32, b->threads, c, true, ctx);
    if (err) return err;
    const long n = ff_sim_nlatent(e.sim);
    float *z = malloc(2 * (size_t)n * sizeof *z), *z_bar = z + n;
    if (!z) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for 2 x %ld modes", n);
    if (!err) err = set_data(e.sim, ctx);
    if (!err) {
        ff_sim_draw_latent(e.sim, 1, FF_RNG_TEST, 0, z);
        err = repeat(b, c, &e, z, NULL, b->value, ctx);
    }
    if (!err) err = repeat(b, c, &e, z, z_bar, b->gradient, ctx);
    if (c->rank == 0) b->bytes = (double)ff_engine_bytes(&b->job->model, FF_F32, b->threads);
    free(z);
    ff_engine_done(&e);
    return err;
}

/* Fields that have to be read and written in a gradient. Transforms: 6 each; every other operation reads what it needs and
** writes what it makes once. */
struct part {
    const char *name;
    double seconds, fields[2]; /* by order */
};

static void report(const struct bench *b)
{
    const struct ff_sim_times *t = &b->times;
    const struct part parts[] = {
        {"fft", t->fft, {12, 36}},      {"lattice", t->lattice, {6, 10}}, {"stencil", t->stencil, {9, 25}},
        {"paint", t->paint, {6, 6}},    {"gather", t->gather, {7, 7}},    {"born", t->born, {3, 3}},
        {"exchange", t->exchange, {0}}, {"pixels", t->pixels, {0}},       {"theta", b->theta, {0}}};
    const double field = (double)b->mesh[0] * b->mesh[1] * b->mesh[2] * sizeof(float);
    const int all = b->ranks * b->threads;
    const double gradient = b->gradient[b->repeats / 2];
    char name[80];
    snprintf(name, sizeof name, "%dx%dx%d_order%d%s", b->mesh[0], b->mesh[1], b->mesh[2], b->order,
             b->ranks > 1 ? "_ranks" : "");
    printf("lpt_value_%s %.4g ms %d\n", name, 1e3 * b->value[b->repeats / 2], all);
    printf("lpt_gradient_%s %.4g ms %d\n", name, 1e3 * gradient, all);
    double fields = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) fields += parts[i].fields[b->order - 1];
    printf("lpt_gradient_%s_rate %.4g GB/s %d\n", name, 1e-9 * fields * field / gradient, all);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const struct part *p = &parts[i];
        printf("lpt_part_%s_%s %.4g ms %d\n", p->name, name, 1e3 * p->seconds, all);
        if (p->fields[0] > 0)
            printf("lpt_part_%s_%s_rate %.4g GB/s %d\n", p->name, name,
                   1e-9 * p->fields[b->order - 1] * field / p->seconds, all);
    }
    if (b->ranks == 1) printf("lpt_memory_%s %.4g fields %d\n", name, b->bytes / field, all);
    fflush(stdout);
}

static ff_err measure(struct bench *b, ff_ctx *ctx)
{
    char text[512];
    snprintf(text, sizeof text, form, b->mesh[0], b->mesh[1], b->mesh[2], b->order);
    ff_err err = ff_job_parse(&b->job, text, strlen(text), ".", ctx);
    if (err) return err;
    err = ff_comm_threads_run(b->ranks, run_rank, b, ctx);
    ff_job_free(b->job);
    if (err) return err;
    qsort(b->value, (size_t)b->repeats, sizeof(double), ascending);
    qsort(b->gradient, (size_t)b->repeats, sizeof(double), ascending);
    report(b);
    return FF_OK;
}

static ff_err measure_all(struct bench *b, ff_ctx *ctx)
{
    const int meshes[][3] = {{64, 64, 128}, {256, 256, 256}}, groups[][2] = {{1, 1}, {1, 2}, {2, 1}};
    ff_err err = FF_OK;
    for (int m = 0; m < 2; m++)
        for (int order = 1; order <= 2; order++)
            for (int g = 0; g < 3 && !err; g++) {
                memcpy(b->mesh, meshes[m], sizeof b->mesh);
                b->order = order, b->ranks = groups[g][0], b->threads = groups[g][1];
                b->repeats = m == 0 ? 41 : 3;
                err = measure(b, ctx);
            }
    return err;
}

int main(int argc, char **argv)
{
    ff_ctx ctx = {0};
    ff_err err;
    struct bench *b = calloc(1, sizeof *b);
    if (!b) return 1;
    if (argc == 1) {
        err = measure_all(b, &ctx);
    } else {
        b->order = argc > 2 ? atoi(argv[2]) : 0;
        b->repeats = argc > 3 ? atoi(argv[3]) : 11;
        b->ranks = 1, b->threads = omp_get_max_threads();
        if (argc < 3 || argc > 4 || sscanf(argv[1], "%dx%dx%d", &b->mesh[0], &b->mesh[1], &b->mesh[2]) != 3 ||
            b->repeats < 1 || b->repeats > MAX_REPEATS) {
            fprintf(stderr, "usage: lpt_bench [NXxNYxNZ ORDER [REPEATS, 1 to %d]]\n", MAX_REPEATS);
            free(b);
            return 2;
        }
        err = measure(b, &ctx);
    }
    if (err) fprintf(stderr, "lpt_bench: %s\n", ctx.message);
    free(b);
    return err ? 1 : 0;
}
