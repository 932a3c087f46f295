/* worker/job/draws_rows.h - the draws of a chunk as rows of arrays, a block at a time, out of its records: what the
** result, the .npy files of a chunk and the check of them are made from (draws_team.h). Arrays are those of
** files/chunks.h.
** Call order: ff_draw_rows_alloc -> ff_draws_take (any number) -> ff_draw_rows_free. */
#ifndef FF_WORKER_JOB_DRAWS_ROWS_H
#define FF_WORKER_JOB_DRAWS_ROWS_H

#include "files/chunks.h"
#include "worker/job/draws_team.h"

struct ff_draw_rows {
    void *array[FF_CHUNK_ARRAYS]; /* (rows, ..) of the array's type; NULL: there are no scores */
};
FF_MUST_USE ff_err ff_draw_rows_alloc(struct ff_draw_rows *rows, const struct ff_draw_layout *l, ff_ctx *ctx);
void ff_draw_rows_free(struct ff_draw_rows *rows); /* zeroed is fine */

/* Arrays that draws of this layout have, and bytes of a row of one of them. */
int ff_draws_narrays(const struct ff_draw_layout *l);
size_t ff_draws_row_bytes(const struct ff_draw_layout *l, int array);

/* Where blocks go. first: row of the first one in the job. */
struct ff_rows_taker {
    void *self;
    ff_err (*take)(void *self, const struct ff_draw_layout *l, const struct ff_draw_rows *rows, long first, long n,
                   ff_ctx *ctx);
};
/* The rows of one chunk, which stands in `dir`; *nvalid counts those that are valid. FF_EIO: a record is no longer
** there. */
FF_MUST_USE ff_err ff_draws_take(struct ff_draws *d, const struct ff_task *task, const char *dir,
                                 struct ff_draw_rows *rows, const struct ff_rows_taker *taker, long *nvalid,
                                 ff_ctx *ctx);

#endif
