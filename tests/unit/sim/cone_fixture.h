/* Shared by the tests of the light-cone: small boxes of every kind, smooth tables for them, data. Nothing here fails a
** test: ranks that are threads or processes return errors. */
#ifndef FF_TESTS_CONE_FIXTURE_H
#define FF_TESTS_CONE_FIXTURE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/rng.h"
#include "worker/sim/sim.h"

enum { CONE_BINS = 2 };

struct cone_case {
    const char *name;
    int mesh[3];
    int order;
    enum ff_paint_kernel paint;
    double offset;
    bool decic, spectral;
    enum ff_observable observable;
    int padding;
    double amplitude; /* 1: displacements of half a cell or so */
};

static inline struct ff_sim_config cone_config(const struct cone_case *k, enum ff_precision precision, int threads,
                                               const struct ff_comm *comm)
{
    struct ff_sim_config c = {
        .simulator = FF_SIM_LPT,
        .observable = k->observable,
        .nbins = CONE_BINS,
        .npix = 12,
        .padding = k->padding,
        .size_deg = 14,
        .precision = precision,
        .threads = threads,
        .comm = comm,
        .lpt = {.order = k->order, .offset = k->offset, .spectral = k->spectral, .paint = k->paint, .decic = k->decic}};
    const double side_mpch[3] = {14, 12, 20};
    for (int i = 0; i < 3; i++) {
        c.lpt.mesh[i] = k->mesh[i];
        c.lpt.box_mpch[i] = side_mpch[i] * k->mesh[i];
    }
    return c;
}

/* The tables one after the other: amplitude (nk), d1, d2 (nz), weight (nbins, nz), gain (nbins). */
struct cone_tables {
    struct ff_sim_light light;
    long n;     /* of all numbers */
    double *at; /* (n) */
};
enum cone_table { CONE_AMPLITUDE, CONE_D1, CONE_D2, CONE_WEIGHT, CONE_GAIN, CONE_NTABLES };

/* First number of a table; of CONE_NTABLES: how many there are. */
static inline long cone_first(const struct ff_sim_light *l, enum cone_table table)
{
    const long first[] = {0,
                          l->nk,
                          l->nk + l->nz,
                          l->nk + 2 * l->nz,
                          l->nk + (2 + CONE_BINS) * l->nz,
                          l->nk + (2 + CONE_BINS) * l->nz + CONE_BINS};
    return first[table];
}

static inline struct ff_sim_tables cone_view(const struct cone_tables *t)
{
    const struct ff_sim_light *l = &t->light;
    return (struct ff_sim_tables){.amplitude = t->at,
                                  .d1 = t->at + cone_first(l, CONE_D1),
                                  .d2 = t->at + cone_first(l, CONE_D2),
                                  .weight = t->at + cone_first(l, CONE_WEIGHT),
                                  .gain = t->at + cone_first(l, CONE_GAIN)};
}

/* The same places in a block of cotangents. */
static inline struct ff_sim_bars cone_bars(const struct ff_sim_light *l, double *at)
{
    return (struct ff_sim_bars){.amplitude = at,
                                .d1 = at + cone_first(l, CONE_D1),
                                .d2 = at + cone_first(l, CONE_D2),
                                .weight = at + cone_first(l, CONE_WEIGHT),
                                .gain = at + cone_first(l, CONE_GAIN)};
}

/* Power like matter's: displacements come from waves of some cells, density from shorter ones. */
static inline bool cone_tables_make(struct cone_tables *t, const ff_sim *s, double amplitude)
{
    const struct ff_sim_light l = ff_sim_light(s);
    *t = (struct cone_tables){.light = l, .n = cone_first(&l, CONE_NTABLES)};
    t->at = calloc((size_t)t->n, sizeof *t->at);
    if (!t->at) return false;
    for (int i = 0; i < l.nk; i++) {
        const double k = exp(l.lnk0 + i * l.dlnk) / 0.05;
        t->at[i] = amplitude * 420 * sqrt(k) / (1 + 0.9 * pow(k, 1.6));
    }
    for (int z = 0; z < l.nz; z++) {
        const double x = (z + 0.5) / l.nz, d1 = 1 - 0.45 * (x + l.particles_offset / l.nz);
        t->at[cone_first(&l, CONE_D1) + z] = d1;
        t->at[cone_first(&l, CONE_D2) + z] = -(0.43 - 0.02 * x) * d1 * d1;
        for (int b = 0; b < CONE_BINS; b++)
            t->at[cone_first(&l, CONE_WEIGHT) + b * l.nz + z] = fmax(0, 1.2 / l.nz * x * (0.7 + 0.3 * b - x));
    }
    for (int b = 0; b < CONE_BINS; b++) t->at[cone_first(&l, CONE_GAIN) + b] = 1 + 0.05 * (b + 1);
    return true;
}

/* Data of the size of the signal, with masked patches and uneven noise. */
static inline ff_err cone_set_data(ff_sim *s, ff_ctx *ctx)
{
    const long n = ff_sim_nobs(s);
    float *map = malloc((size_t)n * 2 * sizeof *map), *sd = map + n;
    if (!map) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for data");
    ff_rng_normals_f32(11, FF_RNG_TEST, 7, 0, n, map, 1);
    for (long i = 0; i < n; i++) {
        map[i] *= 0.02f;
        sd[i] = i % 11 == 3 ? INFINITY : 0.01f * (1 + (float)(i % 5) / 5);
    }
    const ff_err err = ff_sim_set_data(s, map, sd, ctx);
    free(map);
    return err;
}

/* A simulator with tables and data set. */
struct cone {
    ff_sim *sim;
    struct ff_sim_config config;
    struct cone_tables tables;
    long nlatent, nobs, nmap;
    size_t real;
};

static inline void cone_done(struct cone *c)
{
    ff_sim_free(c->sim);
    free(c->tables.at);
    *c = (struct cone){0};
}

static inline ff_err cone_make(struct cone *c, const struct cone_case *k, enum ff_precision precision, int threads,
                               const struct ff_comm *comm, ff_ctx *ctx)
{
    *c = (struct cone){.config = cone_config(k, precision, threads, comm),
                       .real = precision == FF_F32 ? sizeof(float) : sizeof(double)};
    ff_err err = ff_sim_init(&c->sim, &c->config, ctx);
    if (err) return err;
    c->nlatent = ff_sim_nlatent(c->sim), c->nobs = ff_sim_nobs(c->sim), c->nmap = ff_sim_nmap(c->sim);
    if (!cone_tables_make(&c->tables, c->sim, k->amplitude)) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory");
    const struct ff_sim_tables view = cone_view(&c->tables);
    if (!err) err = ff_sim_set_tables(c->sim, &view, ctx);
    if (!err) err = cone_set_data(c->sim, ctx);
    return err;
}

#endif
