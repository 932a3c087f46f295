/* server/http/result.c - GET /v1/jobs/{job}/result: the file, whole or a range of it. */
#include <stdio.h>
#include <string.h>

#include "server/http/look.h"
#include "server/http/stored.h"

struct find {
    struct ff_request *r;
    struct ff_job_row job;
    struct ff_result_row result;
};

static ff_err find(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct find *f = arg;
    const char *id = f->r->match.args[0];
    ff_err err = ff_jobs_find(tx, &f->r->who, id, &f->job, ctx);
    if (err) return err;
    err = ff_results_find(tx, &f->r->who, id, &f->result, ctx);
    return err == FF_ENOTFOUND ? ff_look_no_result(&f->job, ctx) : err;
}

/* Opens the file; bytes that changed on disk are an error of ours, noted in the database too. */
static ff_err open_result(void *self, int *fd, ff_ctx *ctx)
{
    struct find *f = self;
    const struct ff_result_row *row = &f->result;
    const ff_err err = ff_storehouse_open_result(f->r->http->config.store, row->path, row->size, row->sha256, fd, ctx);
    if (err == FF_ECORRUPT) ff_look_corrupt(f->r, row);
    return err;
}

ff_err ff_get_result(struct ff_request *r, ff_ctx *ctx)
{
    struct find f = {.r = r};
    char name[48];
    const ff_err err = ff_queue_read(r->http->config.queue, find, &f, ctx);
    if (err) return err;
    snprintf(name, sizeof name, "%s.h5", f.result.job);
    const struct ff_stored file = {.type = "application/x-hdf5",
                                   .name = name,
                                   .sha256 = f.result.sha256,
                                   .size = f.result.size,
                                   .open = open_result,
                                   .self = &f};
    return ff_reply_stored(r, &file, ctx);
}
