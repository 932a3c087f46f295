/* server/queue/events.c - see events.h: one event as a row, and reading them back. */
#include "server/queue/events.h"

#include <stdlib.h>
#include <string.h>

#include "server/queue/event_row.h"

/* The event with its stamp first, as text. Members of the event that the stamp has are the stamp's. */
static char *text_of(const struct ff_stamp *stamp, const char *type, const json_t *event)
{
    char now[FF_TIME_SIZE];
    ff_time_text(stamp->time_ms, now);
    json_t *line = json_pack("{sI ss ss? si ss}", "seq", (json_int_t)stamp->seq, "time", now, "task", stamp->task,
                             "attempt", stamp->attempt, "type", type);
    if (line && stamp->number) json_object_set_new(line, "number", json_integer(stamp->number));
    char *text = line && !json_object_update_missing(line, (json_t *)event) ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    return text;
}

ff_err ff_event_insert(ff_tx *tx, const struct ff_stamp *stamp, const json_t *event, ff_ctx *ctx)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    char *text = type ? text_of(stamp, type, event) : NULL;
    if (!text) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an event");
    struct ff_stmt s;
    ff_sql_open(&s, tx,
                "INSERT INTO events (job, seq, type, time_ms, task, attempt, text, number) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, nullif(?8, 0))",
                FF_ARGS(FF_I(stamp->job), FF_I(stamp->seq), FF_T(type), FF_I(stamp->time_ms), FF_T(stamp->task),
                        FF_I(stamp->attempt), FF_T(text), FF_I(stamp->number)),
                ctx);
    while (ff_sql_next(&s)) continue;
    ff_err err = ff_sql_close(&s);
    free(text);
    return err;
}

ff_err ff_events_append(ff_tx *tx, int64_t job, const char *task, int attempt, json_t *event, ff_ctx *ctx)
{
    struct ff_stamp stamp = {.job = job, .task = task, .attempt = attempt, .time_ms = ff_now_ms()};
    const char *type = json_string_value(json_object_get(event, "type"));
    if (!type) {
        json_decref(event);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an event");
    }
    /* nothing follows the end: an ended job gives no number */
    ff_err err = ff_sql_run(tx, "UPDATE jobs SET last_seq = last_seq + 1, ended = ?2 WHERE row = ?1 AND ended = 0",
                            FF_ARGS(FF_I(job), FF_I(!strcmp(type, "end"))), ctx);
    if (!err && ff_sql_changed(tx))
        err = ff_sql_int(tx, &stamp.seq, 0, "SELECT last_seq FROM jobs WHERE row = ?1", FF_ARGS(FF_I(job)), ctx);
    if (!err && stamp.seq) err = ff_event_insert(tx, &stamp, event, ctx);
    if (!err && stamp.seq) err = ff_note_job(tx, job, ctx);
    json_decref(event);
    return err;
}

/* ---- reading ---- */

static ff_err each(struct ff_stmt *s, int64_t job, ff_event_fn fn, void *self, ff_ctx *ctx)
{
    ff_err stopped = FF_OK;
    while (!stopped && ff_sql_next(s)) {
        struct ff_event event = {.job = job, .seq = (long)ff_col_int(s, 0), .text = ff_col_text(s, 2)};
        ff_col_copy(s, 1, event.type, sizeof event.type);
        stopped = fn(self, &event, ctx);
    }
    ff_err err = ff_sql_close(s);
    return stopped ? stopped : err;
}

ff_err ff_events_read(ff_tx *tx, int64_t job, long after, long most, ff_event_fn fn, void *self, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx, "SELECT seq, type, text FROM events WHERE job = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
                FF_ARGS(FF_I(job), FF_I(after), FF_I(most)), ctx);
    return each(&s, job, fn, self, ctx);
}

ff_err ff_samples_read(ff_tx *tx, int64_t job, long from, long most, ff_event_fn fn, void *self, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx,
                "SELECT seq, type, text FROM events WHERE job = ?1 AND number >= ?2 AND number IS NOT NULL "
                "ORDER BY number LIMIT ?3",
                FF_ARGS(FF_I(job), FF_I(from), FF_I(most)), ctx);
    return each(&s, job, fn, self, ctx);
}

ff_err ff_logs_read(ff_tx *tx, int64_t job, long after, int64_t since_ms, const char *task, int attempt, long most,
                    ff_event_fn fn, void *self, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx,
                "SELECT seq, type, text FROM events WHERE job = ?1 AND seq > ?2 AND type IN ('log', 'state', 'end') "
                "AND time_ms >= ?3 AND (?4 IS NULL OR task = ?4) AND (?5 = 0 OR attempt = ?5) ORDER BY seq LIMIT ?6",
                FF_ARGS(FF_I(job), FF_I(after), FF_I(since_ms), FF_T(task), FF_I(attempt), FF_I(most)), ctx);
    return each(&s, job, fn, self, ctx);
}
