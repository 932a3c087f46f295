/* worker/gang/fetch.c - see fetch.h. */
#include "worker/gang/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ff_fetch_init(struct ff_fetch *f)
{
    *f = (struct ff_fetch){.fd = -1};
}

static ff_err failed(ff_ctx *ctx, const char *path, int why)
{
    const ff_err code = why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO;
    return ff_fail(ctx, code, FF_HERE, "%s cannot be written: %s", path, strerror(why));
}

ff_err ff_fetch_start(struct ff_fetch *f, const struct ff_fetch_want *want, ff_ctx *ctx)
{
    const size_t size = strlen(want->path) + sizeof ".part";
    ff_fetch_init(f);
    char *part = malloc(size);
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
    snprintf(part, size, "%s.part", want->path);
    f->fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (f->fd < 0) {
        const ff_err err = failed(ctx, part, errno);
        free(part);
        return err;
    }
    f->want = *want;
    f->part = part;
    return FF_OK;
}

json_t *ff_fetch_ask(const struct ff_fetch *f)
{
    return json_pack("{ss ss si ss sI}", "job", f->want.job, "task", f->want.task, "attempt", f->want.attempt, "name",
                     f->want.name, "offset", (json_int_t)f->have);
}

static bool is_answer(const struct ff_fetch *f, const json_t *body)
{
    const char *job = json_string_value(json_object_get(body, "job"));
    const char *task = json_string_value(json_object_get(body, "task"));
    const char *name = json_string_value(json_object_get(body, "name"));
    return ff_fetch_busy(f) && (!job || !strcmp(job, f->want.job)) && (!task || !strcmp(task, f->want.task)) && name &&
           !strcmp(name, f->want.name) && json_integer_value(json_object_get(body, "offset")) == f->have &&
           json_integer_value(json_object_get(body, "attempt")) == f->want.attempt;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

bool ff_fetch_chunk(struct ff_fetch *f, const json_t *body, const void *bytes, size_t size)
{
    if (!is_answer(f, body)) return false;
    const bool eof = json_is_true(json_object_get(body, "eof"));
    const int64_t left = f->want.size - f->have;
    f->asked = false;
    if ((int64_t)size > left || (eof && (int64_t)size < left) || (!eof && size == 0)) {
        f->err = ff_fail(&f->why, FF_ESTORAGE, FF_HERE, "the server's %s has not the %lld bytes it was said to have",
                         f->want.name, (long long)f->want.size);
        f->done = true;
        return true;
    }
    const int why = write_all(f->fd, bytes, size);
    if (why) f->err = failed(&f->why, f->part, why);
    f->have += (int64_t)size;
    f->done = f->err || f->have == f->want.size;
    return true;
}

ff_err ff_fetch_end(struct ff_fetch *f, ff_ctx *ctx)
{
    if (!f->part) return FF_OK;
    ff_err err = f->err;
    if (err && ctx) *ctx = f->why;
    if (close(f->fd) && !err) err = failed(ctx, f->part, errno);
    if (!err && !f->done) err = ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "%s was not wanted to its end", f->want.name);
    if (!err && rename(f->part, f->want.path)) err = failed(ctx, f->want.path, errno);
    if (err) unlink(f->part);
    free(f->part);
    ff_fetch_init(f);
    return err;
}
