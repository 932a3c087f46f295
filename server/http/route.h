/* server/http/route.h - the table of routes: what dispatching, 405 and Allow, the labels of metrics and logs, and the test
** against proto/openapi.json are made from. A path is matched as it was sent: nothing in it may need percent-encoding. */
#ifndef FF_SERVER_HTTP_ROUTE_H
#define FF_SERVER_HTTP_ROUTE_H

#include <stdbool.h>

#include "common/err.h"

struct ff_request;

/* Answers by one of the calls of reply.h, or returns an error, which becomes a problem. */
typedef ff_err (*ff_handler)(struct ff_request *r, ff_ctx *ctx);

enum ff_access {
    FF_OPEN,  /* no token */
    FF_USERS, /* a token of any user, or the owner of the unix socket */
    FF_ADMINS
};
enum ff_body {
    FF_BODY_NONE,
    FF_BODY_JOB,      /* JSON up to FF_JOB_MAX_BYTES */
    FF_BODY_JSON,     /* a small JSON object */
    FF_BODY_OPTIONAL, /* the same, or nothing */
    FF_BODY_FILE      /* HDF5, streamed to the store */
};

struct ff_route {
    const char *method;
    /* Segments are words, or "{job}", "{dataset}", "{worker}", "{user}", "{token}" (ids), "{name}", "{chunk}",
    ** "{array}", "{file}". */
    const char *pattern;
    ff_handler handle;
    enum ff_access access;
    enum ff_body body;
    bool at_once;      /* needs neither queue nor store: answered on the thread that reads the socket */
    const char *query; /* parameters known, "a b c" */
};
extern const struct ff_route ff_routes[];
extern const int ff_nroutes;

enum { FF_ARG_SIZE = 64, FF_MAX_ARGS = 3, FF_ALLOW_SIZE = 48 };
struct ff_match {
    const struct ff_route *route;
    char args[FF_MAX_ARGS][FF_ARG_SIZE]; /* what stands for the {..} of the pattern, in order */
    char allow[FF_ALLOW_SIZE];           /* methods of the path, "GET, HEAD, POST" */
};
/* path: without the query. HEAD is answered as GET. FF_ENOTFOUND; FF_EMETHOD with `allow` set. */
FF_MUST_USE ff_err ff_route_match(struct ff_match *out, const char *method, const char *path, ff_ctx *ctx);

#endif
