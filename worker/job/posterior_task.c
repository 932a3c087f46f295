/* worker/job/posterior_task.c - the tasks of a posterior each by itself: a chain, and the reduce step over the folders of all (posterior.h).
** A chain reads the folder of the attempt it goes on from and writes its own; reduce only reads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "worker/job/meter.h"
#include "worker/job/posterior.h"
#include "worker/job/posterior_chain.h"
#include "worker/job/posterior_events.h"
#include "worker/job/posterior_result.h"

enum { ROUND = 25 }; /* draws between two numbers for how the chain mixes */

/* ---- a chain ---- */

struct solo {
    const struct ff_task_run *t;
    struct ff_pchain chain;
    struct ff_pchain_listener listener;
    struct ff_meter meter;
    struct ff_mixing mixing; /* of this chain alone, at the last round */
    long target;             /* draws */
    long divergences;
};

static void tell_progress(struct solo *s)
{
    const struct ff_pchain *c = &s->chain;
    const struct ff_progress progress = {.done = ff_chain_iteration(c->chain),
                                         .total = c->warmup + s->target,
                                         .stage = c->ndraws > 0 ? "sampling" : "warmup",
                                         .ess = s->mixing.ess_bulk,
                                         .rhat = s->mixing.rhat,
                                         .divergences = s->divergences};
    ff_meter_tick(&s->meter, &progress);
}

static void on_transition(void *self, const struct ff_pchain *c, const struct ff_transition *transition,
                          const double *record, const double *theta)
{
    struct solo *s = self;
    s->divergences += record && transition->diverging;
    /* Alone, a chain cannot know the job's number of a sample; who gathers the events of all chains gives it. */
    ff_posterior_emit_sample(&s->t->run.sink, s->t->task->name, transition->iteration + 1, c, transition, record,
                             theta);
    if (c->ndraws < s->target) tell_progress(s);
}

static void on_saved(void *self, const struct ff_pchain *c)
{
    const struct solo *s = self;
    (void)c;
    if (s->t->checkpointed) s->t->checkpointed(s->t->checkpointed_self);
}

static long divergences_of(const struct ff_pchain *c)
{
    long n = 0;
    for (long d = 0; d < c->ndraws; d++) n += c->record[d * c->nrecord + FF_REC_DIVERGING] != 0;
    return n;
}

static ff_err load(struct solo *s, ff_ctx *ctx)
{
    bool found, resume = s->t->resume_dir != NULL;
    char note[512];
    ff_err err = ff_share(s->t->run.comm, &resume, sizeof resume, ctx);
    if (err || !resume) return err;
    err = ff_pchain_load(&s->chain, s->t->resume_dir, true, &found, note, ctx);
    if (!err && !found)
        snprintf(note, sizeof note, "%s found no checkpoint to go on from: it starts over", s->t->task->name);
    if (!err && note[0]) ff_emit_log(&s->t->run.sink, s->t->task->name, "warning", note);
    return err;
}

/* Rounds end at multiples of ROUND, wherever this process began, so that what is told does not depend on it. */
static ff_err run_rounds(struct solo *s, ff_ctx *ctx)
{
    struct ff_pchain *c = &s->chain;
    const bool news = c->ndraws < s->target;
    while (c->ndraws < s->target) {
        const long next = (c->ndraws / ROUND + 1) * ROUND;
        ff_err err = ff_pchain_advance(c, next < s->target ? next : s->target, ctx);
        if (err) return err;
        s->mixing = ff_posterior_worst(c, 1, c->ndraws);
    }
    tell_progress(s);
    return news ? ff_pchain_save(c, ctx) : FF_OK;
}

static long target_of(const struct ff_task_run *t)
{
    const struct ff_job *job = t->run.prepared->job;
    const long most = ff_pchain_most_draws(job);
    if (t->draws <= 0) return ff_first_look(&job->sampler);
    return t->draws < most ? t->draws : most;
}

