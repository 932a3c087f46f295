/* worker/job/posterior_chain.c - see posterior_chain.h. */
#include "worker/job/posterior_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "worker/core/rng.h"
#include "worker/job/meter.h"
#include "worker/job/prior.h"

enum { PREDICTIVE_EVERY = 4 };
/* Trajectories of HMC (docs/numerics.md). What is standard normal is independent after a quarter period, pi/2. Parameters are not:
** they are narrower given the field than without it, because the curvature of the density in the field depends on them, so
** they go further in longer trajectories and with a momentum that outlives them. `make bench BENCH=--full` says what it
** gives. */
static const double ROTATION_LENGTH = 1.8, ROTATION_JITTER = 0.2, PERSISTENCE = 0.6;
/* Streams of predictive noise: chain * this + draw. */
static const uint32_t PREDICTIVE_STREAMS = 1u << 22;

static const struct ff_job *job_of(const struct ff_pchain *c)
{
    return c->run->prepared->job;
}

long ff_pchain_most_draws(const struct ff_job *job)
{
    return job->sampler.until ? job->sampler.max_draws : job->sampler.draws;
}

size_t ff_pchain_bytes(const struct ff_job *job, int threads)
{
    const struct ff_model *m = &job->model;
    const size_t pixels = (size_t)m->sources.nbins * (size_t)m->npix * (size_t)m->npix;
    const size_t nobs = pixels * (m->observable == FF_CONVERGENCE ? 1 : 2);
    const size_t nlatent = (size_t)ff_engine_nlatent(m);
    const struct ff_chain_config config = {.algorithm = job->sampler.algorithm == FF_JOB_HMC ? FF_HMC : FF_NUTS,
                                           .max_depth = job->sampler.max_depth};
    const size_t moments = 2 * sizeof(double) * (pixels + nobs), maps = sizeof(float) * (nlatent + 6 * nobs);
    const int *mesh = m->lpt.mesh;
    const size_t cells = m->simulator == FF_SIM_LPT ? (size_t)mesh[0] * (size_t)mesh[1] * (size_t)mesh[2] : 0;
    const size_t initial = cells * (2 * sizeof(double) + sizeof(float));
    const size_t draws = (size_t)ff_pchain_most_draws(job) * (FF_REC_THETA + FF_MAX_PARS) * sizeof(double);
    return ff_engine_bytes(m, FF_F32, threads) + ff_chain_bytes(&config, m->npars, (long)nlatent) + moments + maps +
           initial + draws;
}

/* A start drawn around the fit; the latent is drawn N(0, I), which in whitened coordinates is its posterior in the Gaussian
** limit, and is turned into a white one where the chain runs in white coordinates. */
static ff_err start_point(struct ff_pchain *c, const struct ff_fit *fit, double *q, ff_ctx *ctx)
{
    const struct ff_job *job = job_of(c);
    const int n = c->target.nparam;
    double normal[FF_MAX_PARS];
    ff_rng_normals_f64(job->seed, FF_RNG_START, (uint32_t)c->number, 0, n, normal, 1);
    const uint64_t before = (uint64_t)ff_spread_before(&c->target.spread);
    ff_rng_normals_f32(job->seed, FF_RNG_START, (uint32_t)c->number, 1024 + before, c->target.nlatent, c->z, 1);
    struct ff_transformed point;
    char vector[FF_PAR_TEXT_SIZE];
    bool inside = false;
    for (double shrink = 1; !inside && shrink > 1e-3;
         shrink *= 0.5) { /* the fit's ellipse may reach outside the model */
        for (int i = 0; i < n; i++) {
            q[i] = fit->centre[i];
            for (int j = 0; j <= i; j++) q[i] += shrink * fit->factor[i * n + j] * normal[j];
        }
        ff_transform_at(&c->posterior.transform, q, &point);
        ff_err err = ff_engine_set(&c->posterior.engine, point.theta, &inside, ctx);
        if (err) return err;
    }
    if (!inside) {
        ff_par_text(job->model.sources.nbins, point.theta, vector);
        return ff_fail_at(ctx, FF_EOUTSIDE, "/model/parameters", FF_HERE,
                          "no start inside the model was found for chain %d; the last that was tried is %s", c->number,
                          vector);
    }
    if (c->posterior.whiten == FF_WHITEN_NONE) return ff_sim_unwhiten(c->posterior.engine.sim, c->z, c->z, ctx);
    return FF_OK;
}

