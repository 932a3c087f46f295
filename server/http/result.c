/* server/http/result.c - GET /v1/jobs/{job}/result: the file, whole or a range of it. A result never changes, so its hash is
** its entity tag, and caches may keep it for ever. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/http/look.h"
#include "server/http/metrics.h"
#include "server/http/range.h"
#include "server/http/reply.h"

struct find {
    struct ff_request *r;
    struct ff_job_row job;
    struct ff_result_row result;
};

static ff_err find(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct find *f = arg;
    const char *id = f->r->match.args[0];
    ff_err err = ff_jobs_find(tx, &f->r->who, id, &f->job, ctx);
    if (err) return err;
    err = ff_results_find(tx, &f->r->who, id, &f->result, ctx);
    if (err != FF_ENOTFOUND) return err;
    if (strcmp(f->job.state, "succeeded") == 0)
        return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "the job has no result file");
    return ff_fail(ctx, FF_ECONFLICT, FF_HERE, "the job is %s: it has no result%s", f->job.state,
                   f->job.ended ? "" : " yet");
}

static ff_err flag_corrupt(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_results_flag_corrupt(tx, arg, ctx);
}

/* Opens the file; bytes that changed on disk are an error of ours, noted in the database too. */
static ff_err open_result(struct find *f, int *fd, ff_ctx *ctx)
{
    struct ff_http *h = f->r->http;
    const struct ff_result_row *row = &f->result;
    ff_err err = ff_storehouse_open_result(h->config.store, row->path, row->size, row->sha256, fd, ctx);
    if (err != FF_ECORRUPT || row->corrupt) return err;
    ff_ctx ignored = {0};
    if (ff_queue_write(h->config.queue, flag_corrupt, (void *)row->job, &ignored))
        ff_http_log(h, "error", "%s: a corrupt result could not be flagged: %s", f->r->id, ignored.message);
    return err;
}

/* Headers that every answer about the file carries. */
static void add_headers(struct ff_request *r, const struct ff_result_row *row, const char *etag)
{
    unsigned char hash[32];
    char digest[80], base64[64], name[80];
    size_t n;
    ff_reply_header(r, MHD_HTTP_HEADER_ETAG, etag);
    ff_reply_header(r, "Cache-Control", "private, max-age=31536000, immutable");
    ff_reply_header(r, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    snprintf(name, sizeof name, "attachment; filename=\"%s.h5\"", row->job);
    ff_reply_header(r, "Content-Disposition", name);
    if (sodium_hex2bin(hash, sizeof hash, row->sha256, strlen(row->sha256), NULL, &n, NULL) != 0 || n != sizeof hash)
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

static ff_err send_file(struct find *f, const char *etag, ff_ctx *ctx)
{
    struct ff_request *r = f->r;
    const int64_t size = f->result.size;
    char range[96];
    int fd = -1;
    const struct ff_byte_range part = ff_range_of(ff_request_header(r, MHD_HTTP_HEADER_RANGE),
                                                  ff_request_header(r, MHD_HTTP_HEADER_IF_RANGE), etag, size);
    if (part.kind == FF_RANGE_OUTSIDE) return outside(r, size, ctx);
    const bool whole = part.kind == FF_RANGE_ALL;
    ff_err err = open_result(f, &fd, ctx);
    if (!err)
        err = ff_reply_file(r, whole ? MHD_HTTP_OK : MHD_HTTP_PARTIAL_CONTENT, "application/x-hdf5", fd, part.first,
                            part.count, ctx);
    if (err) return err;
    ff_metrics_result_bytes(r->http->metrics, part.count);
    add_headers(r, &f->result, etag);
    snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, part.first, part.first + part.count - 1,
             size);
    if (!whole) ff_reply_header(r, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    return FF_OK;
}

ff_err ff_get_result(struct ff_request *r, ff_ctx *ctx)
{
    struct find f = {.r = r};
    char etag[96];
    ff_err err = ff_queue_read(r->http->config.queue, find, &f, ctx);
    if (err) return err;
    snprintf(etag, sizeof etag, "\"sha256-%s\"", f.result.sha256);
    if (!ff_etag_listed(ff_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH), etag)) return send_file(&f, etag, ctx);
    err = ff_reply_empty(r, MHD_HTTP_NOT_MODIFIED, ctx);
    if (!err) add_headers(r, &f.result, etag);
    return err;
}
