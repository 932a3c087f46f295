/* worker/job/posterior_result.c - see posterior_result.h. */
#include "worker/job/posterior_result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/io/result.h"
#include "worker/job/result_info.h"
#include "worker/sample/diagnostics.h"

/* What the parts of the file are written from. */
struct source {
    const struct ff_run *run;
    const struct ff_job *job;
    const struct ff_fit *fit;
    struct ff_pchain *chains;
    int nchains;
    long ndraws;
    double seconds;
    ff_h5 *file;
    double *column; /* (nchains, ndraws) scratch */
    float *initial; /* (2, cells) mean and sd; NULL: none, or not on this rank */
};

/* ---- diagnostics ---- */

static void copy_column(const struct ff_pchain *chains, int nchains, long ndraws, int column, double *out)
{
    for (int c = 0; c < nchains; c++)
        for (long d = 0; d < ndraws; d++) out[c * ndraws + d] = chains[c].record[d * chains[c].nrecord + column];
}

static struct ff_mixing mixing_of(const double *x, int nchains, long ndraws)
{
    return (struct ff_mixing){ff_rhat(x, nchains, ndraws), ff_ess_bulk(x, nchains, ndraws),
                              ff_ess_tail(x, nchains, ndraws)};
}

struct ff_mixing ff_posterior_mixing(const struct ff_pchain *chains, int nchains, long ndraws, int column)
{
    struct ff_mixing mixing = {NAN, NAN, NAN};
    double *x = malloc(sizeof *x * (size_t)(nchains * ndraws) + 1);
    if (!x) return mixing;
    copy_column(chains, nchains, ndraws, column, x);
    mixing = mixing_of(x, nchains, ndraws);
    free(x);
    return mixing;
}

static void keep_worst(struct ff_mixing *worst, const struct ff_mixing *m)
{
    if (!(m->rhat <= worst->rhat)) worst->rhat = m->rhat;
    if (!(m->ess_bulk >= worst->ess_bulk)) worst->ess_bulk = m->ess_bulk;
    if (!(m->ess_tail >= worst->ess_tail)) worst->ess_tail = m->ess_tail;
}

struct ff_mixing ff_posterior_worst(const struct ff_pchain *chains, int nchains, long ndraws)
{
    struct ff_mixing worst = {NAN, NAN, NAN};
    for (int column = FF_REC_THETA; column < chains[0].nrecord; column++) {
        const struct ff_mixing m = ff_posterior_mixing(chains, nchains, ndraws, column);
        if (column == FF_REC_THETA)
            worst = m;
        else
            keep_worst(&worst, &m);
    }
    return worst;
}

bool ff_posterior_enough(const struct ff_sampler *s, long draws, const struct ff_mixing *mixing)
{
    if (!s->until) return draws >= s->draws;
    return draws >= s->max_draws || (mixing->ess_bulk >= s->until_ess && mixing->rhat < s->until_rhat);
}

/* ---- parameters ---- */

enum { NDERIVED = 2 };
static const char *const DERIVED[NDERIVED] = {"omega_m", "S8"};

static int nfree_of(const struct source *s)
{
    return s->chains[0].target.nparam;
}

/* Value of a parameter in a draw, free or fixed. */
static double value_in(const struct source *s, const double *record, int par)
{
    const struct ff_transform *t = &s->chains[0].posterior.transform;
    for (int f = 0; f < t->nfree; f++)
        if (t->place[f] == par) return record[FF_REC_THETA + f];
    return s->job->model.par[par].value;
}

/* s->column = free parameter number i, or a derived one after them. */
static void parameter_column(const struct source *s, int i)
{
    const int nfree = nfree_of(s);
    if (i < nfree) {
        copy_column(s->chains, s->nchains, s->ndraws, FF_REC_THETA + i, s->column);
        return;
    }
    for (int c = 0; c < s->nchains; c++) {
        for (long d = 0; d < s->ndraws; d++) {
            const double *record = s->chains[c].record + d * s->chains[c].nrecord;
            const double om = value_in(s, record, FF_OMEGA_C) + value_in(s, record, FF_OMEGA_B);
            const double s8 = value_in(s, record, FF_SIGMA8) * sqrt(om / 0.3);
            s->column[c * s->ndraws + d] = i == nfree ? om : s8;
        }
    }
}

