/* worker/gang/attempt.c - one attempt on the task thread: its folders, its inputs, the run, its files, its commit
** (gang_inner.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "worker/gang/gang_inner.h"
#include "worker/gang/outcome.h"
#include "worker/io/folder.h"

enum { HASH_S = 600 }; /* files of any size are hashed in this time */

/* ---- files to the server ---- */

static void complain(struct ff_gang *g, const char *what, const ff_ctx *ctx)
{
    char line[FF_MESSAGE_SIZE + 256];
    snprintf(line, sizeof line, "%s %s.%d: %s: %s", g->work.job, g->work.task, g->work.attempt, what, ctx->message);
    g->config->say(g->config->say_self, line);
}

/* One file as it is now, under a name that nobody changes, to be sent. */
static ff_err send_copy(struct ff_gang *g, struct ff_seen *seen, ff_ctx *ctx)
{
    char from[FF_GANG_PATH + FF_FILE_NAME], to[FF_GANG_PATH + FF_FILE_NAME + 8];
    struct ff_upload_file file = {.path = to, .remove = true};
    snprintf(from, sizeof from, "%s/%s", g->work.folder, seen->name);
    snprintf(to, sizeof to, "%s/.send.%s", g->work.folder, seen->name);
    ff_err err = ff_copy(from, to, file.sha256, &file.size, ctx);
    if (err) return err;
    memcpy(file.name, seen->name, sizeof file.name);
    memcpy(seen->sha256, file.sha256, sizeof seen->sha256);
    return ff_session_put(g->session, &file, ctx);
}

/* The task wrote a checkpoint. What changed is sent, unless the last one is still on its way: then the next call does
** it. A disk without room for the copies takes nothing from the task itself. */
static void on_checkpoint(void *self)
{
    struct ff_gang *g = self;
    ff_ctx ctx = {0};
    ff_crash_point("gang_checkpointed");
    ff_session_tick(g->session);
    if (g->work.shared || ff_session_putting(g->session)) return;
    ff_err err = ff_look(&g->look, g->work.folder, &ctx);
    for (int i = 0; !err && i < g->look.n; i++)
        if (!g->look.file[i].sha256[0]) err = send_copy(g, &g->look.file[i], &ctx);
    if (err) complain(g, "a checkpoint is not sent", &ctx);
}

static void list_file(json_t *list, const char *name, int64_t size, const char *sha256)
{
    json_array_append_new(list, json_pack("{ss sI ss}", "name", name, "size", (json_int_t)size, "sha256", sha256));
}

/* In a shared store: only the result has to be told. */
static ff_err hand_over_result(struct ff_gang *g, json_t *list, ff_ctx *ctx)
{
    char path[FF_GANG_PATH + FF_FILE_NAME], sha256[FF_HASH_SIZE];
    struct stat st;
    snprintf(path, sizeof path, "%s/" FF_RESULT_NAME, g->work.folder);
    if (lstat(path, &st) || !S_ISREG(st.st_mode)) return FF_OK;
    ff_err err = ff_sync(g->work.folder, FF_RESULT_NAME, ctx);
    if (!err) err = ff_hash_file(path, sha256, ctx);
    if (!err) list_file(list, FF_RESULT_NAME, (int64_t)st.st_size, sha256);
    return err;
}

/* Where no store is shared: all files, those on their way that the server has not got yet. */
static ff_err hand_over_all(struct ff_gang *g, json_t *list, ff_ctx *ctx)
{
    char path[FF_GANG_PATH + FF_FILE_NAME];
    ff_err err = ff_look(&g->look, g->work.folder, ctx);
    for (int i = 0; !err && i < g->look.n; i++) {
        struct ff_seen *seen = &g->look.file[i];
        struct ff_upload_file file = {.path = path, .size = seen->size};
        const bool news = !seen->sha256[0];
        snprintf(path, sizeof path, "%s/%s", g->work.folder, seen->name);
        if (news) err = ff_hash_file(path, seen->sha256, ctx);
        memcpy(file.name, seen->name, sizeof file.name);
        memcpy(file.sha256, seen->sha256, sizeof file.sha256);
        if (!err && news) err = ff_session_put(g->session, &file, ctx);
        if (!err) list_file(list, seen->name, seen->size, seen->sha256);
    }
    return err;
}

