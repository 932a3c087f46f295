/* worker/job/noop.c - the task that does nothing, for tests of the service (job kind "noop"): it sleeps, tells its progress, and then fails
** in the way it was asked to. */
#include "worker/job/noop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "worker/job/meter.h"

static const double STEP_S = 0.01;

static void sleep_s(double seconds)
{
    const struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&t, NULL);
}

static ff_err stopped(const struct ff_task_run *t, ff_ctx *ctx)
{
    return ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "%s was stopped; it has nothing to keep", t->task->name);
}

/* Sleeps, as work would take its time. */
static ff_err pass_time(const struct ff_task_run *t, ff_ctx *ctx)
{
    const double seconds = t->run.prepared->job->sleep_s, begun = ff_clock_s();
    const long total = (long)(seconds / STEP_S) + 1;
    struct ff_meter meter;
    ff_meter_init(&meter, &t->run.sink, t->task->name, 0);
    for (long done = 0; ff_clock_s() - begun < seconds; done++) {
        if (ff_run_stopped(&t->run)) return stopped(t, ctx);
        const double left = seconds - (ff_clock_s() - begun);
        sleep_s(left < STEP_S ? left : STEP_S);
        if (done + 1 < total) ff_meter_count(&meter, "sleeping", done + 1, total);
    }
    ff_meter_count(&meter, "sleeping", total, total);
    return FF_OK;
}

/* No progress any more, as when a computation hangs; only being told to stop ends it. */
static ff_err hang(const struct ff_task_run *t, ff_ctx *ctx)
{
    while (!ff_run_stopped(&t->run)) sleep_s(STEP_S);
    return stopped(t, ctx);
}

static ff_err write_file(const char *path, long bytes, ff_ctx *ctx)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    FILE *file = fopen(path, "wbe");
    bool ok = file != NULL;
    for (long left = bytes; ok && left > 0;) {
        const size_t n = left < (long)sizeof block ? (size_t)left : sizeof block;
        ok = fwrite(block, 1, n, file) == n;
        left -= (long)n;
    }
    int why = errno;
    if (file && fclose(file) && ok) {
        ok = false;
        why = errno;
    }
    if (ok) return FF_OK;
    return ff_fail(ctx, why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO, FF_HERE, "%s cannot be written: %s",
                   path, strerror(why));
}

ff_err ff_run_noop(const struct ff_task_run *t, ff_ctx *ctx)
{
    const struct ff_job *job = t->run.prepared->job;
    ff_err err = pass_time(t, ctx);
    if (err) return err;
    if (!strcmp(job->fail, "error"))
        return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "%s fails, as it was asked to", t->task->name);
    if (!strcmp(job->fail, "nan"))
        return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "element %ld is not a number", t->task->first);
    if (!strcmp(job->fail, "crash")) raise(SIGKILL);
    if (!strcmp(job->fail, "hang")) return hang(t, ctx);
    return job->file_bytes > 0 && t->run.out ? write_file(t->run.out, job->file_bytes, ctx) : FF_OK;
}
