/* client/lib/http.h - requests to a server over TCP, TLS or a unix socket (libcurl), with problems as errors.
** Call order: ff_client_open -> ff_client_call, _events, _download, _fetch, _pause -> ff_client_close. Not thread safe.
** Every call ends with FF_EINTERRUPTED when the caller's `interrupted` says so; redirects are not followed. */
#ifndef FF_CLIENT_LIB_HTTP_H
#define FF_CLIENT_LIB_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

typedef struct ff_client ff_client;

struct ff_client_config {
    const char *server;                  /* "http://host:port", "https://..", "unix:/path" */
    const char *token;                   /* bearer token or NULL */
    const char *ca_file;                 /* PEM, NULL: the system's */
    double connect_timeout_s, timeout_s; /* 0: 10, 60; streams have no total limit but end when silent for silence_s */
    double silence_s;                    /* 0: 60 */
    /* How to be interrupted: stop_fd (0: none) is watched while waiting; when it is readable, `interrupted` is asked. */
    int stop_fd;
    bool (*interrupted)(void *self);
    void *self;
};
/* FF_EUSAGE when `server` is no such address. Opens no connection yet. */
FF_MUST_USE ff_err ff_client_open(ff_client **out, const struct ff_client_config *config, ff_ctx *ctx);
void ff_client_close(ff_client *c);

struct ff_client_request {
    const char *method, *path; /* "GET", "/v1/jobs?limit=10" */
    const char *content_type;  /* NULL: no body */
    const void *body;
    size_t body_size;
    const char *body_file;       /* streamed instead of body */
    const char *idempotency_key; /* NULL: none */
};
/* JSON answer (NULL for 204), at most 64 MiB; an answer of 400 or more becomes the error of the same slug of
** proto/errors.def with its detail and pointer. FF_EUNREACHABLE when there is no answer. Safe requests and those with an
** idempotency key are tried again, 3 times, when the connection broke or the server said 503 with Retry-After; any
** request is tried again when no connection could be made. */
FF_MUST_USE ff_err ff_client_call(ff_client *c, const struct ff_client_request *request, json_t **out, ff_ctx *ctx);

/* Events of a job from after `seq`, reconnecting with Last-Event-ID until "end", `on_event` says stop, the server says there
** will be no more (204), or nothing came for `patience_s`: FF_EUNREACHABLE (never FF_OK because a connection dropped). */
typedef bool (*ff_on_event)(void *self, const char *text, json_t *event); /* false: stop, FF_OK */
FF_MUST_USE ff_err ff_client_events(ff_client *c, const char *job, long after, double patience_s, ff_on_event on_event,
                                    void *self, ff_ctx *ctx);

/* A file, resumed with Range after a break, written to `path`.part, its SHA-256 compared with ETag, then renamed. The part
** is kept when the connection is lost for good, so that `resume` can go on from it; without `resume` an old part is
** written anew. progress(self, done, total) may be NULL; total < 0: not known. */
FF_MUST_USE ff_err ff_client_download(ff_client *c, const char *path_on_server, const char *path, bool resume,
                                      void (*progress)(void *self, int64_t done, int64_t total), void *self,
                                      ff_ctx *ctx);
/* The body as it comes, to `take`, whose error ends it and is returned (ctx is then the taker's business). */
FF_MUST_USE ff_err ff_client_fetch(ff_client *c, const char *path_on_server,
                                   ff_err (*take)(void *self, const void *bytes, size_t size), void *self, ff_ctx *ctx);

/* Waits; FF_EINTERRUPTED when interrupted. */
FF_MUST_USE ff_err ff_client_pause(ff_client *c, double seconds, ff_ctx *ctx);

/* `text` with everything but letters, digits and "-._~" as %XX, malloc'ed; NULL: no memory. */
char *ff_url_escape(const char *text);

#endif