static bool has_result(const json_t *list)
{
    size_t i;
    const json_t *file;
    json_array_foreach(list, i, file)
    {
        if (!strcmp(json_string_value(json_object_get(file, "name")), FF_RESULT_NAME)) return true;
    }
    return false;
}

/* ---- a task ---- */

static void on_event(void *self, const char *task, json_t *event)
{
    struct ff_gang *g = self;
    const char *type = json_string_value(json_object_get(event, "type"));
    ff_ctx ctx = {0};
    (void)task; /* one attempt, one task */
    if (ff_ranks_step(&g->ranks, &ctx)) ff_ranks_abort(&g->ranks, ff_code_exit(ctx.code));
    if (!type || !strcmp(type, "state") || !strcmp(type, "end")) { /* the server tells states, from what is committed */
        ff_session_tick(g->session);
        json_decref(event);
        return;
    }
    const char *message = json_string_value(json_object_get(event, "message"));
    char *words = message ? strdup(message) : NULL;
    if (words) {
        ff_work_scrub(&g->work, words);
        json_object_set_new(event, "message", json_string(words));
        free(words);
    }
    ff_session_emit(g->session, event);
}

static ff_err run_work(struct ff_gang *g, struct ff_work_end *end, ff_ctx *ctx)
{
    const struct ff_runner *runner = g->config->runner ? g->config->runner : &g->engine;
    const volatile sig_atomic_t *stop = ff_session_stop(g->session);
    const struct ff_work_io io = {.threads = g->config->threads,
                                  .checkpoint_s = ff_session_checkpoint_s(g->session),
                                  .sink = {.self = g, .emit = on_event},
                                  .stop = stop,
                                  .checkpointed = on_checkpoint,
                                  .self = g};
    const ff_err err = ff_work_gather(&g->work, g->session, ctx);
    if (err) return err;
    if (*stop == 1) return ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "told to stop before it began");
    ff_session_expect(g->session, g->config->first_step_s);
    return runner->run(runner->self, &g->work, &io, end, ctx);
}

/* The members of COMMIT, with the files; what goes wrong with them is how the attempt ended instead. */
static json_t *conclude(struct ff_gang *g, ff_err *how, const struct ff_work_end *end, double seconds, ff_ctx *ctx)
{
    const double core_seconds = seconds * g->config->threads * g->ranks.comm.nranks;
    char why[16];
    json_t *files = json_array();
    ff_session_why(g->session, why);
    ff_session_expect(g->session, HASH_S);
    enum ff_outcome_kind kind = ff_outcome_of(*how, end);
    if (ff_outcome_has_files(kind) && strcmp(why, "fenced") != 0) {
        const ff_err err = g->work.shared ? hand_over_result(g, files, ctx) : hand_over_all(g, files, ctx);
        if (err) kind = ff_outcome_of(*how = err, end);
    }
    ff_work_scrub(&g->work, ctx->message);
    json_t *commit = ff_outcome_commit(kind, end, why, ctx, core_seconds);
    if (commit && ff_outcome_has_files(kind)) {
        json_object_set(commit, "files", files);
        if (kind == FF_OUT_SUCCEEDED && has_result(files))
            json_object_set_new(commit, "result", json_string(FF_RESULT_NAME));
    }
    json_decref(files);
    return commit;
}

/* After the verdict. Where the store is shared the server looks after what was committed; a folder without files is of
** no use to it, and there may be very many. */
static void clean_up(struct ff_gang *g, enum ff_settled how, ff_err err)
{
    ff_ctx ignored = {0};
    if (how == FF_SETTLED_STALE && g->work.folder[0] && ff_folder_remove(g->work.folder, &ignored))
        complain(g, "files stay", &ignored);
    if (how == FF_SETTLED_COMMITTED && g->work.folder[0]) rmdir(g->work.folder); /* fails where there are files */
    if (how == FF_SETTLED_OVER || err == FF_EIO) g->scratch.keep = true;
}

