/* server/queue/connection.c - one connection to the database: opened, configured, closed; and the notes of what its
** transaction changes. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "server/queue/inner.h"

enum { BUSY_MS = 10000 };

/* SQL function ff_hash(a, b, ..): SHA-256 over type, length and bytes of each value, so that no two rows read alike. */
static void sql_hash(sqlite3_context *context, int n, sqlite3_value **values)
{
    crypto_hash_sha256_state state;
    unsigned char digest[crypto_hash_sha256_BYTES];
    char text[FF_HASH_SIZE];
    crypto_hash_sha256_init(&state);
    for (int i = 0; i < n; i++) {
        char head[32];
        int type = sqlite3_value_type(values[i]);
        const unsigned char *bytes = sqlite3_value_text(values[i]);
        int size = sqlite3_value_bytes(values[i]);
        int nhead = snprintf(head, sizeof head, "%d %d:", type, size);
        crypto_hash_sha256_update(&state, (const unsigned char *)head, (unsigned long long)nhead);
        if (bytes) crypto_hash_sha256_update(&state, bytes, (unsigned long long)size);
    }
    crypto_hash_sha256_final(&state, digest);
    sodium_bin2hex(text, sizeof text, digest, sizeof digest);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

ff_err ff_sql_script(ff_tx *tx, const char *text, ff_ctx *ctx)
{
    int rc = sqlite3_exec(tx->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? FF_OK : ff_sql_fail(tx->db, rc, FF_HERE, "be set up", ctx);
}

static ff_err configure(ff_tx *tx, enum ff_open_mode mode, ff_ctx *ctx)
{
    sqlite3_extended_result_codes(tx->db, 1);
    sqlite3_busy_timeout(tx->db, BUSY_MS);
    sqlite3_db_config(tx->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(tx->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(tx->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    int rc =
        sqlite3_create_function(tx->db, "ff_hash", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, sql_hash, NULL, NULL);
    if (rc != SQLITE_OK) return ff_sql_fail(tx->db, rc, FF_HERE, "be set up", ctx);
    switch (mode) {
    case FF_OPEN_CHECK: /* what is wrong must stay as it is: no checkpoint when this connection closes */
        sqlite3_db_config(tx->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        return ff_sql_script(tx, "PRAGMA query_only=ON; PRAGMA cell_size_check=ON;", ctx);
    case FF_OPEN_WRITER: /* the write-ahead log is copied into the database when it has some 8 MB, and kept below 64; the
                         ** cache is full after ten thousand jobs, and memory then stays what it is */
        return ff_sql_script(tx,
                             "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                             "PRAGMA wal_autocheckpoint=2000; PRAGMA journal_size_limit=67108864;"
                             "PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;",
                             ctx);
    case FF_OPEN_COPY: /* of a backup: nothing but the copy is written */
        return ff_sql_script(tx, "PRAGMA temp_store=MEMORY;", ctx);
    default:
        return ff_sql_script(tx, "PRAGMA query_only=ON; PRAGMA cache_size=-512; PRAGMA temp_store=MEMORY;", ctx);
    }
}

ff_err ff_connect(ff_tx **out, const char *path, enum ff_open_mode mode, ff_ctx *ctx)
{
    ff_tx *tx = calloc(1, sizeof *tx);
    *out = NULL;
    if (!tx) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a connection to the database");
    /* a connection is used by one thread at a time, so SQLite needs no locks of its own */
    int rc = sqlite3_open_v2(path, &tx->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    ff_err err = rc == SQLITE_OK ? configure(tx, mode, ctx) : ff_sql_fail(tx->db, rc, FF_HERE, "be opened", ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while opening the database %s", path);
        ff_disconnect(tx);
        return err;
    }
    *out = tx;
    return FF_OK;
}

void ff_disconnect(ff_tx *tx)
{
    if (!tx) return;
    ff_sql_cache_done(&tx->cache);
    sqlite3_close(tx->db);
    free(tx->notes.jobs);
    free(tx);
}

/* ---- notes ---- */

ff_err ff_note_job(ff_tx *tx, int64_t job, ff_ctx *ctx)
{
    struct ff_notes *n = &tx->notes;
    if (n->njobs && n->jobs[n->njobs - 1] == job) return FF_OK;
    if (n->njobs == n->capacity) {
        int capacity = n->capacity ? 2 * n->capacity : 256;
        int64_t *jobs = realloc(n->jobs, (size_t)capacity * sizeof *jobs);
        if (!jobs) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list of jobs");
        n->jobs = jobs;
        n->capacity = capacity;
    }
    n->jobs[n->njobs++] = job;
    return FF_OK;
}

void ff_note_ready(ff_tx *tx)
{
    tx->notes.ready_tasks = true;
}

void ff_note_cancels(ff_tx *tx)
{
    tx->notes.cancels = true;
}
