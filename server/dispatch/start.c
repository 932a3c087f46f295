/* server/dispatch/start.c - see dispatch.h: begin, end, and what other threads may ask. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include "server/dispatch/helpers.h"
#include "server/queue/datasets.h"

enum {
    LINGER_MS = 1000,
    HANDSHAKE_MS = 10000,
    ALIVE_MS = 5000, /* ZeroMQ's own heartbeats: they find dead connections, not dead programs */
    ALIVE_TIMEOUT_MS = 15000,
    HIGH_WATER = 128, /* messages a gang, each way */
    BACKLOG = 512
};

/* ---- the socket ---- */

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int set_options(void *socket, const char *secret)
{
    const int64_t most = FF_WIRE_MAX;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most) || set_int(socket, ZMQ_ROUTER_MANDATORY, 1) ||
           set_int(socket, ZMQ_LINGER, LINGER_MS) || set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) ||
           set_int(socket, ZMQ_HEARTBEAT_IVL, ALIVE_MS) || set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, ALIVE_TIMEOUT_MS) ||
           set_int(socket, ZMQ_SNDHWM, HIGH_WATER) || set_int(socket, ZMQ_RCVHWM, HIGH_WATER) ||
           set_int(socket, ZMQ_BACKLOG, BACKLOG) || set_int(socket, ZMQ_CURVE_SERVER, 1) ||
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, FF_KEY_SIZE) ||
           zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, FF_ZAP_DOMAIN, strlen(FF_ZAP_DOMAIN));
}

static ff_err bind_one(ff_dispatch *d, const char *endpoint, ff_ctx *ctx)
{
    char *bound = d->endpoints[d->nendpoints];
    size_t size = sizeof d->endpoints[0];
    const bool six = strchr(endpoint, '[') != NULL;
    if (set_int(d->socket, ZMQ_IPV6, six) || zmq_bind(d->socket, endpoint) ||
        zmq_getsockopt(d->socket, ZMQ_LAST_ENDPOINT, bound, &size))
        return ff_fail_at(ctx, FF_EUSAGE, "--dispatch", FF_HERE, "cannot listen on %s: %s", endpoint,
                          zmq_strerror(errno));
    d->nendpoints++;
    return FF_OK;
}

static ff_err open_socket(ff_dispatch *d, const struct ff_dispatch_config *config, ff_ctx *ctx)
{
    char path[4096], secret[FF_KEY_SIZE] = "";
    if (snprintf(path, sizeof path, "%s/server.key", d->key_dir) >= (int)sizeof path)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the path of the keys is too long");
    ff_err err = ff_key_read(path, secret, ctx);
    if (err) return err;
    d->socket = zmq_socket(d->context, ZMQ_ROUTER);
    if (!d->socket || set_options(d->socket, secret))
        err = ff_fail(ctx, FF_EIO, FF_HERE, "no socket for gangs: %s", zmq_strerror(errno));
    explicit_bzero(secret, sizeof secret);
    for (int i = 0; !err && i < 4 && config->endpoints[i]; i++) err = bind_one(d, config->endpoints[i], ctx);
    return err;
}

/* ---- what was left by the last process ---- */

struct left {
    struct ff_running *running;
    int n;
    json_t *workers;
};

static ff_err read_left(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct left *left = arg;
    ff_err err = ff_tasks_running(tx, &left->running, &left->n, ctx);
    return err ? err : ff_workers_list(tx, true, &left->workers, ctx);
}

/* Gangs of before are gone until they say otherwise. */
static ff_err write_left(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    const struct left *left = arg;
    size_t i;
    json_t *worker;
    json_array_foreach(json_object_get(left->workers, "workers"), i, worker)
    {
        const char *id = json_string_value(json_object_get(worker, "id"));
        const char *state = json_string_value(json_object_get(worker, "state"));
        if (!id || !state || strcmp(state, "gone") == 0) continue;
        ff_err err = ff_workers_state(tx, id, "gone", ctx);
        if (err) return err;
    }
    return FF_OK;
}