static void parameter_name(const struct source *s, int i, char *name)
{
    const int nfree = nfree_of(s);
    if (i < nfree)
        ff_par_name(s->job->model.sources.nbins, s->chains[0].posterior.transform.place[i], name);
    else
        snprintf(name, FF_NAME_SIZE, "%s", DERIVED[i - nfree]);
}

/* Does a derived parameter vary at all? */
static int nparameters(const struct source *s)
{
    const struct ff_prior *par = s->job->model.par;
    const bool varies = par[FF_OMEGA_C].kind != FF_PRIOR_FIXED || par[FF_OMEGA_B].kind != FF_PRIOR_FIXED ||
                        par[FF_SIGMA8].kind != FF_PRIOR_FIXED;
    return nfree_of(s) + (varies ? NDERIVED : 0);
}

static ff_err dims_of_draws(const struct source *s, const char *group, ff_ctx *ctx)
{
    ff_err err = ff_h5_group(s->file, group, ctx);
    if (!err) err = ff_h5_dim(s->file, group, "chain", s->nchains, ctx);
    if (!err) err = ff_h5_dim(s->file, group, "draw", s->ndraws, ctx);
    return err;
}

static ff_err write_posterior(const struct source *s, ff_ctx *ctx)
{
    ff_err err = dims_of_draws(s, "posterior", ctx);
    for (int i = 0; !err && i < nparameters(s); i++) {
        char name[FF_NAME_SIZE];
        parameter_name(s, i, name);
        parameter_column(s, i);
        err = ff_h5_put(s->file, "posterior", name, FF_F64_T, "chain draw", s->column, ctx);
    }
    return err;
}

static ff_err put_stat(const struct source *s, const char *name, enum ff_type type, int column, ff_ctx *ctx)
{
    const long n = s->nchains * s->ndraws;
    copy_column(s->chains, s->nchains, s->ndraws, column, s->column);
    if (type == FF_F64_T) return ff_h5_put(s->file, "sample_stats", name, type, "chain draw", s->column, ctx);
    void *converted = malloc((size_t)n * sizeof(int64_t) + 1);
    if (!converted) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for sample_stats/%s", name);
    for (long i = 0; i < n; i++) {
        if (type == FF_BOOL_T)
            ((int8_t *)converted)[i] = s->column[i] != 0;
        else
            ((int64_t *)converted)[i] = (int64_t)s->column[i];
    }
    const ff_err err = ff_h5_put(s->file, "sample_stats", name, type, "chain draw", converted, ctx);
    free(converted);
    return err;
}

static ff_err write_sample_stats(const struct source *s, ff_ctx *ctx)
{
    static const struct {
        const char *name;
        enum ff_type type;
        int column;
    } stats[] = {{"lp", FF_F64_T, FF_REC_LP},
                 {"acceptance_rate", FF_F64_T, FF_REC_ACCEPTANCE},
                 {"step_size", FF_F64_T, FF_REC_STEP_SIZE},
                 {"tree_depth", FF_I64_T, FF_REC_TREE_DEPTH},
                 {"n_steps", FF_I64_T, FF_REC_N_STEPS},
                 {"diverging", FF_BOOL_T, FF_REC_DIVERGING},
                 {"energy", FF_F64_T, FF_REC_ENERGY},
                 {"energy_error", FF_F64_T, FF_REC_ENERGY_ERROR},
                 {"max_energy_error", FF_F64_T, FF_REC_MAX_ENERGY_ERROR},
                 {"reached_max_treedepth", FF_BOOL_T, FF_REC_REACHED_MAX_DEPTH}};
    ff_err err = dims_of_draws(s, "sample_stats", ctx);
    for (size_t i = 0; !err && i < sizeof stats / sizeof *stats; i++)
        err = put_stat(s, stats[i].name, stats[i].type, stats[i].column, ctx);
    return err;
}

