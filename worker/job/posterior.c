/* worker/job/posterior.c - the posterior job on one worker: chains side by side in rounds, a look at the stopping rule now and then, the
** result. Chains are independent; they meet between rounds only to say how they mix, and the rule looks at all of them at the
** same number of draws. So the result depends neither on how many run at once nor on how often the run was interrupted.
** Events: what concerns one chain goes under its task, the progress of all together and the fit under the job. */
#include "worker/job/posterior.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/job/meter.h"
#include "worker/job/posterior_chain.h"
#include "worker/job/posterior_events.h"
#include "worker/job/posterior_result.h"
#include "worker/job/task.h"

enum { ROUND = 25 }; /* draws a chain makes between meetings */

struct team {
    const struct ff_run *run;
    const struct ff_task *tasks; /* (nchains + 1): the chains, reduce */
    struct ff_pchain *chains;
    int nchains, nworkers;
    long held;        /* most draws of any chain an earlier process left */
    long round_draws; /* every chain is to hold this many */
    long look;        /* .. and this many at the next look at the stopping rule */
    bool first_round;
    struct ff_pchain_listener listener;
    pthread_mutex_t lock; /* guards what follows */
    int next;             /* chain to be taken */
    ff_err err;           /* the first failure */
    ff_ctx *ctx;
    long number; /* samples emitted */
    long transitions, divergences;
    struct ff_mixing mixing; /* after the last round */
    struct ff_meter meter;
    int begun;  /* chains, first to last, that said they are running */
    int failed; /* the chain that failed first, -1: none */
};

static const struct ff_job *job_of(const struct team *t)
{
    return t->run->prepared->job;
}

/* ---- events ---- */

static void emit_state(const struct team *t, int task, const char *state)
{
    ff_run_tell(t->run, t->tasks[task].name, state, NULL);
}

static void warn(const struct team *t, int task, const char *message)
{
    ff_emit_log(&t->run->sink, t->tasks[task].name, "warning", message);
}

/* Transitions the job is likely to take; never fewer than it has taken. */
static long likely_total(const struct team *t)
{
    const struct ff_sampler *s = &job_of(t)->sampler;
    long draws = t->look;
    if (s->until) { /* what is seen so far may promise a longer way than to the next look */
        const double ess = t->mixing.ess_bulk, promised = ess > 0 ? ceil((double)t->round_draws * s->until_ess / ess)
                                                                  : 2 * (double)ff_first_look(s);
        if (promised > (double)draws) draws = promised < (double)s->max_draws ? (long)promised : s->max_draws;
    }
    if (draws < t->held) draws = t->held;
    return t->nchains * (s->warmup + draws);
}

static void tell_progress(struct team *t, const char *stage, long total)
{
    const struct ff_progress progress = {.done = t->transitions,
                                         .total = total,
                                         .stage = stage,
                                         .ess = t->mixing.ess_bulk,
                                         .rhat = t->mixing.rhat,
                                         .divergences = t->divergences};
    ff_meter_tick(&t->meter, &progress);
}

static void on_transition(void *self, const struct ff_pchain *c, const struct ff_transition *transition,
                          const double *record, const double *theta)
{
    struct team *t = self;
    pthread_mutex_lock(&t->lock);
    t->transitions++;
    t->divergences += record && transition->diverging;
    ff_posterior_emit_sample(&t->run->sink, t->tasks[c->number].name, ++t->number, c, transition, record, theta);
    const long total = likely_total(t);
    if (t->transitions < total) /* that all is done is for the stopping rule to say */
        tell_progress(t, record ? "sampling" : "warmup", total);
    pthread_mutex_unlock(&t->lock);
}

/* ---- rounds ---- */

static int take_chain(struct team *t)
{
    pthread_mutex_lock(&t->lock);
    const int chain = t->err ? t->nchains : t->next++;
    if (t->first_round && chain < t->nchains) {
        emit_state(t, chain, "running");
        t->begun = chain + 1;
    }
    pthread_mutex_unlock(&t->lock);
    return chain;
}

