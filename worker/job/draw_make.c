/* worker/job/draw_make.c - one training draw into one record (draws.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/job/draws.h"
#include "worker/job/prior.h"

void ff_draw_layout_of(struct ff_draw_layout *layout, const struct ff_job *job)
{
    const struct ff_model *model = &job->model;
    const int ncomp = model->observable == FF_CONVERGENCE ? 1 : 2;
    memset(layout, 0, sizeof *layout);
    layout->ntheta = ff_model_free(model, layout->place);
    if (!layout->ntheta)
        for (; layout->ntheta < model->npars; layout->ntheta++) layout->place[layout->ntheta] = layout->ntheta;
    layout->nscore = job->scores ? layout->ntheta : 0;
    layout->nobs = (long)model->sources.nbins * ncomp * model->npix * model->npix;
    layout->score = (size_t)layout->ntheta * sizeof(double);
    layout->x = layout->score + (size_t)layout->nscore * sizeof(double);
    layout->valid = layout->x + (size_t)layout->nobs * sizeof(float);
    layout->size = (layout->valid + sizeof(double)) & ~(sizeof(double) - 1);
}

ff_err ff_draw_maker_init(struct ff_draw_maker *m, const struct ff_job *job, const struct ff_shift_table *shift,
                          const float *noise_sd, const struct ff_draw_layout *layout, int threads,
                          const struct ff_comm *comm, ff_ctx *ctx)
{
    *m = (struct ff_draw_maker){.job = job, .noise_sd = noise_sd, .layout = layout};
    ff_err err = ff_drawer_init(&m->drawer, &job->model, shift, threads, comm, layout->nscore > 0, ctx);
    if (err || !layout->nscore) return err;
    m->weighted = malloc((size_t)layout->nobs * sizeof *m->weighted);
    if (m->weighted) return FF_OK;
    ff_draw_maker_done(m);
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the noise of %ld pixels", layout->nobs);
}

void ff_draw_maker_done(struct ff_draw_maker *m)
{
    free(m->weighted);
    m->weighted = NULL;
    ff_drawer_done(&m->drawer);
}

/* d log p(x | theta, z) / d theta at fixed white z: the adjoint of the simulator at (x - model) / sigma^2. */
static ff_err make_score(struct ff_draw_maker *m, double *score, ff_ctx *ctx)
{
    struct ff_engine *e = &m->drawer.engine;
    double theta_bar[FF_MAX_PARS];
    const struct ff_sim_bars bars = ff_engine_bars(e);
    const ff_err err = ff_sim_vjp(e->sim, m->drawer.z, m->weighted, NULL, &bars, ctx);
    if (err) return err;
    ff_engine_theta_bar(e, theta_bar);
    for (int i = 0; i < m->layout->nscore; i++) score[i] = theta_bar[m->layout->place[i]];
    return FF_OK;
}

/* Sums of x - x are 0 for finite numbers and NaN for all others, and a compiler makes one quick pass of them. */
static bool all_finite(const float *x, long n)
{
    float sum = 0;
    for (long i = 0; i < n; i++) sum += x[i] - x[i];
    return sum == 0;
}

static bool finite_scores(const double *score, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(score[i])) return false;
    return true;
}

ff_err ff_draw_make(struct ff_draw_maker *m, long index, void *record, ff_ctx *ctx)
{
    const struct ff_draw_layout *layout = m->layout;
    const struct ff_job *job = m->job;
    char *base = record;
    double *theta_out = record, *score = (double *)(base + layout->score);
    float *x = (float *)(base + layout->x);
    double theta[FF_MAX_PARS];
    bool inside;
    memset(base + layout->valid, 0, layout->size - layout->valid);
    ff_prior_draw(&job->model, job->seed, (uint32_t)index, theta);
    for (int i = 0; i < layout->ntheta; i++) theta_out[i] = theta[layout->place[i]];
    ff_err err = ff_drawer_maps(&m->drawer, theta, job->seed, (uint32_t)index, NULL, x, &inside, ctx);
    if (!err && inside && job->noise)
        ff_noise_add(x, m->noise_sd, layout->nobs, job->seed, (uint32_t)index, m->weighted);
    if (!err && inside && layout->nscore) err = make_score(m, score, ctx);
    if (err) return err;
    const bool valid = inside && all_finite(x, layout->nobs) && finite_scores(score, layout->nscore);
    if (!valid) memset(base + layout->score, 0, layout->valid - layout->score);
    base[layout->valid] = (char)valid;
    return FF_OK;
}
