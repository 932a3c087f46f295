/* worker/job/run.c - see run.h: one job of any kind, from a clean checkpoint folder to a result in place. */
#include "worker/job/run.h"

#include <stdlib.h>

#include "common/version.h"
#include "worker/io/folder.h"
#include "worker/job/draws_team.h"
#include "worker/job/posterior.h"
#include "worker/job/result_info.h"
#include "worker/job/task.h"

struct ff_result_info ff_run_result_info(const struct ff_run *run, uint64_t plan_hash)
{
    const struct ff_job *job = run->prepared->job;
    return (struct ff_result_info){.spec = run->prepared->spec,
                                   .kind = ff_kind_name(job->kind),
                                   .name = job->name,
                                   .seed = job->seed,
                                   .backend = "cpu",
                                   .device = ff_cpu_class(),
                                   .ranks = ff_run_nranks(run),
                                   .plan_hash = plan_hash};
}

void ff_run_tell(const struct ff_run *run, const char *task, const char *state, const char *message)
{
    ff_emit_state(&run->sink, task, state, NULL, message);
}

void ff_run_tell_end(const struct ff_run *run, const char *task, ff_err err, const ff_ctx *ctx)
{
    const char *state = !err ? "succeeded" : err == FF_EINTERRUPTED ? "cancelled" : "failed";
    ff_run_tell(run, task, state, err && ctx ? ctx->message : NULL);
}

/* Tasks that need nothing of each other, one after another. */
static ff_err run_in_turn(const struct ff_run *run, const struct ff_task *tasks, int ntasks, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int i = 0; !err && i < ntasks; i++) {
        const struct ff_task_run task = {.run = *run, .task = &tasks[i]};
        enum ff_task_end end;
        long draws;
        ff_run_tell(run, tasks[i].name, "running", NULL);
        err = ff_run_task(&task, &end, &draws, ctx);
        ff_run_tell_end(run, tasks[i].name, err, ctx);
    }
    return err;
}

static ff_err run_tasks(const struct ff_run *run, const struct ff_task *tasks, int ntasks, ff_ctx *ctx)
{
    switch (run->prepared->job->kind) {
    case FF_POSTERIOR:
        return ff_run_posterior(run, tasks, ctx);
    case FF_DRAWS:
        return ff_run_draws(run, tasks, ntasks, ctx);
    default:
        return run_in_turn(run, tasks, ntasks, ctx);
    }
}

/* The folder of checkpoints, empty unless the run goes on from them. */
static ff_err make_folder(const struct ff_run *run, ff_ctx *ctx)
{
    ff_err err = ff_folder_check_out(run->out, ctx);
    if (!err && !run->resume) err = ff_folder_remove(run->ckpt_dir, ctx);
    return err ? err : ff_folder_make(run->ckpt_dir, ctx);
}

ff_err ff_run_job(const struct ff_run *run, ff_ctx *ctx)
{
    const bool lead = ff_run_leads(run);
    struct ff_task *tasks = NULL;
    int ntasks;
    ff_err err = ff_tasks_split(run->prepared->job, &tasks, &ntasks, ctx);
    if (!err && lead) err = make_folder(run, ctx);
    err = ff_share_error(run->comm, err, ctx);
    if (!err) {
        ff_run_tell(run, NULL, "running", NULL);
        err = run_tasks(run, tasks, ntasks, ctx);
        if (err) ff_note(ctx, FF_HERE, "while running the %s job", ff_kind_name(run->prepared->job->kind));
        if (!err && lead) err = ff_folder_remove(run->ckpt_dir, ctx);
    }
    free(tasks);
    return err;
}
