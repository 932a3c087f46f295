/* worker/job/prepare.c - opens every dataset of a job and checks that all of it fits together and into memory (run.h). Nothing is
** computed here; whatever is wrong is refused with the place of the job that names it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"
#include "worker/job/draws.h"
#include "worker/job/memory.h"
#include "worker/job/posterior_chain.h"
#include "worker/job/run.h"
#include "worker/job/spec.h"

static int ncomp_of(const struct ff_model *model)
{
    return model->observable == FF_CONVERGENCE ? 1 : 2;
}

/* An error of a file reader becomes one about the place of the job that names the file. */
static ff_err at(ff_ctx *ctx, const struct ff_dataset_ref *ref, ff_err err)
{
    if (err && ctx && !ctx->pointer[0]) snprintf(ctx->pointer, sizeof ctx->pointer, "%s", ref->pointer);
    return err;
}

static ff_err read_sources(struct ff_model *model, ff_ctx *ctx)
{
    if (model->sources.kind != FF_NZ_TABLE) return FF_OK;
    for (int i = 0; i < model->sources.nbins; i++) {
        struct ff_curve *curve = &model->sources.table[i];
        ff_err err = at(ctx, &model->nz[i], ff_curve_read(curve, model->nz[i].path, ctx));
        if (err) return err;
        double sum = 0;
        for (long k = 0; k < curve->n; k++) sum += curve->y[k];
        if (curve->n < 2 || !(sum > 0))
            return ff_fail_at(
                ctx, FF_EBADFILE, model->nz[i].pointer, FF_HERE,
                "n(z) of bin %d in %s has %ld points and the sum %g: at least two points and a positive sum are needed",
                i + 1, model->nz[i].path, curve->n, sum);
    }
    return FF_OK;
}

static ff_err read_shift(struct ff_prepared *p, ff_ctx *ctx)
{
    const struct ff_model *model = &p->job->model;
    if (model->simulator != FF_SIM_LOGNORMAL || model->shift_kind != FF_SHIFT_TABLE) return FF_OK;
    const struct ff_dataset_ref *ref = &model->shift_table;
    ff_err err = at(ctx, ref, ff_shift_read(&p->shift, ref->path, ctx));
    if (err) return err;
    if (p->shift.nbins != model->sources.nbins)
        return ff_fail_at(ctx, FF_EBADJOB, ref->pointer, FF_HERE, "the shift table %s has %d bins, the model has %d",
                          ref->path, p->shift.nbins, model->sources.nbins);
    const long n = (long)p->shift.nom * p->shift.ns8 * p->shift.nw0 * p->shift.nbins;
    for (long i = 0; i < n; i++)
        if (!(p->shift.shift[i] > 0))
            return ff_fail_at(ctx, FF_EBADFILE, ref->pointer, FF_HERE,
                              "%s: /shift entry %ld is %g, shifts are positive", ref->path, i, p->shift.shift[i]);
    return FF_OK;
}

/* ---- maps ---- */

static ff_err check_grid(const struct ff_maps *maps, const struct ff_model *model, const struct ff_dataset_ref *ref,
                         ff_ctx *ctx)
{
    const bool want_shear = model->observable != FF_CONVERGENCE, is_shear = maps->observable != FF_CONVERGENCE;
    if (want_shear != is_shear)
        return ff_fail_at(ctx, FF_EBADJOB, ref->pointer, FF_HERE, "%s holds /%s maps, the model's observable is %s",
                          ref->path, is_shear ? "shear" : "convergence",
                          model->observable == FF_REDUCED_SHEAR ? "reduced_shear, which needs shear data"
                          : want_shear                          ? "shear"
                                                                : "convergence");
    if (maps->nbins != model->sources.nbins)
        return ff_fail_at(ctx, FF_EBADJOB, ref->pointer, FF_HERE, "%s has %d bins, the model has %d", ref->path,
                          maps->nbins, model->sources.nbins);
    if (maps->npix != model->npix)
        return ff_fail_at(ctx, FF_EBADJOB, ref->pointer, FF_HERE,
                          "%s has %d pixels on a side, the model has %d (/model/field/npix)", ref->path, maps->npix,
                          model->npix);
    if (!(fabs(maps->size_deg - model->size_deg) <= 1e-6 * model->size_deg))
        return ff_fail_at(ctx, FF_EBADJOB, ref->pointer, FF_HERE,
                          "%s is %.9g deg on a side, the model %.9g deg (/model/field/size_deg)", ref->path,
                          maps->size_deg, model->size_deg);
    return FF_OK;
}

static ff_err noise_of_model(struct ff_maps *maps, const struct ff_model *model, ff_ctx *ctx)
{
    const long n = ff_maps_len(maps), per_bin = n / maps->nbins;
    maps->noise_sd = malloc((size_t)n * sizeof *maps->noise_sd);
    if (!maps->noise_sd) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the noise of %ld pixels", n);
    for (int b = 0; b < maps->nbins; b++) {
        const float sd = (float)ff_model_noise_sd(model, b);
        for (long i = 0; i < per_bin; i++) maps->noise_sd[b * per_bin + i] = sd;
    }
    return FF_OK;
}

