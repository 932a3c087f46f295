/* server/http/start.c - starts and stops the daemon and what stands around it (http.h, server.h). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/ticker.h"
#include "server/http/auth.h"
#include "server/http/fanout.h"
#include "server/http/hands.h"
#include "server/http/listen.h"
#include "server/http/metrics.h"
#include "server/http/peers.h"

enum {
    DEFAULT_HANDS = 16,
    DEFAULT_CONNECTIONS = 2048,
    LEAST_CONNECTIONS = 8,
    SPARE_FDS = 8, /* of files that handlers and the other rooms open */
    TICK_MS = 250,
    LAST_ANSWERS_MS = 5000, /* how long a stop waits for answers to reach their clients */
    MAX_PEM = 1 << 20,
    MEMORY_PER_CONNECTION = 32 << 10
};
static const double DEFAULT_DEADLINE_S = 30;
static const long DEFAULT_MAX_BODY = 4L << 30;

/* ---- configuration ---- */
static void fill_defaults(struct ff_http_config *c)
{
    if (c->threads <= 0) c->threads = DEFAULT_HANDS;
    if (c->connections <= 0) c->connections = DEFAULT_CONNECTIONS;
    if (c->deadline_s <= 0) c->deadline_s = DEFAULT_DEADLINE_S;
    if (c->max_body_bytes <= 0) c->max_body_bytes = DEFAULT_MAX_BODY;
}

static int open_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir)) n++;
    if (dir) closedir(dir);
    return n;
}

/* As many as asked for and as descriptors allow: a connection must never take the one that the database needs. */
static ff_err connections_that_fit(const struct ff_http_config *c, int readers, int *out, ff_ctx *ctx)
{
    struct rlimit limit;
    *out = c->connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY) return FF_OK;
    const long taken = open_fds() + SPARE_FDS + c->threads + 2L * readers, room = (long)limit.rlim_cur - taken;
    if (room < LEAST_CONNECTIONS)
        return ff_fail(
            ctx, FF_EUSAGE, FF_HERE,
            "the process may open %ld files, of which %ld are for other things than connections; allowed: at "
            "least %ld (ulimit -n), or fewer threads",
            (long)limit.rlim_cur, taken, taken + LEAST_CONNECTIONS);
    if (room < *out) *out = (int)room;
    return FF_OK;
}

/* Threads that read and write sockets. */
static int socket_threads(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 2 ? 2 : cores > 8 ? 8 : (int)cores;
}

static ff_err read_pem(const char *path, char **out, ff_ctx *ctx)
{
    struct stat info;
    *out = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) || info.st_size <= 0 || info.st_size > MAX_PEM) {
        if (fd >= 0) close(fd);
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s cannot be read, or is no PEM file", path);
    }
    char *text = calloc(1, (size_t)info.st_size + 1);
    const ssize_t n = text ? read(fd, text, (size_t)info.st_size) : -1;
    close(fd);
    *out = text;
    if (n == info.st_size) return FF_OK;
    return ff_fail(ctx, FF_EIO, FF_HERE, "%s could not be read", path);
}

/* ---- the ticker ---- */
static void tick(void *self)
{
    struct ff_http *h = self;
    const int n = ff_peers_sweep(h->peers, ff_monotonic_ms());
    if (n) ff_http_log(h, "info", "%d connections closed: a request took too long to arrive", n);
    ff_fanout_tick(h->fanout, ff_monotonic_ms());
}

/* ---- the daemon ---- */
static void log_of_daemon(void *self, const char *fmt, va_list args)
{
    char text[512];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    ff_http_log(self, "debug", "http: %s", text);
}

