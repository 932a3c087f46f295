/* server/dispatch/send.c - see inner.h: messages to gangs. Nothing here waits: what a slow or lost gang cannot take is dropped
** and its own repetition (COMMIT, HELLO, heartbeat) brings it again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/fault.h"
#include "server/dispatch/inner.h"

/* 0; EHOSTUNREACH: no such connection; EAGAIN: its queue is full. */
static int send_bytes(ff_dispatch *d, const struct ff_route *route, const void *bytes, size_t size)
{
    ff_crash_point("dispatch_before_send");
    if (zmq_send(d->socket, route->id, route->size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) return errno;
    if (zmq_send(d->socket, bytes, size, ZMQ_DONTWAIT) < 0) return errno;
    ff_crash_point("dispatch_after_send");
    return 0;
}

static int encode_and_send(ff_dispatch *d, const struct ff_route *route, const struct ff_wire *message)
{
    void *bytes;
    size_t size;
    ff_ctx ctx = {0};
    if (ff_wire_encode(message, &bytes, &size, &ctx)) {
        ff_complain(d, "a message %s was not sent: %s", ff_wire_name(message->type), ctx.message);
        return EINVAL;
    }
    int why = send_bytes(d, route, bytes, size);
    free(bytes);
    return why;
}

bool ff_send(ff_dispatch *d, struct ff_peer *peer, enum ff_wire_type type, json_t *body, const void *blob, size_t size)
{
    if (!body) return false;
    const struct ff_wire message = {.type = type, .body = body, .blob = blob, .blob_size = size};
    int why = encode_and_send(d, &peer->route, &message);
    json_decref(body);
    if (why == EHOSTUNREACH) peer->reachable = false;
    return why == 0;
}

bool ff_send_route(ff_dispatch *d, const struct ff_route *route, enum ff_wire_type type, json_t *body)
{
    if (!body) return false;
    const struct ff_wire message = {.type = type, .body = body};
    int why = encode_and_send(d, route, &message);
    json_decref(body);
    return why == 0;
}

void ff_send_welcome(ff_dispatch *d, struct ff_peer *peer)
{
    ff_send(d, peer, FF_WIRE_WELCOME,
            json_pack("{ss si si si ss sf si}", "worker", peer->row.id, "heartbeat_ms", d->heartbeat_ms, "lease_ms",
                      d->lease_ms, "credit", FF_CREDIT, "store", peer->shared ? ff_storehouse_dir(d->store) : "",
                      "checkpoint_s", d->checkpoint_s, "protocol", FF_WIRE_VERSION),
            NULL, 0);
}

void ff_send_refused(ff_dispatch *d, const struct ff_route *route, const char *detail)
{
    ff_send_route(d, route, FF_WIRE_REFUSED, json_pack("{ss si}", "detail", detail, "protocol", FF_WIRE_VERSION));
}

void ff_send_taken(ff_dispatch *d, struct ff_peer *peer, const struct ff_attempt *attempt, int64_t upto)
{
    ff_send(d, peer, FF_WIRE_TAKEN,
            json_pack("{ss ss si sI}", "job", attempt->job, "task", attempt->task, "attempt", attempt->number, "upto",
                      (json_int_t)(upto > 0 ? upto : 0)),
            NULL, 0);
}

void ff_send_stop(ff_dispatch *d, struct ff_peer *peer, const struct ff_attempt *attempt, const char *why)
{
    json_t *body = attempt ? json_pack("{ss ss si ss}", "job", attempt->job, "task", attempt->task, "attempt",
                                       attempt->number, "why", why)
                           : json_pack("{ss}", "why", why);
    ff_send(d, peer, FF_WIRE_STOP, body, NULL, 0);
}

void ff_send_task(ff_dispatch *d, struct ff_hold *hold)
{
    if (!hold->peer || !hold->message) return;
    int why = send_bytes(d, &hold->peer->route, hold->message, hold->message_size);
    if (why == EHOSTUNREACH) hold->peer->reachable = false;
    if (!why) hold->sent = true;
}

void ff_tell_stop(ff_dispatch *d, struct ff_hold *hold, const char *why)
{
    const int64_t now = ff_boot_ms();
    if (!hold->stop) {
        hold->stop = why;
        hold->stop_since = now;
    }
    hold->stop_sent = now;
    if (hold->peer) ff_send_stop(d, hold->peer, &hold->attempt, hold->stop);
}