static void *work(void *arg)
{
    struct team *t = arg;
    for (int i = take_chain(t); i < t->nchains; i = take_chain(t)) {
        ff_ctx ctx = {0};
        const ff_err err = ff_pchain_advance(&t->chains[i], t->round_draws, &ctx);
        pthread_mutex_lock(&t->lock);
        if (err && !t->err) {
            t->err = err;
            t->failed = err == FF_EINTERRUPTED ? -1 : i;
            if (t->ctx) *t->ctx = ctx;
        }
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

/* Every chain up to t->round_draws, as many at once as there are workers. */
static ff_err run_round(struct team *t)
{
    pthread_t threads[64];
    int started = 0;
    t->next = 0;
    for (; started < t->nworkers - 1 && started < 64; started++)
        if (pthread_create(&threads[started], NULL, work, t)) break;
    work(t); /* the caller is a worker too; with fewer threads it only takes longer */
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    return t->err;
}

/* The look at t->look draws. Where a chain already holds more, as one may that an earlier process ran to another rule, the
** answer waits until all do. */
static bool enough(struct team *t)
{
    const struct ff_sampler *s = &job_of(t)->sampler;
    const bool good = ff_posterior_enough(s, t->look, &t->mixing);
    if (good && t->look >= t->held) return true;
    t->look = good ? t->held : ff_next_look(s, t->look, t->mixing.ess_bulk);
    return false;
}

/* After an interruption the others have stopped, or never started this round: keep their state too. */
static void save_chains(struct team *t)
{
    for (int i = 0; i < t->nchains; i++) {
        ff_ctx ctx = {0};
        if (ff_pchain_save(&t->chains[i], &ctx)) warn(t, i, ctx.message);
    }
}

static ff_err run_rounds(struct team *t)
{
    t->first_round = true;
    t->look = ff_first_look(&job_of(t)->sampler);
    do {
        while (t->round_draws < t->look) {
            t->round_draws = t->round_draws + ROUND < t->look ? t->round_draws + ROUND : t->look;
            const ff_err err = run_round(t);
            if (err == FF_EINTERRUPTED) save_chains(t);
            if (err) return err;
            t->first_round = false;
            t->mixing = ff_posterior_worst(t->chains, t->nchains, t->round_draws);
        }
    } while (!enough(t));
    tell_progress(t, "sampling", t->transitions);
    for (int i = 0; i < t->nchains; i++) emit_state(t, i, "succeeded");
    return FF_OK;
}

/* The last word on chains that began and will not succeed: the one to blame failed, its companions are called off. */
static void tell_failure(const struct team *t, ff_err err, const ff_ctx *ctx)
{
    for (int i = 0; i < t->begun; i++) {
        const bool blame = i == t->failed && err != FF_EINTERRUPTED;
        ff_run_tell(t->run, t->tasks[i].name, blame ? "failed" : "cancelled", blame && ctx ? ctx->message : NULL);
    }
}

/* ---- the job ---- */

static ff_err set_up_chains(struct team *t, const struct ff_start *start, ff_ctx *ctx)
{
    const int threads = t->run->threads / t->nworkers;
    for (int i = 0; i < t->nchains; i++) {
        ff_err err = ff_pchain_init(&t->chains[i], i, t->run, start, threads > 0 ? threads : 1, &t->listener, ctx);
        if (err) return err;
        if (!t->run->resume) continue;
        bool found;
        char note[512];
        err = ff_pchain_load(&t->chains[i], t->run->ckpt_dir, true, &found, note, ctx);
        if (err) return err;
        if (note[0]) warn(t, i, note);
        if (found) t->transitions += ff_chain_iteration(t->chains[i].chain);
        if (t->chains[i].ndraws > t->held) t->held = t->chains[i].ndraws;
    }
    return FF_OK;
}

static ff_err reduce(struct team *t, const struct ff_start *start, double begun, ff_ctx *ctx)
{
    emit_state(t, t->nchains, "running");
    const ff_err err =
        ff_posterior_write(t->run, &start->fit, t->chains, t->nchains, t->round_draws, ff_clock_s() - begun, ctx);
    ff_run_tell_end(t->run, t->tasks[t->nchains].name, err, ctx);
    return err;
}

static ff_err sample(struct team *t, double begun, ff_ctx *ctx)
{
    struct ff_start start;
    ff_err err = ff_start_init(&start, t->run, ctx);
    if (err) return err;
    err = set_up_chains(t, &start, ctx);
    if (!err) {
        ff_meter_init(&t->meter, &t->run->sink, NULL, t->transitions);
        err = run_rounds(t);
        if (err) tell_failure(t, err, ctx);
    }
    if (!err) err = reduce(t, &start, begun, ctx);
    ff_start_done(&start);
    return err;
}

ff_err ff_run_posterior(const struct ff_run *run, const struct ff_task *tasks, ff_ctx *ctx)
{
    struct team t = {
        .run = run, .tasks = tasks, .nchains = run->prepared->job->sampler.chains, .failed = -1, .ctx = ctx};
    t.nworkers = t.nchains < run->threads ? t.nchains : run->threads;
    if (ff_run_nranks(run) > 1) t.nworkers = 1; /* ranks meet in one order only */
    t.mixing = (struct ff_mixing){NAN, NAN, NAN};
    t.listener = (struct ff_pchain_listener){.self = &t, .transition = on_transition};
    t.chains = calloc((size_t)t.nchains, sizeof *t.chains);
    if (!t.chains) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d chains", t.nchains);
    pthread_mutex_init(&t.lock, NULL);
    const ff_err err = sample(&t, ff_clock_s(), ctx);
    for (int i = 0; i < t.nchains; i++) ff_pchain_done(&t.chains[i]);
    pthread_mutex_destroy(&t.lock);
    free(t.chains);
    return err;
}