/* Every running task gets one full lease: its gang may still be at work. */
static ff_err begin_holds(ff_dispatch *d, const struct left *left, ff_ctx *ctx)
{
    for (int i = 0; i < left->n; i++) {
        const struct ff_running *r = &left->running[i];
        struct ff_attempt attempt = {.number = r->attempt};
        struct ff_hold *hold = ff_hold_new();
        if (!hold) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d leases", left->n);
        memcpy(attempt.job, r->job, sizeof attempt.job);
        memcpy(attempt.task, r->task, sizeof attempt.task);
        memcpy(hold->worker, r->worker, sizeof hold->worker);
        hold->acknowledged = true;
        ff_hold_begin(d, hold, &attempt);
        if (r->walltime_s > 0) hold->walltime = ff_boot_ms() + (int64_t)(r->walltime_s * 1000);
    }
    return FF_OK;
}

static ff_err take_over(ff_dispatch *d, ff_ctx *ctx)
{
    struct left left = {0};
    ff_err err = ff_queue_read(d->queue, read_left, &left, ctx);
    if (!err) err = begin_holds(d, &left, ctx);
    if (!err && json_array_size(json_object_get(left.workers, "workers")))
        err = ff_queue_write(d->queue, write_left, &left, ctx);
    free(left.running);
    json_decref(left.workers);
    return err;
}

static ff_err tidy_one(void *self, const struct ff_result_row *row, ff_ctx *ctx)
{
    struct ff_attempt attempt = {.number = row->attempt};
    (void)ctx;
    memcpy(attempt.job, row->job, sizeof attempt.job);
    memcpy(attempt.task, row->task, sizeof attempt.task);
    if (ff_is_manifest(&attempt)) ff_files_tidy(self, &attempt, row->chunk_bytes);
    return FF_OK;
}

static ff_err tidy_all(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_results_each(tx, tidy_one, arg, ctx);
}

/* Chunks of draws whose result was committed when the last process ended. */
static void tidy_left(ff_dispatch *d)
{
    ff_ctx ctx = {0};
    if (ff_queue_read(d->queue, tidy_all, d, &ctx)) ff_log(d, "warning", "old draws stay: %s", ctx.message);
}

/* On the queue's writer thread: only flags. */
static void changed(void *self, const struct ff_changes *changes)
{
    ff_dispatch *d = self;
    if (changes->cancels) atomic_store(&d->cancels, true);
    if (changes->ready_tasks) atomic_store(&d->ready, true);
    if (changes->cancels || changes->ready_tasks) ff_wake(d);
}

/* ---- begin ---- */

/* Everything but the threads; free_all undoes any part of it. */
static ff_err make(ff_dispatch *d, const struct ff_dispatch_config *config, ff_ctx *ctx)
{
    d->queue = config->queue;
    d->store = config->store;
    d->heartbeat_ms = config->heartbeat_ms > 0 ? config->heartbeat_ms : 2000;
    d->lease_ms = config->lease_ms > 0 ? config->lease_ms : 60000;
    d->stuck_ms = config->stuck_ms > 0 ? config->stuck_ms : 600000;
    d->checkpoint_s = config->checkpoint_s;
    d->log = config->log;
    d->log_self = config->log_self;
    atomic_store(&d->cancels, true);
    d->key_dir = strdup(config->key_dir);
    d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->context = zmq_ctx_new();
    if (!d->key_dir || d->wake_fd < 0 || !d->context)
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "the dispatcher cannot start: %s", strerror(errno));
    int skipped;
    ff_err err = ff_allowed_read(&d->allowed, d->key_dir, &skipped, ctx);
    if (!err && skipped) ff_log(d, "warning", "%d files of the folder of allowed keys hold no key", skipped);
    return err ? err : take_over(d, ctx);
}

static void free_all(ff_dispatch *d)
{
    ff_helpers_stop(d->helpers);
    if (d->socket) zmq_close(d->socket);
    if (d->context) {
        zmq_ctx_shutdown(d->context);
        ff_zap_join(&d->zap);
        zmq_ctx_term(d->context);
    }
    ff_turn_done(&d->turn);
    free(d->turn.ops);
    for (struct ff_hold *hold = d->holds; hold; hold = hold->next) ff_hold_end(hold);
    for (struct ff_peer *peer = d->peers; peer; peer = peer->next) peer->gone = true;
    ff_sweep(d);
    ff_job_infos_done(d);
    ff_allowed_done(&d->allowed);
    pthread_mutex_destroy(&d->lock);
    if (d->wake_fd >= 0) close(d->wake_fd);
    free(d->key_dir);
    free(d);
}

