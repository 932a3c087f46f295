/* server/queue/quota.c - see quota.h. The clock may jump: differences of times are kept within what is sensible. */
#include "server/queue/quota.h"

#include <math.h>

#include "server/queue/life.h"

static const double half_life_ms = 6 * 3600 * 1000.0;
/* Even a task that took no time counts, so that users with such tasks take turns. */
static const double least_charge = 0.001;
/* A task that has just been given out weighs as if it had run so long: it will. */
static const double head_start_s = 10;

struct ff_quotas ff_quotas_of(ff_tx *tx, struct ff_quotas own)
{
    struct ff_quotas q = {0};
    if (tx->queue) {
        pthread_mutex_lock(&tx->queue->lock);
        q = tx->queue->defaults;
        pthread_mutex_unlock(&tx->queue->lock);
    }
    if (own.queued) q.queued = own.queued;
    if (own.running) q.running = own.running;
    if (own.submits_per_minute) q.submits_per_minute = own.submits_per_minute;
    if (own.result_bytes > 0) q.result_bytes = own.result_bytes;
    return q;
}

struct account {
    struct ff_quotas quotas;
    int64_t queued, bytes, bucket_ms;
    double bucket;
    bool found;
};

static ff_err read_account(ff_tx *tx, int64_t user, struct account *a, ff_ctx *ctx)
{
    struct ff_stmt s;
    *a = (struct account){0};
    ff_sql_open(&s, tx,
                "SELECT quota_queued, quota_rate, quota_bytes, queued, bytes, bucket, bucket_ms FROM users "
                "WHERE row = ?1 AND removed_ms IS NULL",
                FF_ARGS(FF_I(user)), ctx);
    if (ff_sql_next(&s)) {
        a->found = true;
        a->quotas = ff_quotas_of(tx, (struct ff_quotas){.queued = (long)ff_col_int(&s, 0),
                                                        .submits_per_minute = (long)ff_col_int(&s, 1),
                                                        .result_bytes = ff_col_real(&s, 2)});
        a->queued = ff_col_int(&s, 3);
        a->bytes = ff_col_int(&s, 4);
        a->bucket = ff_col_real(&s, 5);
        a->bucket_ms = ff_col_int(&s, 6);
    }
    ff_err err = ff_sql_close(&s);
    return err || a->found ? err : ff_fail(ctx, FF_EAUTH, FF_HERE, "the user is not known any more");
}

/* A bucket of one minute's submits that fills up all the time. */
static ff_err take_submit(ff_tx *tx, int64_t user, int64_t now, struct account *a, ff_ctx *ctx)
{
    double rate = (double)a->quotas.submits_per_minute;
    if (!(rate > 0)) return FF_OK;
    double minutes = fmin(fmax((double)(now - a->bucket_ms) / 60000, 0), 1);
    double bucket = fmin(a->bucket + minutes * rate, rate);
    if (bucket < 1)
        return ff_fail(ctx, FF_EQUOTA, FF_HERE, "the quota of %ld submits a minute is used up",
                       a->quotas.submits_per_minute);
    return ff_sql_run(tx, "UPDATE users SET bucket = ?2, bucket_ms = ?3 WHERE row = ?1",
                      FF_ARGS(FF_I(user), FF_R(bucket - 1), FF_I(now)), ctx);
}

static ff_err check_bytes(const struct account *a, double size, ff_ctx *ctx)
{
    if (!(a->quotas.result_bytes > 0) || (double)a->bytes + size <= a->quotas.result_bytes) return FF_OK;
    return ff_fail(ctx, FF_EQUOTA, FF_HERE,
                   "the quota of %.0f bytes of results and datasets is used up (%lld are there)",
                   a->quotas.result_bytes, (long long)a->bytes);
}

ff_err ff_quota_submit(ff_tx *tx, int64_t user, int64_t now, ff_ctx *ctx)
{
    struct account a;
    ff_err err = read_account(tx, user, &a, ctx);
    if (err) return err;
    if (a.quotas.queued > 0 && a.queued >= a.quotas.queued)
        return ff_fail(ctx, FF_EQUOTA, FF_HERE, "the quota of %ld queued jobs is used up", a.quotas.queued);
    err = check_bytes(&a, 0, ctx);
    return err ? err : take_submit(tx, user, now, &a, ctx);
}

ff_err ff_quota_bytes(ff_tx *tx, int64_t user, double size, ff_ctx *ctx)
{
    struct account a;
    ff_err err = read_account(tx, user, &a, ctx);
    return err ? err : check_bytes(&a, size, ctx);
}

/* ---- fair share ---- */

static double faded(double amount, int64_t then, int64_t now)
{
    return now > then ? amount * exp2(-(double)(now - then) / half_life_ms) : amount;
}

ff_err ff_share_read(ff_tx *tx, int64_t user, int64_t now, struct ff_share *out, ff_ctx *ctx)
{
    struct ff_stmt s;
    *out = (struct ff_share){.user = user};
    ff_sql_open(&s, tx,
                "SELECT recent, recent_ms, running, running_cores, running_since, quota_running FROM users "
                "WHERE row = ?1",
                FF_ARGS(FF_I(user)), ctx);
    if (ff_sql_next(&s)) {
        double cores = (double)ff_col_int(&s, 3);
        double ran_s = fmax((cores * (double)now - (double)ff_col_int(&s, 4)) / 1000, 0);
        long most = ff_quotas_of(tx, (struct ff_quotas){.running = (long)ff_col_int(&s, 5)}).running;
        out->used = faded(ff_col_real(&s, 0), ff_col_int(&s, 1), now) + ran_s + head_start_s * cores;
        out->may_run = most == 0 || ff_col_int(&s, 2) < most;
    }
    return ff_sql_close(&s);
}

ff_err ff_share_charge(ff_tx *tx, int64_t user, int64_t now, double core_seconds, double gpu_seconds, ff_ctx *ctx)
{
    struct ff_stmt s;
    double recent = 0, core = isfinite(core_seconds) ? fmax(core_seconds, 0) : 0;
    double gpu = isfinite(gpu_seconds) ? fmax(gpu_seconds, 0) : 0;
    ff_sql_open(&s, tx, "SELECT recent, recent_ms FROM users WHERE row = ?1", FF_ARGS(FF_I(user)), ctx);
    if (ff_sql_next(&s)) recent = faded(ff_col_real(&s, 0), ff_col_int(&s, 1), now);
    ff_err err = ff_sql_close(&s);
    if (err) return err;
    return ff_sql_run(tx,
                      "UPDATE users SET core_seconds = core_seconds + ?2, gpu_seconds = gpu_seconds + ?3, "
                      "recent = ?4, recent_ms = ?5 WHERE row = ?1",
                      FF_ARGS(FF_I(user), FF_R(core), FF_R(gpu), FF_R(recent + fmax(core, least_charge)), FF_I(now)),
                      ctx);
}
