/* worker/gang/gang_inner.h - the gang's struct, for its two files: gang.c (life, wire thread) and attempt.c (from TASK
** to COMMIT, on the task thread). */
#ifndef FF_WORKER_GANG_GANG_INNER_H
#define FF_WORKER_GANG_GANG_INNER_H

#include "worker/gang/gang.h"
#include "worker/gang/link.h"
#include "worker/gang/ranks.h"
#include "worker/gang/scratch.h"
#include "worker/gang/session.h"
#include "worker/gang/work.h"

struct ff_gang {
    const struct ff_gang_config *config;
    struct ff_link link; /* the wire thread's once it runs */
    ff_session *session;
    json_t *hello;
    struct ff_ranks ranks;
    struct ff_scratch scratch;
    struct ff_runner engine;
    /* of the task thread */
    char last_job[48]; /* whose files stand in scratch */
    struct ff_work work;
    struct ff_look look;
};

/* One attempt, from the body of TASK to the verdict on its commit. */
void ff_gang_attempt(struct ff_gang *g, const json_t *body);

#endif
