/* worker/gang/runner.c - see runner.h. */
#include "worker/gang/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/gang/scratch.h"
#include "worker/gang/together.h"
#include "worker/job/memory.h"
#include "worker/job/start.h"
#include "worker/job/task.h"

struct kept {   /* of the last task's job */
    char *spec; /* NULL: none */
    struct ff_prepared prepared;
    struct ff_start start; /* of its chains, once one has made it */
    struct ff_task *tasks;
    int ntasks, threads;
};

struct engine {
    struct kept job;
    double assemble_bytes;
    struct ff_ranks *ranks;
    const char *place;         /* for scratch */
    struct ff_scratch scratch; /* of a rank that follows */
};

static void forget(struct kept *e)
{
    if (!e->spec) return;
    free(e->spec);
    free(e->tasks);
    ff_start_done(&e->start);
    ff_prepared_done(&e->prepared);
    memset(e, 0, sizeof *e);
}

/* ---- the job ---- */

static const char *dataset_path(void *self, const char *id)
{
    return ff_work_dataset(self, id);
}

static ff_err prepare_new(struct kept *e, const struct ff_work *w, const char *spec, int threads, ff_ctx *ctx)
{
    struct ff_job *job;
    ff_err err = ff_job_parse_task(&job, spec, strlen(spec), dataset_path, (void *)w, ctx);
    if (err) return err;
    const int own = job->resources.threads;
    e->threads = own > 0 && own < threads ? own : threads;
    err = ff_prepare(&e->prepared, job, e->threads, ctx);
    if (err) return err;
    err = ff_tasks_split(e->prepared.job, &e->tasks, &e->ntasks, ctx);
    if (err) ff_prepared_done(&e->prepared);
    return err;
}

static char *spec_of(const struct ff_work *w, ff_ctx *ctx)
{
    char *spec = json_dumps(json_object_get(w->body, "spec"), JSON_COMPACT | JSON_SORT_KEYS);
    if (!spec) ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the text of a job");
    return spec;
}

/* The job of the task in *e, from before where its spec is the same to the letter. */
static ff_err prepare(struct kept *e, const struct ff_work *w, int threads, ff_ctx *ctx)
{
    char *spec = spec_of(w, ctx);
    if (!spec) return FF_ENOMEM;
    if (e->spec && !strcmp(spec, e->spec)) {
        free(spec);
        return FF_OK;
    }
    forget(e);
    const ff_err err = prepare_new(e, w, spec, threads, ctx);
    if (err) {
        free(spec);
        memset(e, 0, sizeof *e);
    } else {
        e->spec = spec;
    }
    return err;
}

/* A job is split alike everywhere; a name that is not in it comes from a server of another build. Names that end in a
** number stand at that place, mostly: looked at first, since a job may have very many. */
static const struct ff_task *find_task(const struct kept *e, const char *name)
{
    const char *dash = strrchr(name, '-');
    const long guess = dash ? strtol(dash + 1, NULL, 10) : -1;
    if (guess >= 0 && guess < e->ntasks && !strcmp(e->tasks[guess].name, name)) return &e->tasks[guess];
    for (int i = 0; i < e->ntasks; i++)
        if (!strcmp(e->tasks[i].name, name)) return &e->tasks[i];
    return NULL;
}

/* ---- folders of other tasks ---- */

struct input {
    const char *name;
    char *path;
};
struct inputs {
    struct input *list;
    int n;
};

static const char *folder_of(void *self, const char *name)
{
    const struct inputs *inputs = self;
    for (int i = 0; i < inputs->n; i++)
        if (!strcmp(inputs->list[i].name, name)) return inputs->list[i].path;
    return NULL;
}

static void inputs_done(struct inputs *inputs)
{
    for (int i = 0; i < inputs->n; i++) free(inputs->list[i].path);
    free(inputs->list);
}

static ff_err inputs_init(struct inputs *inputs, const struct ff_work *w, ff_ctx *ctx)
{
    json_t *all = json_object_get(w->body, "inputs");
    const size_t n = json_object_size(all);
    const char *name;
    json_t *attempt;
    char path[FF_GANG_PATH];
    *inputs = (struct inputs){.list = calloc(n ? n : 1, sizeof *inputs->list)};
    if (!inputs->list) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the folders of %zu tasks", n);
    json_object_foreach(all, name, attempt)
    {
        if (!ff_work_input(w, name, path)) continue;
        char *copy = strdup(path);
        if (!copy) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the folders of %zu tasks", n);
        inputs->list[inputs->n++] = (struct input){name, copy};
    }
    return FF_OK;
}

/* ---- the task ---- */