static void keep_failed(struct ff_gang *g)
{
    char path[FF_GANG_PATH], line[FF_GANG_PATH + 200];
    if (!ff_work_keep_failed(&g->work, path)) return;
    snprintf(line, sizeof line, "%s %s.%d: the disk failed; what it has of the result is kept as %s", g->work.job,
             g->work.task, g->work.attempt, path);
    g->config->say(g->config->say_self, line);
}

static void tell_start(struct ff_gang *g)
{
    char line[160];
    snprintf(line, sizeof line, "%s %s.%d: begun", g->work.job, g->work.task, g->work.attempt);
    g->config->say(g->config->say_self, line);
}

static void tell_end(struct ff_gang *g, const char *outcome, double seconds, enum ff_settled how, const ff_ctx *ctx)
{
    static const char *const settled[] = {[FF_SETTLED_COMMITTED] = "committed",
                                          [FF_SETTLED_STALE] = "but it was another gang's by then",
                                          [FF_SETTLED_OVER] = "without the server's word"};
    char line[FF_MESSAGE_SIZE + 256];
    snprintf(line, sizeof line, "%s after %.2f s, %s%s%s", outcome, seconds, settled[how], ctx->message[0] ? ": " : "",
             ctx->message);
    char whole[sizeof line + 160];
    snprintf(whole, sizeof whole, "%s %s: %s", g->work.job, g->work.task, line);
    g->config->say(g->config->say_self, whole);
}

/* The base of a task's folders; scratch is emptied of the job before. */
static ff_err find_base(struct ff_gang *g, const char *job, bool shared, const char **base, ff_ctx *ctx)
{
    const char *place = g->config->scratch ? g->config->scratch : getenv("TMPDIR");
    char work[FF_GANG_PATH + 8];
    *base = g->config->store;
    if (shared) return FF_OK;
    const ff_err err = ff_scratch_make(&g->scratch, place && *place ? place : "/tmp", ctx);
    *base = g->scratch.path;
    if (!err && strcmp(job, g->last_job) != 0) {
        snprintf(work, sizeof work, "%s/work", g->scratch.path);
        ff_scratch_remove(work);
        snprintf(g->last_job, sizeof g->last_job, "%s", job);
    }
    return err;
}

void ff_gang_attempt(struct ff_gang *g, const json_t *body)
{
    struct ff_work_end end = {0};
    ff_ctx ctx = {0};
    const char *base;
    const double begun = ff_clock_s();
    const bool shared = g->config->store && ff_session_shared(g->session);
    ff_work_name(&g->work, body);
    tell_start(g);
    ff_crash_point("gang_task_start");
    ff_err err = find_base(g, g->work.job, shared, &base, &ctx);
    if (!err) err = ff_work_begin(&g->work, base, shared, &ctx);
    if (!err) err = run_work(g, &end, &ctx);
    const double seconds = ff_clock_s() - begun;
    json_t *commit = conclude(g, &err, &end, seconds, &ctx);
    if (err == FF_EIO) keep_failed(g);
    char outcome[16], job_copy[48], task_copy[40];
    snprintf(outcome, sizeof outcome, "%s", commit ? json_string_value(json_object_get(commit, "outcome")) : "?");
    snprintf(job_copy, sizeof job_copy, "%s", g->work.job);
    snprintf(task_copy, sizeof task_copy, "%s", g->work.task);
    const enum ff_settled how = ff_session_finish(g->session, commit);
    g->work.job = job_copy; /* the body is gone */
    g->work.task = task_copy;
    clean_up(g, how, err);
    tell_end(g, outcome, seconds, how, &ctx);
    ff_look_done(&g->look);
    memset(&g->work, 0, sizeof g->work);
}
