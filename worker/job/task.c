/* worker/job/task.c - see task.h: one function a kind of task. */
#include "worker/job/task.h"

#include "common/fault.h"
#include "worker/io/folder.h"
#include "worker/job/draws_team.h"
#include "worker/job/noop.h"
#include "worker/job/posterior.h"

static ff_err run_kind(const struct ff_task_run *t, enum ff_task_end *end, long *draws, ff_ctx *ctx)
{
    switch (t->task->kind) {
    case FF_TASK_CHAIN:
        return ff_run_chain(t, ctx);
    case FF_TASK_REDUCE:
        return ff_run_reduce(t, end, draws, ctx);
    case FF_TASK_CHUNK:
        return ff_run_chunk(t, ctx);
    case FF_TASK_MANIFEST:
        return ff_run_manifest(t, ctx);
    case FF_TASK_SIMULATE:
        return ff_run_simulate(&t->run, ctx);
    case FF_TASK_SPECTRUM:
        return ff_run_spectrum(&t->run, ctx);
    case FF_TASK_NOOP:
        return ff_run_noop(t, ctx);
    }
    return ff_fail(ctx, FF_EBUG, FF_HERE, "task %s is of no kind", t->task->name);
}

ff_err ff_run_task(const struct ff_task_run *t, enum ff_task_end *end, long *draws, ff_ctx *ctx)
{
    *end = FF_TASK_DONE;
    *draws = 0;
    const bool files = t->task->kind != FF_TASK_NOOP || t->run.prepared->job->file_bytes > 0;
    ff_err err = files && ff_run_leads(&t->run) ? ff_folder_make(t->run.ckpt_dir, ctx) : FF_OK;
    err = ff_share_error(t->run.comm, err, ctx);
    if (!err) err = run_kind(t, end, draws, ctx);
    if (err) ff_note(ctx, FF_HERE, "while running %s", t->task->name);
    ff_crash_point("task_end");
    return err;
}
