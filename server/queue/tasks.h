/* server/queue/tasks.h - leasing tasks and committing their results, fenced by attempt number (docs/reliability of the
** design, section 3). A task is blocked (waits for others of its job), queued, running, succeeded, failed, crashed or
** cancelled. The attempt number is raised when a new lease is granted; a commit counts only when its attempt is the task's
** and the task's job is queued, running or cancelling.
** Ordering among ready tasks: fair share between users (fewest core-seconds lately, running ones included), then priority,
** then age; tasks that crashed a worker twice wait (not_before grows: 30 s doubling to 1 h). */
#ifndef FF_SERVER_QUEUE_TASKS_H
#define FF_SERVER_QUEUE_TASKS_H

#include <jansson.h>

#include "server/queue/jobs.h"
#include "server/queue/queue.h"

enum { FF_MAX_ATTEMPTS = 5 }; /* of a task, then it is crashed and so is its job */

/* What a gang can take. */
struct ff_gang {
    const char *worker; /* wk_ id */
    const char *pool;
    int ranks, threads; /* threads: of all ranks */
    double memory_bytes;
    bool gpu;
};

/* A task as it is sent out. */
struct ff_lease {
    int64_t job_row;
    char job[FF_ID_SIZE], task[32];
    int number, attempt;
    long first, count; /* of ff_task */
    char kind[12];     /* of the job */
    json_t *state;     /* what earlier segments left: {"draws": target, ..}; owned */
    json_t *inputs;    /* tasks of this job that are done, with the attempts that committed: {"chain-0": 2, ..}, and
                       ** "resume": attempt whose files this one goes on from (0: none), "extend": {"job","attempts":{..}} */
    char *spec;        /* owned */
    double walltime_s; /* left of the job; 0: none */
    bool job_started;  /* this lease is the job's first: its state event said "running" */
};
void ff_lease_done(struct ff_lease *lease);

/* The best ready task that fits, leased to the gang (attempt + 1, state running; the job too, with its events); *found
** false when there is none. Smallest gang that fits: a task that needs few ranks is left for a smaller idle gang when
** `smaller_idle` says so (a callback of dispatch; NULL: never). */
FF_MUST_USE ff_err ff_tasks_lease(ff_tx *tx, const struct ff_gang *gang, struct ff_lease *lease, bool *found,
                                  ff_ctx *ctx);

/* What a worker reports about the attempt it holds. */
enum ff_outcome {
    FF_TASK_SUCCEEDED, /* files are in place */
    FF_TASK_AGAIN,     /* reduce: not enough yet; every task it waits for goes on towards `state` */
    FF_TASK_FAILED,    /* by the job's own fault: the job fails */
    FF_TASK_RELEASED, /* drained or asked to stop: checkpointed, goes back to the queue (no attempt is held against it) */
    FF_TASK_LOST,     /* the gang died or its lease ran out: queued again until FF_MAX_ATTEMPTS */
    FF_TASK_ENVIRONMENT /* disk full, storage, device memory: queued again with backoff; counts as an attempt */
};
struct ff_commit {
    const char *job, *task, *worker;
    int attempt;
    enum ff_outcome outcome;
    const char *reason;               /* short code: "worker_lost", "disk_full", "drained", .. or NULL */
    const char *message;              /* for people, or NULL */
    const json_t *problem;            /* of FF_TASK_FAILED */
    const json_t *state;              /* FF_TASK_AGAIN: e.g. {"draws": 200} */
    const char *sha256, *path;        /* of the result file, when the task has one: the job's last task */
    int64_t size, chunk_bytes;        /* chunk_bytes: of files of draws that belong to it */
    double core_seconds, gpu_seconds; /* to be added to the user's account */
};
enum ff_verdict { FF_COMMITTED, FF_STALE };
/* FF_COMMITTED also when this very commit was recorded before (idempotent). Everything follows in the same transaction: the
** task's state and event, tasks it unblocks, the job's end when its last task is done, failed or cancelled. A commit of a
** job that is cancelling still wins when it was the last task. */
FF_MUST_USE ff_err ff_tasks_commit(ff_tx *tx, const struct ff_commit *commit, enum ff_verdict *verdict, ff_ctx *ctx);

/* Is this attempt the holder? A lost lease is still its holder's as long as nobody was given the task since. And has its
** job been asked to stop? */
struct ff_holding {
    bool current, cancelling;
    bool recorded; /* how it ended is recorded: its gang waits for the verdict, and its files are the service's */
};
FF_MUST_USE ff_err ff_tasks_holding(ff_tx *tx, const char *job, const char *task, int attempt, struct ff_holding *out,
                                    ff_ctx *ctx);

/* Leases found in the database at start: each gets one fresh full lease from the caller. */
struct ff_running {
    char job[FF_ID_SIZE], task[32], worker[FF_ID_SIZE];
    int attempt;
    double walltime_s; /* left of the job; 0: it has none */
};
FF_MUST_USE ff_err ff_tasks_running(ff_tx *tx, struct ff_running **out, int *n, ff_ctx *ctx); /* free(*out) */
/* Running tasks of jobs that were asked to stop. */
FF_MUST_USE ff_err ff_tasks_cancelling(ff_tx *tx, struct ff_running **out, int *n, ff_ctx *ctx);

/* How many are ready and how many run, by pool ("" all). */
FF_MUST_USE ff_err ff_tasks_count(ff_tx *tx, const char *pool, long *ready, long *running, ff_ctx *ctx);

#endif
