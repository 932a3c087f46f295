/* server/http/jobs.c - jobs listed, looked at, cancelled. */
#include <string.h>

#include "server/http/reply.h"
#include "server/queue/jobs.h"

struct query {
    struct ff_request *r;
    struct ff_job_filter filter;
    json_t *out;
};

static ff_err list(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_jobs_list(tx, &q->r->who, &q->filter, &q->out, ctx);
}

ff_err ff_get_jobs(struct ff_request *r, ff_ctx *ctx)
{
    enum { DEFAULT_LIMIT = 50, MAX_LIMIT = 500 };
    struct query q = {.r = r};
    long limit;
    ff_err err = ff_query_number(&r->query, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT, &limit, ctx);
    if (!err)
        err = ff_query_word(&r->query, "state", "queued running cancelling succeeded failed crashed cancelled",
                            &q.filter.state, ctx);
    if (!err)
        err = ff_query_word(&r->query, "kind", "simulate draws posterior implicit spectrum compare noop",
                            &q.filter.kind, ctx);
    if (!err) err = ff_query_flag(&r->query, "all", &q.filter.all_users, ctx);
    if (err) return err;
    if (q.filter.all_users && !r->who.admin)
        return ff_fail_at(ctx, FF_EFORBIDDEN, "all", FF_HERE, "only an administrator may see the jobs of others");
    q.filter.limit = (int)limit;
    q.filter.cursor = ff_query_text(&r->query, "cursor");
    err = ff_queue_read(r->http->config.queue, list, &q, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_OK, q.out, ctx);
}

static ff_err get(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_jobs_get(tx, &q->r->who, q->r->match.args[0], true, &q->out, ctx);
}

static void set_expiry(void *self, const char *task, int attempt, int64_t ends_ms)
{
    char text[FF_TIME_SIZE];
    json_t *shown = json_object_get(self, task);
    if (json_integer_value(json_object_get(shown, "attempt")) != attempt) return;
    ff_time_text(ends_ms, text);
    json_object_set_new(shown, "lease_expires", json_string(text));
}

/* The queue does not know when leases end: dispatch does. */
static void add_expiries(ff_dispatch *dispatch, json_t *job)
{
    json_t *running = json_object(), *task; /* by name */
    size_t i;
    json_array_foreach(json_object_get(job, "tasks"), i, task)
    {
        if (strcmp(json_string_value(json_object_get(task, "state")), "running") == 0)
            json_object_set(running, json_string_value(json_object_get(task, "name")), task);
    }
    if (json_object_size(running))
        ff_dispatch_leases(dispatch, json_string_value(json_object_get(job, "id")), set_expiry, running);
    json_decref(running);
}

ff_err ff_get_job(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_read(r->http->config.queue, get, &q, ctx);
    if (err) return err;
    if (r->http->config.dispatch) add_expiries(r->http->config.dispatch, q.out);
    return ff_reply_json(r, MHD_HTTP_OK, q.out, ctx);
}

static ff_err cancel(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    const char *id = q->r->match.args[0];
    ff_err err = ff_jobs_cancel(tx, &q->r->who, id, "user", ctx);
    return err ? err : ff_jobs_get(tx, &q->r->who, id, false, &q->out, ctx);
}

ff_err ff_delete_job(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_write(r->http->config.queue, cancel, &q, ctx);
    if (!err) return ff_reply_json(r, MHD_HTTP_ACCEPTED, q.out, ctx);
    json_decref(q.out); /* the commit failed after the function had succeeded */
    return err;
}
