/* server/dispatch/task.c - see inner.h: the TASK message. A task is data only: the job's spec with every default filled in,
** which part of it to do, and the files it builds on. Specs are parsed once for the tasks of a job that follow each other. */
#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "server/dispatch/inner.h"
#include "server/queue/datasets.h"

static ff_err no_memory(ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a task");
}

/* ---- what the tasks of a job have in common ---- */

/* The datasets that the job names, as rows. */
static ff_err find_datasets(ff_tx *tx, const struct ff_job *job, json_t *list, ff_ctx *ctx)
{
    const struct ff_who everybody = {.admin = true};
    const char *ids[FF_MAX_DATASETS];
    const int n = ff_job_datasets(job, ids);
    for (int i = 0; i < n; i++) {
        struct ff_dataset_row row;
        ff_err err = ff_datasets_find(tx, &everybody, ids[i], &row, ctx);
        if (err) return err;
        json_t *item = json_pack("{ss ss sI}", "id", row.id, "sha256", row.sha256, "size", (json_int_t)row.size);
        if (json_array_append_new(list, item)) return no_memory(ctx);
    }
    return FF_OK;
}

static ff_err info_make(struct ff_job_info **out, ff_tx *tx, const struct ff_lease *lease, ff_ctx *ctx)
{
    struct ff_job *job = NULL;
    struct ff_job_info *info = calloc(1, sizeof *info);
    *out = NULL;
    if (!info) return no_memory(ctx);
    info->references = 1;
    memcpy(info->id, lease->job, sizeof info->id);
    info->datasets = json_array();
    const size_t size = strlen(lease->spec);
    ff_err err = info->datasets ? ff_json_parse(&info->spec, lease->spec, size, ctx) : no_memory(ctx);
    if (!err) err = ff_job_parse_posted(&job, lease->spec, size, true, ctx);
    if (!err) err = find_datasets(tx, job, info->datasets, ctx);
    ff_job_free(job);
    if (err) {
        ff_note(ctx, FF_HERE, "while %s is made ready for its gang", lease->job);
        ff_job_info_drop(info);
        return err;
    }
    *out = info;
    return FF_OK;
}

void ff_job_info_drop(struct ff_job_info *info)
{
    if (!info || --info->references > 0) return;
    json_decref(info->spec);
    json_decref(info->datasets);
    free(info);
}

ff_err ff_job_info_get(ff_dispatch *d, ff_tx *tx, const struct ff_lease *lease, struct ff_job_info **out, ff_ctx *ctx)
{
    for (int i = 0; i < FF_KEPT_JOBS; i++) {
        if (!d->jobs[i] || strcmp(d->jobs[i]->id, lease->job) != 0) continue;
        *out = d->jobs[i];
        (*out)->references++;
        return FF_OK;
    }
    ff_err err = info_make(out, tx, lease, ctx);
    if (err) return err;
    ff_job_info_drop(d->jobs[d->next_job]);
    d->jobs[d->next_job] = *out;
    d->next_job = (d->next_job + 1) % FF_KEPT_JOBS;
    (*out)->references++;
    return FF_OK;
}

void ff_job_infos_done(ff_dispatch *d)
{
    for (int i = 0; i < FF_KEPT_JOBS; i++) {
        ff_job_info_drop(d->jobs[i]);
        d->jobs[i] = NULL;
    }
}

/* ---- the message ---- */

/* Members of a lease's inputs that are no tasks. */
static bool is_task_name(const char *key)
{
    return strcmp(key, "resume") != 0 && strcmp(key, "extend") != 0;
}

static json_t *input_tasks(const json_t *inputs)
{
    json_t *tasks = json_object();
    const char *key;
    json_t *attempt;
    json_object_foreach((json_t *)inputs, key, attempt)
    {
        if (is_task_name(key)) json_object_set(tasks, key, attempt);
    }
    return tasks;
}

static int add_attempt(json_t *list, const char *job, const char *task, const json_t *attempt)
{
    json_int_t number = json_integer_value(attempt);
    if (number < 1) return 0;
    return json_array_append_new(list, json_pack("{ss ss sI}", "job", job, "task", task, "attempt", number));
}

json_t *ff_lease_files(const struct ff_lease *lease)
{
    json_t *list = json_array();
    int failed = list == NULL;
    const char *key;
    json_t *attempt;
    json_object_foreach(lease->inputs, key, attempt)
    {
        if (is_task_name(key)) failed |= add_attempt(list, lease->job, key, attempt);
    }
    failed |= add_attempt(list, lease->job, lease->task, json_object_get(lease->inputs, "resume"));
    const json_t *extend = json_object_get(lease->inputs, "extend");
    const char *job = json_string_value(json_object_get(extend, "job"));
    json_object_foreach(json_object_get(extend, "attempts"), key, attempt)
    {
        if (job) failed |= add_attempt(list, job, key, attempt);
    }
    if (!failed) return list;
    json_decref(list);
    return NULL;
}

/* The datasets, each with its path where the gang sees the store. */
static json_t *datasets_of(const ff_dispatch *d, const struct ff_job_info *info, bool shared)
{
    if (!shared) return json_incref(info->datasets);
    json_t *list = json_array();
    size_t i;
    json_t *row;
    json_array_foreach(info->datasets, i, row)
    {
        char path[4096];
        json_t *item = json_copy(row);
        ff_storehouse_dataset_path(d->store, json_string_value(json_object_get(row, "sha256")), path, sizeof path);
        json_object_set_new(item, "path", json_string(path));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *compose_body(const ff_dispatch *d, const struct ff_hold *hold, const struct ff_lease *lease, bool shared,
                            const json_t *files)
{
    json_t *extend = json_object_get(lease->inputs, "extend");
    return json_pack("{ss ss si sI sI ss sO so so sI sO* so so sf}", "job", lease->job, "task", lease->task, "attempt",
                     lease->attempt, "first", (json_int_t)lease->first, "count", (json_int_t)lease->count, "kind",
                     lease->kind, "spec", hold->job->spec, "state",
                     lease->state ? json_incref(lease->state) : json_object(), "inputs", input_tasks(lease->inputs),
                     "resume", json_integer_value(json_object_get(lease->inputs, "resume")), "extend",
                     json_is_object(extend) ? extend : NULL, "datasets", datasets_of(d, hold->job, shared), "files",
                     files ? json_incref((json_t *)files) : json_array(), "walltime_s", lease->walltime_s);
}

ff_err ff_task_compose(ff_dispatch *d, struct ff_hold *hold, const struct ff_lease *lease, bool shared,
                       const json_t *files, ff_ctx *ctx)
{
    const struct ff_wire message = {.type = FF_WIRE_TASK, .body = compose_body(d, hold, lease, shared, files)};
    if (!message.body) return no_memory(ctx);
    ff_err err = ff_wire_encode(&message, &hold->message, &hold->message_size, ctx);
    json_decref(message.body);
    if (err) ff_note(ctx, FF_HERE, "the message of %s %s", lease->job, lease->task);
    return err;
}
