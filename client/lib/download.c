/* client/lib/download.c - a file in as many pieces as the network needs (http.h). Bytes go to `path`.part, which is locked;
** what is there already is asked for no more, but for its last byte: a range must not be empty. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/lib/client.h"
#include "client/lib/exchange.h"
#include "common/hash.h"
#include "common/publish.h"

enum { TRIES_WITHOUT_PROGRESS = 5 };
static const double first_wait_s = 0.2, longest_wait_s = 30;

struct download {
    ff_client *client;
    const char *from, *path; /* on the server; here */
    char *part;
    int fd;
    int64_t have;  /* bytes of the part that are good */
    int64_t total; /* < 0: not known */
    char etag[FF_ANSWER_HEADER];
    bool resumed; /* the first bytes are of an earlier call */
    bool placed;  /* the answer's first byte has found its place */
    const struct ff_exchange *x;
    void (*progress)(void *self, int64_t done, int64_t total);
    void *self;
    ff_ctx *ctx;
};

static ff_err open_part(struct download *d, bool resume, ff_ctx *ctx)
{
    struct stat info;
    d->part = ff_part_name(d->path);
    if (!d->part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
    d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (d->fd < 0) return ff_write_fail(ctx, errno, d->path, strerror(errno));
    if (flock(d->fd, LOCK_EX | LOCK_NB) != 0) {
        return ff_fail(ctx, FF_ECONFLICT, FF_HERE, "%s is being written by another download", d->part);
    }
    if (fstat(d->fd, &info) != 0) return ff_write_fail(ctx, errno, d->path, strerror(errno));
    d->have = resume ? info.st_size : 0;
    d->resumed = d->have > 0;
    return FF_OK;
}

/* "bytes 100-199/200" */
static bool read_range(const char *text, int64_t *first, int64_t *total)
{
    int64_t last;
    return sscanf(text, "bytes %" SCNd64 "-%" SCNd64 "/%" SCNd64, first, &last, total) == 3 && *first >= 0 &&
           last >= *first && *total > last;
}

/* Where the answer's first byte belongs. */
static ff_err place(struct download *d)
{
    const struct ff_exchange *x = d->x;
    int64_t first = 0, total = x->length;
    if (x->status == 206 && !read_range(x->content_range, &first, &total)) {
        return ff_fail(d->ctx, FF_ESERVER, FF_HERE, "the server sent a part without saying which");
    }
    if (first > d->have) return ff_fail(d->ctx, FF_ESERVER, FF_HERE, "the server sent another part than was asked for");
    if (x->status == 206 && d->etag[0] && strcmp(d->etag, x->etag) != 0) { /* unasked: a 200 begins anew */
        return ff_fail(d->ctx, FF_ECORRUPT, FF_HERE, "the file changed on the server");
    }
    snprintf(d->etag, sizeof d->etag, "%s", x->etag);
    d->have = first;
    d->resumed = d->resumed && first > 0;
    d->total = total;
    d->placed = true;
    if (ftruncate(d->fd, d->have) != 0) return ff_write_fail(d->ctx, errno, d->path, strerror(errno));
    return FF_OK;
}

static ff_err take(void *self, const void *bytes, size_t size)
{
    struct download *d = self;
    ff_err err = d->placed ? FF_OK : place(d);
    const char *at = bytes;
    while (!err && size > 0) {
        ssize_t n = pwrite(d->fd, at, size, d->have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ff_write_fail(d->ctx, errno, d->path, strerror(errno));
        at += n;
        size -= (size_t)n;
        d->have += n;
    }
    if (!err && d->progress) d->progress(d->self, d->have, d->total);
    return err;
}

/* One connection. *whole: everything is here. */
static ff_err fetch_once(struct download *d, bool *whole, double *wait_s, ff_ctx *ctx)
{
    char range[64], if_range[FF_ANSWER_HEADER + 16];
    struct ff_exchange x = {
        .method = "GET", .path = d->from, .silence_s = d->client->silence_s, .take = take, .self = d};
    if (d->have > 1) {
        snprintf(range, sizeof range, "Range: bytes=%" PRId64 "-", d->have - 1);
        snprintf(if_range, sizeof if_range, "If-Range: %s", d->etag);
        x.headers[0] = range;
        if (d->etag[0]) x.headers[1] = if_range;
    }
    d->x = &x;
    d->placed = false;
    d->ctx = ctx;
    ff_err err = ff_exchange_run(d->client, &x, ctx);
    if (!err && x.status >= 200 && x.status < 300) {
        if (!d->placed) err = place(d); /* an empty file */
        *whole = !err && (d->total < 0 || d->have == d->total);
        if (!err && !*whole) err = ff_fail(ctx, FF_EUNREACHABLE, FF_HERE, "the download broke off");
    } else if (!err) {
        err = ff_exchange_problem(&x, ctx);
        if (x.status == 416 && d->resumed) { /* the part is longer than the file: of another one */
            d->have = 0;
            d->resumed = false;
            err = FF_EUNREACHABLE;
        } else if (x.status == 503 && ff_exchange_busy(&x, wait_s)) {
            err = FF_EUNREACHABLE;
        }
    }
    ff_exchange_done(&x);
    return err;
}

static ff_err fetch_all(struct download *d, ff_ctx *ctx)
{
    bool whole = false;
    int fruitless = 0;
    double wait_s = first_wait_s;
    for (;;) {
        const int64_t before = d->have;
        ff_ctx broke = {0};
        ff_err err = fetch_once(d, &whole, &wait_s, &broke);
        if (!err && whole) return FF_OK;
        if (d->have > before) {
            fruitless = 0;
            wait_s = first_wait_s;
        }
        if (err != FF_EUNREACHABLE || ++fruitless > TRIES_WITHOUT_PROGRESS) {
            if (broke.code == FF_OK) broke.code = err;
            if (ctx) *ctx = broke;
            return err;
        }
        if (wait_s > longest_wait_s) wait_s = longest_wait_s;
        err = ff_client_pause(d->client, wait_s, ctx);
        if (err) return err;
        wait_s *= 2;
    }
}

/* Compares the part with the hash the server told: "sha256-<64 digits>" in quotes. */
static ff_err verify(const struct download *d, ff_ctx *ctx)
{
    static const char prefix[] = "\"sha256-";
    char hash[FF_HASH_SIZE];
    const char *told = d->etag + sizeof prefix - 1;
    if (strncmp(d->etag, prefix, sizeof prefix - 1) != 0 || strcspn(told, "\"") != FF_HASH_SIZE - 1) {
        return ff_fail(ctx, FF_ESERVER, FF_HERE, "the server did not tell the file's SHA-256");
    }
    ff_err err = ff_hash_file(d->part, hash, ctx);
    if (err) return err;
    if (memcmp(hash, told, FF_HASH_SIZE - 1) == 0) return FF_OK;
    return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "%s has SHA-256 %s, not %.64s as on the server", d->part, hash, told);
}

/* A wrong hash of bytes that an earlier call left: they may be of another file, so once more from the start. */
static ff_err fetch_and_verify(struct download *d, ff_ctx *ctx)
{
    ff_err err = fetch_all(d, ctx);
    if (!err) err = verify(d, ctx);
    if (err == FF_ECORRUPT && d->resumed) {
        ff_ctx_clear(ctx);
        d->have = 0;
        d->resumed = false;
        d->etag[0] = '\0';
        err = fetch_all(d, ctx);
        if (!err) err = verify(d, ctx);
    }
    return err;
}

ff_err ff_client_download(ff_client *c, const char *path_on_server, const char *path, bool resume,
                          void (*progress)(void *self, int64_t done, int64_t total), void *self, ff_ctx *ctx)
{
    struct download d = {
        .client = c, .from = path_on_server, .path = path, .fd = -1, .total = -1, .progress = progress, .self = self};
    ff_err err = open_part(&d, resume, ctx);
    const bool ours = !err;
    if (!err) err = fetch_and_verify(&d, ctx);
    if (!err) err = ff_publish(d.part, path, ctx);
    /* A part is worth keeping only when more bytes can make it whole. */
    if (err && ours && err != FF_EUNREACHABLE && err != FF_EINTERRUPTED && err != FF_EDISKFULL) unlink(d.part);
    if (err && ours && d.have == 0) unlink(d.part);
    if (d.fd >= 0) close(d.fd);
    free(d.part);
    return err;
}