static struct ff_chain_config chain_config(const struct ff_pchain *c, const struct ff_fit *fit, int threads)
{
    const struct ff_sampler *s = &job_of(c)->sampler;
    const bool rotation = s->integrator == FF_JOB_ROTATION;
    return (struct ff_chain_config){
        .algorithm = s->algorithm == FF_JOB_HMC ? FF_HMC : FF_NUTS,
        .integrator = rotation ? FF_ROTATION : FF_LEAPFROG,
        .length = rotation ? ROTATION_LENGTH : 0,
        .jitter = rotation ? ROTATION_JITTER : 0,
        .persistence = rotation ? PERSISTENCE : 0,
        .scheme = rotation ? FF_SCHEME_MINNORM2 : FF_SCHEME_VERLET,
        .warmup = s->warmup,
        .target_accept = s->target_accept,
        .max_depth = s->max_depth,
        .adapt_metric = true,
        .centre = fit->centre,
        .factor = fit->factor,
        .seed = job_of(c)->seed,
        .chain = c->number,
        .threads = ff_posterior_threads(job_of(c), threads),
    };
}

static ff_err allocate(struct ff_pchain *c, ff_ctx *ctx)
{
    const long nmap = ff_sim_nmap(c->posterior.engine.sim), nobs = ff_sim_nobs(c->posterior.engine.sim);
    c->record = malloc((size_t)(c->max_draws * c->nrecord) * sizeof *c->record);
    c->z = malloc((size_t)c->target.nlatent * sizeof *c->z);
    c->convergence_map = malloc((size_t)nmap * sizeof *c->convergence_map);
    c->observable_map = malloc((size_t)nobs * sizeof *c->observable_map);
    c->planes = ff_sim_planes(c->posterior.engine.sim);
    const long ninitial = c->planes.row * c->planes.count;
    c->initial_field = malloc((size_t)(ninitial + 1) * sizeof *c->initial_field);
    if (!c->record || !c->z || !c->convergence_map || !c->observable_map || !c->initial_field)
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld draws of chain %d", c->max_draws, c->number);
    ff_err err = ff_moments_init(&c->convergence, nmap, ctx);
    if (!err) err = ff_moments_init(&c->observable, nobs, ctx);
    if (!err) err = ff_moments_init(&c->initial, ninitial, ctx);
    if (!err) err = ff_predictive_init(&c->predictive, c->data, job_of(c)->seed, ctx);
    return err;
}

ff_err ff_pchain_place(struct ff_pchain *c, const char *dir, ff_ctx *ctx)
{
    const int n = snprintf(c->dir, sizeof c->dir, "%s", dir);
    if (n >= 0 && (size_t)n < sizeof c->dir) return FF_OK;
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the path of a folder of checkpoints has more than %zu characters",
                   sizeof c->dir - 1);
}

/* All but the chain itself. */
static ff_err set_up(struct ff_pchain *c, int number, const struct ff_run *run, const struct ff_start *start,
                     int threads, ff_ctx *ctx)
{
    memset(c, 0, sizeof *c);
    c->number = number;
    c->run = run;
    c->data = start->data;
    const struct ff_job *job = job_of(c);
    c->warmup = job->sampler.warmup;
    c->max_draws = ff_pchain_most_draws(job);
    c->checkpointed_s = ff_clock_s();
    ff_err err = ff_pchain_place(c, run->ckpt_dir, ctx);
    if (!err) err = ff_posterior_init(&c->posterior, job, &run->prepared->shift, c->data, threads, run->comm, ctx);
    if (err) return err;
    ff_transform_recentre(&c->posterior.transform, start->fit.mean, start->fit.sd);
    c->target = ff_posterior_target(&c->posterior);
    c->nrecord = FF_REC_THETA + c->target.nparam;
    return allocate(c, ctx);
}

/* The chain speaks of coordinates; whoever reads it wants to know the parameters. */
static ff_err name_start(const struct ff_pchain *c, const double *q, ff_ctx *ctx)
{
    char vector[FF_PAR_TEXT_SIZE], what[FF_MESSAGE_SIZE];
    struct ff_transformed point;
    ff_transform_at(&c->posterior.transform, q, &point);
    ff_par_text(job_of(c)->model.sources.nbins, point.theta, vector);
    snprintf(what, sizeof what, "%s", ctx ? ctx->message : "");
    return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "%.230s; chain %d starts at %s", what, c->number, vector);
}

static ff_err set_up_failed(struct ff_pchain *c, ff_err err, ff_ctx *ctx)
{
    ff_note(ctx, FF_HERE, "while setting up chain %d", c->number);
    ff_pchain_done(c);
    return err;
}

