/* server/queue/jobs.h - jobs: submitted, listed, cancelled. A job has one owner; every call names who asks, and a job that is
** missing or foreign is the same FF_ENOTFOUND. Terminal states (succeeded, failed, crashed, cancelled) never change. */
#ifndef FF_SERVER_QUEUE_JOBS_H
#define FF_SERVER_QUEUE_JOBS_H

#include <jansson.h>

#include "common/job.h"
#include "server/queue/queue.h"

/* Who asks. */
struct ff_who {
    int64_t user; /* row number */
    bool admin;
};

struct ff_submission {
    struct ff_who who;
    const struct ff_job *job;         /* parsed; its tasks come from ff_tasks_split */
    const char *spec;                 /* the job with every default filled in, JSON text: what workers get */
    const char *idempotency_key;      /* NULL: none. Scoped to the user, kept >= 24 h */
    const char *request_hash;         /* SHA-256 of the canonical request, with a key */
    const char *retry_of, *extend_of; /* job ids, NULL */
    long extend_draws;                /* with extend_of: draws a chain to add */
    const char *const *datasets;      /* (ndatasets) ds_ ids named by the job; each has to exist and be the user's */
    int ndatasets;
    double memory_bytes; /* estimate for the smallest gang */
};
/* Job, tasks, the first event ({"type":"state","state":"queued"}), all in one. *again: the key was seen with the same
** request, `id` is the old job's. Errors: FF_EKEYREUSED (same key, other request), FF_EQUOTA (queued jobs, submits per
** minute; message names the quota), FF_ENOTFOUND (dataset, retry_of, extend_of), FF_ECONFLICT (extend of a job that has no
** checkpoints to go on from). */
FF_MUST_USE ff_err ff_jobs_submit(ff_tx *tx, const struct ff_submission *s, char id[FF_ID_SIZE], bool *again,
                                  ff_ctx *ctx);

/* The job as the API shows it: id, kind, name, state, reason, message, created, started, finished (RFC 3339 or null), user,
** priority, pool, progress (latest, or null), attempts (most of any task), tasks {total, done}, retry_of, extend_of, result
** {size, sha256, corrupt, chunk_bytes} or null, error (problem) or null, links; with `full` also spec, and tasks[] {name,
** state, attempt, worker, lease_expires, reason} in the place of the counts, which then are task_counts. lease_expires is
** null here: leases are dispatch's. New reference. */
FF_MUST_USE ff_err ff_jobs_get(ff_tx *tx, const struct ff_who *who, const char *id, bool full, json_t **out,
                               ff_ctx *ctx);
/* Row number and whether the job has ended. */
struct ff_job_row {
    int64_t row;
    bool ended;
    long last_seq, last_sample;
    char state[12], kind[12], result_task[32];
};
FF_MUST_USE ff_err ff_jobs_find(ff_tx *tx, const struct ff_who *who, const char *id, struct ff_job_row *out,
                                ff_ctx *ctx);

struct ff_job_filter {
    const char *state, *kind; /* NULL: any */
    bool all_users;           /* admin only */
    int limit;                /* 1..500 */
    const char *cursor;       /* opaque, from the last page; NULL: the newest */
};
/* {"jobs":[..], "next_cursor": "..." or null}, newest first, by keyset. */
FF_MUST_USE ff_err ff_jobs_list(ff_tx *tx, const struct ff_who *who, const struct ff_job_filter *filter, json_t **out,
                                ff_ctx *ctx);

/* queued: cancelled at once; running: cancelling, and its gangs are told. FF_ECONFLICT when it has ended. `reason`
** "user", "walltime", "admin". */
FF_MUST_USE ff_err ff_jobs_cancel(ff_tx *tx, const struct ff_who *who, const char *id, const char *reason, ff_ctx *ctx);

/* Spec text (malloc'ed) and what it takes to make the same job again. */
FF_MUST_USE ff_err ff_jobs_spec(ff_tx *tx, const struct ff_who *who, const char *id, char **spec, ff_ctx *ctx);

/* Counts by state over all users, and the age of the oldest queued job: for /metrics and /readyz. */
enum { FF_MAX_KINDS = 16 };
struct ff_job_counts {
    long queued, running, cancelling, succeeded, failed, crashed, cancelled;
    double oldest_queued_s;
    long redeliveries;
    int nkinds; /* of jobs that ran and ended, also of those that are no longer kept */
    struct {
        char kind[12];
        long jobs;
        double seconds; /* from first start to end, of all of them */
    } duration[FF_MAX_KINDS];
};
FF_MUST_USE ff_err ff_jobs_count(ff_tx *tx, struct ff_job_counts *out, ff_ctx *ctx);

/* Retention: ids (malloc'ed array of FF_ID_SIZE texts) of jobs that ended before `before_ms`, oldest first, at most `most`;
** and the removal of one with its tasks, events and result row (the caller has removed or keeps the files). */
FF_MUST_USE ff_err ff_jobs_expired(ff_tx *tx, int64_t before_ms, int most, char (**ids)[FF_ID_SIZE], int *n,
                                   ff_ctx *ctx);
FF_MUST_USE ff_err ff_jobs_remove(ff_tx *tx, const char *id, ff_ctx *ctx);

#endif
