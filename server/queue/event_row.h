/* server/queue/event_row.h - an event as it is written. Private. */
#ifndef FF_SERVER_QUEUE_EVENT_ROW_H
#define FF_SERVER_QUEUE_EVENT_ROW_H

#include <jansson.h>

#include "server/queue/inner.h"

struct ff_stamp {
    int64_t job, seq, time_ms;
    const char *task; /* NULL: the job's */
    int attempt;
    int64_t number; /* of a sample; 0: another event */
};
/* Does not count: the caller has taken the number seq from the job and writes it back. */
FF_MUST_USE ff_err ff_event_insert(ff_tx *tx, const struct ff_stamp *stamp, const json_t *event, ff_ctx *ctx);

#endif