ff_err ff_pchain_init(struct ff_pchain *c, int number, const struct ff_run *run, const struct ff_start *start,
                      int threads, const struct ff_pchain_listener *listener, ff_ctx *ctx)
{
    double q[FF_MAX_PARS];
    ff_err err = set_up(c, number, run, start, threads, ctx);
    c->listener = listener;
    if (!err) err = start_point(c, &start->fit, q, ctx);
    if (!err) {
        const struct ff_chain_config config = chain_config(c, &start->fit, threads);
        err = ff_chain_init(&c->chain, &config, &c->target, q, c->z, ctx);
        if (err == FF_ENUMERIC) err = name_start(c, q, ctx);
    }
    if (err) return set_up_failed(c, err, ctx);
    c->gradients = ff_chain_gradients(c->chain);
    return FF_OK;
}

ff_err ff_pchain_init_still(struct ff_pchain *c, int number, const struct ff_run *run, const struct ff_start *start,
                            int threads, ff_ctx *ctx)
{
    const ff_err err = set_up(c, number, run, start, threads, ctx);
    return err ? set_up_failed(c, err, ctx) : FF_OK;
}

void ff_pchain_done(struct ff_pchain *c)
{
    ff_chain_free(c->chain);
    ff_posterior_done(&c->posterior);
    ff_moments_done(&c->convergence);
    ff_moments_done(&c->observable);
    ff_moments_done(&c->initial);
    ff_predictive_done(&c->predictive);
    free(c->record);
    free(c->z);
    free(c->convergence_map);
    free(c->observable_map);
    free(c->initial_field);
    memset(c, 0, sizeof *c);
}

/* ---- a draw ---- */

void ff_pchain_fields_path(const char *dir, int chain, char *path, size_t size)
{
    snprintf(path, size, "%s/chain-%d.fields", dir, chain);
}

long ff_pchain_nfields(const struct ff_job *job, long ndraws)
{
    return job->sampler.thin ? (ndraws + job->sampler.every - 1) / job->sampler.every : 0;
}

static bool keeps_field(const struct ff_pchain *c)
{
    const struct ff_sampler *s = &job_of(c)->sampler;
    return s->thin && c->ndraws % s->every == 0;
}

/* A thinned field goes to its own place in the file, so that a resumed chain writes the same bytes again. */
static ff_err keep_field(const struct ff_pchain *c, ff_ctx *ctx)
{
    const struct ff_job *job = job_of(c);
    char path[FF_PATH_SIZE + 64];
    ff_pchain_fields_path(c->dir, c->number, path, sizeof path);
    const size_t bytes = (size_t)c->convergence.len * sizeof(float);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return ff_fail(ctx, FF_EIO, FF_HERE, "%s: %s", path, strerror(errno));
    const off_t at = (off_t)((size_t)(c->ndraws / job->sampler.every) * bytes);
    const ssize_t wrote = pwrite(fd, c->convergence_map, bytes, at);
    const int failed = wrote != (ssize_t)bytes || fsync(fd) != 0;
    const int cause = errno;
    close(fd);
    if (!failed) return FF_OK;
    return ff_fail(ctx, cause == ENOSPC ? FF_EDISKFULL : FF_EIO, FF_HERE, "%s: cannot write a field: %s", path,
                   strerror(cause));
}

/* log p(theta, z, d) in physical theta and white z, up to a constant of the data. */
static double joint_density(const struct ff_pchain *c, const double *theta, double square)
{
    double sum = -0.5 * square, slope;
    for (int f = 0; f < c->target.nparam; f++) {
        const int par = c->posterior.transform.place[f];
        sum += ff_prior_logp(&job_of(c)->model.par[par], theta[par], &slope);
    }
    const long nobs = ff_maps_len(c->data);
    for (long i = 0; i < nobs; i++) {
        if (!isfinite(c->data->noise_sd[i])) continue;
        const double r = ((double)c->data->map[i] - c->observable_map[i]) / c->data->noise_sd[i];
        sum -= 0.5 * r * r;
    }
    return sum;
}

static void fill_record(struct ff_pchain *c, const struct ff_transition *t, const double *theta, double square,
                        double *record)
{
    record[FF_REC_LP] = joint_density(c, theta, square);
    record[FF_REC_ACCEPTANCE] = t->acceptance_rate;
    record[FF_REC_STEP_SIZE] = t->step_size;
    record[FF_REC_TREE_DEPTH] = t->tree_depth;
    record[FF_REC_N_STEPS] = (double)t->n_steps;
    record[FF_REC_DIVERGING] = t->diverging;
    record[FF_REC_ENERGY] = t->energy;
    record[FF_REC_ENERGY_ERROR] = t->energy_error;
    record[FF_REC_MAX_ENERGY_ERROR] = t->max_energy_error;
    record[FF_REC_REACHED_MAX_DEPTH] = t->reached_max_depth;
    for (int f = 0; f < c->target.nparam; f++) record[FF_REC_THETA + f] = theta[c->posterior.transform.place[f]];
}

