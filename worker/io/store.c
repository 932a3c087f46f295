/* worker/io/store.c - see store.h. File: a header of HEADER bytes, then the records, each followed by its 8-byte checksum. */
#include "worker/io/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 4096, TEXT = 1024, FORMAT = 1 };

struct header {
    char magic[8];
    uint64_t format, record, nrecords;
    char identity[TEXT], origin[TEXT];
    uint64_t sum; /* of all before it */
};

struct ff_store {
    int fd;
    size_t record;
    long nrecords;
    uint64_t seed;
    char *path;
};

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9E3779B97F4A7C15u; /* an odd constant: the step can be undone, so no word is lost */
    return h ^ (h >> 32);
}

/* A checksum against accidents at the speed of memory: four independent lanes of multiply and fold over 8-byte words. */
static uint64_t checksum(uint64_t seed, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    uint64_t lane[4] = {mix(seed, 1), mix(seed, 2), mix(seed, 3), mix(seed, 4)}, word[4];
    size_t i = 0;
    for (; i + sizeof word <= size; i += sizeof word) {
        memcpy(word, p + i, sizeof word);
        for (int k = 0; k < 4; k++) lane[k] = mix(lane[k], word[k]);
    }
    for (; i + sizeof *word <= size; i += sizeof *word) {
        memcpy(word, p + i, sizeof *word);
        lane[0] = mix(lane[0], word[0]);
    }
    return mix(mix(mix(mix(lane[0], lane[1]), lane[2]), lane[3]), size);
}

static ff_err write_failed(ff_ctx *ctx, const char *path)
{
    const int why = errno;
    return ff_fail(ctx, why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO, FF_HERE, "%s cannot be written: %s",
                   path, strerror(why));
}

static bool write_at(int fd, const void *bytes, size_t size, off_t at)
{
    const char *p = bytes;
    while (size) {
        const ssize_t n = pwrite(fd, p, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_at(int fd, void *bytes, size_t size, off_t at)
{
    char *p = bytes;
    while (size) {
        const ssize_t n = pread(fd, p, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void fill_header(struct header *h, const struct ff_store_config *config)
{
    memset(h, 0, sizeof *h); /* padding too: the header is compared and summed as bytes */
    memcpy(h->magic, "FFSTORE", sizeof h->magic);
    h->format = FORMAT;
    h->record = config->record;
    h->nrecords = (uint64_t)config->nrecords;
    snprintf(h->identity, sizeof h->identity, "%s", config->identity);
    snprintf(h->origin, sizeof h->origin, "%s", config->origin);
    h->sum = checksum(0, h, offsetof(struct header, sum));
}

/* An earlier header that is whole decides; without one the file is started anew. */
static ff_err settle_header(struct ff_store *s, const struct ff_store_config *config, bool *other_origin, ff_ctx *ctx)
{
    struct header want, got;
    fill_header(&want, config);
    if ((config->resume || config->read_only) && read_at(s->fd, &got, sizeof got, 0) &&
        got.sum == checksum(0, &got, offsetof(struct header, sum))) {
        if (memcmp(got.magic, want.magic, sizeof got.magic) || got.format != want.format || got.record != want.record ||
            got.nrecords != want.nrecords || memcmp(got.identity, want.identity, sizeof got.identity))
            return ff_fail(
                ctx, FF_ECHECKPOINT, FF_HERE,
                "%s belongs to another job (%.16s.., this one is %.16s..): run without --resume to start over", s->path,
                got.identity, want.identity);
        *other_origin = memcmp(got.origin, want.origin, sizeof got.origin) != 0;
        return FF_OK;
    }
    if (config->read_only) return ff_fail(ctx, FF_EIO, FF_HERE, "%s has no whole header", s->path);
    if (ftruncate(s->fd, 0) || !write_at(s->fd, &want, sizeof want, 0)) return write_failed(ctx, s->path);
    return FF_OK;
}

static ff_err open_failed(ff_ctx *ctx, const struct ff_store_config *config)
{
    if (!config->read_only) return write_failed(ctx, config->path);
    return ff_fail(ctx, FF_EIO, FF_HERE, "%s cannot be read: %s", config->path, strerror(errno));
}

ff_err ff_store_open(ff_store **out, const struct ff_store_config *config, bool *other_origin, ff_ctx *ctx)
{
    *out = NULL;
    *other_origin = false;
    ff_store *s = calloc(1, sizeof *s);
    char *path = strdup(config->path);
    if (!s || !path) {
        free(s);
        free(path);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to open %s", config->path);
    }
    *s = (struct ff_store){.record = config->record,
                           .nrecords = config->nrecords,
                           .seed = checksum(FORMAT, config->identity, strlen(config->identity) & ~(size_t)7),
                           .path = path};
    s->fd = open(path, (config->read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOFOLLOW, 0666);
    ff_err err = s->fd < 0 ? open_failed(ctx, config) : settle_header(s, config, other_origin, ctx);
    if (err) {
        ff_store_close(s);
        return err;
    }
    *out = s;
    return FF_OK;
}

void ff_store_close(ff_store *s)
{
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    free(s->path);
    free(s);
}

static off_t place(const ff_store *s, long i)
{
    return HEADER + (off_t)i * (off_t)(s->record + sizeof(uint64_t));
}

static uint64_t record_sum(const ff_store *s, long i, const void *record)
{
    return checksum(mix(s->seed, (uint64_t)i), record, s->record);
}

bool ff_store_get(const ff_store *s, long i, void *record)
{
    uint64_t sum;
    return read_at(s->fd, record, s->record, place(s, i)) &&
           read_at(s->fd, &sum, sizeof sum, place(s, i) + (off_t)s->record) && sum == record_sum(s, i, record);
}

ff_err ff_store_put(const ff_store *s, long i, const void *record, ff_ctx *ctx)
{
    const uint64_t sum = record_sum(s, i, record);
    if (i < 0 || i >= s->nrecords)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "record %ld of %ld in %s", i, s->nrecords, s->path);
    if (!write_at(s->fd, record, s->record, place(s, i)) ||
        !write_at(s->fd, &sum, sizeof sum, place(s, i) + (off_t)s->record))
        return write_failed(ctx, s->path);
    return FF_OK;
}

double ff_store_bytes(size_t record, long nrecords)
{
    return HEADER + (double)nrecords * (double)(record + sizeof(uint64_t));
}
