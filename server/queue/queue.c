/* server/queue/queue.c - see queue.h: opening with every check first, and the way to the writer and the readers. */
#include "server/queue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "server/queue/inner.h"

/* ---- opening ---- */

static ff_err fail_errno(const char *path, int why, ff_ctx *ctx)
{
    return ff_fail(ctx, why == ENOSPC ? FF_EDISKFULL : FF_EIO, FF_HERE, "the database %s: %s", path, strerror(why));
}

/* SQLite's write-ahead log needs memory shared between processes and locks that hold: not over a network. `place` is the
** database or, before there is one, its folder. */
static ff_err check_place(const char *path, const char *place, ff_ctx *ctx)
{
    struct statfs fs;
    if (statfs(place, &fs)) return fail_errno(path, errno, ctx);
    const char *name = ff_network_fs((unsigned long)fs.f_type);
    if (!name) return FF_OK;
    return ff_fail(ctx, FF_EUSAGE, FF_HERE,
                   "%s is on %s, a file system of the network, where the database would not be safe; "
                   "allowed: a disk of this machine (results may stay on the network: only the database may not)",
                   path, name);
}

/* The folder of a path into `out` (same size as the path, at least 2). */
static void folder_of(const char *path, char *out)
{
    const char *slash = strrchr(path, '/');
    size_t n = !slash ? 1 : slash == path ? 1 : (size_t)(slash - path);
    memcpy(out, slash ? path : ".", n);
    out[n] = '\0';
}

static ff_err check_folder(const char *path, ff_ctx *ctx)
{
    char *folder = malloc(strlen(path) + 2);
    if (!folder) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a path");
    folder_of(path, folder);
    ff_err err = check_place(path, folder, ctx);
    free(folder);
    return err;
}

/* A file that has bytes is looked at by a connection that changes nothing; one that is missing is made, for the owner
** only. Files beside it (-wal, -shm) take its mode. */
static ff_err check_file(const char *path, ff_ctx *ctx)
{
    struct stat info;
    if (stat(path, &info) && errno == ENOENT) {
        ff_err err = check_folder(path, ctx);
        if (err) return err;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) return fail_errno(path, errno, ctx);
        close(fd);
        return FF_OK;
    }
    ff_err err = check_place(path, path, ctx);
    if (err) return err;
    if (stat(path, &info)) return fail_errno(path, errno, ctx);
    if (!S_ISREG(info.st_mode)) return ff_fail(ctx, FF_EDATABASE, FF_HERE, "%s is not a file", path);
    if (info.st_size == 0) return FF_OK;
    ff_tx *tx;
    int version;
    err = ff_connect(&tx, path, FF_OPEN_CHECK, ctx);
    if (err) return err;
    err = ff_schema_version(tx, path, &version, ctx);
    if (!err) err = ff_check_database(tx, path, version, ctx);
    ff_disconnect(tx);
    return err;
}

ff_err ff_queue_open(ff_queue **out, const struct ff_queue_config *config, ff_ctx *ctx)
{
    *out = NULL;
    if (config->readers < 1 || config->readers > 64)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "%d readers of the database; allowed: 1 to 64", config->readers);
    if (sodium_init() < 0) return ff_fail(ctx, FF_EIO, FF_HERE, "the system gives no random numbers");
    ff_err err = check_file(config->path, ctx);
    if (err) return err;
    ff_queue *q = calloc(1, sizeof *q);
    if (!q) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the queue");
    pthread_mutex_init(&q->lock, NULL);
    q->path = strdup(config->path);
    err = q->path ? ff_writer_start(&q->writer, q, ctx) : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the queue");
    if (!err) err = ff_readers_start(&q->readers, q, config->readers, ctx);
    if (err) {
        ff_queue_close(q);
        return err;
    }
    *out = q;
    return FF_OK;
}

void ff_queue_close(ff_queue *q)
{
    if (!q) return;
    ff_readers_stop(q->readers);
    ff_writer_stop(q->writer); /* the last connection: closing it moves the log into the database */
    pthread_mutex_destroy(&q->lock);
    free(q->path);
    free(q);
}

/* ---- use ---- */

ff_err ff_queue_write(ff_queue *q, ff_queue_fn fn, void *arg, ff_ctx *ctx)
{
    return ff_writer_run(q->writer, fn, arg, ctx);
}

ff_err ff_queue_read(ff_queue *q, ff_queue_fn fn, void *arg, ff_ctx *ctx)
{
    return ff_readers_run(q->readers, fn, arg, ctx);
}

void ff_queue_listen(ff_queue *q, ff_queue_listener listener, void *self)
{
    pthread_mutex_lock(&q->lock);
    if (q->nlisteners < FF_MAX_LISTENERS) {
        q->listener[q->nlisteners].tell = listener;
        q->listener[q->nlisteners++].self = self;
    }
    pthread_mutex_unlock(&q->lock);
}

void ff_queue_unlisten(ff_queue *q, ff_queue_listener listener, void *self)
{
    pthread_mutex_lock(&q->lock);
    for (int i = 0; i < q->nlisteners; i++) {
        if (q->listener[i].tell != listener || q->listener[i].self != self) continue;
        q->listener[i] = q->listener[--q->nlisteners];
        break;
    }
    pthread_mutex_unlock(&q->lock);
}

static ff_err probe(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    (void)arg;
    return ff_sql_run(tx, "UPDATE totals SET value = value + 1 WHERE name = 'probe'", FF_NO_ARGS, ctx);
}

ff_err ff_queue_probe(ff_queue *q, ff_ctx *ctx)
{
    return ff_queue_write(q, probe, NULL, ctx);
}

void ff_quotas_set_defaults(ff_queue *q, const struct ff_quotas *defaults)
{
    pthread_mutex_lock(&q->lock);
    q->defaults = *defaults;
    pthread_mutex_unlock(&q->lock);
}