static long all_gradients(const struct source *s)
{
    long sum = 0;
    for (int c = 0; c < s->nchains; c++) sum += s->chains[c].gradients;
    return sum;
}

static ff_err put_int(const struct source *s, const char *name, int64_t value, ff_ctx *ctx)
{
    return ff_h5_put(s->file, "diagnostics", name, FF_I64_T, "", &value, ctx);
}

static ff_err write_diagnostics(const struct source *s, ff_ctx *ctx)
{
    const int n = nparameters(s);
    const size_t room = (size_t)n + 1;
    double *values = malloc(3 * room * sizeof *values);
    char(*names)[FF_NAME_SIZE] = malloc(room * sizeof *names);
    const char **labels = malloc(room * sizeof *labels);
    ff_err err = values && names && labels ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for diagnostics");
    int64_t divergences = 0, in_warmup = 0;
    for (int c = 0; c < s->nchains; c++) {
        in_warmup += s->chains[c].warmup_divergences;
        for (long d = 0; d < s->ndraws; d++)
            divergences += s->chains[c].record[d * s->chains[c].nrecord + FF_REC_DIVERGING] != 0;
    }
    for (int i = 0; !err && i < n; i++) {
        parameter_name(s, i, names[i]);
        labels[i] = names[i];
        parameter_column(s, i);
        const struct ff_mixing m = mixing_of(s->column, s->nchains, s->ndraws);
        values[i] = m.rhat;
        values[n + i] = m.ess_bulk;
        values[2 * n + i] = m.ess_tail;
    }
    if (!err) err = ff_h5_group(s->file, "diagnostics", ctx);
    if (!err && n > 0) {
        err = ff_h5_dim_labels(s->file, "diagnostics", "parameter", labels, n, ctx);
        if (!err) err = ff_h5_put(s->file, "diagnostics", "rhat", FF_F64_T, "parameter", values, ctx);
        if (!err) err = ff_h5_put(s->file, "diagnostics", "ess_bulk", FF_F64_T, "parameter", values + n, ctx);
        if (!err) err = ff_h5_put(s->file, "diagnostics", "ess_tail", FF_F64_T, "parameter", values + 2 * n, ctx);
    }
    if (!err) err = put_int(s, "divergences", divergences, ctx);
    if (!err) err = put_int(s, "warmup_divergences", in_warmup, ctx);
    if (!err) err = put_int(s, "gradients", all_gradients(s), ctx);
    if (!err) err = ff_h5_put(s->file, "diagnostics", "seconds", FF_F64_T, "", &s->seconds, ctx);
    free(values);
    free(names);
    free(labels);
    return err;
}

/* ---- maps ---- */

/* Data-like maps: (bin, y, x) or (bin, component, y, x). */
static ff_err put_observable(const struct source *s, const char *group, const char *name, const float *map, ff_ctx *ctx)
{
    const bool shear = s->chains[0].data->ncomp == 2;
    return ff_h5_put(s->file, group, name, FF_F32_T, shear ? "bin component y x" : "bin y x", map, ctx);
}

static ff_err dims_observable(const struct source *s, const char *group, ff_ctx *ctx)
{
    const struct ff_maps *data = s->chains[0].data;
    ff_err err = ff_h5_group(s->file, group, ctx);
    if (!err) err = ff_result_dims_map(s->file, group, data->nbins, data->npix, ctx);
    if (!err && data->ncomp == 2) err = ff_h5_dim(s->file, group, "component", 2, ctx);
    return err;
}

