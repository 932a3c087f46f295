/* server/main/restore.c - see restore.h. */
#include "server/main/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/model.h"
#include "common/publish.h"
#include "server/main/setup.h"
#include "server/queue/queue.h"

enum { BLOCK = 1 << 20, PATH = FF_PATH_SIZE + 64 };
static const char *const SUFFIXES[] = {"", "-wal", "-shm"};

static ff_err fail_errno(ff_ctx *ctx, const char *doing, const char *path)
{
    return ff_fail(ctx,
                   errno == ENOSPC   ? FF_EDISKFULL
                   : errno == ENOENT ? FF_ENOFILE
                                     : FF_EIO,
                   FF_HERE, "cannot %s %s: %s", doing, path, strerror(errno));
}

static ff_err copy_bytes(int from, int to, const char *source, const char *target, ff_ctx *ctx)
{
    char *block = malloc(BLOCK);
    if (!block) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a copy");
    ff_err err = FF_OK;
    ssize_t n = 0;
    while (!err && (n = read(from, block, BLOCK)) > 0) {
        for (ssize_t done = 0, wrote; !err && done < n; done += wrote) {
            wrote = write(to, block + done, (size_t)(n - done));
            if (wrote < 0) err = fail_errno(ctx, "write", target);
        }
    }
    if (!err && n < 0) err = fail_errno(ctx, "read", source);
    free(block);
    return err;
}

static ff_err copy_file(const char *source, const char *target, ff_ctx *ctx)
{
    const int from = open(source, O_RDONLY | O_CLOEXEC);
    if (from < 0) return fail_errno(ctx, "read", source);
    const int to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    ff_err err = to < 0 ? fail_errno(ctx, "write", target) : copy_bytes(from, to, source, target, ctx);
    if (to >= 0) close(to);
    close(from);
    return err;
}

/* A start would refuse a damaged copy, or bring an older one up to date. */
static ff_err check_copy(const char *copy, ff_ctx *ctx)
{
    ff_queue *queue = NULL;
    const ff_err err = ff_queue_open(&queue, &(struct ff_queue_config){.path = copy, .readers = 1}, ctx);
    ff_queue_close(queue);
    return err;
}

/* What was there gets a second name; its log, which belongs to it, must not meet another database and is moved. The database
** itself keeps its name until the copy takes it, so that there is one at every moment. */
static ff_err set_aside(const char *database, ff_ctx *ctx)
{
    static const char *const logs[] = {"-wal", "-shm"};
    char from[PATH + 8], to[PATH + 64], stamp[FF_TIME_SIZE];
    ff_time_stamp(ff_now_ms(), stamp);
    snprintf(to, sizeof to, "%s.before-%s", database, stamp);
    if (link(database, to) != 0 && errno != ENOENT) return fail_errno(ctx, "set aside", database);
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        snprintf(from, sizeof from, "%s%s", database, logs[i]);
        snprintf(to, sizeof to, "%s.before-%s%s", database, stamp, logs[i]);
        if (rename(from, to) != 0 && errno != ENOENT) return fail_errno(ctx, "set aside", from);
    }
    return FF_OK;
}

static ff_err restore_locked(const char *data, const char *file, ff_ctx *ctx)
{
    char database[PATH], copy[PATH], path[PATH + 8];
    snprintf(database, sizeof database, "%s/fullfield.db", data);
    snprintf(copy, sizeof copy, "%s/fullfield.db.restore", data);
    ff_err err = copy_file(file, copy, ctx);
    if (!err) err = check_copy(copy, ctx);
    if (!err) err = set_aside(database, ctx);
    if (!err) err = ff_publish(copy, database, ctx); /* with the names given before, which are of the same folder */
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof *SUFFIXES; i++) {
        snprintf(path, sizeof path, "%s%s", copy, SUFFIXES[i]);
        unlink(path);
    }
    return err;
}

ff_err ff_restore(const char *data, const char *file, ff_ctx *ctx)
{
    int lock;
    ff_err err = ff_setup_folder(data, 0, &lock, ctx);
    if (err) return err;
    err = restore_locked(data, file, ctx);
    if (err) ff_note(ctx, FF_HERE, "while restoring %s into %s", file, data);
    close(lock);
    return err;
}
