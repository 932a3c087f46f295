/* worker/job/spectrum.c - theory spectra at the centre of the job's parameters, their derivatives, and the measured ones of its data.
** Theory is that of the observable: C_l^ij (1 + m_i)(1 + m_j). Measured powers are those of the data as they are, noise included. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"
#include "worker/job/bands.h"
#include "worker/job/meter.h"
#include "worker/job/prior.h"
#include "worker/job/result_info.h"
#include "worker/job/run.h"
#include "worker/theta/theta.h"

enum { DEFAULT_NELL = 64 };

struct theory {
    const struct ff_model *model;
    int nell;
    double *ell; /* (nell) */
    double theta[FF_MAX_PARS];
    struct ff_tables tables; /* gains applied */
};

/* The job's multipoles, or a logarithmic grid from the largest scale of the field to its smallest. */
static ff_err choose_ell(struct theory *t, const struct ff_job *job, ff_ctx *ctx)
{
    t->nell = job->nell > 0 ? job->nell : DEFAULT_NELL;
    t->ell = malloc((size_t)t->nell * sizeof *t->ell);
    if (!t->ell) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d multipoles", t->nell);
    if (job->nell > 0) {
        memcpy(t->ell, job->ell, (size_t)t->nell * sizeof *t->ell);
        return FF_OK;
    }
    const double first = 360 / t->model->size_deg, last = 180 * t->model->npix / t->model->size_deg;
    for (int i = 0; i < t->nell; i++) t->ell[i] = first * pow(last / first, (double)i / (t->nell - 1));
    return FF_OK;
}

static void scale_row(double *row, double factor, int n)
{
    for (int l = 0; l < n; l++) row[l] *= factor;
}

/* From spectra of the field to those of the observable; rows of m_i, zero so far, get their derivatives. */
static void apply_gains(struct theory *t)
{
    const int nbins = t->tables.nbins, n = t->nell, npairs = t->tables.npairs;
    for (int i = 0; i < nbins; i++)
        for (int j = i; j < nbins; j++) {
            const int pair = ff_pair(nbins, i, j);
            const double gi = 1 + t->theta[ff_par_m(i)], gj = 1 + t->theta[ff_par_m(j)];
            double *cl = t->tables.cl + pair * n;
            for (int p = 0; t->tables.dcl && p < t->tables.npars; p++) {
                double *row = t->tables.dcl + ((long)p * npairs + pair) * n;
                const double dgain = (p == ff_par_m(i) ? gj : 0) + (p == ff_par_m(j) ? gi : 0);
                for (int l = 0; l < n; l++) row[l] = row[l] * gi * gj + dgain * cl[l];
            }
            scale_row(cl, gi * gj, n);
        }
}

static ff_err make_theory(struct theory *t, const struct ff_job *job, ff_ctx *ctx)
{
    ff_theta *theta = NULL;
    t->model = &job->model;
    ff_prior_centre(t->model, t->theta);
    ff_err err = choose_ell(t, job, ctx);
    if (err) return err;
    const struct ff_theta_config config = {
        .sources = &t->model->sources, .power = t->model->power, .nell = t->nell, .ell = t->ell};
    err = ff_theta_init(&theta, &config, ctx);
    if (!err) err = ff_tables_init(&t->tables, theta, job->derivatives, ctx);
    if (!err) err = ff_theta_eval(theta, t->theta, &t->tables, ctx);
    if (!err && !t->tables.inside)
        err = ff_fail_at(ctx, FF_EOUTSIDE, "/model/parameters", FF_HERE, "the parameters are outside the model: %s",
                         t->tables.why);
    if (!err) apply_gains(t);
    ff_theta_free(theta);
    return err;
}

static ff_err write_theory(ff_h5 *f, const struct theory *t, ff_ctx *ctx)
{
    int place[FF_MAX_PARS];
    for (int i = 0; i < t->tables.npars; i++) place[i] = i;
    ff_err err = ff_h5_dim_values(f, "spectra", "ell", t->ell, t->nell, ctx);
    if (!err) err = ff_h5_put(f, "spectra", "theory", FF_F64_T, "pair ell", t->tables.cl, ctx);
    if (!err) err = ff_result_dim_parameters(f, "spectra", "parameter", t->tables.nbins, place, t->tables.npars, ctx);
    if (!err) err = ff_h5_put(f, "spectra", "theta", FF_F64_T, "parameter", t->theta, ctx);
    if (!err && t->tables.dcl)
        err = ff_h5_put(f, "spectra", "d_theory", FF_F64_T, "parameter pair ell", t->tables.dcl, ctx);
    return err;
}

static ff_err write_measured(ff_h5 *f, struct ff_bands *bands, const struct ff_maps *data, ff_ctx *ctx)
{
    ff_err err = ff_bands_dims(bands, f, "spectra", ctx);
    if (err) return err;
    ff_bands_measure(bands, data->map);
    err = ff_h5_put(f, "spectra", "measured", FF_F64_T, "pair band", bands->e, ctx);
    if (!err) err = ff_h5_attr_text(f, "spectra/measured", "noise", "included", ctx);
    if (!err && bands->b) err = ff_h5_put(f, "spectra", "measured_b", FF_F64_T, "pair band", bands->b, ctx);
    return err;
}

/* The data of the job, if any: *data is `mock`, p->data or NULL. */
static ff_err get_data(const struct ff_run *run, struct ff_maps *mock, const struct ff_maps **data, ff_ctx *ctx)
{
    const struct ff_prepared *p = run->prepared;
    *data = p->job->data.kind == FF_DATA_SET ? &p->data : NULL;
    if (p->job->data.kind != FF_DATA_MOCK) return FF_OK;
    *data = mock;
    return ff_make_mock(p, run->threads, run->comm, mock, ctx);
}

static ff_err write_result(const struct ff_run *run, const struct theory *theory, const struct ff_maps *data,
                           ff_ctx *ctx)
{
    struct ff_bands bands = {0};
    ff_h5 *f = NULL;
    const struct ff_result_info info = ff_run_result_info(run, 0);
    ff_err err = data ? ff_bands_init(&bands, data, ctx) : FF_OK;
    if (!err) err = ff_result_open(&f, run->out, &info, ctx);
    if (!err) err = ff_h5_group(f, "spectra", ctx);
    if (!err)
        err =
            data ? write_measured(f, &bands, data, ctx) : ff_result_dims_pairs(f, "spectra", theory->tables.nbins, ctx);
    if (!err) err = write_theory(f, theory, ctx);
    ff_bands_done(&bands);
    if (err) return ff_h5_end(f, err, ctx);
    const struct ff_result_cost cost = {.gradients = 0,
                                        .model_evaluations = 1 + (run->prepared->job->data.kind == FF_DATA_MOCK)};
    return ff_result_close(f, &cost, ctx);
}

ff_err ff_run_spectrum(const struct ff_run *run, ff_ctx *ctx)
{
    struct theory theory = {0};
    struct ff_maps mock = {0};
    const struct ff_maps *data;
    struct ff_meter meter;
    ff_meter_init(&meter, &run->sink, "spectrum", 0);
    ff_err err = ff_share_error(run->comm, make_theory(&theory, run->prepared->job, ctx), ctx);
    if (!err) err = get_data(run, &mock, &data, ctx);
    if (!err && ff_run_leads(run)) err = write_result(run, &theory, data, ctx);
    err = ff_share_error(run->comm, err, ctx);
    if (!err) ff_meter_count(&meter, "theory", 1, 1);
    ff_maps_done(&mock);
    ff_tables_done(&theory.tables);
    free(theory.ell);
    return err;
}