static ff_err write_data(const struct source *s, ff_ctx *ctx)
{
    const struct ff_maps *data = s->chains[0].data;
    ff_err err = dims_observable(s, "observed_data", ctx);
    if (!err) err = put_observable(s, "observed_data", data->ncomp == 2 ? "shear" : "convergence", data->map, ctx);
    if (!err) err = dims_observable(s, "constant_data", ctx);
    if (!err) err = put_observable(s, "constant_data", "noise_sd", data->noise_sd, ctx);
    const struct ff_transform *t = &s->chains[0].posterior.transform;
    if (err || s->job->data.kind != FF_DATA_MOCK || t->nfree == 0) return err;
    double truth[FF_MAX_PARS];
    for (int f = 0; f < t->nfree; f++) truth[f] = s->job->data.parameters[t->place[f]];
    err = ff_result_dim_parameters(s->file, "constant_data", "parameter", data->nbins, t->place, t->nfree, ctx);
    if (!err) err = ff_h5_put(s->file, "constant_data", "truth", FF_F64_T, "parameter", truth, ctx);
    return err;
}

/* White noise of the initial conditions: a box with its own y and x. */
static ff_err write_initial(const struct source *s, ff_ctx *ctx)
{
    static const char contents[] =
        "white noise of the initial conditions, variance 1 in the prior; the linear density is "
        "its convolution with the square root of the power spectrum";
    const struct ff_lpt *lpt = &s->job->model.lpt;
    const long cells = s->chains[0].planes.row * s->chains[0].planes.nrows;
    ff_err err = ff_h5_dim_plain(s->file, "maps", "z", lpt->mesh[2], ctx);
    if (!err) err = ff_h5_dim_plain(s->file, "maps", "box_y", lpt->mesh[1], ctx);
    if (!err) err = ff_h5_dim_plain(s->file, "maps", "box_x", lpt->mesh[0], ctx);
    if (!err) err = ff_h5_put(s->file, "maps", "initial_mean", FF_F32_T, "z box_y box_x", s->initial, ctx);
    if (!err) err = ff_h5_put(s->file, "maps", "initial_sd", FF_F32_T, "z box_y box_x", s->initial + cells, ctx);
    if (!err) err = ff_h5_attr_text(s->file, "maps/initial_mean", "contents", contents, ctx);
    return err;
}

static ff_err write_maps(const struct source *s, ff_ctx *ctx)
{
    const struct ff_maps *data = s->chains[0].data;
    const struct ff_moments *m = &s->chains[0].convergence;
    float *mean = malloc((size_t)m->len * sizeof *mean), *sd = malloc((size_t)m->len * sizeof *sd);
    ff_err err = mean && sd ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the maps");
    if (!err) {
        ff_moments_get(m, mean, sd);
        err = ff_h5_group(s->file, "maps", ctx);
    }
    if (!err) err = ff_result_dims_map(s->file, "maps", data->nbins, data->npix, ctx);
    if (!err) err = ff_h5_put(s->file, "maps", "convergence_mean", FF_F32_T, "bin y x", mean, ctx);
    if (!err) err = ff_h5_put(s->file, "maps", "convergence_sd", FF_F32_T, "bin y x", sd, ctx);
    if (!err && s->initial) err = write_initial(s, ctx);
    if (!err) err = ff_h5_attr_number(s->file, "maps", "size_deg", data->size_deg, ctx);
    if (!err) err = ff_h5_attr_number(s->file, "maps", "ra_deg", data->ra_deg, ctx);
    if (!err) err = ff_h5_attr_number(s->file, "maps", "dec_deg", data->dec_deg, ctx);
    free(mean);
    free(sd);
    return err;
}

static ff_err copy_fields(const struct source *s, int chain, long nfields, float *map, ff_ctx *ctx)
{
    char path[FF_PATH_SIZE + 64];
    ff_pchain_fields_path(s->chains[chain].dir, chain, path, sizeof path);
    FILE *file = fopen(path, "rb");
    if (!file) return ff_fail(ctx, FF_EIO, FF_HERE, "%s: the thinned fields are missing", path);
    const size_t len = (size_t)s->chains[0].convergence.len * (size_t)nfields;
    const size_t got = fread(map, sizeof *map, len, file);
    fclose(file);
    if (got != len) return ff_fail(ctx, FF_EIO, FF_HERE, "%s: the thinned fields are cut short", path);
    return ff_h5_put_rows(s->file, "fields", "convergence", FF_F32_T, chain, 1, map, ctx);
}

