/* client/ffctl/fetching.c - see fetching.h. */
#include "client/ffctl/fetching.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ffctl/chunks.h"
#include "client/ffctl/reading.h"
#include "common/clock.h"
#include "common/publish.h"

struct bar {
    bool shown;
    double last_s;
};

static void on_progress(void *self, int64_t done, int64_t total)
{
    static const double every_s = 0.1;
    struct bar *bar = self;
    const double now = ff_clock_s();
    if (now - bar->last_s < every_s && done != total) return;
    bar->last_s = now;
    bar->shown = true;
    if (total > 0) {
        fprintf(stderr, "\r%.1f of %.1f MB  %3.0f %%\033[K", 1e-6 * (double)done, 1e-6 * (double)total,
                100 * (double)done / (double)total);
    } else {
        fprintf(stderr, "\r%.1f MB\033[K", 1e-6 * (double)done);
    }
}

/* A job without a result is an error that says why. *chunk_bytes: what lies in files beside it. */
static ff_err check_finished(struct ff_remote *r, const char *id, int64_t *chunk_bytes)
{
    json_t *job;
    ff_err err = ff_remote_get(r, &job, "/v1/jobs/%s", id);
    if (err) return err;
    const char *state = ff_text_of(job, "state");
    *chunk_bytes = json_integer_value(ff_json_path(job, "result", "chunk_bytes", NULL));
    if (strcmp(state, "succeeded") != 0) {
        err = ff_fail_at(&r->cli->ctx, FF_ECONFLICT, id, FF_HERE, "the job has no result: it is %s", state);
    } else if (json_is_null(json_object_get(job, "result"))) {
        err = ff_fail_at(&r->cli->ctx, FF_ENOTFOUND, id, FF_HERE, "the job succeeded without a result file");
    }
    json_decref(job);
    return err;
}

static ff_err fetch(struct ff_remote *r, const char *id, const char *path, bool resume, bool chunks)
{
    struct bar bar = {0};
    char from[64];
    int64_t chunk_bytes = 0;
    void (*const progress)(void *self, int64_t done, int64_t total) =
        r->cli->terminal_err && !r->cli->json ? on_progress : NULL;
    snprintf(from, sizeof from, "/v1/jobs/%s/result", id);
    ff_err err = check_finished(r, id, &chunk_bytes);
    if (!err && chunk_bytes && !chunks)
        err = ff_fail_at(&r->cli->ctx, FF_ECONFLICT, id, FF_HERE,
                         "the draws of this job are %.1f MB in many files: get them with 'ffctl download', then read "
                         "them with h5py",
                         1e-6 * (double)chunk_bytes);
    else if (!err && chunk_bytes)
        err = ff_fetch_chunks(r, id, path, chunk_bytes, progress, &bar);
    else if (!err)
        err = ff_client_download(r->client, from, path, resume, progress, &bar, &r->cli->ctx);
    if (bar.shown) fputs("\r\033[K", stderr);
    return err;
}

ff_err ff_fetch_all(struct ff_remote *r, const char *id, const char *path, bool resume)
{
    return fetch(r, id, path, resume, true);
}

ff_err ff_fetch_result(struct ff_remote *r, const char *id, const char *path, bool resume)
{
    return fetch(r, id, path, resume, false);
}

ff_err ff_temporary(char **path, const char *suffix, ff_ctx *ctx)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder) folder = "/tmp";
    size_t size = strlen(folder) + strlen(suffix) + sizeof "/ffctl-XXXXXX";
    *path = malloc(size);
    if (!*path) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
    snprintf(*path, size, "%s/ffctl-XXXXXX%s", folder, suffix);
    int fd = mkstemps(*path, (int)strlen(suffix));
    if (fd >= 0) {
        close(fd);
        return FF_OK;
    }
    ff_err err = ff_write_fail(ctx, errno, *path, strerror(errno));
    free(*path);
    *path = NULL;
    return err;
}
