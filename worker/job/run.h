/* worker/job/run.h - one job on one worker: what every kind of job is given, and the road from a job to its result.
** Call order: ff_prepare (opens and checks every dataset, checks memory; nothing is computed before it returns) ->
** ff_run_job (splits the job and runs its tasks, writes the result) -> ff_prepared_done. Single tasks: task.h. */
#ifndef FF_WORKER_JOB_RUN_H
#define FF_WORKER_JOB_RUN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/event.h"
#include "common/job.h"
#include "worker/core/share.h"

/* A job with its datasets in memory. */
struct ff_prepared {
    struct ff_job *job;          /* sources.table filled; owned */
    struct ff_shift_table shift; /* when job->model.shift_kind is FF_SHIFT_TABLE */
    bool have_data;              /* data.dataset, or the mask of a mock */
    struct ff_maps
        data;     /* grid and noise_sd always set: from the dataset, else from the model, sigma_e and the densities;
                                 ** map only with data.dataset */
    json_t *spec; /* job->spec with datasets as "sha256:..": what a result embeds */
    char spec_hash[65]; /* of ff_spec_hash: identity of checkpoints */
    size_t bytes;       /* memory estimate of the run */
};

struct ff_start; /* start.h */

struct ff_run {
    const struct ff_prepared *prepared;
    struct ff_start *start; /* where the first chain leaves what the next ones of this job need too; NULL: nowhere */
    const char *out;        /* result file */
    const char *ckpt_dir;   /* OUT.ckpt, or the folder of a task's attempt */
    int threads;            /* >= 1 */
    bool resume;            /* of ff_run_job */
    double checkpoint_s;    /* time between checkpoints of a chain */
    struct ff_sink sink;
    /* Set by signal handlers; NULL: never. 1: checkpoint and return FF_EINTERRUPTED. Any other change: checkpoint and go on. */
    const volatile sig_atomic_t *stop;
    /* Ranks that run the same job together: every one makes every call, with the same prepared job. Files, events and signals
    ** are rank 0's: `out`, the folders, `sink` and `stop` of the others are not looked at. NULL: this process alone. */
    const struct ff_comm *comm;
};

static inline bool ff_run_leads(const struct ff_run *run)
{
    return !run->comm || run->comm->rank == 0;
}
static inline int ff_run_nranks(const struct ff_run *run)
{
    return run->comm ? run->comm->nranks : 1;
}

static inline bool ff_run_stopped(const struct ff_run *run)
{
    return run->stop && *run->stop == 1;
}

/* Takes the job (frees it on failure too). */
FF_MUST_USE ff_err ff_prepare(struct ff_prepared *out, struct ff_job *job, int threads, ff_ctx *ctx);
void ff_prepared_done(struct ff_prepared *p);

FF_MUST_USE ff_err ff_run_job(const struct ff_run *run, ff_ctx *ctx);

/* The jobs of one task; each writes the whole result file at run->out. */
FF_MUST_USE ff_err ff_run_simulate(const struct ff_run *run, ff_ctx *ctx);
FF_MUST_USE ff_err ff_run_spectrum(const struct ff_run *run, ff_ctx *ctx);

/* States of the tasks of a job that is run here as a whole; of a task alone, who hands it out tells them. */
void ff_run_tell(const struct ff_run *run, const char *task, const char *state, const char *message);
/* succeeded, cancelled (FF_EINTERRUPTED) or failed. */
void ff_run_tell_end(const struct ff_run *run, const char *task, ff_err err, const ff_ctx *ctx);

/* The mock data of a job: truth's maps plus noise (data.mock), on the grid and with the noise of the job (or of the mask
** dataset). out: ff_maps_done of files/dataset.h. */
FF_MUST_USE ff_err ff_make_mock(const struct ff_prepared *p, int threads, const struct ff_comm *comm,
                                struct ff_maps *out, ff_ctx *ctx);
/* The same at any parameters (npars) and seed. */
FF_MUST_USE ff_err ff_make_mock_at(const struct ff_prepared *p, const double *parameters, uint64_t seed, int threads,
                                   const struct ff_comm *comm, struct ff_maps *out, ff_ctx *ctx);

#endif
