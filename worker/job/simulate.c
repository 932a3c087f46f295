/* worker/job/simulate.c - simulated maps, one after another, straight into the result. Draw i is the same as draw i of a draws job
** with the same seed. Noise is added to the model's observable only: the convergence of a shear model, and the shear of a
** convergence model, are noiseless, and the file says so. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/io/folder.h"
#include "worker/job/bands.h"
#include "worker/job/draw.h"
#include "worker/job/meter.h"
#include "worker/job/prior.h"
#include "worker/job/result_info.h"
#include "worker/job/run.h"

struct simulation {
    const struct ff_run *run;
    const struct ff_job *job;
    bool shear_model; /* the model's observable is a shear */
    bool wants_kappa, wants_shear, wants_spectra;
    struct ff_model drawn; /* the model; its observable is a shear when any shear is wanted */
    struct ff_drawer drawer;
    struct ff_bands bands;      /* of the model's observable */
    long npixels, nmap, nshear; /* of one bin; of all bins; both components */
    float *kappa, *shear;       /* (nbins, npix, npix); (nbins, 2, npix, npix) or NULL */
    ff_h5 *file;
};

static ff_err simulation_init(struct simulation *s, const struct ff_run *run, ff_ctx *ctx)
{
    const struct ff_job *job = run->prepared->job;
    const struct ff_model *m = &job->model;
    *s = (struct simulation){.run = run,
                             .job = job,
                             .shear_model = m->observable != FF_CONVERGENCE,
                             .wants_kappa = job->outputs & FF_OUT_CONVERGENCE,
                             .wants_shear = job->outputs & FF_OUT_SHEAR,
                             .wants_spectra = job->outputs & FF_OUT_SPECTRA,
                             .drawn = *m};
    s->npixels = (long)m->npix * m->npix;
    s->nmap = m->sources.nbins * s->npixels;
    s->nshear = 2 * s->nmap;
    if (s->wants_shear && !s->shear_model) s->drawn.observable = FF_SHEAR;
    const bool makes_shear = s->drawn.observable != FF_CONVERGENCE;
    s->kappa = malloc((size_t)s->nmap * sizeof *s->kappa);
    s->shear = makes_shear ? malloc((size_t)s->nshear * sizeof *s->shear) : NULL;
    if (!s->kappa || (makes_shear && !s->shear))
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for maps of %ld pixels", s->nmap);
    ff_err err = ff_drawer_init(&s->drawer, &s->drawn, &run->prepared->shift, run->threads, run->comm, false, ctx);
    if (!err && s->wants_spectra) err = ff_bands_init(&s->bands, &run->prepared->data, ctx);
    return err;
}

static void simulation_done(struct simulation *s)
{
    ff_drawer_done(&s->drawer);
    ff_bands_done(&s->bands);
    free(s->kappa);
    free(s->shear);
}

/* ---- the file ---- */

static ff_err reserve_map(const struct simulation *s, const char *name, const char *dims, bool observed,
                          const char *what, ff_ctx *ctx)
{
    char object[64] = "simulation/";
    strncat(object, name, sizeof object - strlen(object) - 1);
    ff_err err = ff_h5_reserve(s->file, "simulation", name, FF_F32_T, dims, ctx);
    if (!err) err = ff_h5_attr_text(s->file, object, "noise", observed && s->job->noise ? "included" : "none", ctx);
    if (!err) err = ff_h5_attr_text(s->file, object, "contents", what, ctx);
    return err;
}

static ff_err reserve_maps(const struct simulation *s, ff_ctx *ctx)
{
    ff_err err = ff_result_dims_map(s->file, "simulation", s->job->model.sources.nbins, s->job->model.npix, ctx);
    if (!err && s->wants_kappa)
        err = reserve_map(s, "convergence", "draw bin y x", !s->shear_model,
                          s->shear_model ? "convergence of the field, without multiplicative bias" : "observable", ctx);
    if (err || !s->wants_shear) return err;
    err = ff_h5_dim(s->file, "simulation", "component", 2, ctx);
    if (!err)
        err = reserve_map(s, "shear", "draw bin component y x", s->shear_model,
                          s->job->model.observable == FF_REDUCED_SHEAR ? "observable: reduced shear"
                          : s->shear_model                             ? "observable: shear"
                                                                       : "shear of the field, with multiplicative bias",
                          ctx);
    return err;
}

static ff_err reserve_spectra(const struct simulation *s, ff_ctx *ctx)
{
    ff_err err = ff_bands_dims(&s->bands, s->file, "spectra", ctx);
    if (!err) err = ff_h5_dim(s->file, "spectra", "draw", s->job->count, ctx);
    if (!err) err = ff_h5_reserve(s->file, "spectra", "measured", FF_F64_T, "draw pair band", ctx);
    if (!err) err = ff_h5_attr_text(s->file, "spectra/measured", "noise", s->job->noise ? "included" : "none", ctx);
    if (!err && s->bands.b) err = ff_h5_reserve(s->file, "spectra", "measured_b", FF_F64_T, "draw pair band", ctx);
    return err;
}

static ff_err reserve(const struct simulation *s, ff_ctx *ctx)
{
    const struct ff_model *m = &s->job->model;
    int place[FF_MAX_PARS];
    for (int i = 0; i < m->npars; i++) place[i] = i;
    ff_err err = ff_h5_group(s->file, "simulation", ctx);
    if (!err) err = ff_h5_dim(s->file, "simulation", "draw", s->job->count, ctx);
    if (!err)
        err = ff_result_dim_parameters(s->file, "simulation", "parameter", m->sources.nbins, place, m->npars, ctx);
    if (!err) err = ff_h5_reserve(s->file, "simulation", "theta", FF_F64_T, "draw parameter", ctx);
    if (!err) err = ff_h5_reserve(s->file, "simulation", "valid", FF_BOOL_T, "draw", ctx);
    if (!err && (s->wants_kappa || s->wants_shear)) err = reserve_maps(s, ctx);
    if (!err && s->wants_spectra) err = reserve_spectra(s, ctx);
    return err;
}

