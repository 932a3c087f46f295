/* Bench of the simulators: `name value unit threads` lines, medians, one thread and two. Names end in npix x npix x nbins
** and the precision; energy_white and energy_wiener are set_tables and ff_sim_energy with every gradient.
** Usage: sim_bench [npix [nbins [repeats]]]; 256, 5 and 20 by default. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker/core/rng.h"
#include "worker/sim/sim.h"

enum { MAX_REPEATS = 1000 };

struct bench {
    ff_sim *sim;
    struct ff_sim_tables tables;
    struct ff_sim_bars bars;
    double *numbers; /* all tables and bars */
    float *y, *y_bar, *map, *sd, *obs;
    const char *prefix; /* "" or "shear_" */
    int npix, nbins, threads, repeats;
    ff_err err; /* the first failure; after it nothing more is done */
    ff_ctx ctx;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void note(struct bench *b, ff_err err)
{
    if (err && !b->err) {
        b->err = err;
        fprintf(stderr, "sim_bench: %s\n", b->ctx.message);
    }
}

static void *take(struct bench *b, size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) note(b, ff_fail(&b->ctx, FF_ENOMEM, FF_HERE, "no memory for %zu numbers", count));
    return p;
}

static void report(const struct bench *b, const char *name, double value, const char *unit)
{
    if (b->err) return;
    printf("%s%s_%dx%dx%d_f32 %.4g %s %d\n", b->prefix, name, b->npix, b->npix, b->nbins, value, unit, b->threads);
}

/* What one repetition does. */
typedef void work(struct bench *b);

static double time_of(struct bench *b, const char *name, work *w)
{
    double t[MAX_REPEATS];
    w(b);
    for (int i = 0; i < b->repeats; i++) {
        const double start = now();
        w(b);
        t[i] = now() - start;
    }
    qsort(t, (size_t)b->repeats, sizeof *t, ascending);
    report(b, name, 1e3 * t[b->repeats / 2], "ms");
    return t[b->repeats / 2];
}

static void set_tables(struct bench *b)
{
    if (!b->err) note(b, ff_sim_set_tables(b->sim, &b->tables, &b->ctx));
}

static void energy(struct bench *b, enum ff_whiten whiten, float *y_bar)
{
    struct ff_energy e;
    set_tables(b);
    if (!b->err) note(b, ff_sim_energy(b->sim, whiten, b->y, &e, y_bar, y_bar ? &b->bars : NULL, &b->ctx));
}
static void white_value(struct bench *b)
{
    energy(b, FF_WHITEN_NONE, NULL);
}
static void white_gradient(struct bench *b)
{
    energy(b, FF_WHITEN_NONE, b->y_bar);
}
static void wiener_gradient(struct bench *b)
{
    energy(b, FF_WHITEN_WIENER, b->y_bar);
}
static void latent(struct bench *b)
{
    ff_sim_draw_latent(b->sim, 1, FF_RNG_TEST, 0, b->y);
}
static void draw(struct bench *b)
{
    set_tables(b);
    latent(b);
    if (!b->err) note(b, ff_sim_forward(b->sim, b->y, NULL, b->obs, &b->ctx));
}

/* Spectra like those of LSST bins. */
static void fill_tables(struct bench *b, int nbins)
{
    int nell;
    const double *ell = ff_sim_ell(b->sim, &nell);
    const long ncl = (long)nbins * (nbins + 1) / 2 * nell;
    b->numbers = take(b, (size_t)(2 * ncl + 4 * nbins), sizeof(double));
    if (b->err) return;
    double *cl = b->numbers, *shift = cl + ncl, *gain = shift + nbins;
    b->tables = (struct ff_sim_tables){.cl = cl, .shift = shift, .gain = gain};
    b->bars = (struct ff_sim_bars){.cl = gain + nbins, .shift = gain + nbins + ncl, .gain = gain + 2 * nbins + ncl};
    for (int i = 0; i < nbins; i++) {
        shift[i] = 0.005 + 0.02 * i;
        gain[i] = 1;
        for (int j = i; j < nbins; j++)
            for (int k = 0; k < nell; k++)
                cl[ff_pair(nbins, i, j) * nell + k] = 7e-10 * (1 + 2.0 * i) * (1 + 2.0 * j) * pow(0.85, j - i) *
                                                      pow(ell[k] / 100, -1.1) / pow(1 + ell[k] / 1500, 1.6);
    }
}

