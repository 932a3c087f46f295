/* server/http/plan.c - see plan.h. Bytes per cell were fitted from above to the worker's own count for maps of 64 to 512
** pixels, padding 1 and 2, HMC and NUTS. */
#include "server/http/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MIB = 1048576;
static const double BASE = 64 * 1048576.; /* a process with its libraries */
static const double CHAIN_CELL = 180;     /* bytes per cell of the padded maps: simulator, adjoint, one position */
static const double TREE_CELL = 20;       /* more for each level of a NUTS tree */
static const double DRAW_CELL = 200;      /* simulator and adjoint of each thread that draws */
static const double CHECKPOINT_CELL = 64; /* two checkpoints of a chain: position, gradient, metric, moments */
static const double BOX_CELL = 60;        /* bytes per cell of a box of matter: the simulator and its adjoint ... */
static const double BOX_CHAIN = 60; /* ... a chain's position, momentum and moments of the initial conditions ... */
static const double BOX_CHECKPOINT = 40; /* ... and its two checkpoints on disk */
static const double CELL_S = 4e-8;       /* seconds per cell for the density and its gradient, or for one draw */
static const double STEPS = 15;          /* gradients per transition of a well-adapted sampler */
enum { MANY_THREADS = 8, MOST_TASKS = 1000 };

struct sizes {
    double pixels; /* of all bins */
    double cells;  /* the same, padded */
    double nobs;   /* pixels times components */
    double box;    /* cells of the box of matter; 0: none */
    int nfree;
};

static struct sizes sizes_of(const struct ff_job *job)
{
    const struct ff_model *m = &job->model;
    int place[FF_MAX_PARS];
    const double side = m->npix, pixels = m->sources.nbins * side * side;
    return (struct sizes){.pixels = pixels,
                          .cells = pixels * m->padding * m->padding,
                          .nobs = pixels * (m->observable == FF_CONVERGENCE ? 1 : 2),
                          .box =
                              m->simulator == FF_SIM_LPT ? (double)m->lpt.mesh[0] * m->lpt.mesh[1] * m->lpt.mesh[2] : 0,
                          .nfree = ff_model_free(m, place)};
}

static void plan_posterior(struct ff_plan *p, const struct ff_job *job, const struct sizes *s)
{
    const struct ff_sampler *sampler = &job->sampler;
    const double draws = sampler->until ? sampler->max_draws : sampler->draws;
    const double tree = sampler->algorithm == FF_JOB_NUTS ? TREE_CELL * (sampler->max_depth - 2) : 0;
    const double kept = sampler->thin ? ceil(draws / sampler->every) * s->pixels * sizeof(float) : 0;
    p->memory_bytes = BASE + s->cells * (CHAIN_CELL + (tree > 0 ? tree : 0));
    p->gradients = sampler->chains * (sampler->warmup + draws) * STEPS;
    p->disk_bytes = sampler->chains * (s->cells * CHECKPOINT_CELL + draws * (s->nfree + 12) * 16 + 2 * kept) +
                    s->nobs * 12 * sizeof(float);
    p->memory_bytes += s->box * (BOX_CELL + BOX_CHAIN) / job->resources.ranks; /* of a rank */
    p->disk_bytes += s->box * (sampler->chains * BOX_CHECKPOINT + 2 * sizeof(float));
}

double ff_plan_draw_bytes(const struct ff_job *job)
{
    const struct sizes s = sizes_of(job);
    return s.nobs * sizeof(float) + s.nfree * (job->scores ? 12. : 8.) + 1; /* x f32, theta f64, score f32, valid u1 */
}

static void plan_draws(struct ff_plan *p, const struct ff_job *job, const struct sizes *s)
{
    const int threads = job->resources.threads ? job->resources.threads : MANY_THREADS;
    const double one = ff_plan_draw_bytes(job);
    p->memory_bytes = BASE + (s->box > 0 ? 1 : threads) * (s->cells * DRAW_CELL + one);
    p->memory_bytes += s->box * BOX_CELL / job->resources.ranks;
    p->disk_bytes = 2 * (double)job->count * one; /* chunks and the result */
    if (job->scores) p->gradients = (double)job->count;
    p->evaluations = (double)job->count;
}

static void plan_simulate(struct ff_plan *p, const struct ff_job *job, const struct sizes *s)
{
    const int threads = job->resources.threads ? job->resources.threads : MANY_THREADS;
    double maps = 0; /* of one draw, in maps of one bin */
    if (job->outputs & FF_OUT_CONVERGENCE) maps += 1;
    if (job->outputs & FF_OUT_SHEAR) maps += 2;
    if (job->outputs & FF_OUT_DENSITY) maps += 1;
    p->memory_bytes = BASE + threads * s->cells * DRAW_CELL + 5 * s->pixels * sizeof(float);
    p->memory_bytes += s->box * BOX_CELL / job->resources.ranks;
    p->disk_bytes = (double)job->count * maps * s->pixels * sizeof(float);
    p->evaluations = (double)job->count;
}

void ff_plan_make(struct ff_plan *p, const struct ff_job *job)
{
    const struct sizes s = sizes_of(job);
    *p = (struct ff_plan){.memory_bytes = BASE};
    switch (job->kind) {
    case FF_POSTERIOR:
        plan_posterior(p, job, &s);
        break;
    case FF_DRAWS:
        plan_draws(p, job, &s);
        break;
    case FF_SIMULATE:
        plan_simulate(p, job, &s);
        break;
    case FF_SPECTRUM:
        p->memory_bytes += s.cells * DRAW_CELL;
        p->evaluations = 1;
        break;
    case FF_NOOP:
        p->memory_bytes = 0; /* any gang will do */
        p->disk_bytes = (double)job->file_bytes;
        p->seconds = (double)job->count * job->sleep_s;
        return;
    default:
        break;
    }
    p->disk_bytes += MIB;
    p->seconds = (p->gradients + p->evaluations) * (s.box > 0 ? s.box : s.cells) * CELL_S;
}

static const char *task_kind(enum ff_task_kind kind)
{
    static const char *const names[] = {
        [FF_TASK_CHAIN] = "chain",       [FF_TASK_REDUCE] = "reduce",     [FF_TASK_CHUNK] = "chunk",
        [FF_TASK_MANIFEST] = "manifest", [FF_TASK_SIMULATE] = "simulate", [FF_TASK_SPECTRUM] = "spectrum",
        [FF_TASK_NOOP] = "noop"};
    return names[kind];
}

ff_err ff_plan_json(json_t **out, const struct ff_plan *p, const struct ff_job *job, ff_ctx *ctx)
{
    struct ff_task *tasks = NULL;
    int ntasks = 0;
    *out = NULL;
    ff_err err = ff_tasks_split(job, &tasks, &ntasks, ctx);
    if (err) return err;
    json_t *list = json_array();
    int failed = !list;
    for (int i = 0; i < ntasks && i < MOST_TASKS; i++)
        failed |=
            json_array_append_new(list, json_pack("{ss ss}", "name", tasks[i].name, "kind", task_kind(tasks[i].kind)));
    free(tasks);
    *out = json_pack("{ss si so sI sI s{sI sI sf}}", "kind", ff_kind_name(job->kind), "ntasks", ntasks, "tasks", list,
                     "memory_bytes", (json_int_t)p->memory_bytes, "disk_bytes", (json_int_t)p->disk_bytes, "cost",
                     "gradients", (json_int_t)p->gradients, "evaluations", (json_int_t)p->evaluations, "seconds",
                     p->seconds);
    if (*out && !failed) return FF_OK;
    json_decref(*out);
    *out = NULL;
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a plan");
}
