/* server/queue/sql.h - one query in a few lines. Private to this room: nobody else knows SQLite.
** A statement is prepared once per connection and found again by the address of its text, which therefore has to be a
** literal. Values are bound, never formatted. The first error stays in the statement and makes the rest do nothing:
**     struct ff_stmt s;
**     ff_sql_open(&s, tx, "SELECT a, b FROM t WHERE c=?1 AND d=?2", FF_ARGS(FF_I(c), FF_T(d)), ctx);
**     while (ff_sql_next(&s)) use(ff_col_int(&s, 0), ff_col_text(&s, 1));
**     err = ff_sql_close(&s);
** Every ff_sql_open has its ff_sql_close. Texts of columns are valid until the next ff_sql_next or ff_sql_close. */
#ifndef FF_SERVER_QUEUE_SQL_H
#define FF_SERVER_QUEUE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "server/queue/queue.h"

struct ff_arg {
    enum { FF_ARG_END, FF_ARG_INT, FF_ARG_REAL, FF_ARG_TEXT } type;
    int64_t integer;
    double real;
    const char *text; /* borrowed until ff_sql_close; NULL is SQL's NULL */
};
static inline struct ff_arg ff_arg_int(int64_t value)
{
    return (struct ff_arg){.type = FF_ARG_INT, .integer = value};
}
static inline struct ff_arg ff_arg_real(double value)
{
    return (struct ff_arg){.type = FF_ARG_REAL, .real = value};
}
static inline struct ff_arg ff_arg_text(const char *value)
{
    return (struct ff_arg){.type = FF_ARG_TEXT, .text = value};
}
#define FF_I(value) ff_arg_int(value)
#define FF_R(value) ff_arg_real(value)
#define FF_T(value) ff_arg_text(value)
/* Values of ?1, ?2, .. */
#define FF_ARGS(...) ((const struct ff_arg[]){__VA_ARGS__, {.type = FF_ARG_END}})
#define FF_NO_ARGS ((const struct ff_arg[]){{.type = FF_ARG_END}})

/* Prepared statements of one connection. */
enum { FF_SQL_CACHE = 256 };
struct ff_sql_cache {
    struct ff_cached {
        const char *text;
        sqlite3_stmt *prepared;
        bool busy;
    } entry[FF_SQL_CACHE];
    int used;
};
void ff_sql_cache_done(struct ff_sql_cache *cache);

struct ff_stmt {
    ff_tx *tx;
    sqlite3_stmt *prepared; /* NULL after an error */
    struct ff_cached *home; /* NULL: finalized at the close, because the cached one is in use further up */
    ff_ctx *ctx;
    ff_err err;
};
void ff_sql_open(struct ff_stmt *s, ff_tx *tx, const char *text, const struct ff_arg *args, ff_ctx *ctx);
bool ff_sql_next(struct ff_stmt *s);
FF_MUST_USE ff_err ff_sql_close(struct ff_stmt *s);

int64_t ff_col_int(struct ff_stmt *s, int column);
double ff_col_real(struct ff_stmt *s, int column);
const char *ff_col_text(struct ff_stmt *s, int column); /* NULL for SQL's NULL */
/* Into a buffer of `size` bytes; NULL gives "". A text that does not fit is an error of the database. */
void ff_col_copy(struct ff_stmt *s, int column, char *out, size_t size);

/* A statement without rows, from start to end. */
FF_MUST_USE ff_err ff_sql_run(ff_tx *tx, const char *text, const struct ff_arg *args, ff_ctx *ctx);
/* Rows changed by the last statement of the connection. */
int ff_sql_changed(ff_tx *tx);
/* Row number of the last INSERT: what RETURNING would make a table for, each time. */
int64_t ff_sql_row(ff_tx *tx);
/* The integer of the first row and column; `missing` when there is no row. */
FF_MUST_USE ff_err ff_sql_int(ff_tx *tx, int64_t *out, int64_t missing, const char *text, const struct ff_arg *args,
                              ff_ctx *ctx);

/* An SQLite result code as an error of the product: disk full, no memory, or the database with SQLite's words. */
ff_err ff_sql_fail(sqlite3 *db, int rc, const char *file, int line, const char *what, ff_ctx *ctx);

#endif
