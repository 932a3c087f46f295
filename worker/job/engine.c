/* worker/job/engine.c - see engine.h. */
#include "worker/job/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* More nodes in l than any simulator asks for, and what theta keeps besides its tables: for the memory estimate only. */
static const size_t NODES_MAX = 512;
static const size_t THETA_BYTES = (size_t)16 << 20;

static struct ff_sim_config sim_config(const struct ff_model *model, enum ff_precision precision, int threads,
                                       const struct ff_comm *comm)
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
                                  .threads = threads,
                                  .lpt = model->lpt,
                                  .comm = comm};
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
    const struct ff_sim_config config = sim_config(model, precision, threads, NULL);
    const size_t npairs = (size_t)ff_pair_count(model->sources.nbins);
    return ff_sim_bytes(&config) + THETA_BYTES + ((size_t)model->npars + 2) * npairs * NODES_MAX * sizeof(double);
}

long ff_engine_nlatent(const struct ff_model *model)
{
    const int *mesh = model->lpt.mesh;
    if (model->simulator == FF_SIM_LPT) return 2L * mesh[1] * mesh[2] * (mesh[0] / 2 + 1);
    const long n = (long)model->npix * model->padding;
    return 2L * model->sources.nbins * n * (n / 2 + 1);
}

static ff_err init_theta(struct ff_engine *e, const struct ff_shift_table *shift, bool derivs, ff_ctx *ctx)
{
    struct ff_theta_config config = theta_config(e->model, shift);
    config.ell = ff_sim_ell(e->sim, &config.nell);
    ff_err err = ff_theta_init(&e->theta, &config, ctx);
    return err ? err : ff_tables_init(&e->tables, e->theta, derivs, ctx);
}

static ff_err init_light(struct ff_engine *e, bool derivs, ff_ctx *ctx)
{
    if (e->model->simulator != FF_SIM_LPT) return FF_OK;
    const struct ff_sim_light light = ff_sim_light(e->sim);
    const struct ff_lightcone_config config = {.sources = &e->model->sources,
                                               .nk = light.nk,
                                               .lnk0 = light.lnk0,
                                               .dlnk = light.dlnk,
                                               .nz = light.nz,
                                               .spacing = light.spacing,
                                               .particles_offset = light.particles_offset};
    ff_err err = ff_lightcone_init(&e->light, &config, ctx);
    return err ? err : ff_light_tables_init(&e->light_tables, e->light, derivs, ctx);
}

static ff_err init_bars(struct ff_engine *e, ff_ctx *ctx)
{
    const size_t ncl = (size_t)e->tables.npairs * (size_t)e->tables.nell, nbins = (size_t)e->tables.nbins;
    const size_t nk = (size_t)e->light_tables.nk, nz = (size_t)e->light_tables.nz;
    double *at = calloc(2 * nbins + ncl + nk + (2 + nbins) * nz, sizeof *at);
    if (!at) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the cotangents of the tables");
    e->gain_bar = at;
    e->shift_bar = at + nbins;
    e->cl_bar = e->shift_bar + nbins;
    e->amplitude_bar = e->cl_bar + ncl;
    e->d1_bar = e->amplitude_bar + nk;
    e->d2_bar = e->d1_bar + nz;
    e->weight_bar = e->d2_bar + nz;
    return FF_OK;
}

ff_err ff_engine_init(struct ff_engine *e, const struct ff_model *model, const struct ff_shift_table *shift,
                      enum ff_precision precision, int threads, const struct ff_comm *comm, bool derivs, ff_ctx *ctx)
{
    memset(e, 0, sizeof *e);
    e->model = model;
    const struct ff_sim_config config = sim_config(model, precision, threads, comm);
    ff_err err = ff_sim_init(&e->sim, &config, ctx);
    if (!err) err = init_theta(e, shift, derivs, ctx);
    if (!err) err = init_light(e, derivs, ctx);
    if (!err) err = init_bars(e, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while setting up the model");
        ff_engine_done(e);
    }
    return err;
}

void ff_engine_done(struct ff_engine *e)
{
    free(e->gain_bar);
    ff_light_tables_done(&e->light_tables);
    ff_lightcone_free(e->light);
    ff_tables_done(&e->tables);
    ff_theta_free(e->theta);
    ff_sim_free(e->sim);
    memset(e, 0, sizeof *e);
}

/* The tables at theta; e->why when it is outside. */
static ff_err evaluate(struct ff_engine *e, const double *theta, ff_ctx *ctx)
{
    const double start = ff_clock_s();
    const ff_err err = e->light ? ff_lightcone_eval(e->light, theta, &e->light_tables, ctx)
                                : ff_theta_eval(e->theta, theta, &e->tables, ctx);
    e->seconds_theta += ff_clock_s() - start;
    e->why = e->light ? e->light_tables.why : e->tables.why;
    return err;
}

ff_err ff_engine_set(struct ff_engine *e, const double *theta, bool *inside, ff_ctx *ctx)
{
    *inside = false;
    ff_err err = evaluate(e, theta, ctx);
    if (err || e->why) return err;
    for (int i = 0; i < e->tables.nbins; i++) e->gain[i] = 1 + theta[ff_par_m(i)];
    const struct ff_sim_tables tables = {.cl = e->tables.cl,
                                         .shift = e->tables.shift,
                                         .gain = e->gain,
                                         .amplitude = e->light_tables.amplitude,
                                         .d1 = e->light_tables.d1,
                                         .d2 = e->light_tables.d2,
                                         .weight = e->light_tables.weight};
    err = ff_sim_set_tables(e->sim, &tables, ctx);
    if (err == FF_EOUTSIDE) { /* spectra that are no covariance of a field: as much outside as a bad parameter */
        e->why = "its spectra are no covariance of a field";
        ff_ctx_clear(ctx);
        return FF_OK;
    }
    *inside = !err;
    return err;
}

struct ff_sim_bars ff_engine_bars(struct ff_engine *e)
{
    return (struct ff_sim_bars){.cl = e->cl_bar,
                                .shift = e->model->simulator == FF_SIM_LOGNORMAL ? e->shift_bar : NULL,
                                .gain = e->gain_bar,
                                .amplitude = e->amplitude_bar,
                                .d1 = e->d1_bar,
                                .d2 = e->d2_bar,
                                .weight = e->weight_bar};
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Through the tables of parameter p. */
static double spectra_bar(const struct ff_engine *e, int p)
{
    const struct ff_tables *t = &e->tables;
    const int ncl = t->npairs * t->nell;
    const double sum = dot(e->cl_bar, t->dcl + (long)p * ncl, ncl);
    if (e->model->simulator != FF_SIM_LOGNORMAL) return sum;
    return sum + dot(e->shift_bar, t->dshift + (long)p * t->nbins, t->nbins);
}

static double light_bar(const struct ff_engine *e, int p)
{
    const struct ff_light_tables *t = &e->light_tables;
    const int nw = t->nbins * t->nz;
    return dot(e->amplitude_bar, t->damplitude + (long)p * t->nk, t->nk) +
           dot(e->d1_bar, t->dd1 + (long)p * t->nz, t->nz) + dot(e->d2_bar, t->dd2 + (long)p * t->nz, t->nz) +
           dot(e->weight_bar, t->dweight + (long)p * nw, nw);
}

void ff_engine_theta_bar(const struct ff_engine *e, double *theta_bar)
{
    for (int p = 0; p < e->tables.npars; p++) theta_bar[p] = e->light ? light_bar(e, p) : spectra_bar(e, p);
    for (int i = 0; i < e->tables.nbins; i++) theta_bar[ff_par_m(i)] += e->gain_bar[i];
}
