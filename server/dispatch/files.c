/* server/dispatch/files.c - see inner.h: bytes of gangs. A gang may write into the attempt it holds and read what that attempt
** builds on, nothing else; the store checks names and paths again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/dispatch/helpers.h"

static const char *text(const json_t *body, const char *key)
{
    const char *value = json_string_value(json_object_get(body, key));
    return value ? value : "";
}

/* Requests of one gang are done in order. */
static unsigned lane_of(const char *worker)
{
    unsigned sum = 0;
    for (; *worker; worker++) sum += (unsigned char)*worker;
    return sum;
}

static void submit(ff_dispatch *d, struct ff_peer *peer, struct ff_request *r)
{
    if (peer) peer->requests++;
    ff_helpers_submit(d->helpers, lane_of(r->worker), r);
}

/* ---- PUT ---- */

static bool may_write(const struct ff_peer *peer, const struct ff_attempt *attempt)
{
    const struct ff_attempt *held = peer->hold ? &peer->hold->attempt : &peer->late;
    return ff_attempt_equal(held, attempt);
}

void ff_files_put(ff_dispatch *d, struct ff_peer *peer, const struct ff_wire *message)
{
    struct ff_attempt attempt;
    if (!ff_attempt_read(message->body, &attempt) || ff_attempt_equal(&peer->done, &attempt)) return;
    if (!may_write(peer, &attempt)) {
        ff_send_stop(d, peer, &attempt, "fenced");
        return;
    }
    if (peer->hold) ff_hold_acknowledge(peer->hold);
    if (peer->requests >= FF_MAX_REQUESTS) return;
    struct ff_request *r = ff_request_new(FF_REQUEST_PUT, peer->row.id, &attempt);
    if (!r) return;
    snprintf(r->name, sizeof r->name, "%s", text(message->body, "name"));
    snprintf(r->sha256, sizeof r->sha256, "%s", text(message->body, "sha256"));
    r->offset = json_integer_value(json_object_get(message->body, "offset"));
    r->size = json_integer_value(json_object_get(message->body, "size"));
    r->nbytes = message->blob_size;
    r->bytes = malloc(r->nbytes ? r->nbytes : 1);
    ff_ctx ctx = {0};
    if (!r->bytes ||
        ff_storehouse_work_path(r->path, sizeof r->path, attempt.job, attempt.task, attempt.number, r->name, &ctx)) {
        ff_request_free(r);
        return;
    }
    if (r->nbytes) memcpy(r->bytes, message->blob, r->nbytes);
    submit(d, peer, r);
}

/* A chunk that does not fit, or a file whose hash is wrong, is said by `have`: the gang goes on from there. On a full disk
** there is no answer, and the gang tries again later. */
static void put_done(ff_dispatch *d, struct ff_peer *peer, const struct ff_request *r)
{
    if (r->ctx.code) ff_complain(d, "gang %s: %s was not stored: %s", peer->row.name, r->name, r->ctx.message);
    if (r->ctx.code && r->ctx.code != FF_ECORRUPT) return;
    ff_send(d, peer, FF_WIRE_STORED,
            json_pack("{ss ss si ss sI}", "job", r->attempt.job, "task", r->attempt.task, "attempt", r->attempt.number,
                      "name", r->name, "have", (json_int_t)(r->ctx.code ? 0 : r->have)),
            NULL, 0);
}

/* ---- GET ---- */

/* SHA-256 of a dataset that the gang's job names; NULL: none of its. */
static const char *dataset_hash(const struct ff_hold *hold, const char *id)
{
    size_t i;
    json_t *row;
    if (!hold->job) return NULL;
    json_array_foreach(hold->job->datasets, i, row)
    {
        if (strcmp(text(row, "id"), id) == 0) return text(row, "sha256");
    }
    return NULL;
}

