/* server/queue/check.c - is this database whole, ours, on a disk of this machine? Changes nothing. */
#include <stdio.h>
#include <string.h>

#include "server/queue/inner.h"

const char *ff_network_fs(unsigned long magic)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } known[] = {
        {0x6969, "NFS"},        {0x517b, "SMB"},       {0xfe534d42, "SMB2"},   {0xff534d42, "CIFS"},
        {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"},  {0x5346414f, "AFS"},    {0x6b414653, "AFS"},
        {0x65735546, "FUSE"},   {0x00c36400, "Ceph"},  {0x19830326, "BeeGFS"}, {0x73757245, "Coda"},
        {0xaad7aaea, "PanFS"},  {0x7461636f, "OCFS2"}, {0x01161970, "GFS2"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].magic == (magic & 0xffffffffu)) return known[i].name;
    }
    return NULL;
}

static ff_err damaged(const char *path, const char *what, ff_ctx *ctx)
{
    return ff_fail(ctx, FF_EDATABASE, FF_HERE,
                   "%s is damaged: %s; it was not changed. Start from a backup, and keep it: ffserver --data DIR "
                   "--restore BACKUP (docs/ops.md, \"The database is damaged\")",
                   path, what);
}

/* Any error of SQLite while the file is looked at, apart from want of memory, says that it cannot be used. */
static ff_err looked_at(const char *path, ff_err err, ff_ctx *ctx)
{
    if (err != FF_EDATABASE) return err;
    char what[FF_MESSAGE_SIZE];
    snprintf(what, sizeof what, "%.200s", ctx ? ctx->message : "");
    return damaged(path, what, ctx);
}

ff_err ff_schema_version(ff_tx *tx, const char *path, int *version, ff_ctx *ctx)
{
    int64_t found = 0, application = 0, tables = 0;
    *version = 0;
    ff_err err = ff_sql_int(tx, &found, 0, "PRAGMA user_version", FF_NO_ARGS, ctx);
    if (!err) err = ff_sql_int(tx, &application, 0, "PRAGMA application_id", FF_NO_ARGS, ctx);
    if (!err) err = ff_sql_int(tx, &tables, 0, "SELECT count(*) FROM sqlite_schema", FF_NO_ARGS, ctx);
    if (err) return looked_at(path, err, ctx);
    if (!found && !tables) return FF_OK;
    if (application != FF_APPLICATION_ID)
        return ff_fail(ctx, FF_EDATABASE, FF_HERE, "%s is a database of another program; it was not changed", path);
    if (found > FF_SCHEMA_VERSION)
        return ff_fail(ctx, FF_EVERSION, FF_HERE,
                       "%s has schema %lld, this build knows up to %d: use a newer ffserver; it was not changed", path,
                       (long long)found, FF_SCHEMA_VERSION);
    *version = (int)found;
    return FF_OK;
}

/* Rows whose hash is not that of their columns: where there are any, the table is named. */
static ff_err check_hashes(ff_tx *tx, const char *path, const char *table, const char *query, ff_ctx *ctx)
{
    int64_t wrong = 0;
    ff_err err = ff_sql_int(tx, &wrong, 0, query, FF_NO_ARGS, ctx);
    if (err) return looked_at(path, err, ctx);
    if (!wrong) return FF_OK;
    char what[96];
    snprintf(what, sizeof what, "%lld rows of %s are not what was written", (long long)wrong, table);
    return damaged(path, what, ctx);
}

static ff_err quick_check(ff_tx *tx, const char *path, ff_ctx *ctx)
{
    struct ff_stmt s;
    char what[160] = "";
    ff_sql_open(&s, tx, "PRAGMA quick_check(1)", FF_NO_ARGS, ctx);
    if (ff_sql_next(&s)) snprintf(what, sizeof what, "%.150s", ff_col_text(&s, 0));
    ff_err err = ff_sql_close(&s);
    if (err) return looked_at(path, err, ctx);
    return strcmp(what, "ok") ? damaged(path, what, ctx) : FF_OK;
}

ff_err ff_check_database(ff_tx *tx, const char *path, int version, ff_ctx *ctx)
{
    ff_err err = quick_check(tx, path, ctx);
    if (err || version < 1) return err;
    err = check_hashes(tx, path, "users",
                       "SELECT count(*) FROM users WHERE hash IS NOT ff_hash(id, name, admin, created_ms, "
                       "quota_queued, quota_running, quota_rate, quota_bytes)",
                       ctx);
    if (!err)
        err = check_hashes(tx, path, "tokens",
                           "SELECT count(*) FROM tokens WHERE hash IS NOT ff_hash(id, user, label, secret, created_ms)",
                           ctx);
    if (!err)
        err = check_hashes(tx, path, "results",
                           "SELECT count(*) FROM results WHERE hash IS NOT ff_hash(job, user, task, attempt, path, "
                           "sha256, size, created_ms)",
                           ctx);
    return err;
}
