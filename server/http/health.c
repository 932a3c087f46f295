/* server/http/health.c - is it alive, can it take jobs, which one is it. */
#include <string.h>

#include "common/hash.h"
#include "common/version.h"
#include "common/wire.h"
#include "server/http/embed.h"
#include "server/http/reply.h"

enum { READY_FOR_MS = 1000 }; /* a good answer is kept: asking writes to the disk, and anybody may ask */

ff_err ff_get_health(struct ff_request *r, ff_ctx *ctx)
{
    return ff_reply_json(r, MHD_HTTP_OK, json_pack("{ss}", "status", "ok"), ctx);
}

ff_err ff_get_ready(struct ff_request *r, ff_ctx *ctx)
{
    struct ff_http *h = r->http;
    struct ff_dispatch_numbers numbers = {0};
    const int64_t now = ff_monotonic_ms(), last = atomic_load(&h->ready_ms);
    ff_err err = FF_OK;
    if (!last || now - last > READY_FOR_MS) {
        err = ff_storehouse_room(h->config.store, 0, ctx);
        if (!err) err = ff_queue_probe(h->config.queue, ctx);
        if (!err) atomic_store(&h->ready_ms, now);
    }
    if (err) return ff_code_http(err) == 503 ? err : ff_fail(ctx, FF_ESTORAGE, FF_HERE, "not ready: %s", ctx->message);
    if (h->config.dispatch) ff_dispatch_numbers(h->config.dispatch, &numbers);
    return ff_reply_json(r, MHD_HTTP_OK,
                         json_pack("{ss sI}", "status", "ready", "workers",
                                   (json_int_t)(numbers.idle + numbers.busy + numbers.draining)),
                         ctx);
}

ff_err ff_get_version(struct ff_request *r, ff_ctx *ctx)
{
    char schema[FF_HASH_SIZE];
    ff_hash_bytes(ff_job_schema.text, (size_t)(ff_job_schema.end - ff_job_schema.text), schema);
    return ff_reply_json(r, MHD_HTTP_OK,
                         json_pack("{ss ss ss ss si ss}", "name", "fullfield", "version", ff_version(), "build",
                                   ff_build_id(), "api", "v1", "protocol", FF_WIRE_VERSION, "schema", schema),
                         ctx);
}

ff_err ff_get_openapi(struct ff_request *r, ff_ctx *ctx)
{
    return ff_reply_static(r, ff_openapi.type, ff_openapi.text, (size_t)(ff_openapi.end - ff_openapi.text), ctx);
}