/* Path of what is asked for in the store; false: not for this gang. */
static bool readable_path(const struct ff_peer *peer, const struct ff_attempt *a, const char *name, char path[512])
{
    const struct ff_hold *hold = peer->hold;
    ff_ctx ctx = {0};
    if (!hold) return false;
    if (!*a->job) {
        const char *hash = dataset_hash(hold, name);
        if (hash) snprintf(path, 512, "datasets/%s.h5", hash);
        return hash;
    }
    if (strcmp(a->job, hold->attempt.job) != 0 && strcmp(a->job, hold->extended) != 0) return false;
    return !ff_storehouse_work_path(path, 512, a->job, a->task, a->number, name, &ctx);
}

void ff_files_get(ff_dispatch *d, struct ff_peer *peer, const struct ff_wire *message)
{
    struct ff_attempt attempt;
    if (!ff_attempt_read(message->body, &attempt) || peer->requests >= FF_MAX_REQUESTS) return;
    if (peer->hold) ff_hold_acknowledge(peer->hold);
    struct ff_request *r = ff_request_new(FF_REQUEST_GET, peer->row.id, &attempt);
    if (!r) return;
    snprintf(r->name, sizeof r->name, "%s", text(message->body, "name"));
    r->offset = json_integer_value(json_object_get(message->body, "offset"));
    if (!readable_path(peer, &attempt, r->name, r->path)) {
        ff_complain(d, "gang %s asks for %s, which its task does not build on", peer->row.name, r->name);
        ff_request_free(r);
        return;
    }
    submit(d, peer, r);
}

/* What cannot be read is an empty file to the gang, whose hash will be wrong. */
static void get_done(ff_dispatch *d, struct ff_peer *peer, const struct ff_request *r)
{
    const bool failed = r->ctx.code != FF_OK;
    if (failed) ff_complain(d, "gang %s: %s cannot be sent: %s", peer->row.name, r->name, r->ctx.message);
    const size_t n = failed ? 0 : r->nbytes;
    const int64_t total = failed ? 0 : r->total;
    ff_send(d, peer, FF_WIRE_CHUNK,
            json_pack("{ss ss si ss sI sI sb}", "job", r->attempt.job, "task", r->attempt.task, "attempt",
                      r->attempt.number, "name", r->name, "offset", (json_int_t)r->offset, "size", (json_int_t)total,
                      "eof", (int)(r->offset + (int64_t)n >= total)),
            r->bytes, n);
}

/* ---- results ---- */

bool ff_files_accept(ff_dispatch *d, struct ff_peer *peer, const struct ff_attempt *attempt, json_t *body)
{
    const json_t *file = ff_commit_result(body);
    if (!file || peer->requests >= FF_MAX_REQUESTS) return false;
    struct ff_request *r = ff_request_new(FF_REQUEST_ACCEPT, peer->row.id, attempt);
    if (!r) return false;
    snprintf(r->name, sizeof r->name, "%s", text(file, "name"));
    snprintf(r->sha256, sizeof r->sha256, "%s", text(file, "sha256"));
    r->size = json_integer_value(json_object_get(file, "size"));
    r->body = json_incref(body);
    submit(d, peer, r);
    return true;
}

/* A result that is not what the gang said, or cannot be put in its place, is nobody's result: the task is done again. */
static void accept_done(ff_dispatch *d, struct ff_peer *peer, struct ff_request *r)
{
    struct ff_hold *hold = ff_hold_find(d, &r->attempt);
    struct ff_op *op = ff_op_add(&d->turn, FF_OP_COMMIT);
    if (!op) {
        if (hold) hold->verifying = false;
        return;
    }
    op->peer = peer;
    op->hold = hold;
    op->attempt = r->attempt;
    op->body = r->body;
    r->body = NULL;
    if (!r->ctx.code) {
        memcpy(op->path, r->path, sizeof op->path);
        op->chunk_bytes = r->chunk_bytes;
        return;
    }
    ff_log(d, "error", "the result of %s %s is not accepted: %s", r->attempt.job, r->attempt.task, r->ctx.message);
    op->reason = r->ctx.code == FF_EDISKFULL ? "disk_full" : r->ctx.code == FF_ECORRUPT ? "result_corrupt" : "storage";
    snprintf(op->message, sizeof op->message, "%s", r->ctx.message);
}