/* The maps of the state just reached, and everything gathered from them. */
static ff_err gather(struct ff_pchain *c, const struct ff_transition *t, const double *theta, ff_ctx *ctx)
{
    ff_sim *sim = c->posterior.engine.sim;
    bool inside;
    ff_err err = ff_engine_set(&c->posterior.engine, theta, &inside, ctx);
    if (!err && !inside) err = ff_fail(ctx, FF_EBUG, FF_HERE, "a state of chain %d lies outside the model", c->number);
    if (!err && c->posterior.whiten == FF_WHITEN_WIENER) err = ff_sim_unwhiten(sim, t->z, c->z, ctx);
    if (c->posterior.whiten == FF_WHITEN_NONE) memcpy(c->z, t->z, (size_t)c->target.nlatent * sizeof *c->z);
    if (!err) err = ff_sim_forward(sim, c->z, c->convergence_map, c->observable_map, ctx);
    if (!err && keeps_field(c)) {
        if (ff_run_leads(c->run)) err = keep_field(c, ctx);
        err = ff_share_error(c->run->comm, err, ctx);
    }
    double square;
    if (!err) err = ff_sim_square(sim, c->z, &square, ctx);
    if (!err && c->planes.row) err = ff_sim_initial(sim, c->z, c->initial_field, ctx);
    if (err) return err;
    if (c->planes.row) ff_moments_add(&c->initial, c->initial_field);
    ff_moments_add(&c->convergence, c->convergence_map);
    ff_moments_add(&c->observable, c->observable_map);
    if (c->ndraws % PREDICTIVE_EVERY == 0)
        ff_predictive_add(&c->predictive, c->observable_map, job_of(c)->seed,
                          (uint32_t)c->number * PREDICTIVE_STREAMS + (uint32_t)(c->ndraws / PREDICTIVE_EVERY));
    fill_record(c, t, theta, square, c->record + c->ndraws * c->nrecord);
    c->ndraws++;
    return FF_OK;
}

static ff_err one_transition(struct ff_pchain *c, ff_ctx *ctx)
{
    const double begun = ff_clock_s();
    struct ff_transition t;
    struct ff_transformed point;
    ff_crash_point("transition");
    ff_err err = ff_chain_step(c->chain, &t, ctx);
    if (err) return err;
    c->gradients = ff_chain_gradients(c->chain);
    ff_transform_at(&c->posterior.transform, t.q, &point);
    const double *record = NULL;
    if (t.warmup) {
        c->warmup_divergences += t.diverging;
    } else {
        err = gather(c, &t, point.theta, ctx);
        if (err) return err;
        record = c->record + (c->ndraws - 1) * c->nrecord;
    }
    c->seconds += ff_clock_s() - begun;
    c->listener->transition(c->listener->self, c, &t, record, point.theta);
    return FF_OK;
}

/* What is to happen before the next transition; rank 0, which has the clock and hears signals, says it. */
struct due {
    bool checkpoint, stop;
};

/* A checkpoint: by the clock, or because a signal asked for one. */
static ff_err look(struct ff_pchain *c, struct due *due, ff_ctx *ctx)
{
    if (ff_run_leads(c->run)) {
        const int asked = c->run->stop ? *c->run->stop : 0;
        const bool news = asked != c->asked;
        c->asked = asked;
        due->checkpoint = news || ff_clock_s() - c->checkpointed_s > c->run->checkpoint_s;
        due->stop = ff_run_stopped(c->run);
    }
    return ff_share(c->run->comm, due, sizeof *due, ctx);
}

ff_err ff_pchain_advance(struct ff_pchain *c, long draws, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    while (!err && c->ndraws < draws && c->ndraws < c->max_draws) {
        struct due due = {0};
        err = look(c, &due, ctx);
        if (!err && due.checkpoint) err = ff_pchain_save(c, ctx);
        if (!err && due.stop) err = ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "stopped; the chains are checkpointed");
        if (!err) err = one_transition(c, ctx);
    }
    if (err && err != FF_EINTERRUPTED)
        ff_note(ctx, FF_HERE, "in chain %d, iteration %ld", c->number, ff_chain_iteration(c->chain));
    return err;
}
