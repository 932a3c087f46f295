/* server/http/look.h - reading of the job that a path names, as the one who asks. */
#ifndef FF_SERVER_HTTP_LOOK_H
#define FF_SERVER_HTTP_LOOK_H

#include <limits.h>

#include "server/http/server.h"
#include "server/queue/datasets.h"

/* FF_ENOTFOUND: missing or foreign. */
FF_MUST_USE ff_err ff_look_job(struct ff_request *r, struct ff_job_row *row, ff_ctx *ctx);

/* What a job has to show: its result if it has one, else its attempts; both where the result's draws are in files of
** theirs. */
struct ff_look {
    struct ff_job_row job;
    bool has_result;
    struct ff_result_row result;
    json_t
        *attempts; /* {"chain-0": 2, ..}: newest attempt of every task that was ever leased; NULL with a whole result */
    json_t *done;  /* those of them that succeeded */
    char *spec;
};
FF_MUST_USE ff_err ff_look_all(struct ff_request *r, struct ff_look *look, ff_ctx *ctx);
void ff_look_done(struct ff_look *look);

/* Why a job has no result: FF_ENOTFOUND where it has ended well, else FF_ECONFLICT with its state. */
FF_MUST_USE ff_err ff_look_no_result(const struct ff_job_row *job, ff_ctx *ctx);
/* Notes that the bytes of the job's result are not what they were. */
void ff_look_corrupt(struct ff_request *r, const struct ff_result_row *result);

#endif
