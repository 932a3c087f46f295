/* server/http/request.c - the life of a request (server.h), as callbacks of the daemon. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/http/begin.h"
#include "server/http/hands.h"
#include "server/http/metrics.h"
#include "server/http/peers.h"
#include "server/http/reply.h"

int64_t ff_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t ff_monotonic_ms(void)
{
    return ff_monotonic_us() / 1000;
}

void ff_http_log(struct ff_http *h, const char *level, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    if (!h->config.log) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    h->config.log(h->config.log_self, level, text);
}

const char *ff_request_header(const struct ff_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

ff_err ff_request_hold(struct ff_request *r, long long bytes, ff_ctx *ctx)
{
    if (atomic_fetch_add(&r->http->held_bytes, bytes) + bytes > FF_BODIES_MAX) {
        atomic_fetch_sub(&r->http->held_bytes, bytes);
        return ff_fail(ctx, FF_EBUSY, FF_HERE, "requests under way hold %d bytes already", FF_BODIES_MAX);
    }
    r->held += bytes;
    return FF_OK;
}

static void request_free(struct ff_request *r)
{
    if (!r) return;
    if (r->upload) ff_upload_abandon(r->upload);
    if (r->response) MHD_destroy_response(r->response);
    atomic_fetch_sub(&r->http->held_bytes, r->held);
    free(r->body);
    free(r->uri);
    free(r);
}

void *ff_on_uri(void *self, const char *uri, struct MHD_Connection *connection)
{
    struct ff_request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->http = self;
    r->connection = connection;
    r->start_us = ff_monotonic_us();
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    r->peer = info ? info->socket_context : NULL;
    ff_id_make("rq_", r->id);
    r->uri = strdup(uri);
    if (!r->uri) {
        request_free(r);
        return NULL;
    }
    char *mark = strchr(r->uri, '?');
    if (mark) *mark = '\0';
    r->query_text = mark ? mark + 1 : "";
    ff_peer_phase(r->http->peers, r->peer, FF_PHASE_HEADERS, ff_monotonic_ms());
    return r;
}

/* Hands the response to the daemon. */
static enum MHD_Result answer(struct ff_request *r)
{
    if (!r->response) return MHD_NO; /* no memory for one: the connection is closed */
    r->stage = FF_STAGE_ANSWERED;
    ff_peer_phase(r->http->peers, r->peer, FF_PHASE_BUSY, ff_monotonic_ms());
    if (r->close) ff_reply_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result queued = MHD_queue_response(r->connection, (unsigned)r->status, r->response);
    MHD_destroy_response(r->response); /* the daemon holds its own reference */
    r->response = NULL;
    return queued;
}

static enum MHD_Result on_headers(struct ff_request *r, const char *method)
{
    ff_ctx ctx = {0};
    snprintf(r->method, sizeof r->method, "%s", method);
    r->stage = FF_STAGE_BODY;
    ff_err err = ff_request_begin(r, &ctx);
    if (err && r->close) { /* before the body is sent; the connection ends, since the body may be anything */
        ff_reply_problem(r, &ctx);
        return answer(r);
    }
    if (err) r->refused = ctx; /* there is no body: answered when the request is whole, so that the connection stays */
    ff_peer_phase(r->http->peers, r->peer, FF_PHASE_BODY, ff_monotonic_ms());
    return MHD_YES;
}

/* Appends to r->body, growing it towards the route's limit. */
static ff_err keep(struct ff_request *r, const char *data, size_t size, ff_ctx *ctx)
{
    if (r->nbody + size > r->body_room) {
        size_t room = r->body_room ? 2 * r->body_room : 4096;
        while (room < r->nbody + size) room *= 2;
        ff_err err = ff_request_hold(r, (long long)(room - r->body_room), ctx);
        if (err) return err;
        char *body = realloc(r->body, room);
        if (!body) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a body of %zu bytes", room);
        r->body = body;
        r->body_room = room;
    }
    memcpy(r->body + r->nbody, data, size);
    r->nbody += size;
    return FF_OK;
}

