/* server/http/http.h - the HTTP front: libmicrohttpd, routes, authentication, problems, streams. Knows the queue, the store
** and dispatch; computes nothing. */
#ifndef FF_SERVER_HTTP_HTTP_H
#define FF_SERVER_HTTP_HTTP_H

#include "common/err.h"
#include "server/dispatch/dispatch.h"
#include "server/queue/queue.h"
#include "server/queue/users.h"
#include "server/store/store.h"

typedef struct ff_http ff_http;

struct ff_http_config {
    ff_queue *queue;
    ff_storehouse *store;
    ff_dispatch *dispatch;          /* NULL: no gangs (tests) */
    const char *listen;             /* "127.0.0.1:8080" (port 0: any) or "unix:/path" (mode 0600, peer credentials) */
    const char *tls_cert, *tls_key; /* PEM files, NULL: none */
    int threads;                    /* that run handlers, each with at most one transaction; 0: 16 */
    int connections;                /* 0: 2048; fewer where descriptors do not suffice */
    int connections_per_address;    /* 0: no limit */
    int streams_per_user;           /* 0: 1024 */
    long max_body_bytes;            /* of uploads, 0: 4 GiB; jobs are limited to FF_JOB_MAX_BYTES */
    double deadline_s;              /* for headers and body of a request to arrive, and for silence; 0: 30 */
    bool no_walltime;               /* a job may take as long as it takes (a private server) */
    bool test_kinds;                /* accept the job kind "noop" (tests only) */
    void (*log)(void *self, const char *level, const char *message);
    void (*access)(void *self, const char *request_id, const char *method, const char *route, int status,
                   long long bytes, double ms, const char *user);
    void *log_self;
};
/* FF_EUSAGE: the address, the certificate, too few file descriptors; FF_ECONFLICT: the address is in use. */
FF_MUST_USE ff_err ff_http_start(ff_http **out, const struct ff_http_config *config, ff_ctx *ctx);
/* Streams are ended, requests in flight finished, then the threads end. Before the queue and the store are closed. */
void ff_http_stop(ff_http *h);
/* "http://127.0.0.1:43211", "unix:/path" as bound. */
const char *ff_http_address(const ff_http *h);

#endif
