/* server/http/datasets.c - datasets: uploaded, listed, removed. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "server/http/reply.h"
#include "server/queue/datasets.h"

struct query {
    struct ff_request *r;
    struct ff_dataset_row row;
    long limit;
    json_t *out;
    bool orphan;
};

static json_t *as_json(const struct ff_dataset_row *row)
{
    char created[FF_TIME_SIZE];
    ff_time_text(row->created_ms, created);
    return json_pack("{ss ss ss ss sI ss}", "id", row->id, "kind", row->kind, "name", row->name, "sha256", row->sha256,
                     "size", (json_int_t)row->size, "created", created);
}

/* ?name=, else X-Name, else "". */
static ff_err name_of(struct ff_request *r, struct ff_dataset_row *row, ff_ctx *ctx)
{
    const char *name = ff_query_text(&r->query, "name");
    if (!name) name = ff_request_header(r, "X-Name");
    if (!name) return FF_OK;
    if (strlen(name) >= sizeof row->name || !ff_text_is_plain(name, strlen(name)))
        return ff_fail_at(ctx, FF_EBADREQUEST, "name", FF_HERE, "allowed: at most %zu bytes of UTF-8 text",
                          sizeof row->name - 1);
    snprintf(row->name, sizeof row->name, "%s", name);
    return FF_OK;
}

static ff_err add(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_datasets_add(tx, &q->r->who, &q->row, ctx);
}

/* The same bytes may have had a row whose removal took the file away after this upload found it. */
static ff_err add_row(struct query *q, ff_ctx *ctx)
{
    struct ff_http *h = q->r->http;
    char path[FF_PATH_SIZE];
    ff_storehouse_dataset_path(h->config.store, q->row.sha256, path, sizeof path);
    pthread_mutex_lock(&h->dataset_lock);
    ff_err err = access(path, F_OK) == 0
                     ? FF_OK
                     : ff_fail(ctx, FF_EBUSY, FF_HERE, "the same dataset was removed at this moment; send it again");
    if (!err) err = ff_queue_write(h->config.queue, add, q, ctx);
    pthread_mutex_unlock(&h->dataset_lock);
    return err;
}

ff_err ff_post_dataset(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    struct ff_upload *upload = r->upload;
    ff_err err = name_of(r, &q.row, ctx);
    if (err) return err;
    r->upload = NULL; /* ended in any case */
    err = ff_upload_end(upload, q.row.sha256, q.row.kind, &q.row.size, ctx);
    if (!err) err = add_row(&q, ctx);
    if (!err) err = ff_reply_json(r, MHD_HTTP_CREATED, as_json(&q.row), ctx);
    if (!err) ff_reply_location(r, "/v1/datasets", q.row.id);
    return err;
}

static ff_err list(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_datasets_list(tx, &q->r->who, (int)q->limit, ff_query_text(&q->r->query, "cursor"), &q->out, ctx);
}

ff_err ff_get_datasets(struct ff_request *r, ff_ctx *ctx)
{
    enum { DEFAULT_LIMIT = 50, MAX_LIMIT = 500 };
    struct query q = {.r = r};
    ff_err err = ff_query_number(&r->query, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT, &q.limit, ctx);
    if (!err) err = ff_queue_read(r->http->config.queue, list, &q, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_OK, q.out, ctx);
}

static ff_err find(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_datasets_find(tx, &q->r->who, q->r->match.args[0], &q->row, ctx);
}

ff_err ff_get_dataset(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_read(r->http->config.queue, find, &q, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_OK, as_json(&q.row), ctx);
}

static ff_err drop(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    ff_err err = find(tx, q, ctx);
    return err ? err : ff_datasets_remove(tx, &q->r->who, q->row.id, &q->orphan, ctx);
}

ff_err ff_delete_dataset(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    pthread_mutex_lock(&r->http->dataset_lock);
    ff_err err = ff_queue_write(r->http->config.queue, drop, &q, ctx);
    if (!err && q.orphan) ff_storehouse_drop_dataset(r->http->config.store, q.row.sha256);
    pthread_mutex_unlock(&r->http->dataset_lock);
    if (err) return err;
    return ff_reply_empty(r, MHD_HTTP_NO_CONTENT, ctx);
}
