/* server/queue/life.h - how jobs and tasks come into a state: each change with its event, and the end of a job. Private.
** Job: queued -> running -> (cancelling) -> succeeded | failed | crashed | cancelled; running -> queued when its gangs are
** lost. Task: (blocked ->) queued -> running -> succeeded | failed | crashed | cancelled, and back to queued. */
#ifndef FF_SERVER_QUEUE_LIFE_H
#define FF_SERVER_QUEUE_LIFE_H

#include <jansson.h>

#include "server/queue/inner.h"

/* What decides about a job's next state. */
struct ff_life {
    int64_t row;
    char state[12];
    int ntasks, nwaits, running, done; /* tasks: all, waiting for the others, running, succeeded */
};
/* By row number; FF_EBUG when there is none. */
FF_MUST_USE ff_err ff_life_read(ff_tx *tx, int64_t job, struct ff_life *out, ff_ctx *ctx);
bool ff_state_ended(const char *state);

/* queued, running or cancelling, with the event. */
FF_MUST_USE ff_err ff_life_job(ff_tx *tx, int64_t job, const char *state, const char *reason, const char *message,
                               ff_ctx *ctx);
/* The event only: the row was changed by the caller. task NULL: the job's. reason, message: NULL is "". */
FF_MUST_USE ff_err ff_life_task_event(ff_tx *tx, int64_t job, const char *task, int attempt, const char *state,
                                      const char *reason, const char *message, ff_ctx *ctx);
/* The job's last event and state; tasks that have not ended are cancelled, gangs that hold one are to be told. */
struct ff_end {
    const char *state, *reason, *message; /* reason, message: NULL is "" */
    const json_t *problem;                /* NULL: none */
};
FF_MUST_USE ff_err ff_life_end(ff_tx *tx, int64_t job, const struct ff_end *end, ff_ctx *ctx);
/* Asks a job to stop: at once when none of its tasks runs, else cancelling. Nothing when it is cancelling already. */
FF_MUST_USE ff_err ff_life_cancel(ff_tx *tx, int64_t job, const char *reason, ff_ctx *ctx);

/* A text from anywhere as JSON: NULL is "", bytes that are no UTF-8 are not repeated. */
json_t *ff_json_text(const char *text);
/* Row number of a job, 0: none or not theirs. */
FF_MUST_USE ff_err ff_job_row_of(ff_tx *tx, const struct ff_who *who, const char *id, int64_t *row, ff_ctx *ctx);
FF_MUST_USE ff_err ff_fail_no_job(const char *id, ff_ctx *ctx);
/* Cursor of a page, which is a row number and nobody's business. "": the first page. FF_EBADREQUEST. */
FF_MUST_USE ff_err ff_cursor_read(const char *cursor, int64_t *before, ff_ctx *ctx);
json_t *ff_cursor_make(int64_t row);
/* Milliseconds of a column as RFC 3339 or null. */
json_t *ff_col_time(struct ff_stmt *s, int column);
/* JSON text of a column, or null. */
json_t *ff_col_json(struct ff_stmt *s, int column);
/* {key: [..]} of the rows of a statement, which is closed. */
FF_MUST_USE ff_err ff_list_rows(struct ff_stmt *s, const char *key, json_t *(*row)(struct ff_stmt *s), json_t **out,
                                ff_ctx *ctx);
/* `value` (taken) is added to a list; false, and the error unless there is one already, when either is NULL. */
bool ff_list_add(ff_err *err, json_t *list, json_t *value, ff_ctx *ctx);

/* Seconds left of a job's walltime; 0: it has none; negative: it is over. started_ms 0: not yet. */
double ff_walltime_left(double walltime_s, int64_t started_ms, int64_t now);

#endif
