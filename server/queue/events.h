/* server/queue/events.h - events of jobs, numbered 1..n without gap or duplicate (docs/events.md), and samples, numbered 1..n
** in commit order. */
#ifndef FF_SERVER_QUEUE_EVENTS_H
#define FF_SERVER_QUEUE_EVENTS_H

#include <jansson.h>

#include "server/queue/queue.h"

/* Events a gang reports for the attempt it holds, in its own order. `from`: the gang's number of the first of them
** (1, 2, .. per attempt); those already taken are skipped, so a message that comes twice does no harm. Stamps seq, time, task
** and attempt; gives samples their number and drops those of a (chain, draw) an earlier attempt delivered; a progress
** event becomes the job's latest progress. A stale attempt: *current = false and nothing is written. */
struct ff_event_batch {
    const char *job, *task;
    int attempt;
    long from;
    const json_t *events; /* array */
};
FF_MUST_USE ff_err ff_events_report(ff_tx *tx, const struct ff_event_batch *batch, bool *current, ff_ctx *ctx);

/* One event of the server itself ({"type":"state"|"log"|"end",..}); takes the reference. task NULL: the job's. */
FF_MUST_USE ff_err ff_events_append(ff_tx *tx, int64_t job, const char *task, int attempt, json_t *event, ff_ctx *ctx);

/* Texts of events with seq > after, in order, at most `most`: each a whole JSON object without newline. */
struct ff_event {
    int64_t job;
    long seq;
    char type[12];
    const char *text; /* valid during the call */
};
typedef ff_err (*ff_event_fn)(void *self, const struct ff_event *event, ff_ctx *ctx);
FF_MUST_USE ff_err ff_events_read(ff_tx *tx, int64_t job, long after, long most, ff_event_fn fn, void *self,
                                  ff_ctx *ctx);
/* The same of sample events with number >= from. */
FF_MUST_USE ff_err ff_samples_read(ff_tx *tx, int64_t job, long from, long most, ff_event_fn fn, void *self,
                                   ff_ctx *ctx);
/* Log, state and end events with optional bounds: what `ffctl logs` shows. task NULL: all; attempt 0: all. */
FF_MUST_USE ff_err ff_logs_read(ff_tx *tx, int64_t job, long after, int64_t since_ms, const char *task, int attempt,
                                long most, ff_event_fn fn, void *self, ff_ctx *ctx);

#endif
