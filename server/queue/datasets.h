/* server/queue/datasets.h - datasets and results as rows; the bytes are the store's. */
#ifndef FF_SERVER_QUEUE_DATASETS_H
#define FF_SERVER_QUEUE_DATASETS_H

#include <jansson.h>

#include "server/queue/jobs.h"

struct ff_dataset_row {
    char id[FF_ID_SIZE];
    char sha256[65];
    char kind[16]; /* "convergence", "shear", "nz", "shift" */
    char name[128];
    int64_t size, created_ms;
};
/* The same bytes of the same user again: the same id. FF_EQUOTA over the user's bytes. */
FF_MUST_USE ff_err ff_datasets_add(ff_tx *tx, const struct ff_who *who, struct ff_dataset_row *row, ff_ctx *ctx);
FF_MUST_USE ff_err ff_datasets_find(ff_tx *tx, const struct ff_who *who, const char *id, struct ff_dataset_row *row,
                                    ff_ctx *ctx);
/* {"datasets":[..],"next_cursor"} */
FF_MUST_USE ff_err ff_datasets_list(ff_tx *tx, const struct ff_who *who, int limit, const char *cursor, json_t **out,
                                    ff_ctx *ctx);
/* FF_ECONFLICT while a job that has not ended names it. *orphan: no other row has these bytes, the file can go. */
FF_MUST_USE ff_err ff_datasets_remove(ff_tx *tx, const struct ff_who *who, const char *id, bool *orphan, ff_ctx *ctx);

struct ff_result_row {
    char job[FF_ID_SIZE], task[32], path[512], sha256[65]; /* path relative to the store */
    int attempt;
    int64_t size, created_ms;
    int64_t chunk_bytes; /* of files of draws beside it (files/chunks.h); 0: none */
    bool corrupt;        /* flagged when the bytes no longer match */
};
FF_MUST_USE ff_err ff_results_find(ff_tx *tx, const struct ff_who *who, const char *job, struct ff_result_row *row,
                                   ff_ctx *ctx);
FF_MUST_USE ff_err ff_results_flag_corrupt(ff_tx *tx, const char *job, ff_ctx *ctx);
/* Every result and dataset row, for sweeps. */
typedef ff_err (*ff_result_fn)(void *self, const struct ff_result_row *row, ff_ctx *ctx);
FF_MUST_USE ff_err ff_results_each(ff_tx *tx, ff_result_fn fn, void *self, ff_ctx *ctx);

#endif
