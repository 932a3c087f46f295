/* server/queue/datasets.c - datasets as rows. See datasets.h. */
#include "server/queue/datasets.h"

#include <string.h>

#include "server/queue/life.h"
#include "server/queue/quota.h"

static ff_err no_dataset(const char *id, ff_ctx *ctx)
{
    return ff_fail_at(ctx, FF_ENOTFOUND, id, FF_HERE, "there is no such dataset");
}

#define DATASET_COLUMNS "SELECT id, sha256, kind, name, size, created_ms, row FROM datasets "

static void dataset_of(struct ff_stmt *s, struct ff_dataset_row *row)
{
    ff_col_copy(s, 0, row->id, sizeof row->id);
    ff_col_copy(s, 1, row->sha256, sizeof row->sha256);
    ff_col_copy(s, 2, row->kind, sizeof row->kind);
    ff_col_copy(s, 3, row->name, sizeof row->name);
    row->size = ff_col_int(s, 4);
    row->created_ms = ff_col_int(s, 5);
}

ff_err ff_datasets_add(ff_tx *tx, const struct ff_who *who, struct ff_dataset_row *row, ff_ctx *ctx)
{
    struct ff_stmt s;
    bool known = false;
    ff_sql_open(&s, tx, DATASET_COLUMNS "WHERE user = ?1 AND sha256 = ?2", FF_ARGS(FF_I(who->user), FF_T(row->sha256)),
                ctx);
    if (ff_sql_next(&s)) {
        known = true;
        dataset_of(&s, row);
    }
    ff_err err = ff_sql_close(&s);
    if (err || known) return err;
    err = ff_quota_bytes(tx, who->user, (double)row->size, ctx);
    if (err) return err;
    ff_id_make("ds_", row->id);
    row->created_ms = ff_now_ms();
    return ff_sql_run(tx,
                      "INSERT INTO datasets (id, user, sha256, kind, name, size, created_ms) "
                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                      FF_ARGS(FF_T(row->id), FF_I(who->user), FF_T(row->sha256), FF_T(row->kind), FF_T(row->name),
                              FF_I(row->size), FF_I(row->created_ms)),
                      ctx);
}

ff_err ff_datasets_find(ff_tx *tx, const struct ff_who *who, const char *id, struct ff_dataset_row *row, ff_ctx *ctx)
{
    struct ff_stmt s;
    *row = (struct ff_dataset_row){0};
    ff_sql_open(&s, tx, DATASET_COLUMNS "WHERE id = ?1 AND (user = ?2 OR ?3)",
                FF_ARGS(FF_T(id), FF_I(who->user), FF_I(who->admin)), ctx);
    if (ff_sql_next(&s)) dataset_of(&s, row);
    ff_err err = ff_sql_close(&s);
    return err || row->id[0] ? err : no_dataset(id, ctx);
}

static json_t *json_of(struct ff_stmt *s)
{
    return json_pack("{ss ss ss ss sI so}", "id", ff_col_text(s, 0), "sha256", ff_col_text(s, 1), "kind",
                     ff_col_text(s, 2), "name", ff_col_text(s, 3), "size", (json_int_t)ff_col_int(s, 4), "created",
                     ff_col_time(s, 5));
}

ff_err ff_datasets_list(ff_tx *tx, const struct ff_who *who, int limit, const char *cursor, json_t **out, ff_ctx *ctx)
{
    struct ff_stmt s;
    int64_t before, last = 0;
    int n = 0;
    *out = NULL;
    if (limit < 1 || limit > 500)
        return ff_fail_at(ctx, FF_EBADREQUEST, "limit", FF_HERE, "%d stands here; allowed: 1 to 500", limit);
    ff_err err = ff_cursor_read(cursor, &before, ctx);
    if (err) return err;
    json_t *list = json_array();
    ff_sql_open(&s, tx, DATASET_COLUMNS "WHERE user = ?1 AND row < ?2 ORDER BY row DESC LIMIT ?3",
                FF_ARGS(FF_I(who->user), FF_I(before), FF_I(limit + 1)), ctx);
    while (!err && n < limit && ff_sql_next(&s)) {
        last = ff_col_int(&s, 6);
        ff_list_add(&err, list, json_of(&s), ctx);
        n++;
    }
    bool more = !err && n == limit && ff_sql_next(&s);
    ff_err closed = ff_sql_close(&s);
    if (!err) err = closed;
    *out = json_pack("{so so}", "datasets", list, "next_cursor", more ? ff_cursor_make(last) : json_null());
    if (!err && !*out) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list of datasets");
    if (!err) return FF_OK;
    json_decref(*out);
    *out = NULL;
    return err;
}

ff_err ff_datasets_remove(ff_tx *tx, const struct ff_who *who, const char *id, bool *orphan, ff_ctx *ctx)
{
    struct ff_dataset_row row;
    int64_t users = 0, others = 0;
    *orphan = false;
    ff_err err = ff_datasets_find(tx, who, id, &row, ctx);
    if (!err)
        err = ff_sql_int(tx, &users, 0,
                         "SELECT count(*) FROM job_datasets d JOIN jobs j ON j.row = d.job WHERE "
                         "d.dataset = (SELECT row FROM datasets WHERE id = ?1) AND j.finished_ms IS NULL",
                         FF_ARGS(FF_T(id)), ctx);
    if (err) return err;
    if (users)
        return ff_fail_at(ctx, FF_ECONFLICT, id, FF_HERE, "%lld jobs that have not ended use this dataset",
                          (long long)users);
    err = ff_sql_run(tx, "DELETE FROM datasets WHERE id = ?1", FF_ARGS(FF_T(id)), ctx);
    if (!err)
        err = ff_sql_int(tx, &others, 0, "SELECT count(*) FROM datasets WHERE sha256 = ?1", FF_ARGS(FF_T(row.sha256)),
                         ctx);
    *orphan = !err && !others;
    return err;
}
