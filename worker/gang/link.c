/* worker/gang/link.c - see link.h.
** ZeroMQ's own heartbeats find a peer that is gone without a word; ZMQ_IMMEDIATE keeps messages from being queued for a
** connection that is not there; nothing blocks at the end for longer than LINGER_MS. */
#include "worker/gang/link.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    LINGER_MS = 1000,
    RECONNECT_MS = 100,
    RECONNECT_MAX_MS = 2000,
    HANDSHAKE_MS = 10000,
    HEARTBEAT_MS = 5000,
    HEARTBEAT_TIMEOUT_MS = 15000,
    HIGH_WATER = 64 /* messages either way: events are bounded by credit, chunks by their window */
};

static const char MONITOR[] = "inproc://ff-link-monitor";

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int set_limits(void *socket)
{
    const int64_t most = FF_WIRE_MAX;
    return set_int(socket, ZMQ_LINGER, LINGER_MS) || set_int(socket, ZMQ_IMMEDIATE, 1) ||
           set_int(socket, ZMQ_SNDHWM, HIGH_WATER) || set_int(socket, ZMQ_RCVHWM, HIGH_WATER) ||
           set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) ||
           set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS) ||
           set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) || set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) ||
           set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS) || set_int(socket, ZMQ_IPV6, 1) ||
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
}

static int set_keys(void *socket, const struct ff_keys *keys)
{
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->server, FF_KEY_SIZE) ||
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->own, FF_KEY_SIZE) ||
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret, FF_KEY_SIZE);
}

static int watch(struct ff_link *l)
{
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    if (zmq_socket_monitor(l->socket, MONITOR, events)) return -1;
    l->monitor = zmq_socket(l->context, ZMQ_PAIR);
    return l->monitor ? set_int(l->monitor, ZMQ_LINGER, 0) || zmq_connect(l->monitor, MONITOR) : -1;
}

ff_err ff_link_open(struct ff_link *l, const char *endpoint, const struct ff_keys *keys, ff_ctx *ctx)
{
    *l = (struct ff_link){0};
    if (strncmp(endpoint, "tcp://", 6) != 0 && strncmp(endpoint, "ipc://", 6) != 0)
        return ff_fail_at(ctx, FF_EUSAGE, "--connect", FF_HERE,
                          "\"%s\" is no server's address; allowed: tcp://HOST:PORT, ipc://PATH", endpoint);
    l->context = zmq_ctx_new();
    l->socket = l->context ? zmq_socket(l->context, ZMQ_DEALER) : NULL;
    if (!l->socket || set_limits(l->socket) || set_keys(l->socket, keys) || watch(l)) {
        const int why = errno;
        ff_link_close(l);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no socket for the server: %s", zmq_strerror(why));
    }
    if (!zmq_connect(l->socket, endpoint)) return FF_OK;
    const int why = errno;
    ff_link_close(l);
    return ff_fail_at(ctx, FF_EUSAGE, "--connect", FF_HERE, "%s: %s", endpoint, zmq_strerror(why));
}

void ff_link_close(struct ff_link *l)
{
    if (l->monitor) zmq_close(l->monitor);
    if (l->socket) zmq_close(l->socket);
    if (l->context) zmq_ctx_term(l->context);
    *l = (struct ff_link){0};
}

void ff_link_wait(struct ff_link *l, int wake_fd, double seconds)
{
    zmq_pollitem_t items[] = {{.socket = l->socket, .events = ZMQ_POLLIN},
                              {.socket = l->monitor, .events = ZMQ_POLLIN},
                              {.fd = wake_fd, .events = ZMQ_POLLIN}};
    uint64_t count;
    const double ms = seconds > 0 ? seconds * 1000 + 1 : 0;
    const int ready = zmq_poll(items, 3, ms < 60000 ? (long)ms : 60000);
    if (ready > 0 && items[2].revents && read(wake_fd, &count, sizeof count) < 0 && errno == EINVAL)
        poll(NULL, 0, 10); /* not an eventfd: never spin on it */
}

enum ff_change ff_link_change(struct ff_link *l)
{
    uint8_t head[6];
    uint16_t event;
    if (zmq_recv(l->monitor, head, sizeof head, ZMQ_DONTWAIT) != sizeof head) return FF_LINK_SAME;
    memcpy(&event, head, sizeof event);
    char address[256];
    if (zmq_recv(l->monitor, address, sizeof address, ZMQ_DONTWAIT) < 0) return FF_LINK_SAME;
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return FF_LINK_UP;
    case ZMQ_EVENT_DISCONNECTED:
        return FF_LINK_DOWN;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return FF_LINK_DENIED;
    default:
        return FF_LINK_CUT;
    }
}

bool ff_link_send(struct ff_link *l, enum ff_wire_type type, const json_t *body, const void *blob, size_t blob_size,
                  ff_ctx *ctx)
{
    const struct ff_wire message = {.type = type, .body = (json_t *)body, .blob = blob, .blob_size = blob_size};
    void *bytes;
    size_t size;
    ff_ctx_clear(ctx);
    if (ff_wire_encode(&message, &bytes, &size, ctx)) return false;
    const int sent = zmq_send(l->socket, bytes, size, ZMQ_DONTWAIT);
    free(bytes);
    return sent >= 0;
}

/* One frame, copied so that its bytes are aligned and ours. */
static ff_err receive_frame(void *socket, void **bytes, size_t *size, bool *got, ff_ctx *ctx)
{
    zmq_msg_t frame;
    ff_err err = FF_OK;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) return FF_OK;
    *got = true;
    *size = zmq_msg_size(&frame);
    *bytes = malloc(*size ? *size : 1);
    if (!*bytes) {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a message of %zu bytes", *size);
    } else {
        memcpy(*bytes, zmq_msg_data(&frame), *size);
    }
    zmq_msg_close(&frame);
    return err;
}

ff_err ff_link_receive(struct ff_link *l, struct ff_wire *out, void **bytes, bool *got, ff_ctx *ctx)
{
    size_t size = 0;
    *got = false;
    *bytes = NULL;
    *out = (struct ff_wire){0};
    ff_err err = receive_frame(l->socket, bytes, &size, got, ctx);
    if (!err && *got) err = ff_wire_decode(out, *bytes, size, ctx);
    if (err) {
        free(*bytes);
        *bytes = NULL;
    }
    return err;
}
