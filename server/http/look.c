/* server/http/look.c - see look.h. */
#include "server/http/look.h"

#include <stdlib.h>
#include <string.h>

struct job_query {
    struct ff_request *r;
    struct ff_job_row *row;
    struct ff_look *look;
};

static ff_err find(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct job_query *q = arg;
    return ff_jobs_find(tx, &q->r->who, q->r->match.args[0], q->row, ctx);
}

ff_err ff_look_job(struct ff_request *r, struct ff_job_row *row, ff_ctx *ctx)
{
    struct job_query q = {.r = r, .row = row};
    return ff_queue_read(r->http->config.queue, find, &q, ctx);
}

static ff_err attempts(struct ff_look *look, const json_t *job, ff_ctx *ctx)
{
    size_t i;
    json_t *task;
    int failed = !(look->attempts = json_object()) || !(look->done = json_object());
    json_array_foreach(json_object_get(job, "tasks"), i, task)
    {
        const char *name = json_string_value(json_object_get(task, "name"));
        const char *state = json_string_value(json_object_get(task, "state"));
        json_t *attempt = json_object_get(task, "attempt");
        if (failed || !name || !state || json_integer_value(attempt) < 1) continue;
        failed |= json_object_set(look->attempts, name, attempt);
        if (strcmp(state, "succeeded") == 0) failed |= json_object_set(look->done, name, attempt);
    }
    return failed ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the attempts of a job") : FF_OK;
}

static ff_err look_all(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct job_query *q = arg;
    struct ff_look *look = q->look;
    const struct ff_who *who = &q->r->who;
    const char *id = q->r->match.args[0];
    ff_err err = ff_jobs_find(tx, who, id, &look->job, ctx);
    if (!err) err = ff_jobs_spec(tx, who, id, &look->spec, ctx);
    if (err) return err;
    err = ff_results_find(tx, who, id, &look->result, ctx);
    look->has_result = err == FF_OK;
    if (err == FF_ENOTFOUND)
        ff_ctx_clear(ctx);
    else if (err || !look->result.chunk_bytes)
        return err;
    json_t *job = NULL;
    err = ff_jobs_get(tx, who, id, true, &job, ctx);
    if (!err) err = attempts(look, job, ctx);
    json_decref(job);
    return err;
}

ff_err ff_look_all(struct ff_request *r, struct ff_look *look, ff_ctx *ctx)
{
    *look = (struct ff_look){0};
    struct job_query q = {.r = r, .look = look};
    ff_err err = ff_queue_read(r->http->config.queue, look_all, &q, ctx);
    if (err) ff_look_done(look);
    return err;
}

void ff_look_done(struct ff_look *look)
{
    json_decref(look->attempts);
    json_decref(look->done);
    free(look->spec);
    *look = (struct ff_look){0};
}

ff_err ff_look_no_result(const struct ff_job_row *job, ff_ctx *ctx)
{
    if (strcmp(job->state, "succeeded") == 0) return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "the job has no result file");
    return ff_fail(ctx, FF_ECONFLICT, FF_HERE, "the job is %s: it has no result%s", job->state,
                   job->ended ? "" : " yet");
}

static ff_err flag_corrupt(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_results_flag_corrupt(tx, arg, ctx);
}

void ff_look_corrupt(struct ff_request *r, const struct ff_result_row *result)
{
    ff_ctx ignored = {0};
    if (!result->corrupt && ff_queue_write(r->http->config.queue, flag_corrupt, (void *)result->job, &ignored))
        ff_http_log(r->http, "error", "%s: a corrupt result could not be flagged: %s", r->id, ignored.message);
}