/* Numbers a likelihood can use: readers refuse NaN, here all of them are seen once more with the noise that will be used. */
static ff_err check_noise(const struct ff_prepared *p, const char *pointer, ff_ctx *ctx)
{
    const long n = ff_maps_len(&p->data);
    long seen = 0;
    for (long i = 0; i < n; i++) {
        const float sd = p->data.noise_sd[i];
        if (!(sd > 0))
            return ff_fail_at(ctx, FF_EBADJOB, pointer, FF_HERE,
                              "the noise of element %ld of the maps is %g; it has to be positive (INFINITY: masked)", i,
                              (double)sd);
        if (isinf(sd)) continue;
        seen++;
        if (p->data.map && !isfinite(p->data.map[i]))
            return ff_fail_at(ctx, FF_EBADFILE, pointer, FF_HERE, "element %ld of the maps is %g and is not masked", i,
                              (double)p->data.map[i]);
    }
    if (!seen) return ff_fail_at(ctx, FF_EBADJOB, pointer, FF_HERE, "all %ld elements of the maps are masked", n);
    return FF_OK;
}

static ff_err read_data(struct ff_prepared *p, ff_ctx *ctx)
{
    const struct ff_job *job = p->job;
    const struct ff_model *model = &job->model;
    const struct ff_dataset_ref *ref = job->data.kind == FF_DATA_SET    ? &job->data.dataset
                                       : job->data.kind == FF_DATA_MOCK ? &job->data.mask
                                                                        : NULL;
    ff_err err;
    if (ref && ref->path[0]) {
        err = at(ctx, ref, ff_maps_read(&p->data, ref->path, ctx));
        if (!err) err = check_grid(&p->data, model, ref, ctx);
        if (err) return err;
        p->have_data = true;
        if (job->data.kind == FF_DATA_MOCK) { /* of a mask dataset only the noise is used */
            free(p->data.map);
            p->data.map = NULL;
        }
    } else {
        p->data = (struct ff_maps){.observable = model->observable == FF_CONVERGENCE ? FF_CONVERGENCE : FF_SHEAR,
                                   .nbins = model->sources.nbins,
                                   .ncomp = ncomp_of(model),
                                   .npix = model->npix,
                                   .size_deg = model->size_deg,
                                   .ra_deg = model->ra_deg,
                                   .dec_deg = model->dec_deg};
    }
    err = p->data.noise_sd ? FF_OK : noise_of_model(&p->data, model, ctx);
    if (err || job->kind == FF_SPECTRUM) return err;
    return check_noise(p, p->have_data ? ref->pointer : "/model/sigma_e", ctx);
}

/* ---- the job as a whole ---- */

static size_t estimate_bytes(const struct ff_job *job, int threads)
{
    const struct ff_model *model = &job->model;
    const size_t pixels = (size_t)model->sources.nbins * (size_t)model->npix * (size_t)model->npix;
    const size_t nobs = pixels * (size_t)ncomp_of(model), maps = 6 * nobs * sizeof(float); /* data and its mock */
    const int chains = job->sampler.chains, at_once = chains < threads ? chains : threads;
    switch (job->kind) {
    case FF_POSTERIOR:
        return maps + (size_t)chains * ff_pchain_bytes(job, at_once > 0 && threads > at_once ? threads / at_once : 1);
    case FF_DRAWS:
        return maps + ff_draws_bytes(job, threads);
    case FF_SIMULATE:
        return maps + ff_drawer_bytes(model, threads) + 5 * pixels * sizeof(float);
    default: /* spectrum: a simulator only for mock data */
        return maps + (job->data.kind == FF_DATA_MOCK ? ff_drawer_bytes(model, threads) : 0) +
               (size_t)job->nell * (size_t)model->npars * (size_t)ff_pair_count(model->sources.nbins) * sizeof(double);
    }
}

static ff_err describe(struct ff_prepared *p, ff_ctx *ctx)
{
    ff_err err = ff_spec_resolve(&p->spec, p->job, ctx);
    if (!err) err = ff_spec_hash(p->spec, p->spec_hash, ctx);
    return err;
}

static ff_err prepare(struct ff_prepared *p, int threads, ff_ctx *ctx)
{
    if (p->job->kind == FF_NOOP) return describe(p, ctx); /* it has no model */
    if (p->job->outputs & FF_OUT_DENSITY)
        return ff_fail_at(ctx, FF_ENOTBUILT, "/outputs", FF_HERE, "density as an output is not in this build");
    p->bytes = estimate_bytes(p->job, threads);
    ff_err err = ff_memory_require(p->bytes, "/model/field/npix",
                                   p->job->kind == FF_POSTERIOR
                                       ? "fewer pixels, less padding, fewer chains or a larger machine are needed"
                                       : "fewer pixels, less padding, fewer threads or a larger machine are needed",
                                   ctx);
    if (!err) err = read_sources(&p->job->model, ctx);
    if (!err) err = read_shift(p, ctx);
    if (!err) err = read_data(p, ctx);
    if (!err) err = describe(p, ctx);
    return err;
}

ff_err ff_prepare(struct ff_prepared *out, struct ff_job *job, int threads, ff_ctx *ctx)
{
    memset(out, 0, sizeof *out);
    out->job = job;
    ff_err err = prepare(out, threads, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while checking the job");
        ff_prepared_done(out);
    }
    return err;
}

void ff_prepared_done(struct ff_prepared *p)
{
    json_decref(p->spec);
    ff_maps_done(&p->data);
    ff_shift_done(&p->shift);
    if (p->job)
        for (int i = 0; i < FF_MAX_BINS; i++) ff_curve_done(&p->job->model.sources.table[i]);
    ff_job_free(p->job);
    memset(p, 0, sizeof *p);
}
