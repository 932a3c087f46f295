/* server/dispatch/loop.c - see inner.h: the thread that owns the socket. A pass: wait; take the messages that are there; look
** at the clock; one transaction; answers. While the transaction is on its way to the disk the next messages gather, so the
** more gangs there are the more share one fsync. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "server/dispatch/inner.h"

enum { BATCH_MESSAGES = 1000, BATCH_BYTES = 32 << 20, MAX_TICK_MS = 1000, FAILED_MS = 100, COUNT_MS = 100 };

int64_t ff_boot_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int ff_tick_ms(const ff_dispatch *d)
{
    const int tick = d->lease_ms < d->heartbeat_ms ? d->lease_ms / 4 : d->heartbeat_ms / 4;
    return tick < 10 ? 10 : tick > MAX_TICK_MS ? MAX_TICK_MS : tick;
}

void ff_wake(ff_dispatch *d)
{
    const uint64_t one = 1;
    if (write(d->wake_fd, &one, sizeof one) < 0) return; /* full: it is readable already */
}

/* ---- log ---- */

static void log_text(ff_dispatch *d, const char *level, const char *fmt, va_list args)
{
    char text[FF_MESSAGE_SIZE + 256];
    if (!d->log) return;
    vsnprintf(text, sizeof text, fmt, args);
    d->log(d->log_self, level, text);
}

void ff_log(ff_dispatch *d, const char *level, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_text(d, level, fmt, args);
    va_end(args);
}

void ff_complain(ff_dispatch *d, const char *fmt, ...)
{
    const int64_t now = ff_boot_ms();
    if (now < d->muted_until) return;
    d->muted_until = now + 1000;
    va_list args;
    va_start(args, fmt);
    log_text(d, "warning", fmt, args);
    va_end(args);
}

/* ---- messages ---- */

/* Frames that do not belong to a message of one frame. */
static void skip_frames(void *socket)
{
    int more = 1;
    size_t size = sizeof more;
    while (more && !zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) && more) {
        if (zmq_recv(socket, NULL, 0, ZMQ_DONTWAIT) < 0) return;
    }
}

/* One message; 0 when none is there. */
static size_t receive_one(ff_dispatch *d)
{
    struct ff_route route = {0};
    zmq_msg_t frame;
    int size = zmq_recv(d->socket, route.id, sizeof route.id, ZMQ_DONTWAIT);
    if (size < 0) return 0;
    route.size = (unsigned char)(size < (int)sizeof route.id ? size : (int)sizeof route.id);
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, d->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&frame);
        return 1;
    }
    const size_t bytes = zmq_msg_size(&frame);
    if (zmq_msg_more(&frame)) {
        skip_frames(d->socket);
        d->messages++;
        d->refused++;
    } else {
        const char *key = zmq_msg_gets(&frame, "User-Id");
        ff_receive(d, &route, key ? key : "", zmq_msg_data(&frame), bytes);
    }
    zmq_msg_close(&frame);
    return bytes + 1;
}

/* True: nothing is left. */
static bool receive_all(ff_dispatch *d)
{
    size_t bytes = 0;
    for (int n = 0; n < BATCH_MESSAGES && bytes < BATCH_BYTES; n++) {
        size_t size = receive_one(d);
        if (!size) return true;
        bytes += size;
    }
    return false;
}

/* ---- time ---- */

static void wait_for_something(ff_dispatch *d)
{
    zmq_pollitem_t items[] = {{.socket = d->socket, .events = ZMQ_POLLIN}, {.fd = d->wake_fd, .events = ZMQ_POLLIN}};
    uint64_t count;
    const int ready = zmq_poll(items, 2, ff_tick_ms(d));
    if (ready > 0 && items[1].revents && read(d->wake_fd, &count, sizeof count) < 0) return; /* somebody was faster */
}

/* Time in which this process did not listen (it was stopped, the machine slept, the disk hung) is not held against gangs. */
static void forgive(ff_dispatch *d, int64_t now)
{
    const int64_t gap = now - d->looked;
    d->looked = now;
    if (gap <= ff_tick_ms(d) + d->lease_ms / 2) return;
    ff_log(d, "warning", "the dispatcher was held up for %.1f s; every lease begins again", (double)gap / 1000);
    for (struct ff_hold *hold = d->holds; hold; hold = hold->next) {
        ff_hold_renew(d, hold, now);
        hold->grew += gap;
    }
    for (struct ff_peer *peer = d->peers; peer; peer = peer->next) peer->heard = now;
}

/* ---- the end ---- */

static void begin_to_stop(ff_dispatch *d, int64_t now)
{
    d->stopping = true;
    d->stop_at = now + (int64_t)(atomic_load(&d->drain_s) * 1000);
    for (struct ff_peer *peer = d->peers; peer; peer = peer->next) {
        if (peer->joined) ff_send_stop(d, peer, NULL, "shutdown");
    }
}

static bool is_over(ff_dispatch *d, int64_t now)
{
    if (!atomic_load(&d->stop)) return false;
    if (!atomic_load(&d->drain_first)) return true;
    if (!d->stopping) begin_to_stop(d, now);
    return !d->npeers || now >= d->stop_at;
}

/* ---- a pass ---- */

static void count(ff_dispatch *d, int64_t now)
{
    if (now - d->counted < COUNT_MS) return;
    d->counted = now;
    struct ff_dispatch_numbers n = {.messages = d->messages,
                                    .refused_messages = d->refused,
                                    .refused_peers = atomic_load(&d->zap.refused),
                                    .leases_lost = d->lost,
                                    .stuck = d->stuck};
    for (const struct ff_peer *peer = d->peers; peer; peer = peer->next) {
        long *kind = peer->draining ? &n.draining : peer->hold || peer->occupied ? &n.busy : &n.idle;
        if (peer->joined) (*kind)++;
    }
    pthread_mutex_lock(&d->lock);
    d->numbers = n;
    pthread_mutex_unlock(&d->lock);
}

void *ff_dispatch_run(void *self)
{
    ff_dispatch *d = self;
    pthread_mutex_lock(&d->lock); /* until everything is ready (start.c) */
    pthread_mutex_unlock(&d->lock);
    int64_t now = d->looked = ff_boot_ms(), timed = 0;
    while (!is_over(d, now)) {
        wait_for_something(d);
        now = ff_boot_ms();
        forgive(d, now);
        const bool all = receive_all(d);
        ff_files_collect(d);
        if (all || now - timed > d->lease_ms / 2) { /* a heartbeat that is still waiting to be read must count */
            timed = now;
            ff_timers(d, now);
        }
        ff_ctx ctx = {0};
        const bool failed = ff_turn_run(d, &ctx) != FF_OK;
        if (failed) {
            ff_complain(d, "nothing is answered, since the queue cannot be written: %s", ctx.message);
            ff_unsettle(d);
        } else {
            ff_settle(d);
        }
        ff_turn_done(&d->turn);
        ff_sweep(d);
        count(d, now);
        if (failed) poll(NULL, 0, FAILED_MS);
    }
    return NULL;
}
