/* server/dispatch/dispatch.h - hands tasks to gangs over ZeroMQ and takes their events and commits (proto/wire.md). One
** thread owns the ROUTER socket (CURVE, ZAP allow-list). It gathers the messages of a moment, does what they ask in one
** transaction of the queue, and answers only when that is durable. Leases live here, on the monotonic clock. */
#ifndef FF_SERVER_DISPATCH_DISPATCH_H
#define FF_SERVER_DISPATCH_DISPATCH_H

#include <jansson.h>

#include "common/err.h"
#include "server/queue/queue.h"
#include "server/store/store.h"

typedef struct ff_dispatch ff_dispatch;

struct ff_dispatch_config {
    ff_queue *queue;
    ff_storehouse *store;
    const char *endpoints[4]; /* "tcp://127.0.0.1:0", "ipc:///dir/dispatch.sock"; NULL ends */
    const char
        *key_dir;     /* DIR: server.key, server.pub; DIR/workers/NAME.pub are the allowed keys, read again on reload */
    int heartbeat_ms; /* of the gangs; 2000 */
    int lease_ms;     /* 60000; 1000 in tests */
    int stuck_ms;     /* no progress for so long: the alarm, then the lease ends */
    double checkpoint_s;
    void (*log)(void *self, const char *level, const char *message);
    void *log_self;
};
/* After ff_keys_ensure, and before other threads use the queue (it becomes one of the queue's listeners). Errors:
** FF_EUSAGE (an endpoint, a key), those of the queue. */
FF_MUST_USE ff_err ff_dispatch_start(ff_dispatch **out, const struct ff_dispatch_config *config, ff_ctx *ctx);
/* Gangs are told to shut down (checkpoint, release) and given `seconds` to do so when `drain`; then the thread ends.
** Whatever else writes to the queue has to be stopped before: it would be told of by a listener that is gone. NULL is
** fine. */
void ff_dispatch_stop(ff_dispatch *d, bool drain, double seconds);
/* The endpoint bound (port 0 resolved), to hand to local gangs. */
const char *ff_dispatch_endpoint(const ff_dispatch *d, int i);
/* Thread safe requests: read the allowed keys again; drain one gang (FF_ENOTFOUND). */
void ff_dispatch_reload(ff_dispatch *d);
FF_MUST_USE ff_err ff_dispatch_drain(ff_dispatch *d, const char *worker, ff_ctx *ctx);
/* Thread safe: calls back, under a lock, for every lease of a job's tasks, with the time (as ff_now_ms) it runs out
** unless it is renewed before. Leases are kept by a clock of their own; that time is what the wall's will show then. */
void ff_dispatch_leases(ff_dispatch *d, const char *job,
                        void (*fn)(void *self, const char *task, int attempt, int64_t ends_ms), void *self);
/* Numbers for /metrics. */
struct ff_dispatch_numbers {
    long idle, busy, draining;
    long messages, refused_messages, refused_peers, leases_lost, stuck;
};
void ff_dispatch_numbers(ff_dispatch *d, struct ff_dispatch_numbers *out);

/* CURVE keys: DIR/server.key and server.pub made when missing (mode 0600), a pair for local gangs too. */
FF_MUST_USE ff_err ff_keys_ensure(const char *dir, ff_ctx *ctx);

#endif
