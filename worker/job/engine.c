/* worker/job/engine.c - see engine.h. */
#include "worker/job/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* More nodes in l than any simulator asks for, and what theta keeps besides its tables: for the memory estimate only. */
static const size_t NODES_MAX = 512;
static const size_t THETA_BYTES = (size_t)16 << 20;

static struct ff_sim_config sim_config(const struct ff_model *model, enum ff_precision precision, int threads)
{
    return (struct ff_sim_config){.simulator = model->simulator,
                                  .observable = model->observable,
                                  .variance = model->variance,
                                  .nbins = model->sources.nbins,
                                  .npix = model->npix,
                                  .padding = model->padding,
                                  .size_deg = model->size_deg,
                                  .l_max = model->l_max,
                                  .pixel_window = model->pixel_window,
                                  .precision = precision,
                                  .threads = threads};
}

static struct ff_theta_config theta_config(const struct ff_model *model, const struct ff_shift_table *shift)
{
    struct ff_theta_config config = {.sources = &model->sources,
                                     .power = model->power,
                                     .want_shift = model->simulator == FF_SIM_LOGNORMAL,
                                     .shift_kind = model->shift_kind,
                                     .pixel_rad = model->size_deg / model->npix * (M_PI / 180),
                                     .shift_table = shift};
    memcpy(config.shift_numbers, model->shift_numbers, sizeof config.shift_numbers);
    return config;
}

size_t ff_engine_bytes(const struct ff_model *model, enum ff_precision precision, int threads)
{
    const struct ff_sim_config config = sim_config(model, precision, threads);
    const size_t npairs = (size_t)ff_pair_count(model->sources.nbins);
    return ff_sim_bytes(&config) + THETA_BYTES + ((size_t)model->npars + 2) * npairs * NODES_MAX * sizeof(double);
}

static ff_err init_theta(struct ff_engine *e, const struct ff_shift_table *shift, bool derivs, ff_ctx *ctx)
{
    struct ff_theta_config config = theta_config(e->model, shift);
    config.ell = ff_sim_ell(e->sim, &config.nell);
    ff_err err = ff_theta_init(&e->theta, &config, ctx);
    if (!err) err = ff_tables_init(&e->tables, e->theta, derivs, ctx);
    if (err) return err;
    const size_t ncl = (size_t)e->tables.npairs * (size_t)e->tables.nell, nbins = (size_t)e->tables.nbins;
    e->cl_bar = calloc(ncl + 2 * nbins, sizeof *e->cl_bar);
    if (!e->cl_bar) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the cotangents of %zu table entries", ncl);
    e->shift_bar = e->cl_bar + ncl;
    e->gain_bar = e->shift_bar + nbins;
    return FF_OK;
}

ff_err ff_engine_init(struct ff_engine *e, const struct ff_model *model, const struct ff_shift_table *shift,
                      enum ff_precision precision, int threads, bool derivs, ff_ctx *ctx)
{
    memset(e, 0, sizeof *e);
    e->model = model;
    const struct ff_sim_config config = sim_config(model, precision, threads);
    ff_err err = ff_sim_init(&e->sim, &config, ctx);
    if (!err) err = init_theta(e, shift, derivs, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while setting up the model");
        ff_engine_done(e);
    }
    return err;
}

void ff_engine_done(struct ff_engine *e)
{
    free(e->cl_bar);
    ff_tables_done(&e->tables);
    ff_theta_free(e->theta);
    ff_sim_free(e->sim);
    memset(e, 0, sizeof *e);
}

ff_err ff_engine_set(struct ff_engine *e, const double *theta, bool *inside, ff_ctx *ctx)
{
    *inside = false;
    const double start = ff_clock_s();
    ff_err err = ff_theta_eval(e->theta, theta, &e->tables, ctx);
    e->seconds_theta += ff_clock_s() - start;
    if (err || !e->tables.inside) return err;
    const int nbins = e->tables.nbins;
    for (int i = 0; i < nbins; i++) e->gain[i] = 1 + theta[ff_par_m(i)];
    const struct ff_sim_tables tables = {.cl = e->tables.cl, .shift = e->tables.shift, .gain = e->gain};
    err = ff_sim_set_tables(e->sim, &tables, ctx);
    if (err == FF_EOUTSIDE) { /* spectra that are no covariance of a field: as much outside as a bad parameter */
        ff_ctx_clear(ctx);
        return FF_OK;
    }
    *inside = !err;
    return err;
}

struct ff_sim_bars ff_engine_bars(struct ff_engine *e)
{
    return (struct ff_sim_bars){
        .cl = e->cl_bar, .shift = e->model->simulator == FF_SIM_LOGNORMAL ? e->shift_bar : NULL, .gain = e->gain_bar};
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

void ff_engine_theta_bar(const struct ff_engine *e, double *theta_bar)
{
    const struct ff_tables *t = &e->tables;
    const int ncl = t->npairs * t->nell;
    const bool shifts = e->model->simulator == FF_SIM_LOGNORMAL;
    for (int p = 0; p < t->npars; p++) {
        theta_bar[p] = dot(e->cl_bar, t->dcl + (long)p * ncl, ncl);
        if (shifts) theta_bar[p] += dot(e->shift_bar, t->dshift + (long)p * t->nbins, t->nbins);
    }
    for (int i = 0; i < t->nbins; i++) theta_bar[ff_par_m(i)] += e->gain_bar[i];
}