/* ---- draws ---- */

/* The observable of a convergence model is its convergence with the gains 1 + m. */
static void apply_gains(const struct simulation *s)
{
    for (long i = 0; i < s->nmap; i++) s->kappa[i] *= (float)s->drawer.engine.gain[i / s->npixels];
}

static ff_err make_maps(struct simulation *s, const double *theta, long draw, int8_t *valid, ff_ctx *ctx)
{
    bool inside;
    const ff_err err =
        ff_drawer_maps(&s->drawer, theta, s->job->seed, (uint32_t)draw, s->kappa, s->shear, &inside, ctx);
    if (err) return err;
    *valid = inside;
    if (!inside) {
        memset(s->kappa, 0, (size_t)s->nmap * sizeof *s->kappa);
        if (s->shear) memset(s->shear, 0, (size_t)s->nshear * sizeof *s->shear);
        return FF_OK;
    }
    if (!s->shear_model) apply_gains(s);
    if (s->job->noise)
        ff_noise_add(s->shear_model ? s->shear : s->kappa, s->run->prepared->data.noise_sd,
                     s->shear_model ? s->nshear : s->nmap, s->job->seed, (uint32_t)draw, NULL);
    return FF_OK;
}

static ff_err write_draw(struct simulation *s, const double *theta, long draw, int8_t valid, ff_ctx *ctx)
{
    ff_err err = ff_h5_put_rows(s->file, "simulation", "theta", FF_F64_T, draw, 1, theta, ctx);
    if (!err) err = ff_h5_put_rows(s->file, "simulation", "valid", FF_BOOL_T, draw, 1, &valid, ctx);
    if (!err && s->wants_kappa)
        err = ff_h5_put_rows(s->file, "simulation", "convergence", FF_F32_T, draw, 1, s->kappa, ctx);
    if (!err && s->wants_shear) err = ff_h5_put_rows(s->file, "simulation", "shear", FF_F32_T, draw, 1, s->shear, ctx);
    if (err || !s->wants_spectra) return err;
    ff_bands_measure(&s->bands, s->shear_model ? s->shear : s->kappa);
    err = ff_h5_put_rows(s->file, "spectra", "measured", FF_F64_T, draw, 1, s->bands.e, ctx);
    if (!err && s->bands.b) err = ff_h5_put_rows(s->file, "spectra", "measured_b", FF_F64_T, draw, 1, s->bands.b, ctx);
    return err;
}

static ff_err make_draws(struct simulation *s, struct ff_meter *meter, ff_ctx *ctx)
{
    double theta[FF_MAX_PARS];
    for (long draw = 0; draw < s->job->count; draw++) {
        int8_t valid;
        bool stop = ff_run_stopped(s->run);
        const ff_err told = ff_share(s->run->comm, &stop, sizeof stop, ctx);
        if (told) return told;
        if (stop)
            return ff_fail(ctx, FF_EINTERRUPTED, FF_HERE,
                           "stopped after %ld of %ld simulations; the next run starts over", draw, s->job->count);
        ff_prior_draw(&s->job->model, s->job->seed, (uint32_t)draw, theta);
        ff_err err = make_maps(s, theta, draw, &valid, ctx);
        if (!err && s->file) err = write_draw(s, theta, draw, valid, ctx);
        err = ff_share_error(s->run->comm, err, ctx);
        if (err) return err;
        ff_meter_count(meter, "simulating", draw + 1, s->job->count);
    }
    return FF_OK;
}

static ff_err check_room(const struct ff_run *run, const struct simulation *s, ff_ctx *ctx)
{
    const double floats = (s->wants_kappa ? (double)s->nmap : 0) + (s->wants_shear ? (double)s->nshear : 0);
    return ff_folder_check_room(
        run->out, (double)s->job->count * (floats * sizeof(float) + FF_MAX_PARS * sizeof(double)), "/count", ctx);
}

static ff_err open_file(struct simulation *s, ff_ctx *ctx)
{
    const struct ff_run *run = s->run;
    ff_err err = check_room(run, s, ctx);
    if (err) return err;
    const struct ff_result_info info = ff_run_result_info(run, ff_sim_plan_hash(s->drawer.engine.sim));
    err = ff_result_open(&s->file, run->out, &info, ctx);
    return err ? err : reserve(s, ctx);
}

static ff_err close_file(struct simulation *s, ff_ctx *ctx)
{
    const struct ff_result_cost cost = {.gradients = 0, .model_evaluations = s->job->count};
    const ff_err err = ff_result_close(s->file, &cost, ctx);
    s->file = NULL;
    return err;
}

ff_err ff_run_simulate(const struct ff_run *run, ff_ctx *ctx)
{
    struct simulation s;
    struct ff_meter meter;
    const bool lead = ff_run_leads(run);
    ff_err err = simulation_init(&s, run, ctx);
    if (!err && lead) err = open_file(&s, ctx);
    err = ff_share_error(run->comm, err, ctx);
    ff_meter_init(&meter, &run->sink, "simulate", 0);
    if (!err) err = make_draws(&s, &meter, ctx);
    if (!err && lead) err = close_file(&s, ctx);
    err = ff_share_error(run->comm, err, ctx);
    if (s.file) err = ff_h5_end(s.file, err, ctx);
    simulation_done(&s);
    return err;
}