static ff_err write_fields(const struct source *s, ff_ctx *ctx)
{
    const long nfields = ff_pchain_nfields(s->job, s->ndraws);
    if (nfields == 0) return FF_OK;
    const struct ff_maps *data = s->chains[0].data;
    float *map = malloc((size_t)s->chains[0].convergence.len * (size_t)nfields * sizeof *map);
    if (!map) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld thinned fields", nfields);
    ff_err err = ff_h5_group(s->file, "fields", ctx);
    if (!err) err = ff_h5_dim(s->file, "fields", "chain", s->nchains, ctx);
    if (!err) err = ff_h5_dim(s->file, "fields", "field_draw", nfields, ctx);
    if (!err) err = ff_result_dims_map(s->file, "fields", data->nbins, data->npix, ctx);
    if (!err) err = ff_h5_reserve(s->file, "fields", "convergence", FF_F32_T, "chain field_draw bin y x", ctx);
    for (int c = 0; !err && c < s->nchains; c++) err = copy_fields(s, c, nfields, map, ctx);
    if (!err) err = ff_h5_attr_int(s->file, "fields", "every", s->job->sampler.every, ctx);
    free(map);
    return err;
}

/* ---- predictive checks ---- */

/* (nbins, nbands) from sums over draws: `scale` applied to each. */
static ff_err put_bands(const struct source *s, const char *name, const double *sums, double scale, ff_ctx *ctx)
{
    const struct ff_predictive *p = &s->chains[0].predictive;
    const int n = p->data->nbins * p->nbands;
    double *out = malloc(sizeof *out * (size_t)n);
    if (!out) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for posterior_predictive/%s", name);
    for (int i = 0; i < n; i++) out[i] = sums[i] * scale;
    const ff_err err = ff_h5_put(s->file, "posterior_predictive", name, FF_F64_T, "bin band", out, ctx);
    free(out);
    return err;
}

static ff_err put_p_values(const struct source *s, const char *name, const double *counts, const char *dims, int n,
                           ff_ctx *ctx)
{
    const struct ff_predictive *p = &s->chains[0].predictive;
    double *out = malloc(sizeof *out * (size_t)n);
    if (!out) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for posterior_predictive/%s", name);
    for (int i = 0; i < n; i++) out[i] = ff_predictive_p(p, counts[i]);
    const ff_err err = ff_h5_put(s->file, "posterior_predictive", name, FF_F64_T, dims, out, ctx);
    free(out);
    return err;
}

/* Residual power over that of noise, per degree of freedom times their number: a chi2 for each band. */
static ff_err put_band_chi2(const struct source *s, const char *name, const double *resid, const double *noise,
                            ff_ctx *ctx)
{
    const struct ff_predictive *p = &s->chains[0].predictive;
    const long *modes = ff_spectra_counts(p->spectra);
    double *out = malloc(sizeof *out * (size_t)(p->data->nbins * p->nbands));
    if (!out) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for posterior_predictive/%s", name);
    for (int i = 0; i < p->data->nbins * p->nbands; i++)
        out[i] = noise[i] > 0 ? (double)modes[i % p->nbands] * resid[i] / noise[i] : 0;
    const ff_err err = ff_h5_put(s->file, "posterior_predictive", name, FF_F64_T, "bin band", out, ctx);
    free(out);
    return err;
}

/* E and B band powers of the posterior mean of the observable. */
static ff_err put_mean_powers(const struct source *s, ff_ctx *ctx)
{
    struct ff_predictive *p = &s->chains[0].predictive;
    const int nbins = p->data->nbins, nbands = p->nbands;
    ff_moments_get(&s->chains[0].observable, p->map, NULL);
    if (p->data->ncomp == 2)
        ff_spectra_shear(p->spectra, p->map, p->ee, p->bb);
    else
        ff_spectra_convergence(p->spectra, p->map, p->ee);
    for (int b = 0; b < nbins; b++)
        for (int l = 0; l < nbands; l++) {
            p->noise_ee[b * nbands + l] = p->ee[(long)ff_pair(nbins, b, b) * nbands + l];
            p->noise_bb[b * nbands + l] = p->bb[(long)ff_pair(nbins, b, b) * nbands + l];
        }
    ff_err err = put_bands(s, "e_mean", p->noise_ee, 1, ctx);
    if (!err && p->data->ncomp == 2) err = put_bands(s, "b_mean", p->noise_bb, 1, ctx);
    return err;
}

