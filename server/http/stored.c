/* server/http/stored.c - see stored.h. */
#include "server/http/stored.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "server/http/metrics.h"
#include "server/http/range.h"
#include "server/http/reply.h"

/* Headers that every answer about the file carries. */
static void add_headers(struct ff_request *r, const struct ff_stored *file, const char *etag)
{
    unsigned char hash[32];
    char digest[80], base64[64], name[160];
    size_t n;
    ff_reply_header(r, MHD_HTTP_HEADER_ETAG, etag);
    ff_reply_header(r, "Cache-Control", "private, max-age=31536000, immutable");
    ff_reply_header(r, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    snprintf(name, sizeof name, "attachment; filename=\"%s\"", file->name);
    ff_reply_header(r, "Content-Disposition", name);
    if (sodium_hex2bin(hash, sizeof hash, file->sha256, strlen(file->sha256), NULL, &n, NULL) != 0 || n != sizeof hash)
        return;
    sodium_bin2base64(base64, sizeof base64, hash, sizeof hash, sodium_base64_VARIANT_ORIGINAL);
    snprintf(digest, sizeof digest, "sha-256=:%s:", base64);
    ff_reply_header(r, "Repr-Digest", digest);
}

/* 416 says how long the file is. */
static ff_err outside(struct ff_request *r, int64_t size, ff_ctx *ctx)
{
    char range[64];
    snprintf(range, sizeof range, "bytes */%" PRId64, size);
    ff_fail(ctx, FF_ERANGE, FF_HERE, "the file has %" PRId64 " bytes", size);
    ff_reply_problem(r, ctx);
    ff_reply_header(r, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    return FF_OK;
}

static ff_err send_file(struct ff_request *r, const struct ff_stored *file, const char *etag, ff_ctx *ctx)
{
    const int64_t size = file->size;
    char range[96];
    int fd = -1;
    const struct ff_byte_range part = ff_range_of(ff_request_header(r, MHD_HTTP_HEADER_RANGE),
                                                  ff_request_header(r, MHD_HTTP_HEADER_IF_RANGE), etag, size);
    if (part.kind == FF_RANGE_OUTSIDE) return outside(r, size, ctx);
    const bool whole = part.kind == FF_RANGE_ALL;
    ff_err err = file->open(file->self, &fd, ctx);
    if (!err)
        err = ff_reply_file(r, whole ? MHD_HTTP_OK : MHD_HTTP_PARTIAL_CONTENT, file->type, fd, part.first, part.count,
                            ctx);
    if (err) return err;
    ff_metrics_result_bytes(r->http->metrics, part.count);
    add_headers(r, file, etag);
    snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, part.first, part.first + part.count - 1,
             size);
    if (!whole) ff_reply_header(r, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    return FF_OK;
}

ff_err ff_reply_stored(struct ff_request *r, const struct ff_stored *file, ff_ctx *ctx)
{
    char etag[96];
    snprintf(etag, sizeof etag, "\"sha256-%s\"", file->sha256);
    if (!ff_etag_listed(ff_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH), etag))
        return send_file(r, file, etag, ctx);
    const ff_err err = ff_reply_empty(r, MHD_HTTP_NOT_MODIFIED, ctx);
    if (!err) add_headers(r, file, etag);
    return err;
}