void ff_files_drop(ff_dispatch *d, const struct ff_attempt *keep)
{
    struct ff_request *r = ff_request_new(FF_REQUEST_DROP, "", keep);
    if (r) ff_helpers_submit(d->helpers, lane_of(keep->job), r);
}

bool ff_is_manifest(const struct ff_attempt *attempt)
{
    return strcmp(attempt->task, "manifest") == 0;
}

void ff_files_tidy(ff_dispatch *d, const struct ff_attempt *manifest, int64_t chunk_bytes)
{
    struct ff_request *r = ff_request_new(FF_REQUEST_TIDY, "", manifest);
    if (!r) return; /* the next start does it (start.c) */
    r->chunk_bytes = chunk_bytes;
    ff_helpers_submit(d->helpers, lane_of(manifest->job), r);
}

/* ---- what a task builds on ---- */

static void send_prepared(ff_dispatch *d, struct ff_hold *hold, const struct ff_lease *lease, const json_t *files,
                          ff_ctx *ctx)
{
    if (!ff_task_compose(d, hold, lease, false, files, ctx)) ff_send_task(d, hold);
}

void ff_files_prepare(ff_dispatch *d, struct ff_hold *hold, struct ff_lease *lease)
{
    ff_ctx ctx = {0};
    json_t *wanted = ff_lease_files(lease);
    if (wanted && json_array_size(wanted) == 0) { /* it builds on nothing */
        send_prepared(d, hold, lease, wanted, &ctx);
        json_decref(wanted);
        if (ctx.code) hold->ends = ff_boot_ms();
        return;
    }
    struct ff_request *r = ff_request_new(FF_REQUEST_LIST, hold->worker, &hold->attempt);
    if (!r || !wanted) {
        ff_request_free(r);
        json_decref(wanted);
        hold->ends = ff_boot_ms(); /* no memory: back to the queue */
        return;
    }
    r->list = wanted;
    r->lease = *lease;
    *lease = (struct ff_lease){0};
    hold->preparing = true;
    submit(d, hold->peer, r);
}

static void prepare_done(ff_dispatch *d, struct ff_request *r)
{
    struct ff_hold *hold = ff_hold_find(d, &r->attempt);
    if (!hold) return;
    hold->preparing = false;
    ff_hold_renew(d, hold, ff_boot_ms());
    ff_ctx *ctx = &r->ctx;
    if (!ctx->code) send_prepared(d, hold, &r->lease, r->files, ctx);
    if (!ctx->code) return;
    ff_log(d, "error", "%s %s cannot be sent: %s", r->attempt.job, r->attempt.task, ctx->message);
    struct ff_op *op = ff_op_add(&d->turn, FF_OP_COMMIT);
    if (!op) {
        hold->ends = ff_boot_ms();
        return;
    }
    op->hold = hold;
    op->attempt = hold->attempt;
    op->reason = "storage";
    snprintf(op->message, sizeof op->message, "%s", ctx->message);
}

/* ---- answers ---- */

void ff_files_collect(ff_dispatch *d)
{
    for (struct ff_request *r = ff_helpers_take(d->helpers), *next; r; r = next) {
        next = r->next;
        struct ff_peer *peer = *r->worker ? ff_peer_by_worker(d, r->worker) : NULL;
        if (peer) peer->requests--;
        if (r->kind == FF_REQUEST_PUT && peer) put_done(d, peer, r);
        if (r->kind == FF_REQUEST_GET && peer) get_done(d, peer, r);
        if (r->kind == FF_REQUEST_ACCEPT) accept_done(d, peer, r);
        if (r->kind == FF_REQUEST_LIST) prepare_done(d, r);
        ff_request_free(r);
    }
}
