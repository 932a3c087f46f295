/* server/http/maps.c - GET /v1/jobs/{job}/maps/{name}?bin=&component=&format=: a map of a result, or of the chains that
** run. */
#include <string.h>

#include "server/http/look.h"
#include "server/http/reply.h"

static const struct {
    const char *format, *type;
} formats[] = {{"npy", "application/x-npy"}, {"fits", "application/fits"}, {"png", "image/png"}};
enum { NFORMATS = sizeof formats / sizeof formats[0], MAX_BIN = 1000 };

/* ?format=, else the first of ours that Accept names, else npy. */
static ff_err format_of(struct ff_request *r, int *format, ff_ctx *ctx)
{
    const char *word, *accept = ff_request_header(r, MHD_HTTP_HEADER_ACCEPT);
    ff_err err = ff_query_word(&r->query, "format", "npy fits png", &word, ctx);
    *format = 0;
    for (int i = NFORMATS - 1; i >= 0 && !err; i--) {
        if (word ? strcmp(word, formats[i].format) == 0 : accept && strstr(accept, formats[i].type)) *format = i;
    }
    return err;
}

ff_err ff_get_map(struct ff_request *r, ff_ctx *ctx)
{
    struct ff_look look;
    int format;
    long bin, component;
    void *bytes = NULL;
    size_t size = 0;
    ff_err err = format_of(r, &format, ctx);
    /* All bins and components in one array; a picture or image shows one. */
    if (!err) err = ff_query_number(&r->query, "bin", 0, MAX_BIN, format == 0 ? -1 : 0, &bin, ctx);
    if (!err) err = ff_query_number(&r->query, "component", 0, 1, format == 0 ? -1 : 0, &component, ctx);
    if (!err) err = ff_look_all(r, &look, ctx);
    if (err) return err;
    const struct ff_map_request request = {.job = r->match.args[0],
                                           .result = look.has_result ? look.result.path : NULL,
                                           .attempts = look.attempts,
                                           .name = r->match.args[1],
                                           .bin = (int)bin,
                                           .component = (int)component,
                                           .format = formats[format].format};
    err = ff_storehouse_map(r->http->config.store, &request, &bytes, &size, ctx);
    if (!err) err = ff_reply_bytes(r, MHD_HTTP_OK, formats[format].type, bytes, size, ctx);
    ff_look_done(&look);
    return err;
}
