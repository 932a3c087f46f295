/* client/lib/call.c - requests with a JSON answer, tried again where that does no harm; and bodies taken as they come. */
#include <stdio.h>
#include <string.h>

#include "client/lib/client.h"
#include "client/lib/exchange.h"

enum { MOST_JSON = 64 << 20, TRIES = 4, MOST_KEY = 255 };
static const double first_wait_s = 0.2, longest_wait_s = 10;
/* After an upload the server reads the file through before it answers. */
static const double upload_silence_s = 300;

/* Collects a body. */
struct collector {
    struct ff_bytes bytes;
    ff_ctx *ctx;
};

static ff_err collect(void *self, const void *bytes, size_t size)
{
    struct collector *to = self;
    return ff_bytes_add(&to->bytes, bytes, size, MOST_JSON, to->ctx);
}

static ff_err read_json(const struct ff_exchange *x, const struct ff_bytes *bytes, json_t **out, ff_ctx *ctx)
{
    json_error_t error;
    *out = NULL;
    if (x->status == 204 || bytes->size == 0) return FF_OK;
    *out = json_loadb(bytes->data, bytes->size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (*out) return FF_OK;
    return ff_fail(ctx, FF_ESERVER, FF_HERE, "the answer is not JSON (line %d: %s); is this a Fullfield server?",
                   error.line, error.text);
}

/* Is another try harmless, and may it help? *wait_s: how long to wait before it. */
static bool again(const struct ff_client_request *request, const struct ff_exchange *x, ff_err err, double *wait_s)
{
    bool safe = strcmp(request->method, "GET") == 0 || request->idempotency_key != NULL;
    if (err == FF_EUNREACHABLE) return safe || x->unsent;
    return !err && safe && x->status == 503 && x->retry_after_s >= 0 && ff_exchange_busy(x, wait_s) &&
           *wait_s <= longest_wait_s;
}

static ff_err one_try(ff_client *c, struct ff_exchange *x, struct collector *to, ff_ctx *ctx)
{
    ff_bytes_done(&to->bytes);
    ff_exchange_done(x);
    x->take = collect;
    x->self = to;
    to->ctx = ctx;
    return ff_exchange_run(c, x, ctx);
}

ff_err ff_client_call(ff_client *c, const struct ff_client_request *request, json_t **out, ff_ctx *ctx)
{
    char key[MOST_KEY + 32];
    struct collector to = {0};
    const bool upload = request->body_file != NULL;
    struct ff_exchange x = {.method = request->method,
                            .path = request->path,
                            .content_type = request->content_type,
                            .body = request->body,
                            .body_size = request->body_size,
                            .body_file = request->body_file,
                            .timeout_s = upload ? 0 : c->timeout_s,
                            .silence_s = upload ? upload_silence_s : 0};
    *out = NULL;
    if (request->idempotency_key) {
        if (strlen(request->idempotency_key) > MOST_KEY)
            return ff_fail(ctx, FF_EUSAGE, FF_HERE, "an idempotency key has at most %d characters", MOST_KEY);
        snprintf(key, sizeof key, "Idempotency-Key: %s", request->idempotency_key);
        x.headers[0] = key;
    }
    ff_err err = one_try(c, &x, &to, ctx);
    double wait_s = first_wait_s;
    for (int tries = 1; tries < TRIES && again(request, &x, err, &wait_s); tries++) {
        err = ff_client_pause(c, wait_s, ctx);
        if (err) break;
        err = one_try(c, &x, &to, ctx);
        wait_s = first_wait_s * (1 << tries);
    }
    if (!err)
        err = x.status >= 200 && x.status < 300 ? read_json(&x, &to.bytes, out, ctx) : ff_exchange_problem(&x, ctx);
    if (err) ff_note(ctx, FF_HERE, "%s %s", request->method, request->path);
    ff_bytes_done(&to.bytes);
    ff_exchange_done(&x);
    return err;
}

ff_err ff_client_fetch(ff_client *c, const char *path, ff_err (*take)(void *self, const void *bytes, size_t size),
                       void *self, ff_ctx *ctx)
{
    struct ff_exchange x = {.method = "GET", .path = path, .silence_s = c->silence_s, .take = take, .self = self};
    ff_err err = ff_exchange_run(c, &x, ctx);
    if (!err && (x.status < 200 || x.status > 299)) err = ff_exchange_problem(&x, ctx);
    if (err) ff_note(ctx, FF_HERE, "GET %s", path);
    ff_exchange_done(&x);
    return err;
}