/* A piece of the body. Once it is refused the rest is thrown away, so that the client hears why; but not without end. */
static enum MHD_Result on_body(struct ff_request *r, const char *data, size_t size)
{
    ff_peer_received(r->http->peers, r->peer, (int64_t)size);
    r->received += (int64_t)size;
    if (!r->refused.code && r->received > ff_request_limit(r) && ff_request_too_large(r, &r->refused)) r->close = true;
    if (!r->refused.code) {
        ff_err err = r->upload ? ff_upload_write(r->upload, data, size, &r->refused) : keep(r, data, size, &r->refused);
        if (err) ff_note(&r->refused, FF_HERE, "taking the body of a request");
    }
    if (!r->refused.code) return MHD_YES;
    r->close = true;
    r->discarded += (int64_t)size;
    return r->discarded > FF_DISCARD_MAX ? MHD_NO : MHD_YES;
}

void ff_request_work(struct ff_request *r)
{
    ff_ctx ctx = {0};
    ff_err err = r->match.route->handle(r, &ctx);
    if (!err && !r->response) err = ff_fail(&ctx, FF_EBUG, FF_HERE, "a handler left no answer");
    if (err) ff_reply_problem(r, &ctx);
}

static enum MHD_Result on_whole(struct ff_request *r)
{
    ff_ctx ctx = {0};
    r->stage = FF_STAGE_WORK;
    ff_peer_phase(r->http->peers, r->peer, FF_PHASE_BUSY, ff_monotonic_ms());
    if (r->refused.code) {
        ff_reply_problem(r, &r->refused);
    } else if (r->match.route->at_once) {
        ff_request_work(r);
    } else if (ff_hands_push(r->http->hands, r)) {
        return MHD_YES; /* called again when the connection is resumed */
    } else {
        ff_fail(&ctx, FF_EBUSY, FF_HERE, "the server is stopping");
        ff_reply_problem(r, &ctx);
    }
    return answer(r);
}

enum MHD_Result ff_on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **request)
{
    struct ff_request *r = *request;
    (void)self, (void)connection, (void)url, (void)version;
    if (!r) return MHD_NO;
    if (r->stage == FF_STAGE_NEW) return on_headers(r, method);
    if (r->stage == FF_STAGE_BODY && *size > 0) {
        const size_t n = *size;
        *size = 0;
        return on_body(r, data, n);
    }
    if (r->stage == FF_STAGE_BODY) return on_whole(r);
    return r->stage == FF_STAGE_WORK ? answer(r) : MHD_YES;
}

void ff_on_completed(void *self, struct MHD_Connection *connection, void **request,
                     enum MHD_RequestTerminationCode code)
{
    struct ff_http *h = self;
    struct ff_request *r = *request;
    (void)connection, (void)code;
    *request = NULL;
    if (!r) return;
    const char *route = r->match.route ? r->match.route->pattern : "-";
    const int status =
        r->stage == FF_STAGE_ANSWERED ? r->status : 0; /* 0: the client went before there was an answer */
    ff_metrics_count(h->metrics, r->match.route, status);
    if (h->config.access)
        h->config.access(h->config.log_self, r->id, *r->method ? r->method : "-", route, status, r->bytes,
                         (double)(ff_monotonic_us() - r->start_us) / 1e3, *r->user ? r->user : "-");
    ff_peer_phase(h->peers, r->peer, FF_PHASE_IDLE, ff_monotonic_ms());
    request_free(r);
}

void ff_on_connection(void *self, struct MHD_Connection *connection, void **peer,
                      enum MHD_ConnectionNotificationCode code)
{
    struct ff_http *h = self;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        ff_peers_remove(h->peers, *peer);
        *peer = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *peer = info ? ff_peers_add(h->peers, info->connect_fd, h->local, ff_monotonic_ms()) : NULL;
}