static ff_err put_chi2(const struct source *s, ff_ctx *ctx)
{
    const struct ff_predictive *p = &s->chains[0].predictive;
    const double share = p->draws > 0 ? 1.0 / (double)p->draws : 0;
    double chi2[FF_MAX_BINS], p_value[FF_MAX_BINS];
    int64_t dof[FF_MAX_BINS];
    for (int b = 0; b < p->data->nbins; b++) {
        chi2[b] = p->chi2[b] * share;
        p_value[b] = p->chi2_p[b] * share;
        dof[b] = p->dof[b];
    }
    ff_err err = ff_h5_put(s->file, "posterior_predictive", "chi2", FF_F64_T, "bin", chi2, ctx);
    if (!err) err = ff_h5_put(s->file, "posterior_predictive", "chi2_dof", FF_I64_T, "bin", dof, ctx);
    if (!err) err = ff_h5_put(s->file, "posterior_predictive", "chi2_p", FF_F64_T, "bin", p_value, ctx);
    return err;
}

static ff_err put_band_modes(const struct source *s, ff_ctx *ctx)
{
    const struct ff_predictive *p = &s->chains[0].predictive;
    int64_t modes[FF_MAX_BANDS];
    for (int l = 0; l < p->nbands; l++) modes[l] = ff_spectra_counts(p->spectra)[l];
    return ff_h5_put(s->file, "posterior_predictive", "band_modes", FF_I64_T, "band", modes, ctx);
}

static ff_err put_b_modes(const struct source *s, ff_ctx *ctx)
{
    const struct ff_predictive *p = &s->chains[0].predictive;
    const int n = p->data->nbins * p->nbands;
    ff_err err = put_band_chi2(s, "chi2_b_band", p->resid_b, p->noise_b, ctx);
    if (!err) err = put_p_values(s, "chi2_b_band_p", p->resid_b_p, "bin band", n, ctx);
    if (!err) err = put_bands(s, "b_data", p->data_b, 1, ctx);
    if (!err) err = put_bands(s, "b_noise", p->noise_b, p->draws > 0 ? 1.0 / (double)p->draws : 0, ctx);
    if (!err) err = put_p_values(s, "b_data_p", p->data_b_p, "bin band", n, ctx);
    if (!err) err = put_p_values(s, "b_total_p", p->total_b_p, "bin", p->data->nbins, ctx);
    return err;
}

static ff_err write_predictive(const struct source *s, ff_ctx *ctx)
{
    const struct ff_predictive *p = &s->chains[0].predictive;
    const char *group = "posterior_predictive";
    const int n = p->data->nbins * p->nbands;
    ff_err err = ff_h5_group(s->file, group, ctx);
    if (!err) err = ff_h5_dim(s->file, group, "bin", p->data->nbins, ctx);
    if (!err)
        err = ff_result_dims_bands(s->file, group, p->nbands, ff_spectra_edges(p->spectra),
                                   ff_spectra_centres(p->spectra), ctx);
    if (!err) err = put_chi2(s, ctx);
    if (!err) err = put_band_chi2(s, "chi2_band", p->resid_e, p->noise_e, ctx);
    if (!err) err = put_p_values(s, "chi2_band_p", p->resid_e_p, "bin band", n, ctx);
    if (!err) err = put_bands(s, "e_data", p->data_e, 1, ctx);
    if (!err) err = put_p_values(s, "e_data_p", p->data_e_p, "bin band", n, ctx);
    if (!err) err = put_bands(s, "e_noise", p->noise_e, p->draws > 0 ? 1.0 / (double)p->draws : 0, ctx);
    if (!err) err = put_band_modes(s, ctx);
    if (!err && p->data->ncomp == 2) err = put_b_modes(s, ctx);
    if (!err) err = put_mean_powers(s, ctx);
    if (!err) err = ff_h5_attr_int(s->file, group, "draws", p->draws, ctx);
    return err;
}

