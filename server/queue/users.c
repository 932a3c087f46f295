/* server/queue/users.c - users and their accounts. See users.h. A removed user's row stays, for the jobs that name it. */
#include "server/queue/users.h"

#include <math.h>
#include <string.h>

#include "server/queue/life.h"

enum { NAME_MOST = 63 };

static ff_err check_name(const char *name, ff_ctx *ctx)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-");
    if (*name && !name[good] && good <= NAME_MOST) return FF_OK;
    return ff_fail_at(ctx, FF_EBADREQUEST, "/name", FF_HERE,
                      "\"%.80s\" cannot name a user; allowed: 1 to %d letters, digits and . _ @ -", name, NAME_MOST);
}

static ff_err check_quotas(const struct ff_quotas *q, ff_ctx *ctx)
{
    if (q->queued >= 0 && q->running >= 0 && q->submits_per_minute >= 0 && isfinite(q->result_bytes) &&
        q->result_bytes >= 0)
        return FF_OK;
    return ff_fail_at(ctx, FF_EBADREQUEST, "/quotas", FF_HERE,
                      "a quota is negative; allowed: 0 (the default) and more");
}

static ff_err insert(ff_tx *tx, const char *name, bool admin, const struct ff_quotas *q, char id[FF_ID_SIZE],
                     int64_t *row, ff_ctx *ctx)
{
    ff_id_make("us_", id);
    return ff_sql_int(tx, row, 0,
                      "INSERT INTO users (id, name, admin, created_ms, quota_queued, quota_running, quota_rate, "
                      "quota_bytes, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                      "ff_hash(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)) RETURNING row",
                      FF_ARGS(FF_T(id), FF_T(name), FF_I(admin), FF_I(ff_now_ms()), FF_I(q->queued), FF_I(q->running),
                              FF_I(q->submits_per_minute), FF_R(q->result_bytes)),
                      ctx);
}

ff_err ff_users_add(ff_tx *tx, const char *name, bool admin, const struct ff_quotas *quotas, char id[FF_ID_SIZE],
                    ff_ctx *ctx)
{
    const struct ff_quotas none = {0};
    int64_t row;
    id[0] = '\0';
    ff_err err = check_name(name, ctx);
    if (!err && quotas) err = check_quotas(quotas, ctx);
    if (!err)
        err = ff_sql_int(tx, &row, 0, "SELECT row FROM users WHERE name = ?1 AND removed_ms IS NULL",
                         FF_ARGS(FF_T(name)), ctx);
    if (err) return err;
    if (row) return ff_fail_at(ctx, FF_ECONFLICT, "/name", FF_HERE, "there is a user called %s already", name);
    err = insert(tx, name, admin, quotas ? quotas : &none, id, &row, ctx);
    if (err) id[0] = '\0';
    return err;
}

ff_err ff_users_ensure(ff_tx *tx, const char *name, bool admin, struct ff_who *who, ff_ctx *ctx)
{
    const struct ff_quotas none = {0};
    struct ff_stmt s;
    char id[FF_ID_SIZE];
    *who = (struct ff_who){0};
    ff_err err = check_name(name, ctx);
    if (err) return err;
    ff_sql_open(&s, tx, "SELECT row, admin FROM users WHERE name = ?1 AND removed_ms IS NULL", FF_ARGS(FF_T(name)),
                ctx);
    if (ff_sql_next(&s)) *who = (struct ff_who){.user = ff_col_int(&s, 0), .admin = ff_col_int(&s, 1) != 0};
    err = ff_sql_close(&s);
    if (err || who->user) return err;
    who->admin = admin;
    return insert(tx, name, admin, &none, id, &who->user, ctx);
}

/* ---- looking ---- */

#define USER_COLUMNS                                                                                                   \
    "SELECT id, name, admin, created_ms, quota_queued, quota_running, quota_rate, quota_bytes, queued, running FROM "  \
    "users WHERE removed_ms IS NULL "

static json_t *user_of(struct ff_stmt *s)
{
    return json_pack("{ss ss sb so s{sI sI sI sf} sI sI}", "id", ff_col_text(s, 0), "name", ff_col_text(s, 1), "admin",
                     ff_col_int(s, 2) != 0, "created", ff_col_time(s, 3), "quotas", "queued",
                     (json_int_t)ff_col_int(s, 4), "running", (json_int_t)ff_col_int(s, 5), "submits_per_minute",
                     (json_int_t)ff_col_int(s, 6), "result_bytes", ff_col_real(s, 7), "queued",
                     (json_int_t)ff_col_int(s, 8), "running", (json_int_t)ff_col_int(s, 9));
}

