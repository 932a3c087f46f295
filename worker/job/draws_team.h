/* worker/job/draws_team.h - the draws of a job on one worker: makers of draws, chunks, and what leaves them. The tasks
** of a draws job each by itself, and all one after another, go through the same functions.
** Call order: ff_draws_init -> ff_draws_chunk, ff_draws_export, ff_draws_assemble, ff_draws_index (any number) ->
** ff_draws_done. */
#ifndef FF_WORKER_JOB_DRAWS_TEAM_H
#define FF_WORKER_JOB_DRAWS_TEAM_H

#include "files/chunks.h"
#include "worker/io/store.h"
#include "worker/job/draws.h"
#include "worker/job/meter.h"
#include "worker/job/task.h"

struct ff_draws {
    const struct ff_run *run; /* borrowed */
    const struct ff_job *job; /* borrowed */
    struct ff_draw_layout layout;
    char origin[256];
    uint64_t plan_hash;
    int nmakers;
    struct ff_draw_maker *makers; /* (nmakers) */
    char *records;                /* (nmakers, layout.size) */
    struct ff_meter meter;
    long done, total; /* what progress is told of */
};

/* most: draws there will be at once. */
FF_MUST_USE ff_err ff_draws_init(struct ff_draws *d, const struct ff_run *run, long most, ff_ctx *ctx);
void ff_draws_done(struct ff_draws *d);

/* Draws of a chunk into its store in the run's folder; resume: those already there are kept. */
FF_MUST_USE ff_err ff_draws_chunk(struct ff_draws *d, const struct ff_task *task, bool resume, ff_ctx *ctx);
/* A finished chunk also as theta.npy, x.npy, valid.npy and, with scores, score.npy in the run's folder: rows of this
** chunk, for readers who do not wait for the whole. */
FF_MUST_USE ff_err ff_draws_export(struct ff_draws *d, const struct ff_task *task, ff_ctx *ctx);
/* The result, run->out, from the chunks among `tasks` in their folders. */
FF_MUST_USE ff_err ff_draws_assemble(struct ff_draws *d, const struct ff_task *tasks, int ntasks,
                                     const struct ff_task_folders *folders, ff_ctx *ctx);
/* The same without the arrays, which stay in the chunks' .npy files: compared with the draws, hashed and named in
** /chunks (files/chunks.h). FF_EIO: a file is not what was written. */
FF_MUST_USE ff_err ff_draws_index(struct ff_draws *d, const struct ff_task *tasks, int ntasks,
                                  const struct ff_task_folders *folders, ff_ctx *ctx);

/* What the two have in common: the folder of a chunk that is done (FF_ECHECKPOINT: it is not; FF_EINTERRUPTED), /draws
** with its dimensions, two of its attributes, the end. */
FF_MUST_USE ff_err ff_draws_folder(const struct ff_draws *d, const struct ff_task *task,
                                   const struct ff_task_folders *folders, const char **dir, ff_ctx *ctx);
FF_MUST_USE ff_err ff_draws_dims(ff_h5 *f, const struct ff_draws *d, ff_ctx *ctx);
const char *ff_draws_observable(const struct ff_draws *d);
const char *ff_draws_noise(const struct ff_draws *d);
FF_MUST_USE ff_err ff_draws_close(ff_h5 *f, const struct ff_draws *d, long nvalid, ff_ctx *ctx);

/* The tasks each by itself, and the whole job (tasks: of ff_tasks_split). */
FF_MUST_USE ff_err ff_run_chunk(const struct ff_task_run *t, ff_ctx *ctx);
FF_MUST_USE ff_err ff_run_manifest(const struct ff_task_run *t, ff_ctx *ctx);
FF_MUST_USE ff_err ff_run_draws(const struct ff_run *run, const struct ff_task *tasks, int ntasks, ff_ctx *ctx);

void ff_draws_store_path(const char *dir, const struct ff_task *task, char *path, size_t size);
/* Checks the .npy files of a finished chunk in `dir` against its draws, gets them onto the disk, and fills in all of
** *chunk. */
struct ff_draw_rows;
FF_MUST_USE ff_err ff_draws_check_arrays(struct ff_draws *d, const struct ff_task *task, const char *dir,
                                         struct ff_draw_rows *rows, struct ff_chunk *chunk, ff_ctx *ctx);
/* Rows moved at once. */
long ff_draws_block_rows(const struct ff_draw_layout *layout);

#endif
