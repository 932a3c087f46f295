/* server/queue/backup.c - a consistent copy while everything runs: SQLite's backup from one snapshot into NAME.part,
** checked, synced, renamed. What reads the snapshot does not hold up the writer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "server/queue/inner.h"

static ff_err fail_errno(const char *path, int why, ff_ctx *ctx)
{
    return ff_fail(ctx, why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO, FF_HERE, "backup to %s: %s", path,
                   strerror(why));
}

static ff_err sync_path(const char *path, int flags, ff_ctx *ctx)
{
    int fd = open(path, flags | O_CLOEXEC);
    int why = fd < 0 || fsync(fd) ? errno : 0;
    if (fd >= 0) close(fd);
    return why ? fail_errno(path, why, ctx) : FF_OK;
}

static ff_err copy(sqlite3 *from, sqlite3 *to, ff_ctx *ctx)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup) return ff_sql_fail(to, sqlite3_extended_errcode(to), FF_HERE, "be copied", ctx);
    int rc = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE ? FF_OK : ff_sql_fail(to, rc, FF_HERE, "be copied", ctx);
}

/* A copy says in its head that it has a write-ahead log; as one file it is easier to keep. */
static ff_err copy_into(ff_tx *from, const char *part, ff_ctx *ctx)
{
    ff_tx *to;
    int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno(part, errno, ctx);
    close(fd);
    ff_err err = ff_connect(&to, part, FF_OPEN_COPY, ctx);
    if (err) return err;
    err = copy(from->db, to->db, ctx);
    if (!err) err = ff_sql_script(to, "PRAGMA journal_mode=DELETE", ctx);
    if (!err) err = ff_check_database(to, part, FF_SCHEMA_VERSION, ctx);
    ff_disconnect(to);
    return err;
}

static ff_err publish(const char *part, const char *path, ff_ctx *ctx)
{
    char *folder = strdup(path);
    if (!folder) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a path");
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    ff_err err = sync_path(part, O_RDONLY, ctx);
    ff_crash_point("backup_before_rename");
    if (!err && rename(part, path)) err = fail_errno(path, errno, ctx);
    if (!err) err = sync_path(slash ? folder : ".", O_RDONLY | O_DIRECTORY, ctx);
    free(folder);
    return err;
}

ff_err ff_queue_backup(ff_queue *q, const char *path, ff_ctx *ctx)
{
    size_t size = strlen(path) + sizeof ".part";
    char *part = malloc(size);
    ff_tx *from = NULL;
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a path");
    snprintf(part, size, "%s.part", path);
    ff_err err = ff_connect(&from, q->path, FF_OPEN_READER, ctx);
    if (!err) err = copy_into(from, part, ctx);
    if (!err) err = publish(part, path, ctx);
    if (err) unlink(part);
    ff_disconnect(from);
    free(part);
    return err;
}
