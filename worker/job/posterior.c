/* worker/job/posterior.c - the posterior job: data, a fit for the start, chains side by side in rounds, the result.
** Chains are independent; they only meet between rounds of draws, where the stopping rule looks at all of them at the same
** number of draws. So the result depends neither on how many run at once nor on how often the run was interrupted.
** Events: what concerns one chain goes under its task, the progress of all together and the fit under the job. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"
#include "worker/job/fit.h"
#include "worker/job/meter.h"
#include "worker/job/posterior_chain.h"
#include "worker/job/posterior_result.h"
#include "worker/job/run.h"

enum { ROUND = 25 }; /* draws a chain makes between looks at the stopping rule */
/* Independent draws among draws, typically: a first guess of how many it takes, until the chains tell. */
static const double TYPICAL_EFFICIENCY = 0.5;

struct team {
    const struct ff_run *run;
    struct ff_task *tasks; /* (nchains + 1): the chains, reduce */
    struct ff_pchain *chains;
    int nchains, nworkers;
    long held;        /* most draws of any chain an earlier process left */
    long round_draws; /* every chain is to hold this many */
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
};

static const struct ff_job *job_of(const struct team *t)
{
    return t->run->prepared->job;
}

static long most_draws(const struct team *t)
{
    const struct ff_sampler *s = &job_of(t)->sampler;
    return s->until ? s->max_draws : s->draws;
}

/* ---- events ---- */

static void emit_state(const struct team *t, int task, const char *state)
{
    ff_emit_state(&t->run->sink, t->tasks[task].name, state, NULL, NULL);
}

static void warn(const struct team *t, int task, const char *message)
{
    ff_emit_log(&t->run->sink, t->tasks[task].name, "warning", message);
}

/* Draws of each chain that the stopping rule is likely to take: as many as the effective sample size so far promises. */
static double promised_draws(const struct team *t)
{
    const double ess = t->mixing.ess_bulk, needed = job_of(t)->sampler.until_ess;
    const double draws =
        ess > 0 ? (double)t->round_draws * needed / ess : needed / (TYPICAL_EFFICIENCY * (double)t->nchains);
    return ceil(draws / ROUND) * ROUND;
}