/* ---- the file ---- */

static ff_err write_all(struct source *s, ff_ctx *ctx)
{
    for (int c = 1; c < s->nchains; c++) {
        ff_moments_merge(&s->chains[0].convergence, &s->chains[c].convergence);
        ff_moments_merge(&s->chains[0].observable, &s->chains[c].observable);
        ff_predictive_merge(&s->chains[0].predictive, &s->chains[c].predictive);
    }
    ff_err err = write_posterior(s, ctx);
    if (!err) err = write_sample_stats(s, ctx);
    if (!err) err = write_data(s, ctx);
    if (!err) err = write_maps(s, ctx);
    if (!err) err = write_fields(s, ctx);
    if (!err) err = write_predictive(s, ctx);
    if (!err) err = write_diagnostics(s, ctx);
    return err;
}

/* Mean and sd of the initial conditions over all chains, on rank 0: s->initial (2, cells). */
static ff_err collect_initial(struct source *s, ff_ctx *ctx)
{
    struct ff_moments *m = &s->chains[0].initial;
    const struct ff_spread *planes = &s->chains[0].planes;
    const size_t own = (size_t)m->len, cells = (size_t)(planes->row * planes->nrows);
    if (!planes->row) return FF_OK;
    for (int c = 1; c < s->nchains; c++) ff_moments_merge(m, &s->chains[c].initial);
    float *part = malloc((2 * own + 1) * sizeof *part);
    if (ff_run_leads(s->run)) s->initial = malloc(2 * cells * sizeof *s->initial);
    ff_err err = FF_OK;
    if (!part || (ff_run_leads(s->run) && !s->initial))
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for initial conditions of %zu cells", cells);
    err = ff_share_error(s->run->comm, err, ctx);
    if (!err) {
        ff_moments_get(m, part, part + own);
        err = ff_spread_collect(planes, part, m->len, sizeof *part, s->initial, ctx);
    }
    if (!err)
        err = ff_spread_collect(planes, part + own, m->len, sizeof *part, s->initial ? s->initial + cells : NULL, ctx);
    free(part);
    return err;
}

static ff_err write_file(struct source *s, ff_ctx *ctx)
{
    const struct ff_result_info info = ff_run_result_info(s->run, ff_sim_plan_hash(s->chains[0].posterior.engine.sim));
    ff_err err = ff_result_open(&s->file, s->run->out, &info, ctx);
    if (err) return err;
    err = write_all(s, ctx);
    const long gradients = all_gradients(s);
    const struct ff_result_cost cost = {gradients, gradients + s->fit->evaluations + s->nchains * s->ndraws};
    return err ? ff_h5_end(s->file, err, ctx) : ff_result_close(s->file, &cost, ctx);
}

ff_err ff_posterior_write(const struct ff_run *run, const struct ff_fit *fit, struct ff_pchain *chains, int nchains,
                          long ndraws, double seconds, ff_ctx *ctx)
{
    struct source s = {.run = run,
                       .job = run->prepared->job,
                       .fit = fit,
                       .chains = chains,
                       .nchains = nchains,
                       .ndraws = ndraws,
                       .seconds = seconds};
    s.column = malloc(sizeof *s.column * (size_t)(nchains * ndraws) + 1);
    ff_err err = s.column ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the result");
    err = ff_share_error(run->comm, err, ctx);
    if (!err) err = collect_initial(&s, ctx);
    if (!err) err = ff_share_error(run->comm, ff_run_leads(run) ? write_file(&s, ctx) : FF_OK, ctx);
    if (err) ff_note(ctx, FF_HERE, "while writing %s", ff_run_leads(run) ? run->out : "the result");
    free(s.initial);
    free(s.column);
    return err;
}
