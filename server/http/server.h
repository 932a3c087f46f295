/* server/http/server.h - what the files of this room share: the server and one request.
**
** Threads: a few of libmicrohttpd read and write sockets and never wait; the hands (hands.h) run handlers, which may wait
** for the disk, while the connection is suspended; the pump (fanout.h) follows jobs for streams; the ticker closes slow
** connections and sends heartbeats.
** Life of a request: on_uri makes it -> begin (headers: framing, route, token, query, length) -> body pieces -> a hand (or
** the same thread, for routes that are at_once) runs the handler, which leaves a response -> queued -> on_completed frees. */
#ifndef FF_SERVER_HTTP_SERVER_H
#define FF_SERVER_HTTP_SERVER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/http/http.h"
#include "server/http/query.h"
#include "server/http/route.h"

struct ff_auth;
struct ff_fanout;
struct ff_hands;
struct ff_metrics;
struct ff_peers;
struct ff_peer;

enum {
    FF_SMALL_BODY = 64 << 10,  /* JSON bodies but jobs */
    FF_BODIES_MAX = 256 << 20, /* of all JSON bodies and of all answers held in memory, together */
    FF_ANSWER_MAX = 64 << 20,  /* one answer held in memory */
    FF_DISCARD_MAX = 64 << 20, /* of a body that will be refused anyway */
    FF_HEARTBEAT_S = 15        /* of event streams */
};

struct ff_http {
    struct ff_http_config config;
    struct MHD_Daemon *daemon;
    int listen_fd;
    bool local; /* a unix socket */
    char address[256];
    char *cert, *key; /* PEM */
    int max_connections;
    struct ff_peers *peers;
    struct ff_hands *hands;
    struct ff_fanout *fanout;
    struct ff_auth *auth;
    struct ff_metrics *metrics;
    atomic_bool stopping;
    atomic_llong held_bytes; /* bodies and answers in memory, against FF_BODIES_MAX */
    atomic_llong ready_ms;   /* when /readyz last found everything well, on the monotonic clock; 0: never */
    struct ff_ticker *ticker;
    pthread_mutex_t dataset_lock; /* rows of datasets and their files change together */
};

enum ff_stage { FF_STAGE_NEW, FF_STAGE_BODY, FF_STAGE_WORK, FF_STAGE_ANSWERED };

struct ff_request {
    struct ff_http *http;
    struct MHD_Connection *connection;
    struct ff_peer *peer;
    enum ff_stage stage;
    char id[FF_ID_SIZE]; /* "rq_..": X-Request-Id, in problems and in the log */
    char *uri;           /* as sent; the path ends at a NUL where '?' stood */
    const char *query_text;
    char method[12];
    int64_t start_us; /* monotonic */
    struct ff_match match;
    struct ff_query query;
    struct ff_who who;
    char user[64]; /* "": nobody */
    /* body */
    char *body;
    size_t nbody, body_room;
    long long held; /* of http->held_bytes */
    struct ff_upload *upload;
    int64_t received, discarded;
    ff_ctx refused; /* why the body is thrown away; code 0: it is not */
    /* answer */
    struct MHD_Response *response;
    int status;
    long long bytes;
    bool close;              /* the connection, after the answer */
    struct ff_request *next; /* of the hands' list */
};

int64_t ff_monotonic_ms(void);
int64_t ff_monotonic_us(void);
/* To the log of the server: "error", "warning", "info". */
void ff_http_log(struct ff_http *h, const char *level, const char *fmt, ...) FF_PRINTF(3, 4);
/* Takes `bytes` of the room for bodies and answers for this request; FF_EBUSY when there is none. */
FF_MUST_USE ff_err ff_request_hold(struct ff_request *r, long long bytes, ff_ctx *ctx);
/* A header of the request, NULL. */
const char *ff_request_header(const struct ff_request *r, const char *name);
/* Runs the route's handler; afterwards there is a response whatever happened. */
void ff_request_work(struct ff_request *r);

/* Callbacks of the daemon (request.c); self: the server. */
void *ff_on_uri(void *self, const char *uri, struct MHD_Connection *connection);
enum MHD_Result ff_on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **request);
void ff_on_completed(void *self, struct MHD_Connection *connection, void **request,
                     enum MHD_RequestTerminationCode code);
void ff_on_connection(void *self, struct MHD_Connection *connection, void **peer,
                      enum MHD_ConnectionNotificationCode code);

#endif