/* Transitions the job is likely to take; never fewer than it has taken. */
static long likely_total(const struct team *t)
{
    const struct ff_sampler *s = &job_of(t)->sampler;
    long draws = most_draws(t);
    if (s->until) {
        const double promised = promised_draws(t);
        if (promised < (double)draws) draws = (long)promised;
        if (draws < t->round_draws) draws = t->round_draws;
        if (draws < t->held) draws = t->held;
    }
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

static void emit_sample(struct team *t, const struct ff_pchain *c, const struct ff_transition *transition,
                        const double *record, const double *theta)
{
    const int nbins = job_of(t)->model.sources.nbins;
    char name[FF_NAME_SIZE];
    json_t *parameters = json_object(), *stats = json_object();
    for (int f = 0; f < c->target.nparam; f++) {
        const int par = c->posterior.transform.place[f];
        ff_par_name(nbins, par, name);
        json_object_set_new(parameters, name, json_real(theta[par]));
    }
    json_object_set_new(stats, "acceptance_rate", json_real(transition->acceptance_rate));
    json_object_set_new(stats, "step_size", json_real(transition->step_size));
    json_object_set_new(stats, "n_steps", json_integer(transition->n_steps));
    json_object_set_new(stats, "tree_depth", json_integer(transition->tree_depth));
    json_object_set_new(stats, "diverging", json_boolean(transition->diverging));
    const long draw = record ? c->ndraws - 1 : transition->iteration;
    ff_emit_sample(&t->run->sink, t->tasks[c->number].name, ++t->number, c->number, draw, !record,
                   record ? record[FF_REC_LP] : transition->lp, parameters, stats);
}

static void on_transition(void *self, const struct ff_pchain *c, const struct ff_transition *transition,
                          const double *record, const double *theta)
{
    struct team *t = self;
    pthread_mutex_lock(&t->lock);
    t->transitions++;
    t->divergences += record && transition->diverging;
    emit_sample(t, c, transition, record, theta);
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
    if (t->first_round && chain < t->nchains) emit_state(t, chain, "running");
    pthread_mutex_unlock(&t->lock);
    return chain;
}

static void *work(void *arg)
{
    struct team *t = arg;
    for (int i = take_chain(t); i < t->nchains; i = take_chain(t)) {
        ff_ctx ctx = {0};
        const ff_err err = ff_pchain_advance(&t->chains[i], t->round_draws, &t->listener, &ctx);
        pthread_mutex_lock(&t->lock);
        if (err && !t->err) {
            t->err = err;
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

static bool enough(struct team *t)
{
    const struct ff_sampler *s = &job_of(t)->sampler;
    t->mixing = ff_posterior_worst(t->chains, t->nchains, t->round_draws);
    if (t->round_draws >= most_draws(t)) return true;
    if (!s->until) return false;
    return t->mixing.ess_bulk >= s->until_ess && t->mixing.rhat < s->until_rhat;
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
    const long most = most_draws(t);
    t->first_round = true;
    do {
        t->round_draws = t->round_draws + ROUND < most ? t->round_draws + ROUND : most;
        const ff_err err = run_round(t);
        if (err == FF_EINTERRUPTED) save_chains(t);
        if (err) return err;
        t->first_round = false;
    } while (!enough(t));
    tell_progress(t, "sampling", t->transitions);
    for (int i = 0; i < t->nchains; i++) emit_state(t, i, "succeeded");
    return FF_OK;
}

/* ---- the job ---- */

static ff_err get_data(const struct ff_run *run, struct ff_maps *data, const struct ff_maps **used, ff_ctx *ctx)
{
    const struct ff_prepared *p = run->prepared;
    if (p->job->data.kind == FF_DATA_MOCK) {
        *used = data;
        return ff_make_mock(p, run->threads, data, ctx);
    }
    *used = &p->data;
    return FF_OK;
}

static ff_err get_fit(const struct ff_run *run, const struct ff_maps *data, struct ff_fit *fit, ff_ctx *ctx)
{
    struct ff_posterior posterior;
    ff_err err = ff_posterior_init(&posterior, run->prepared->job, &run->prepared->shift, data, run->threads, ctx);
    if (err) return err;
    err = ff_fit_marginal(&posterior.engine, &posterior.transform, fit, ctx);
    ff_posterior_done(&posterior);
    if (!err && !fit->converged)
        ff_emit_log(&run->sink, NULL, "warning", "the fit for the chains' start did not converge; warm-up may be long");
    return err;
}

static ff_err set_up_chains(struct team *t, const struct ff_maps *data, const struct ff_fit *fit, ff_ctx *ctx)
{
    const int threads = t->run->threads / t->nworkers;
    for (int i = 0; i < t->nchains; i++) {
        ff_err err = ff_pchain_init(&t->chains[i], i, t->run, data, fit, threads > 0 ? threads : 1, ctx);
        if (err) return err;
        if (!t->run->resume) continue;
        bool found;
        char note[512];
        err = ff_pchain_load(&t->chains[i], &found, note, ctx);
        if (err) return err;
        if (note[0]) warn(t, i, note);
        if (found) t->transitions += ff_chain_iteration(t->chains[i].chain);
        if (t->chains[i].ndraws > t->held) t->held = t->chains[i].ndraws;
    }
    return FF_OK;
}

static ff_err reduce(struct team *t, const struct ff_fit *fit, double begun, ff_ctx *ctx)
{
    emit_state(t, t->nchains, "running");
    const ff_err err =
        ff_posterior_write(t->run, fit, t->chains, t->nchains, t->round_draws, ff_meter_now() - begun, ctx);
    if (!err) emit_state(t, t->nchains, "succeeded");
    return err;
}

static ff_err sample(struct team *t, const struct ff_maps *data, double begun, ff_ctx *ctx)
{
    struct ff_fit *fit = malloc(sizeof *fit);
    if (!fit) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the fit");
    ff_err err = get_fit(t->run, data, fit, ctx);
    if (!err) err = set_up_chains(t, data, fit, ctx);
    if (!err) {
        ff_meter_init(&t->meter, &t->run->sink, NULL, t->transitions);
        err = run_rounds(t);
    }
    if (!err) err = reduce(t, fit, begun, ctx);
    free(fit);
    return err;
}

ff_err ff_run_posterior(const struct ff_run *run, ff_ctx *ctx)
{
    const double begun = ff_meter_now();
    struct ff_maps mock = {0};
    const struct ff_maps *data;
    struct team t = {.run = run, .nchains = run->prepared->job->sampler.chains, .ctx = ctx};
    t.nworkers = t.nchains < run->threads ? t.nchains : run->threads;
    t.mixing = (struct ff_mixing){NAN, NAN, NAN};
    t.listener = (struct ff_pchain_listener){.self = &t, .transition = on_transition};
    t.chains = calloc((size_t)t.nchains, sizeof *t.chains);
    if (!t.chains) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d chains", t.nchains);
    pthread_mutex_init(&t.lock, NULL);
    int ntasks;
    ff_err err = ff_tasks_split(run->prepared->job, &t.tasks, &ntasks, ctx);
    if (!err) err = get_data(run, &mock, &data, ctx);
    if (!err) err = sample(&t, data, begun, ctx);
    for (int i = 0; i < t.nchains; i++) ff_pchain_done(&t.chains[i]);
    pthread_mutex_destroy(&t.lock);
    free(t.chains);
    free(t.tasks);
    ff_maps_done(&mock);
    return err;
}
