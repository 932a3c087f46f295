/* worker/gang/work.c - see work.h. */
#include "worker/gang/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int int_of(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

static bool is_sha256(const char *text)
{
    return strlen(text) == FF_HASH_SIZE - 1 && strspn(text, "0123456789abcdef") == FF_HASH_SIZE - 1;
}

/* ---- where things are ---- */

/* Where the task's earlier segment stands: of this job, or of the job that this one extends. */
static ff_err find_resume(struct ff_work *w, ff_ctx *ctx)
{
    const int resume = int_of(w->body, "resume");
    if (resume > 0) return ff_attempt_path(w->resume, w->base, w->job, w->task, resume, ctx);
    const json_t *extend = json_object_get(w->body, "extend");
    const int attempt = int_of(json_object_get(extend, "attempts"), w->task);
    if (attempt < 1) return FF_OK;
    return ff_attempt_path(w->resume, w->base, text_of(extend, "job"), w->task, attempt, ctx);
}

ff_err ff_work_name_datasets(struct ff_work *w, ff_ctx *ctx)
{
    size_t i;
    const json_t *dataset;
    json_array_foreach(json_object_get(w->body, "datasets"), i, dataset)
    {
        const char *id = text_of(dataset, "id"), *sha256 = text_of(dataset, "sha256");
        if (w->ndatasets == FF_MAX_DATASETS || !ff_id_good("ds_", id) || !is_sha256(sha256))
            return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "dataset %zu of a task has no good name or hash", i);
        const int n = snprintf(w->dataset[w->ndatasets].path, FF_GANG_PATH, "%s/datasets/%s.h5", w->base, sha256);
        if (n < 0 || n >= FF_PATH_SIZE)
            return ff_fail(ctx, FF_ESTORAGE, FF_HERE, "the path of the store has too many characters");
        w->dataset[w->ndatasets++].id = id;
    }
    return FF_OK;
}

void ff_work_name(struct ff_work *w, const json_t *body)
{
    memset(w, 0, sizeof *w);
    w->body = body;
    w->job = text_of(body, "job");
    w->task = text_of(body, "task");
    w->kind = text_of(body, "kind");
    w->attempt = int_of(body, "attempt");
    w->draws = (long)json_integer_value(json_object_get(json_object_get(body, "state"), "draws"));
    w->memory_bytes = json_number_value(json_object_get(body, "memory_bytes"));
    w->base = "";
}

/* The task of tests that is over at once and writes nothing needs no folder: making and removing thousands of them costs
** more than everything else. Not where the store is gone, which is to be found out. */
static bool needs_folder(const struct ff_work *w)
{
    const json_t *spec = json_object_get(w->body, "spec");
    const bool idle = json_number_value(json_object_get(spec, "sleep_s")) > 0;
    return strcmp(w->kind, "noop") != 0 || idle || int_of(spec, "file_bytes") > 0 || access(w->base, W_OK) != 0;
}

ff_err ff_work_begin(struct ff_work *w, const char *base, bool shared, ff_ctx *ctx)
{
    w->base = base;
    w->shared = shared;
    ff_err err = shared && !needs_folder(w) ? ff_attempt_path(w->folder, base, w->job, w->task, w->attempt, ctx)
                                            : ff_attempt_make(w->folder, base, w->job, w->task, w->attempt, ctx);
    if (!err) err = find_resume(w, ctx);
    if (!err) err = ff_work_name_datasets(w, ctx);
    return err;
}

bool ff_work_input(const struct ff_work *w, const char *task, char *out)
{
    ff_ctx ignored = {0};
    const int attempt = int_of(json_object_get(w->body, "inputs"), task);
    return attempt > 0 && !ff_attempt_path(out, w->base, w->job, task, attempt, &ignored);
}

const char *ff_work_dataset(const struct ff_work *w, const char *id)
{
    for (int i = 0; i < w->ndatasets; i++)
        if (!strcmp(w->dataset[i].id, id)) return w->dataset[i].path;
    return NULL;
}

/* ---- getting them ---- */

static bool is_there(const struct ff_fetch_want *want, const char *sha256)
{
    struct stat st;
    char got[FF_HASH_SIZE];
    ff_ctx ignored = {0};
    return !lstat(want->path, &st) && S_ISREG(st.st_mode) && st.st_size == want->size &&
           !ff_hash_file(want->path, got, &ignored) && !strcmp(got, sha256);
}

enum { HASH_S = 600 }; /* a file of any size is hashed in this time */

