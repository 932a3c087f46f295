/* server/queue/sql.c - see sql.h. */
#include "server/queue/sql.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/queue/inner.h"

ff_err ff_sql_fail(sqlite3 *db, int rc, const char *file, int line, const char *what, ff_ctx *ctx)
{
    int base = rc & 0xff;
    if (base == SQLITE_FULL)
        return ff_fail(ctx, FF_EDISKFULL, file, line, "the disk of the database is full; nothing was changed");
    if (base == SQLITE_NOMEM) return ff_fail(ctx, FF_ENOMEM, file, line, "no memory for the database");
    /* SQLite's own message may quote the schema: that is for the log, not for users */
    ff_fail(ctx, FF_EDATABASE, file, line, "the database cannot %s: %s (%d)", what, sqlite3_errstr(rc), rc);
    if (db) ff_note(ctx, FF_HERE, "%s", sqlite3_errmsg(db));
    return FF_EDATABASE;
}

/* ---- the cache ---- */

void ff_sql_cache_done(struct ff_sql_cache *cache)
{
    for (int i = 0; i < FF_SQL_CACHE; i++) sqlite3_finalize(cache->entry[i].prepared);
    *cache = (struct ff_sql_cache){0};
}

/* Place of a text: its entry, or the free one where it belongs. A quarter stays free, so that there is one. */
static struct ff_cached *place_of(struct ff_sql_cache *cache, const char *text)
{
    static_assert(FF_SQL_CACHE == 1 << 8, "the hash has 8 bits");
    size_t at = ((uintptr_t)text * 0x9e3779b97f4a7c15u) >> 56;
    while (cache->entry[at].text && cache->entry[at].text != text) at = (at + 1) % FF_SQL_CACHE;
    return &cache->entry[at];
}

static void fail(struct ff_stmt *s, int rc, const char *what)
{
    if (!s->err) s->err = ff_sql_fail(s->tx->db, rc, FF_HERE, what, s->ctx);
}

static void prepare(struct ff_stmt *s, const char *text)
{
    struct ff_sql_cache *cache = &s->tx->cache;
    struct ff_cached *place = place_of(cache, text);
    if (place->text && !place->busy) {
        s->home = place;
        s->prepared = place->prepared;
        place->busy = true;
        return;
    }
    bool keep = !place->text && cache->used < FF_SQL_CACHE * 3 / 4;
    int rc = sqlite3_prepare_v3(s->tx->db, text, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0, &s->prepared, NULL);
    if (rc != SQLITE_OK) {
        fail(s, rc, "prepare a statement");
        return;
    }
    if (!keep) return;
    *place = (struct ff_cached){.text = text, .prepared = s->prepared, .busy = true};
    cache->used++;
    s->home = place;
}

/* ---- a statement ---- */

static int bind(sqlite3_stmt *prepared, int place, const struct ff_arg *arg)
{
    switch (arg->type) {
    case FF_ARG_INT:
        return sqlite3_bind_int64(prepared, place, arg->integer);
    case FF_ARG_REAL:
        return sqlite3_bind_double(prepared, place, arg->real);
    case FF_ARG_TEXT:
        return arg->text ? sqlite3_bind_text(prepared, place, arg->text, -1, SQLITE_STATIC)
                         : sqlite3_bind_null(prepared, place);
    default:
        return SQLITE_MISUSE;
    }
}

void ff_sql_open(struct ff_stmt *s, ff_tx *tx, const char *text, const struct ff_arg *args, ff_ctx *ctx)
{
    *s = (struct ff_stmt){.tx = tx, .ctx = ctx};
    prepare(s, text);
    for (int i = 0; !s->err && args[i].type != FF_ARG_END; i++) {
        int rc = bind(s->prepared, i + 1, &args[i]);
        if (rc != SQLITE_OK) fail(s, rc, "bind a value");
    }
}

bool ff_sql_next(struct ff_stmt *s)
{
    if (s->err) return false;
    int rc = sqlite3_step(s->prepared);
    if (rc == SQLITE_ROW) return true;
    if (rc != SQLITE_DONE) fail(s, rc, "run a statement");
    return false;
}

ff_err ff_sql_close(struct ff_stmt *s)
{
    if (s->home) {
        sqlite3_reset(s->prepared);
        sqlite3_clear_bindings(s->prepared); /* they point into the caller's memory */
        s->home->busy = false;
    } else {
        sqlite3_finalize(s->prepared);
    }
    s->prepared = NULL;
    s->home = NULL;
    return s->err;
}

int64_t ff_col_int(struct ff_stmt *s, int column)
{
    return sqlite3_column_int64(s->prepared, column);
}

double ff_col_real(struct ff_stmt *s, int column)
{
    return sqlite3_column_double(s->prepared, column);
}

const char *ff_col_text(struct ff_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s->prepared, column);
}

void ff_col_copy(struct ff_stmt *s, int column, char *out, size_t size)
{
    const char *text = ff_col_text(s, column);
    int n = snprintf(out, size, "%s", text ? text : "");
    if ((n < 0 || (size_t)n >= size) && !s->err)
        s->err = ff_fail(s->ctx, FF_EDATABASE, FF_HERE, "the database has a text of %d bytes where %zu are the most", n,
                         size - 1);
}

ff_err ff_sql_run(ff_tx *tx, const char *text, const struct ff_arg *args, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx, text, args, ctx);
    while (ff_sql_next(&s)) continue;
    return ff_sql_close(&s);
}

int ff_sql_changed(ff_tx *tx)
{
    return sqlite3_changes(tx->db);
}

int64_t ff_sql_row(ff_tx *tx)
{
    return sqlite3_last_insert_rowid(tx->db);
}

ff_err ff_sql_int(ff_tx *tx, int64_t *out, int64_t missing, const char *text, const struct ff_arg *args, ff_ctx *ctx)
{
    struct ff_stmt s;
    *out = missing;
    ff_sql_open(&s, tx, text, args, ctx);
    if (ff_sql_next(&s)) *out = ff_col_int(&s, 0);
    return ff_sql_close(&s);
}
