/* server/http/begin.c - see begin.h. The library accepts a Content-Length beside Transfer-Encoding, and several
** Content-Lengths: a proxy in front that reads them the other way would let one request hide in another. */
#include "server/http/begin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/job.h"
#include "server/http/auth.h"
#include "server/http/peers.h"

enum { MAX_URI = 8192 };

/* How often headers that may occur once do. */
struct counts {
    int length, encoding, host, authorization, type, key, unclean;
};

static enum MHD_Result count(void *self, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct counts *c = self;
    (void)kind;
    c->length += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
    c->encoding += strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    c->host += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0;
    c->authorization += strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0;
    c->type += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0;
    c->key += strcasecmp(name, "Idempotency-Key") == 0;
    c->unclean += !value || strpbrk(value, "\r\n") || strlen(name) != strcspn(name, " \t");
    return MHD_YES;
}

/* The declared length; -1: chunked; 0: no body. */
static ff_err body_length(struct ff_request *r, int64_t *length, ff_ctx *ctx)
{
    struct counts c = {0};
    *length = 0;
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count, &c);
    r->close = c.length || c.encoding; /* until the body is known to be harmless */
    if (c.length + c.encoding > 1)
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "the length of the body is given in more than one way");
    if (c.host > 1 || c.authorization > 1 || c.type > 1 || c.key > 1)
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE,
                       "given twice: one of Host, Authorization, Content-Type, Idempotency-Key");
    if (c.unclean) return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "a header is not valid");
    const char *encoding = ff_request_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    const char *text = ff_request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    long value = 0;
    if (encoding && strcasecmp(encoding, "chunked") != 0)
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "a transfer encoding other than chunked");
    if (text && (*text == '-' || !ff_parse_number(text, 0, INT64_MAX, &value)))
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "Content-Length is not a number of bytes");
    *length = encoding ? -1 : value;
    r->close = *length != 0;
    return FF_OK;
}

/* "type", or "type; parameters" (which say nothing that matters: JSON is UTF-8). */
static bool is_type(const char *header, const char *type)
{
    const size_t n = strlen(type);
    if (!header || strncasecmp(header, type, n) != 0) return false;
    header += n + strspn(header + n, " \t");
    return !*header || *header == ';';
}

int64_t ff_request_limit(const struct ff_request *r)
{
    switch (r->match.route->body) {
    case FF_BODY_JOB:
        return FF_JOB_MAX_BYTES;
    case FF_BODY_FILE:
        return r->http->config.max_body_bytes;
    case FF_BODY_NONE:
        return 0;
    default:
        return FF_SMALL_BODY;
    }
}

ff_err ff_request_too_large(const struct ff_request *r, ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "the body is too large; allowed: at most %lld bytes",
                   (long long)ff_request_limit(r));
}

static ff_err check_body(struct ff_request *r, int64_t length, ff_ctx *ctx)
{
    const enum ff_body kind = r->match.route->body;
    const char *encoding = ff_request_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING);
    if (length == 0 && (kind == FF_BODY_NONE || kind == FF_BODY_OPTIONAL)) return FF_OK;
    if (kind == FF_BODY_NONE) return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "%s takes no body here", r->method);
    const char *type = kind == FF_BODY_FILE ? "application/x-hdf5" : "application/json";
    if (!is_type(ff_request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE), type))
        return ff_fail(ctx, FF_EMEDIA, FF_HERE, "Content-Type; allowed: %s", type);
    if (encoding && strcasecmp(encoding, "identity") != 0)
        return ff_fail(ctx, FF_EMEDIA, FF_HERE, "Content-Encoding; allowed: none");
    if (length > ff_request_limit(r)) return ff_request_too_large(r, ctx);
    if (kind != FF_BODY_FILE) return FF_OK;
    ff_err err = ff_storehouse_room(r->http->config.store, length > 0 ? length : 0, ctx);
    if (!err) err = ff_upload_begin(&r->upload, r->http->config.store, ctx);
    return err;
}

ff_err ff_request_begin(struct ff_request *r, ff_ctx *ctx)
{
    struct ff_http *h = r->http;
    int64_t length;
    ff_err err = body_length(r, &length, ctx);
    if (err) return err;
    if (atomic_load(&h->stopping)) return ff_fail(ctx, FF_EBUSY, FF_HERE, "the server is stopping");
    if (ff_peer_is_extra(r->peer)) {
        r->close = true;
        return ff_fail(ctx, FF_EBUSY, FF_HERE, "%d connections are open", ff_peers_count(h->peers));
    }
    if (strlen(r->uri) > MAX_URI)
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "the path is too long; allowed: at most %d bytes", MAX_URI);
    err = ff_route_match(&r->match, r->method, r->uri, ctx);
    if (err) return err;
    const struct ff_route *route = r->match.route;
    if (route->access != FF_OPEN) err = ff_auth_identify(r, ctx);
    if (err) return err;
    if (route->access == FF_ADMINS && !r->who.admin)
        return ff_fail(ctx, FF_EFORBIDDEN, FF_HERE, "only an administrator may do this");
    err = ff_query_parse(&r->query, r->query_text, strlen(r->query_text), route->query, ctx);
    if (!err) err = check_body(r, length, ctx);
    if (!err) r->close = false;
    return err;
}