ff_err ff_users_list(ff_tx *tx, json_t **out, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx, USER_COLUMNS "ORDER BY row", FF_NO_ARGS, ctx);
    return ff_list_rows(&s, "users", user_of, out, ctx);
}

static ff_err no_user(const char *id, ff_ctx *ctx)
{
    return ff_fail_at(ctx, FF_ENOTFOUND, id, FF_HERE, "there is no such user");
}

ff_err ff_users_get(ff_tx *tx, const char *id, json_t **out, ff_ctx *ctx)
{
    struct ff_stmt s;
    bool found = false;
    *out = NULL;
    ff_sql_open(&s, tx, USER_COLUMNS "AND id = ?1", FF_ARGS(FF_T(id)), ctx);
    if (ff_sql_next(&s)) {
        found = true;
        *out = user_of(&s);
    }
    ff_err err = ff_sql_close(&s);
    if (!err && !found) err = no_user(id, ctx);
    if (!err && !*out) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a user");
    if (!err) return FF_OK;
    json_decref(*out);
    *out = NULL;
    return err;
}

/* ---- removing ---- */

static ff_err cancel_jobs(ff_tx *tx, int64_t user, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int64_t job = 1; job && !err;) {
        err = ff_sql_int(tx, &job, 0, "SELECT row FROM jobs WHERE user = ?1 AND state IN ('queued', 'running') LIMIT 1",
                         FF_ARGS(FF_I(user)), ctx);
        if (!err && job) err = ff_life_cancel(tx, job, "admin", ctx);
    }
    return err;
}

/* The one who could make another administrator stays. */
static ff_err check_last_admin(ff_tx *tx, int64_t row, const char *id, ff_ctx *ctx)
{
    int64_t others = 0, admin = 0;
    ff_err err = ff_sql_int(tx, &admin, 0, "SELECT admin FROM users WHERE row = ?1", FF_ARGS(FF_I(row)), ctx);
    if (!err)
        err = ff_sql_int(tx, &others, 0,
                         "SELECT count(*) FROM users WHERE admin = 1 AND removed_ms IS NULL AND row <> ?1",
                         FF_ARGS(FF_I(row)), ctx);
    if (err || !admin || others) return err;
    return ff_fail_at(ctx, FF_ECONFLICT, id, FF_HERE, "the last administrator cannot be removed");
}

ff_err ff_users_remove(ff_tx *tx, const char *id, ff_ctx *ctx)
{
    int64_t row;
    ff_err err =
        ff_sql_int(tx, &row, 0, "SELECT row FROM users WHERE id = ?1 AND removed_ms IS NULL", FF_ARGS(FF_T(id)), ctx);
    if (err) return err;
    if (!row) return no_user(id, ctx);
    err = check_last_admin(tx, row, id, ctx);
    if (!err) err = cancel_jobs(tx, row, ctx);
    if (!err) err = ff_sql_run(tx, "DELETE FROM tokens WHERE user = ?1", FF_ARGS(FF_I(row)), ctx);
    if (!err)
        err = ff_sql_run(tx, "UPDATE users SET removed_ms = ?2 WHERE row = ?1", FF_ARGS(FF_I(row), FF_I(ff_now_ms())),
                         ctx);
    return err;
}

/* ---- accounts ---- */

static json_t *usage_of(struct ff_stmt *s)
{
    return json_pack("{ss sf sf sI sI}", "name", ff_col_text(s, 0), "core_hours", ff_col_real(s, 1) / 3600, "gpu_hours",
                     ff_col_real(s, 2) / 3600, "result_bytes", (json_int_t)ff_col_int(s, 3), "jobs",
                     (json_int_t)ff_col_int(s, 4));
}

ff_err ff_usage_get(ff_tx *tx, const struct ff_who *who, json_t **out, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx,
                "SELECT name, core_seconds, gpu_seconds, bytes, jobs FROM users WHERE (row = ?1 OR ?2) AND "
                "(removed_ms IS NULL OR core_seconds > 0 OR bytes > 0) ORDER BY row",
                FF_ARGS(FF_I(who->user), FF_I(who->admin)), ctx);
    return ff_list_rows(&s, "users", usage_of, out, ctx);
}
