/* client/lib/exchange.h - one request and its answer: the one place that drives libcurl. Private to client/lib.
** Call order: fill the request of a zeroed struct -> ff_exchange_run -> look at the answer -> ff_exchange_done. */
#ifndef FF_CLIENT_LIB_EXCHANGE_H
#define FF_CLIENT_LIB_EXCHANGE_H

#include "client/lib/bytes.h"
#include "client/lib/http.h"

enum { FF_MAX_HEADERS = 4, FF_ANSWER_HEADER = 160 };

struct ff_exchange {
    /* the request; borrowed */
    const char *method, *path, *content_type;
    const void *body;
    size_t body_size;
    const char *body_file;
    const char *headers[FF_MAX_HEADERS]; /* "Name: value"; NULL ends */
    double timeout_s;                    /* for everything; 0: none */
    double silence_s;                    /* without a byte; 0: none */
    /* Takes the body of a 2xx answer; the members below are filled by then. Its error ends the exchange. */
    ff_err (*take)(void *self, const void *bytes, size_t size);
    void *self;

    /* the answer */
    int status;
    char etag[FF_ANSWER_HEADER], content_range[FF_ANSWER_HEADER], request_id[FF_ANSWER_HEADER];
    double retry_after_s;    /* < 0: not said */
    int64_t length;          /* < 0: not said */
    bool unsent;             /* no connection was made, so the server knows nothing of it */
    struct ff_bytes problem; /* body of any other answer, its first 64 KiB */
};

/* FF_OK: a whole answer came, of whatever status. FF_EUNREACHABLE: none, or it broke off (then part of the body may have
** been taken). FF_EINTERRUPTED; the error of `take`; FF_ENOFILE and the like about body_file. */
FF_MUST_USE ff_err ff_exchange_run(ff_client *c, struct ff_exchange *x, ff_ctx *ctx);
void ff_exchange_done(struct ff_exchange *x);

/* The error that an answer other than 2xx means (problem.c). */
ff_err ff_exchange_problem(const struct ff_exchange *x, ff_ctx *ctx);
/* Is it worth another try: 429 or 503? *wait_s: what the server asked for, else as it was. */
bool ff_exchange_busy(const struct ff_exchange *x, double *wait_s);

#endif
