/* common/tasks.c - a job as tasks (declared in job.h): what the server hands out and what one worker runs in turn. */
#include <stdio.h>
#include <stdlib.h>

#include "common/job.h"

static struct ff_task task(enum ff_task_kind kind, const char *word, long number, long first, long count)
{
    struct ff_task t = {.kind = kind, .first = first, .count = count};
    if (number < 0) {
        snprintf(t.name, sizeof t.name, "%s", word);
    } else {
        snprintf(t.name, sizeof t.name, "%s-%ld", word, number);
    }
    return t;
}

/* How many tasks of the same kind come before the last one. */
static long task_parts(const struct ff_job *job)
{
    if (job->kind == FF_POSTERIOR) return job->sampler.chains;
    if (job->kind == FF_NOOP) return job->count;
    return job->kind == FF_DRAWS ? (job->count - 1) / job->chunk + 1 : 0;
}

static struct ff_task part(const struct ff_job *job, long i)
{
    if (job->kind == FF_POSTERIOR) return task(FF_TASK_CHAIN, "chain", i, i, 1);
    if (job->kind == FF_NOOP) return task(FF_TASK_NOOP, "noop", i, i, 1);
    long first = i * job->chunk, left = job->count - first;
    return task(FF_TASK_CHUNK, "draws", i, first, left < job->chunk ? left : job->chunk);
}

ff_err ff_tasks_split(const struct ff_job *job, struct ff_task **tasks, int *ntasks, ff_ctx *ctx)
{
    long parts = task_parts(job);
    struct ff_task *t = calloc((size_t)parts + 1, sizeof *t);
    *tasks = t;
    *ntasks = 0;
    if (!t) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld tasks", parts + 1);
    for (long i = 0; i < parts; i++) t[i] = part(job, i);
    *ntasks = (int)parts + 1;
    switch (job->kind) {
    case FF_POSTERIOR:
        t[parts] = task(FF_TASK_REDUCE, "reduce", -1, 0, 0);
        break;
    case FF_DRAWS:
        t[parts] = task(FF_TASK_MANIFEST, "manifest", -1, 0, 0);
        break;
    case FF_SIMULATE:
        t[parts] = task(FF_TASK_SIMULATE, "simulate", -1, 0, job->count);
        break;
    case FF_SPECTRUM:
        t[parts] = task(FF_TASK_SPECTRUM, "spectrum", -1, 0, 0);
        break;
    case FF_NOOP: /* nothing waits for the others */
        *ntasks = (int)parts;
        break;
    default:
        free(t);
        *tasks = NULL;
        *ntasks = 0;
        return ff_fail_at(ctx, FF_ENOTBUILT, "/kind", FF_HERE, "a job of kind %s has no tasks in this build",
                          ff_kind_name(job->kind));
    }
    return FF_OK;
}
