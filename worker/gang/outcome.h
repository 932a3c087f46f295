/* worker/gang/outcome.h - how the end of a task is told to the server: the members of COMMIT.
**   done                          succeeded
**   a reduce wants more           again, state {"draws": n}
**   told to stop                  released, reason: why it was told
**   disk, store, memory, device   environment: another gang, or a later time, may do better; reason: the error's slug
**   anything else                 failed: the job's own fault, with the error as `problem` */
#ifndef FF_WORKER_GANG_OUTCOME_H
#define FF_WORKER_GANG_OUTCOME_H

#include <jansson.h>

#include "worker/gang/work.h"

enum ff_outcome_kind { FF_OUT_SUCCEEDED, FF_OUT_AGAIN, FF_OUT_FAILED, FF_OUT_RELEASED, FF_OUT_ENVIRONMENT };

enum ff_outcome_kind ff_outcome_of(ff_err err, const struct ff_work_end *end);
const char *ff_outcome_name(enum ff_outcome_kind kind);
/* Do the files of an attempt that ended so belong to the server? */
static inline bool ff_outcome_has_files(enum ff_outcome_kind kind)
{
    return kind == FF_OUT_SUCCEEDED || kind == FF_OUT_AGAIN || kind == FF_OUT_RELEASED;
}

/* Members of COMMIT but files and result; ctx: the error of a task that has one. why: of STOP. NULL: no memory. */
json_t *ff_outcome_commit(enum ff_outcome_kind kind, const struct ff_work_end *end, const char *why, const ff_ctx *ctx,
                          double core_seconds);

#endif
