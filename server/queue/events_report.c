/* server/queue/events_report.c - events that a gang reports for the attempt it holds.
** Numbers are counted here and written back once a batch. A sample is known by its chain and draw; draws of a chain come in
** order, so the newest one written tells which are old: tasks.last_draw, where warm-up counts from -WARMUP and draws that
** are kept count from 0. */
#include <stdlib.h>
#include <string.h>

#include "server/queue/event_row.h"
#include "server/queue/events.h"
#include "server/queue/life.h"

#define WARMUP (INT64_C(1) << 40)
enum { EVENT_MOST_BYTES = 1 << 16 };

struct report {
    ff_tx *tx;
    const struct ff_event_batch *batch;
    int64_t job, last_seq, last_sample, taken, last_draw, now_ms;
    const json_t *progress; /* the newest of the batch */
    bool current;
};

static ff_err load(struct report *r, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, r->tx,
                "SELECT j.row, j.last_seq, j.last_sample, t.taken, t.last_draw FROM jobs j JOIN tasks t "
                "ON t.job = j.row WHERE j.id = ?1 AND t.name = ?2 AND t.attempt = ?3 AND t.attempt > 0 AND "
                "t.state IN ('running', 'queued') AND j.ended = 0",
                FF_ARGS(FF_T(r->batch->job), FF_T(r->batch->task), FF_I(r->batch->attempt)), ctx);
    if (ff_sql_next(&s)) {
        r->current = true;
        r->job = ff_col_int(&s, 0);
        r->last_seq = ff_col_int(&s, 1);
        r->last_sample = ff_col_int(&s, 2);
        r->taken = ff_col_int(&s, 3);
        r->last_draw = ff_col_int(&s, 4);
    }
    return ff_sql_close(&s);
}

static ff_err store(const struct report *r, ff_ctx *ctx)
{
    char *progress = NULL;
    if (r->progress) {
        json_t *copy = json_pack("{ss}", "task", r->batch->task);
        if (copy) json_object_update_missing(copy, (json_t *)r->progress);
        json_object_del(copy, "type");
        progress = copy ? json_dumps(copy, JSON_COMPACT) : NULL;
        json_decref(copy);
    }
    ff_err err = ff_sql_run(
        r->tx, "UPDATE jobs SET last_seq = ?2, last_sample = ?3, progress = coalesce(?4, progress) WHERE row = ?1",
        FF_ARGS(FF_I(r->job), FF_I(r->last_seq), FF_I(r->last_sample), FF_T(progress)), ctx);
    if (!err)
        err = ff_sql_run(r->tx, "UPDATE tasks SET taken = ?3, last_draw = ?4 WHERE job = ?1 AND name = ?2",
                         FF_ARGS(FF_I(r->job), FF_T(r->batch->task), FF_I(r->taken), FF_I(r->last_draw)), ctx);
    free(progress);
    return err;
}

/* A sample that is new moves last_draw on. */
static bool sample_is_new(struct report *r, const json_t *event)
{
    const json_t *draw = json_object_get(event, "draw"), *chain = json_object_get(event, "chain");
    if (!json_is_integer(draw) || !json_is_integer(chain)) return false;
    int64_t place = json_integer_value(draw);
    if (place < 0 || place >= WARMUP) return false;
    if (json_is_true(json_object_get(event, "warmup"))) place -= WARMUP;
    if (place <= r->last_draw) return false;
    r->last_draw = place;
    return true;
}

/* A gang reports what it computes; states and the end are the server's to say. What does not belong here is dropped. */
static bool wanted(struct report *r, const json_t *event)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    if (!type || json_dumpb(event, NULL, 0, JSON_COMPACT) > EVENT_MOST_BYTES) return false;
    if (!strcmp(type, "sample")) return sample_is_new(r, event);
    return !strcmp(type, "progress") || !strcmp(type, "map") || !strcmp(type, "log");
}

static ff_err take(struct report *r, const json_t *event, ff_ctx *ctx)
{
    if (!wanted(r, event)) return FF_OK;
    const char *type = json_string_value(json_object_get(event, "type"));
    bool sample = !strcmp(type, "sample");
    if (!strcmp(type, "progress")) r->progress = event;
    struct ff_stamp stamp = {.job = r->job,
                             .seq = ++r->last_seq,
                             .time_ms = r->now_ms,
                             .task = r->batch->task,
                             .attempt = r->batch->attempt,
                             .number = sample ? ++r->last_sample : 0};
    return ff_event_insert(r->tx, &stamp, event, ctx);
}

ff_err ff_events_report(ff_tx *tx, const struct ff_event_batch *batch, bool *current, ff_ctx *ctx)
{
    struct report r = {.tx = tx, .batch = batch, .now_ms = ff_now_ms()};
    size_t i;
    json_t *event;
    ff_err err = load(&r, ctx);
    *current = !err && r.current;
    if (err || !r.current) return err;
    json_array_foreach(batch->events, i, event)
    {
        int64_t number = batch->from + (int64_t)i;
        if (number <= r.taken) continue;
        err = take(&r, event, ctx);
        if (err) return err;
        r.taken = number;
    }
    err = ff_note_job(tx, r.job, ctx);
    return err ? err : store(&r, ctx);
}
