/* worker/job/start.c - see start.h. */
#include "worker/job/start.h"

#include <string.h>

#include "files/dataset.h"
#include "worker/job/target.h"

static ff_err get_data(struct ff_start *s, const struct ff_run *run, ff_ctx *ctx)
{
    const struct ff_prepared *p = run->prepared;
    const bool is_mock = p->job->data.kind == FF_DATA_MOCK;
    s->data = is_mock ? &s->mock : &p->data;
    return is_mock ? ff_make_mock(p, run->threads, run->comm, &s->mock, ctx) : FF_OK;
}

static ff_err get_fit(struct ff_start *s, const struct ff_run *run, ff_ctx *ctx)
{
    struct ff_posterior posterior;
    ff_err err =
        ff_posterior_init(&posterior, run->prepared->job, &run->prepared->shift, s->data, run->threads, run->comm, ctx);
    if (err) return err;
    err = ff_fit_marginal(&posterior.engine, &posterior.transform, &s->fit, ctx);
    ff_posterior_done(&posterior);
    if (!err) err = ff_share(run->comm, &s->fit, sizeof s->fit, ctx); /* the same to the last digit */
    if (!err && !s->fit.converged && ff_run_leads(run))
        ff_emit_log(&run->sink, NULL, "warning", "the fit for the chains' start did not converge; warm-up may be long");
    return err;
}

ff_err ff_start_init(struct ff_start *s, const struct ff_run *run, ff_ctx *ctx)
{
    memset(s, 0, sizeof *s);
    ff_err err = get_data(s, run, ctx);
    if (!err) err = get_fit(s, run, ctx);
    s->made = !err;
    if (!err) return FF_OK;
    ff_note(ctx, FF_HERE, "while preparing the start of the chains");
    ff_start_done(s);
    return err;
}

ff_err ff_start_get(const struct ff_start **out, struct ff_start *own, const struct ff_run *run, ff_ctx *ctx)
{
    struct ff_start *s = run->start ? run->start : own;
    memset(own, 0, sizeof *own);
    *out = s;
    return s->made ? FF_OK : ff_start_init(s, run, ctx);
}

void ff_start_done(struct ff_start *s)
{
    ff_maps_done(&s->mock);
    memset(s, 0, sizeof *s);
}
