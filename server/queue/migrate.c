/* server/queue/migrate.c - numbered migrations, embedded by the assembler so that each has one source. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "server/queue/inner.h"

#define EMBED(symbol, path)                                                                                            \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" path "\"\n.byte 0\n.popsection\n");                       \
    extern const char symbol[] __attribute__((visibility("hidden")))

EMBED(ff_migration_1, "migrations/0001_queue.sql");
EMBED(ff_migration_2, "migrations/0002_workers.sql");
EMBED(ff_migration_3, "migrations/0003_chunks.sql");

static const char *const migrations[FF_SCHEMA_VERSION] = {ff_migration_1, ff_migration_2, ff_migration_3};

/* The number is in the file's head, written with the tables it counts; PRAGMA takes no bound values. */
static ff_err set_version(ff_tx *tx, int version, ff_ctx *ctx)
{
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id=%d; PRAGMA user_version=%d", FF_APPLICATION_ID, version);
    return ff_sql_script(tx, text, ctx);
}

/* One migration. The version is read again under the lock: another process may have been first. */
static ff_err migrate_one(ff_tx *tx, const char *path, bool *more, ff_ctx *ctx)
{
    int version;
    ff_err err = ff_sql_script(tx, "BEGIN EXCLUSIVE", ctx);
    if (err) return err;
    err = ff_schema_version(tx, path, &version, ctx);
    *more = !err && version < FF_SCHEMA_VERSION;
    if (*more) {
        err = ff_sql_script(tx, migrations[version], ctx);
        if (!err) err = set_version(tx, version + 1, ctx);
        ff_crash_point("migrate_before_commit");
    }
    if (!err && *more && ff_fail_io()) err = ff_sql_fail(tx->db, SQLITE_FULL, FF_HERE, "migrate", ctx);
    if (!err) err = ff_sql_script(tx, "COMMIT", ctx);
    if (!sqlite3_get_autocommit(tx->db)) sqlite3_exec(tx->db, "ROLLBACK", NULL, NULL, NULL);
    if (!err && *more) ff_crash_point("migrate_after_commit");
    if (err && *more) ff_note(ctx, FF_HERE, "in migration %d of %s", version + 1, path);
    return err;
}

ff_err ff_migrate(ff_tx *writer, const char *path, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (bool more = true; more && !err;) err = migrate_one(writer, path, &more, ctx);
    return err;
}