static ff_err start_daemon(struct ff_http *h, int threads, ff_ctx *ctx)
{
    const struct ff_http_config *c = &h->config;
    struct MHD_OptionItem more[8] = {{0}};
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    int n = 0;
    if (c->connections_per_address > 0 && !h->local)
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_PER_IP_CONNECTION_LIMIT, c->connections_per_address, NULL};
    if (h->cert) {
        flags |= MHD_USE_TLS;
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert};
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, h->key};
    }
    more[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, ff_on_request, h, MHD_OPTION_EXTERNAL_LOGGER, log_of_daemon, h, MHD_OPTION_LISTEN_SOCKET,
        h->listen_fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)threads, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)h->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ceil(c->deadline_s),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, ff_on_uri, h, MHD_OPTION_NOTIFY_COMPLETED, ff_on_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, ff_on_connection, h, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    if (h->daemon) return FF_OK;
    return ff_fail(ctx, h->cert ? FF_EUSAGE : FF_ENOMEM, FF_HERE, "the HTTP server could not be started%s",
                   h->cert ? ": are certificate and key a pair?" : "");
}

static ff_err start_parts(struct ff_http *h, ff_ctx *ctx)
{
    const struct ff_http_config *c = &h->config;
    const int threads = socket_threads();
    const int64_t deadline_ms = (int64_t)(c->deadline_s * 1000);
    ff_err err = connections_that_fit(c, threads, &h->max_connections, ctx);
    if (err) return err;
    /* The last few are only told that there is no room. */
    h->peers = ff_peers_new(deadline_ms, deadline_ms, h->max_connections - h->max_connections / 16 - 1);
    h->auth = ff_auth_new();
    h->metrics = ff_metrics_new();
    if (!h->peers || !h->auth || !h->metrics) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the server");
    if (!err && !!c->tls_cert != !!c->tls_key)
        err = ff_fail(ctx, FF_EUSAGE, FF_HERE, "a certificate needs its key, and a key its certificate");
    if (!err && c->tls_cert) err = read_pem(c->tls_cert, &h->cert, ctx);
    if (!err && c->tls_key) err = read_pem(c->tls_key, &h->key, ctx);
    if (!err) err = ff_hands_start(&h->hands, c->threads, ctx);
    if (!err) err = ff_fanout_start(&h->fanout, h, ctx);
    if (err) return err;
    ff_queue_listen(c->queue, ff_fanout_changed, h->fanout);
    err = ff_listen(c->listen, c->tls_cert != NULL, &h->listen_fd, &h->local, h->address, sizeof h->address, ctx);
    if (!err) err = ff_ticker_start(&h->ticker, 1e-3 * TICK_MS, tick, h, ctx);
    if (!err) err = start_daemon(h, threads, ctx);
    return err;
}

ff_err ff_http_start(ff_http **out, const struct ff_http_config *config, ff_ctx *ctx)
{
    struct ff_http *h = calloc(1, sizeof *h);
    *out = NULL;
    if (!h) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the server");
    h->config = *config;
    h->listen_fd = -1;
    fill_defaults(&h->config);
    pthread_mutex_init(&h->dataset_lock, NULL);
    ff_err err = start_parts(h, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "starting the HTTP server on %s", config->listen);
        ff_http_stop(h);
        return err;
    }
    *out = h;
    return FF_OK;
}

/* The daemon must not be stopped while a connection is suspended, so whatever suspends is stopped before it. */
static void stop_daemon(struct ff_http *h)
{
    MHD_quiesce_daemon(h->daemon);
    ff_fanout_end_streams(h->fanout);
    ff_hands_stop(h->hands);
    const int64_t until = ff_monotonic_ms() + LAST_ANSWERS_MS;
    while (ff_peers_busy(h->peers) > 0 && ff_monotonic_ms() < until)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    MHD_stop_daemon(h->daemon);
}

void ff_http_stop(ff_http *h)
{
    if (!h) return;
    atomic_store(&h->stopping, true);
    if (h->daemon) stop_daemon(h);
    ff_ticker_stop(h->ticker);
    ff_hands_stop(h->hands);
    ff_hands_free(h->hands);
    if (h->fanout) ff_queue_unlisten(h->config.queue, ff_fanout_changed, h->fanout);
    ff_fanout_stop(h->fanout);
    ff_unlisten(h->listen_fd, h->address);
    ff_peers_free(h->peers);
    ff_auth_free(h->auth);
    ff_metrics_free(h->metrics);
    free(h->cert);
    free(h->key);
    pthread_mutex_destroy(&h->dataset_lock);
    free(h);
}

const char *ff_http_address(const ff_http *h)
{
    return h->address;
}