static ff_err get(ff_session *session, const struct ff_fetch_want *want, const char *sha256, ff_ctx *ctx)
{
    char got[FF_HASH_SIZE];
    ff_session_expect(session, HASH_S);
    if (is_there(want, sha256)) return FF_OK;
    ff_err err = ff_session_fetch(session, want, ctx);
    if (!err) err = ff_hash_file(want->path, got, ctx);
    if (!err && strcmp(got, sha256) != 0) {
        unlink(want->path);
        err = ff_fail(ctx, FF_ESTORAGE, FF_HERE, "%s came with other bytes than the server said", want->name);
    }
    if (err) ff_note(ctx, FF_HERE, "while getting %s", want->name);
    return err;
}

static ff_err get_files(const struct ff_work *w, ff_session *session, ff_ctx *ctx)
{
    size_t i;
    const json_t *file;
    char folder[FF_GANG_PATH], path[FF_GANG_PATH + FF_FILE_NAME];
    json_array_foreach(json_object_get(w->body, "files"), i, file)
    {
        struct ff_fetch_want want = {.job = text_of(file, "job"),
                                     .task = text_of(file, "task"),
                                     .name = text_of(file, "name"),
                                     .attempt = int_of(file, "attempt"),
                                     .size = json_integer_value(json_object_get(file, "size")),
                                     .path = path};
        if (!ff_name_good(want.name)) return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "file %zu has no good name", i);
        ff_err err = ff_attempt_make(folder, w->base, want.job, want.task, want.attempt, ctx);
        if (err) return err;
        snprintf(path, sizeof path, "%s/%s", folder, want.name);
        err = get(session, &want, text_of(file, "sha256"), ctx);
        if (err) return err;
    }
    return FF_OK;
}

static ff_err get_datasets(const struct ff_work *w, ff_session *session, ff_ctx *ctx)
{
    char folder[FF_GANG_PATH];
    snprintf(folder, sizeof folder, "%s/datasets", w->base);
    if (w->ndatasets && mkdir(folder, 0770) && errno != EEXIST)
        return ff_fail(ctx, FF_ESTORAGE, FF_HERE, "%s cannot be made: %s", folder, strerror(errno));
    for (int i = 0; i < w->ndatasets; i++) {
        const json_t *dataset = json_array_get(json_object_get(w->body, "datasets"), (size_t)i);
        const struct ff_fetch_want want = {.job = "",
                                           .task = "",
                                           .name = w->dataset[i].id,
                                           .size = json_integer_value(json_object_get(dataset, "size")),
                                           .path = w->dataset[i].path};
        const ff_err err = get(session, &want, text_of(dataset, "sha256"), ctx);
        if (err) return err;
    }
    return FF_OK;
}

ff_err ff_work_gather(struct ff_work *w, ff_session *session, ff_ctx *ctx)
{
    if (w->shared) return FF_OK;
    const ff_err err = get_datasets(w, session, ctx);
    return err ? err : get_files(w, session, ctx);
}

/* ---- what a failing disk leaves ---- */

bool ff_work_keep_failed(const struct ff_work *w, char *to)
{
    static const char *const names[] = {FF_RESULT_NAME ".part", FF_RESULT_NAME};
    char from[FF_GANG_PATH + FF_FILE_NAME];
    const char *dot = strrchr(w->folder, '.'); /* of the attempt's number */
    if (!dot) return false;
    if (w->shared) {
        snprintf(to, FF_GANG_PATH, "%.*s.failed.h5", (int)(dot - w->folder), w->folder);
    } else {
        snprintf(to, FF_GANG_PATH, "%s/failed.h5", w->base);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(from, sizeof from, "%s/%s", w->folder, names[i]);
        if (rename(from, to) == 0) return true;
    }
    return false;
}

/* ---- words ---- */

/* Every `from` in text becomes `to`, which is not longer. */
static void replace(char *text, const char *from, const char *to)
{
    const size_t n = strlen(from), m = strlen(to);
    if (n == 0 || m > n) return;
    for (char *at = strstr(text, from); at; at = strstr(at + m, from)) {
        memcpy(at, to, m);
        memmove(at + m, at + n, strlen(at + n) + 1);
    }
}

void ff_work_scrub(const struct ff_work *w, char *text)
{
    char prefix[FF_GANG_PATH];
    for (int i = 0; i < w->ndatasets; i++) replace(text, w->dataset[i].path, w->dataset[i].id);
    const int n = snprintf(prefix, sizeof prefix, "%s/", w->base);
    if (w->base[0] && n > 1 && n < (int)sizeof prefix) replace(text, prefix, "");
}