/* comm: ranks that run it together, or NULL. */
static ff_err run_task(struct engine *engine, const struct ff_comm *comm, const struct ff_work *w,
                       const struct ff_work_io *io, struct inputs *inputs, struct ff_work_end *end, ff_ctx *ctx)
{
    char out[FF_GANG_PATH + sizeof FF_RESULT_NAME];
    struct kept *e = &engine->job;
    const struct ff_task *task = find_task(e, w->task);
    ff_err err = FF_OK;
    if (!task) err = ff_fail(ctx, FF_EVERSION, FF_HERE, "the job has no task %s in this build", w->task);
    err = ff_share_error(comm, err, ctx);
    if (err) return err;
    snprintf(out, sizeof out, "%s/%s", w->folder, FF_RESULT_NAME);
    const struct ff_task_run run = {.run = {.prepared = &e->prepared,
                                            .start = &e->start,
                                            .out = out,
                                            .ckpt_dir = w->folder,
                                            .threads = e->threads,
                                            .resume = w->resume[0] != '\0',
                                            .checkpoint_s = io->checkpoint_s,
                                            .sink = io->sink,
                                            .stop = io->stop,
                                            .comm = comm},
                                    .task = task,
                                    .resume_dir = w->resume[0] ? w->resume : NULL,
                                    .done = {.self = inputs, .of = folder_of},
                                    .draws = w->draws,
                                    .assemble_bytes = engine->assemble_bytes,
                                    .checkpointed = io->checkpointed,
                                    .checkpointed_self = io->self};
    enum ff_task_end how = FF_TASK_DONE;
    err = ff_run_task(&run, &how, &end->draws, ctx);
    end->more = how == FF_TASK_MORE;
    return err;
}

/* ---- ranks ---- */

/* Every rank has the job of the task. Where one has not, all begin with it anew: what is kept has to be the same. */
static ff_err prepare_together(struct engine *e, struct ff_work *w, int threads, ff_ctx *ctx)
{
    const struct ff_comm *c = &e->ranks->comm;
    bool all = false;
    char *spec = spec_of(w, ctx);
    ff_err err = ff_share_error(c, spec ? FF_OK : FF_ENOMEM, ctx);
    if (!err) err = ff_together_all(c, e->job.spec && !strcmp(spec, e->job.spec), &all, ctx);
    free(spec);
    if (err || all) return err;
    if (c->rank == 0)
        ff_start_done(&e->job.start);
    else
        forget(&e->job);
    err = ff_together_datasets(c, w, &e->scratch, e->place, ctx);
    if (!err) err = ff_share_error(c, prepare(&e->job, w, threads, ctx), ctx);
    return err;
}

/* Rank 0, which has prepared the job: all ranks run its task. */
static ff_err run_together(struct engine *e, struct ff_work *w, const struct ff_work_io *io, struct inputs *inputs,
                           struct ff_work_end *end, ff_ctx *ctx)
{
    const struct ff_comm *c = &e->ranks->comm;
    ff_err err = ff_ranks_call(e->ranks, ctx);
    if (!err) err = ff_together_tell(c, w, io, ctx);
    if (!err) err = prepare_together(e, w, io->threads, ctx);
    if (!err) err = run_task(e, c, w, io, inputs, end, ctx);
    ff_ranks_dismiss(e->ranks);
    return err;
}

ff_err ff_runner_part(void *runner, ff_ctx *ctx)
{
    struct engine *e = ((struct ff_runner *)runner)->self;
    const struct ff_comm *c = &e->ranks->comm;
    struct ff_heard heard;
    struct inputs none = {0};
    struct ff_work_end end;
    ff_err err = ff_together_hear(c, &heard, ctx);
    if (!err) err = prepare_together(e, &heard.work, heard.io.threads, ctx);
    if (!err) err = run_task(e, c, &heard.work, &heard.io, &none, &end, ctx);
    ff_heard_done(&heard);
    if (err == FF_ECRASHED) return err; /* the group is broken */
    ff_ctx_clear(ctx);
    return FF_OK;
}

static bool is_spread(const struct engine *e)
{
    return e->ranks->comm.nranks > 1 && e->job.prepared.job->model.simulator == FF_SIM_LPT;
}

static ff_err run(void *self, const struct ff_work *w, const struct ff_work_io *io, struct ff_work_end *end,
                  ff_ctx *ctx)
{
    struct engine *e = self;
    struct inputs inputs = {0};
    struct ff_work own = *w;
    ff_err err = FF_OK;
    if (w->memory_bytes > 0)
        err = ff_memory_require((size_t)w->memory_bytes, "/resources", "a gang with more memory is needed", ctx);
    if (!err) err = prepare(&e->job, w, io->threads, ctx);
    if (!err) err = inputs_init(&inputs, w, ctx);
    if (!err && is_spread(e))
        err = run_together(e, &own, io, &inputs, end, ctx);
    else if (!err)
        err = run_task(e, NULL, w, io, &inputs, end, ctx);
    inputs_done(&inputs);
    return err;
}

static double assemble_bytes(void)
{
    const char *text = getenv("FF_ASSEMBLE_BYTES");
    const double bytes = text ? strtod(text, NULL) : 0;
    return bytes > 0 ? bytes : 4.0 * (1 << 30);
}

ff_err ff_runner_open(struct ff_runner *out, struct ff_ranks *ranks, const char *scratch, ff_ctx *ctx)
{
    struct engine *e = calloc(1, sizeof *e);
    *out = (struct ff_runner){.run = run, .self = e};
    if (!e) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the engine");
    const char *place = scratch ? scratch : getenv("TMPDIR");
    e->assemble_bytes = assemble_bytes();
    e->ranks = ranks;
    e->place = place && *place ? place : "/tmp";
    ff_scratch_init(&e->scratch);
    return FF_OK;
}

void ff_runner_close(struct ff_runner *runner)
{
    struct engine *e = runner->self;
    if (e) {
        forget(&e->job);
        ff_scratch_done(&e->scratch);
    }
    free(e);
    *runner = (struct ff_runner){0};
}