ff_err ff_run_chain(const struct ff_task_run *t, ff_ctx *ctx)
{
    struct ff_start own;
    const struct ff_start *start;
    struct solo s = {.t = t, .target = target_of(t), .mixing = {NAN, NAN, NAN}};
    s.listener = (struct ff_pchain_listener){.self = &s, .transition = on_transition, .saved = on_saved};
    ff_err err = ff_start_get(&start, &own, &t->run, ctx);
    if (!err) err = ff_pchain_init(&s.chain, (int)t->task->first, &t->run, start, t->run.threads, &s.listener, ctx);
    if (!err) {
        s.chain.own_folder = true;
        err = load(&s, ctx);
    }
    if (!err) {
        if (s.chain.ndraws > s.target) s.target = s.chain.ndraws;
        s.divergences = divergences_of(&s.chain);
        ff_meter_init(&s.meter, &t->run.sink, t->task->name, ff_chain_iteration(s.chain.chain));
        err = run_rounds(&s, ctx);
    }
    ff_pchain_done(&s.chain);
    ff_start_done(&own);
    return err;
}

/* ---- reduce ---- */

static ff_err load_chain(const struct ff_task_run *t, const struct ff_start *start, int number, struct ff_pchain *c,
                         ff_ctx *ctx)
{
    char name[32], note[512];
    bool found = false;
    snprintf(name, sizeof name, "chain-%d", number);
    const bool lead = ff_run_leads(&t->run);
    const char *folder = lead ? t->done.of(t->done.self, name) : ""; /* for the moment only */
    ff_err err = FF_OK;
    if (!folder) err = ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "%s, which reduce builds on, is not done", name);
    err = ff_share_error(t->run.comm, err, ctx);
    if (!err) err = ff_pchain_init_still(c, number, &t->run, start, t->run.threads, ctx);
    if (!err) err = ff_pchain_place(c, folder, ctx);
    if (!err) err = ff_pchain_load(c, c->dir, false, &found, note, ctx);
    if (err) return err;
    if (!found) return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "%s left no checkpoint in %s", name, c->dir);
    if (note[0]) ff_emit_log(&t->run.sink, t->task->name, "warning", note);
    return FF_OK;
}

/* Draws that every chain is to hold before there is anything to look at: as many as the one that has come farthest. More than
** all hold when a damaged checkpoint took one of them back. */
static long common_draws(const struct ff_sampler *s, const struct ff_pchain *chains, bool *all)
{
    long most = ff_first_look(s);
    *all = true;
    for (int i = 0; i < s->chains; i++)
        if (chains[i].ndraws > most) most = chains[i].ndraws;
    for (int i = 0; i < s->chains; i++) *all = *all && chains[i].ndraws == most;
    return most;
}

static double slowest(const struct ff_pchain *chains, int nchains)
{
    double seconds = 0;
    for (int i = 0; i < nchains; i++)
        if (chains[i].seconds > seconds) seconds = chains[i].seconds;
    return seconds;
}

static ff_err reduce(const struct ff_task_run *t, const struct ff_start *start, struct ff_pchain *chains,
                     enum ff_task_end *end, long *draws, ff_ctx *ctx)
{
    const double begun = ff_clock_s();
    const struct ff_sampler *s = &t->run.prepared->job->sampler;
    ff_err err = FF_OK;
    for (int i = 0; !err && i < s->chains; i++) err = load_chain(t, start, i, &chains[i], ctx);
    if (err) return err;
    bool all;
    const long held = common_draws(s, chains, &all);
    const struct ff_mixing mixing = all ? ff_posterior_worst(chains, s->chains, held) : (struct ff_mixing){0};
    if (!all || !ff_posterior_enough(s, held, &mixing)) {
        *end = FF_TASK_MORE;
        *draws = all ? ff_next_look(s, held, mixing.ess_bulk) : held;
        return FF_OK;
    }
    return ff_posterior_write(&t->run, &start->fit, chains, s->chains, held,
                              slowest(chains, s->chains) + ff_clock_s() - begun, ctx);
}

ff_err ff_run_reduce(const struct ff_task_run *t, enum ff_task_end *end, long *draws, ff_ctx *ctx)
{
    struct ff_start own;
    const struct ff_start *start;
    const int nchains = t->run.prepared->job->sampler.chains;
    struct ff_pchain *chains = calloc((size_t)nchains, sizeof *chains);
    if (!chains) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d chains", nchains);
    ff_err err = ff_start_get(&start, &own, &t->run, ctx);
    if (!err) err = reduce(t, start, chains, end, draws, ctx);
    for (int i = 0; i < nchains; i++) ff_pchain_done(&chains[i]);
    ff_start_done(&own);
    free(chains);
    return err;
}
