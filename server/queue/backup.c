/* server/queue/backup.c - a consistent copy while everything runs: SQLite's backup from one snapshot into NAME.part,
** checked, synced, renamed. What reads the snapshot does not hold up the writer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/publish.h"
#include "server/queue/inner.h"

static ff_err copy(sqlite3 *from, sqlite3 *to, ff_ctx *ctx)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup) return ff_sql_fail(to, sqlite3_extended_errcode(to), FF_HERE, "be copied", ctx);
    int rc = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE ? FF_OK : ff_sql_fail(to, rc, FF_HERE, "be copied", ctx);
}

/* A copy says in its head that it has a write-ahead log; as one file it is easier to keep. What is wrong with the copy is wrong
** with `database`, whose pages it has. */
static ff_err copy_into(ff_tx *from, const char *database, int version, const char *part, ff_ctx *ctx)
{
    ff_tx *to;
    int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return ff_write_fail(ctx, errno, part, strerror(errno));
    close(fd);
    ff_err err = ff_connect(&to, part, FF_OPEN_COPY, ctx);
    if (err) return err;
    err = copy(from->db, to->db, ctx);
    if (!err) err = ff_sql_script(to, "PRAGMA journal_mode=DELETE", ctx);
    if (!err) err = ff_check_database(to, database, version, ctx);
    ff_disconnect(to);
    return err;
}

/* Looked at only: neither is an older schema brought up to date, nor is its log moved into the database. */
static ff_err open_as_it_is(ff_tx **out, const char *database, int *version, ff_ctx *ctx)
{
    ff_err err = ff_connect(out, database, FF_OPEN_CHECK, ctx);
    if (!err) err = ff_schema_version(*out, database, version, ctx);
    if (!err && *version == 0) err = ff_fail(ctx, FF_EDATABASE, FF_HERE, "%s is empty", database);
    return err;
}

ff_err ff_queue_copy(const char *database, const char *path, ff_ctx *ctx)
{
    char *part = ff_part_name(path);
    ff_tx *from = NULL;
    int version;
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a path");
    ff_err err = open_as_it_is(&from, database, &version, ctx);
    if (!err) {
        err = copy_into(from, database, version, part, ctx);
        if (!err) ff_crash_point("backup_before_rename");
        if (!err) err = ff_publish(part, path, ctx);
        if (err) ff_part_drop(part);
    }
    if (err) ff_note(ctx, FF_HERE, "backup of %s to %s", database, path);
    ff_disconnect(from);
    free(part);
    return err;
}

ff_err ff_queue_backup(ff_queue *q, const char *path, ff_ctx *ctx)
{
    return ff_queue_copy(q->path, path, ctx);
}