/* A mock of the model itself: bins with noise 0.0477. */
static void fill_data(struct bench *b)
{
    const long n = ff_sim_nobs(b->sim);
    draw(b);
    if (b->err) return;
    ff_rng_normals_f32(1, FF_RNG_TEST, 1, 0, n, b->map, 1);
    for (long k = 0; k < n; k++) b->map[k] = 0.0477f * b->map[k] + b->obs[k], b->sd[k] = 0.0477f;
    note(b, ff_sim_set_data(b->sim, b->map, b->sd, &b->ctx));
}

/* The parts of one kind of call, and the bytes its maps and spectra move at least: each read and written once a
** pass. */
static void report_parts(struct bench *b, const char *name, work *w, double bytes)
{
    struct ff_sim_times before, after;
    char text[120];
    ff_sim_times(b->sim, &before);
    for (int i = 0; i < b->repeats; i++) w(b);
    ff_sim_times(b->sim, &after);
    const double ms = 1e3 / b->repeats;
    const double part[] = {after.classes - before.classes, after.modes - before.modes, after.fft - before.fft,
                           after.pixels - before.pixels};
    static const char *const names[] = {"classes", "modes", "fft", "pixels"};
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%s_%s", name, names[i]);
        report(b, text, ms * part[i], "ms");
    }
    snprintf(text, sizeof text, "%s_fields", name);
    report(b, text, bytes * b->repeats / (part[1] + part[2] + part[3]) * 1e-9, "GB/s");
}

static void measure(struct bench *b, bool convergence)
{
    time_of(b, "sim_tables", set_tables);
    time_of(b, "sim_latent", latent);
    report(b, "sim_draws", 1 / time_of(b, "sim_draw", draw), "1/s");
    time_of(b, "energy_value", white_value);
    time_of(b, "energy_white", white_gradient);
    time_of(b, "energy_wiener", wiener_gradient);
    if (!convergence) return;
    /* latent twice and its gradient, spectrum eight times (write, columns, rows, and back), data and weights */
    const double latents = (double)ff_sim_nlatent(b->sim), observed = (double)ff_sim_nobs(b->sim);
    report_parts(b, "part_white", white_gradient, 4 * (11 * latents + 2 * observed));
    report_parts(b, "part_wiener", wiener_gradient, 4 * (13 * latents + 2 * observed));
}

static ff_err run(enum ff_observable observable, int npix, int nbins, int threads, int repeats)
{
    const bool convergence = observable == FF_CONVERGENCE;
    const int padding = convergence ? 1 : 2;
    const struct ff_sim_config config = {.simulator = FF_SIM_LOGNORMAL,
                                         .observable = observable,
                                         .variance = FF_VARIANCE_THEORY,
                                         .nbins = nbins,
                                         .npix = npix / padding,
                                         .padding = padding,
                                         .size_deg = 10.0 / padding,
                                         .precision = FF_F32,
                                         .threads = threads};
    struct bench b = {
        .prefix = convergence ? "" : "shear_", .npix = npix, .nbins = nbins, .threads = threads, .repeats = repeats};
    note(&b, ff_sim_init(&b.sim, &config, &b.ctx));
    if (b.err) return b.err;
    const size_t nlatent = (size_t)ff_sim_nlatent(b.sim), nobs = (size_t)ff_sim_nobs(b.sim);
    b.y = take(&b, nlatent, sizeof *b.y);
    b.y_bar = take(&b, nlatent, sizeof *b.y_bar);
    b.map = take(&b, nobs, sizeof *b.map);
    b.sd = take(&b, nobs, sizeof *b.sd);
    b.obs = take(&b, nobs, sizeof *b.obs);
    fill_tables(&b, nbins);
    if (!b.err) fill_data(&b);
    report(&b, "sim_memory", (double)ff_sim_bytes(&config) * 1e-6, "MB");
    if (!b.err) measure(&b, convergence);
    free(b.numbers), free(b.y), free(b.y_bar), free(b.map), free(b.sd), free(b.obs);
    ff_sim_free(b.sim);
    return b.err;
}

int main(int argc, char **argv)
{
    const int npix = argc > 1 ? atoi(argv[1]) : 256, nbins = argc > 2 ? atoi(argv[2]) : 5;
    const int repeats = argc > 3 ? atoi(argv[3]) : 20;
    if (repeats < 1 || repeats > MAX_REPEATS) {
        fprintf(stderr, "usage: sim_bench [npix [nbins [repeats, 1 to %d]]]\n", MAX_REPEATS);
        return 2;
    }
    for (int threads = 1; threads <= 2; threads++) {
        if (run(FF_CONVERGENCE, npix, nbins, threads, repeats)) return 1;
        if (run(FF_SHEAR, npix, nbins, threads, repeats)) return 1;
    }
    return 0;
}
