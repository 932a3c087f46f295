/* worker/job/target.c - see target.h. */
#include "worker/job/target.h"

#include <math.h>
#include <string.h>

#include "worker/core/share.h"

static enum ff_whiten whiten_of(const struct ff_job *job)
{
    if (job->model.simulator == FF_SIM_LPT) return FF_WHITEN_NONE; /* no mode of its latent is known by itself */
    return job->sampler.whiten == FF_JOB_WHITEN_NONE ? FF_WHITEN_NONE : FF_WHITEN_WIENER;
}

int ff_posterior_threads(const struct ff_job *job, int threads)
{
    enum { PIXELS_A_THREAD = 32768 };
    const struct ff_model *m = &job->model;
    const long n = (long)m->npix * m->padding;
    long pixels = m->sources.nbins * n * n;
    const long cells = (long)m->lpt.mesh[0] * m->lpt.mesh[1] * m->lpt.mesh[2];
    if (m->simulator == FF_SIM_LPT && cells > pixels) pixels = cells;
    const long useful = pixels > PIXELS_A_THREAD ? pixels / PIXELS_A_THREAD : 1;
    return useful < threads ? (int)useful : threads;
}

ff_err ff_posterior_init(struct ff_posterior *p, const struct ff_job *job, const struct ff_shift_table *shift,
                         const struct ff_maps *data, int threads, const struct ff_comm *comm, ff_ctx *ctx)
{
    memset(p, 0, sizeof *p);
    threads = ff_posterior_threads(job, threads);
    p->whiten = whiten_of(job);
    p->comm = comm;
    ff_transform_init(&p->transform, &job->model);
    ff_err err = ff_engine_init(&p->engine, &job->model, shift, FF_F32, threads, comm, true, ctx);
    if (err) return err;
    err = ff_sim_set_data(p->engine.sim, data->map, data->noise_sd, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while giving the data to the simulator");
        ff_posterior_done(p);
    }
    return err;
}

void ff_posterior_done(struct ff_posterior *p)
{
    ff_engine_done(&p->engine);
    memset(p, 0, sizeof *p);
}

static int all_finite(const double *x, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i])) return 0;
    return 1;
}

/* Ranks of unlike processors may differ in a last digit of what each computes by itself, and must not in a decision. */
static ff_err agree(const struct ff_posterior *p, double *lp, double *gq, ff_ctx *ctx)
{
    double word[1 + FF_MAX_PARS];
    const int n = p->transform.nfree;
    if (!p->comm || p->comm->nranks == 1) return FF_OK;
    word[0] = *lp;
    memcpy(word + 1, gq, (size_t)n * sizeof *gq);
    const ff_err err = ff_share(p->comm, word, (size_t)(1 + n) * sizeof *word, ctx);
    *lp = word[0];
    memcpy(gq, word + 1, (size_t)n * sizeof *gq);
    return err;
}

static ff_err eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz, ff_ctx *ctx)
{
    struct ff_posterior *p = self;
    const int nfree = p->transform.nfree;
    struct ff_transformed point;
    bool inside;
    *lp = -INFINITY;
    memset(gq, 0, sizeof *gq * (size_t)nfree);
    ff_transform_at(&p->transform, q, &point);
    ff_err err = ff_share_error(p->comm, ff_engine_set(&p->engine, point.theta, &inside, ctx), ctx);
    if (!err) err = ff_share(p->comm, &inside, sizeof inside, ctx); /* or one would go where the others do not */
    if (err || !inside) return err;

    struct ff_energy energy;
    const struct ff_sim_bars bars = ff_engine_bars(&p->engine);
    err = ff_sim_energy(p->engine.sim, p->whiten, z, &energy, gz, &bars, ctx);
    if (err == FF_EOUTSIDE) { /* nothing of this theta and latent could be observed */
        ff_ctx_clear(ctx);
        return FF_OK;
    }
    if (err) return err;
    ff_engine_theta_bar(&p->engine, p->theta_bar);
    ff_transform_pull(&p->transform, &point, p->theta_bar, gq);
    const double prior = ff_transform_logprior(&p->transform, &point, gq);
    const double sum = energy.loglike + energy.logprior + energy.logdet + prior;
    if (isfinite(sum) && all_finite(gq, nfree)) *lp = sum;
    return agree(p, lp, gq, ctx);
}

struct ff_target ff_posterior_target(struct ff_posterior *p)
{
    return (struct ff_target){.self = p,
                              .nparam = p->transform.nfree,
                              .nlatent = ff_sim_nlatent(p->engine.sim),
                              .spread = ff_sim_spread(p->engine.sim),
                              .eval = eval};
}
