/* server/queue/workers.h - gangs that have registered, for people to look at. Leases are in tasks.h. */
#ifndef FF_SERVER_QUEUE_WORKERS_H
#define FF_SERVER_QUEUE_WORKERS_H

#include <jansson.h>

#include "server/queue/queue.h"

struct ff_worker_row {
    char id[FF_ID_SIZE], name[128], pool[32], backend[8], device[64], build[64],
        state[12]; /* idle busy draining gone */
    int ranks, threads;
    double memory_bytes;
};
FF_MUST_USE ff_err ff_workers_put(ff_tx *tx, const struct ff_worker_row *row, ff_ctx *ctx);
FF_MUST_USE ff_err ff_workers_state(ff_tx *tx, const char *id, const char *state, ff_ctx *ctx);
/* {"workers":[{.., "task":{"job","task","attempt"} or null, "seen": RFC 3339}]}; job ids only for admin or the owner. */
FF_MUST_USE ff_err ff_workers_list(ff_tx *tx, bool admin, json_t **out, ff_ctx *ctx);
FF_MUST_USE ff_err ff_workers_find(ff_tx *tx, const char *id, struct ff_worker_row *row, ff_ctx *ctx);

#endif