/* The queue wants its listeners before it is used, and never forgets one: so only when nothing can fail any more. */
static ff_err start_thread(ff_dispatch *d, ff_ctx *ctx)
{
    pthread_mutex_lock(&d->lock); /* the thread waits for it */
    const int failed = pthread_create(&d->thread, NULL, ff_dispatch_run, d);
    if (!failed) ff_queue_listen(d->queue, changed, d);
    pthread_mutex_unlock(&d->lock);
    return failed ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "the system gives no thread for the dispatcher") : FF_OK;
}

ff_err ff_dispatch_start(ff_dispatch **out, const struct ff_dispatch_config *config, ff_ctx *ctx)
{
    ff_dispatch *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the dispatcher");
    d->wake_fd = -1;
    pthread_mutex_init(&d->lock, NULL);
    ff_err err = ff_allowed_init(&d->allowed, ctx);
    if (!err) err = make(d, config, ctx);
    if (!err) err = ff_zap_start(&d->zap, d->context, &d->allowed, ctx);
    if (!err) err = open_socket(d, config, ctx);
    if (!err) err = ff_helpers_start(&d->helpers, d->store, d->wake_fd, ctx);
    if (!err) tidy_left(d);
    if (!err) err = start_thread(d, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while the dispatcher starts");
        free_all(d);
        return err;
    }
    *out = d;
    return FF_OK;
}

/* ---- end ---- */

static ff_err nothing(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    (void)tx, (void)arg, (void)ctx;
    return FF_OK;
}

void ff_dispatch_stop(ff_dispatch *d, bool drain, double seconds)
{
    if (!d) return;
    atomic_store(&d->drain_s, seconds);
    atomic_store(&d->drain_first, drain);
    atomic_store(&d->stop, true);
    ff_wake(d);
    pthread_join(d->thread, NULL);
    /* The writer tells its listeners after it has woken who wrote: our last batch is told when the next one is done. */
    ff_ctx ctx = {0};
    if (ff_queue_write(d->queue, nothing, NULL, &ctx)) ff_log(d, "warning", "the queue at the end: %s", ctx.message);
    free_all(d);
}

/* ---- requests of other threads ---- */

const char *ff_dispatch_endpoint(const ff_dispatch *d, int i)
{
    return i >= 0 && i < d->nendpoints ? d->endpoints[i] : NULL;
}

void ff_dispatch_reload(ff_dispatch *d)
{
    atomic_store(&d->reload, true);
    ff_wake(d);
}

ff_err ff_dispatch_drain(ff_dispatch *d, const char *worker, ff_ctx *ctx)
{
    pthread_mutex_lock(&d->lock);
    struct ff_peer *peer = d->peers;
    while (peer && strcmp(peer->row.id, worker) != 0) peer = peer->next;
    if (peer) atomic_store(&peer->drain_asked, true);
    pthread_mutex_unlock(&d->lock);
    if (!peer) return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "no gang %s is connected", worker);
    ff_wake(d);
    return FF_OK;
}

void ff_dispatch_leases(ff_dispatch *d, const char *job,
                        void (*fn)(void *self, const char *task, int attempt, int64_t ends_ms), void *self)
{
    const int64_t ahead = ff_now_ms() - ff_boot_ms();
    pthread_mutex_lock(&d->lock);
    for (const struct ff_hold *hold = d->holds; hold; hold = hold->next) {
        const struct ff_attempt *a = &hold->attempt;
        if (!hold->freed && strcmp(a->job, job) == 0) fn(self, a->task, a->number, hold->ends + ahead);
    }
    pthread_mutex_unlock(&d->lock);
}

void ff_dispatch_numbers(ff_dispatch *d, struct ff_dispatch_numbers *out)
{
    pthread_mutex_lock(&d->lock);
    *out = d->numbers;
    pthread_mutex_unlock(&d->lock);
}
