/* worker/gang/work.h - one attempt of a task as a gang has it: where its folders are and how its inputs get there.
** Where the store is shared, `base` is the store and everything is in place; else `base` is a scratch folder of the
** same layout, and what the task needs is fetched into it, with its hash checked. */
#ifndef FF_WORKER_GANG_WORK_H
#define FF_WORKER_GANG_WORK_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "common/err.h"
#include "common/event.h"
#include "common/job.h"
#include "worker/gang/files.h"
#include "worker/gang/session.h"

struct ff_work {
    const json_t *body; /* of TASK; borrowed */
    const char *job, *task, *kind;
    int attempt;
    const char *base; /* borrowed */
    bool shared;
    char folder[FF_GANG_PATH]; /* of this attempt */
    char resume[FF_GANG_PATH]; /* to go on from; "": nothing */
    long draws;                /* "state"."draws": where a chain shall go; 0: as far as its job says */
    double memory_bytes;
    struct {
        const char *id;
        char path[FF_GANG_PATH];
    } dataset[FF_MAX_DATASETS];
    int ndatasets;
};

/* The names alone: what can be said about a task whatever happens to it. */
void ff_work_name(struct ff_work *w, const json_t *body);
/* After it: names the folders and makes that of the attempt, if it may get files. FF_EBADMESSAGE, FF_ESTORAGE, FF_EDISKFULL. */
FF_MUST_USE ff_err ff_work_begin(struct ff_work *w, const char *base, bool shared, ff_ctx *ctx);
/* The paths of the body's datasets below `base`; part of ff_work_begin. FF_EBADMESSAGE. */
FF_MUST_USE ff_err ff_work_name_datasets(struct ff_work *w, ff_ctx *ctx);
/* Gets what is not there (no shared store), through the session; waits. */
FF_MUST_USE ff_err ff_work_gather(struct ff_work *w, ff_session *session, ff_ctx *ctx);
/* Folder of the attempt that committed `task` of this job, into out (FF_GANG_PATH); false: none. */
bool ff_work_input(const struct ff_work *w, const char *task, char *out);
/* The file of a dataset; NULL: not one of this task. */
const char *ff_work_dataset(const struct ff_work *w, const char *id);
/* After the disk failed: moves what the folder has of the result to where it can be looked at, since the folder goes with the next
** attempt that succeeds; into `to` (FF_GANG_PATH). In the store WORK/<job>/<task>.failed.h5, which goes with the job; in a scratch
** folder failed.h5. One that was there is replaced. False: there is nothing. */
bool ff_work_keep_failed(const struct ff_work *w, char *to);
/* Takes this machine's paths out of words that will be shown to the job's owner: datasets become their ids. */
void ff_work_scrub(const struct ff_work *w, char *text);

/* What a task is run with, and how it ended; the real one is runner.h, tests have their own. */
struct ff_work_io {
    int threads;
    double checkpoint_s;
    struct ff_sink sink;
    const volatile sig_atomic_t *stop;
    void (*checkpointed)(void *self); /* files in the folder changed */
    void *self;
};
struct ff_work_end {
    bool more; /* a reduce that wants `draws` of every chain first */
    long draws;
};
#define FF_RESULT_NAME "result.h5" /* in the folder, when the task makes the job's result */

struct ff_runner {
    ff_err (*run)(void *self, const struct ff_work *work, const struct ff_work_io *io, struct ff_work_end *end,
                  ff_ctx *ctx);
    void *self;
};

#endif
