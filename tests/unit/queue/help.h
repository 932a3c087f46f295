/* tests/unit/queue/help.h - a database in a folder of its own, two users and an administrator, and the calls of the queue
** each in its own transaction. */
#ifndef FF_TESTS_QUEUE_HELP_H
#define FF_TESTS_QUEUE_HELP_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "common/job.h"
#include "server/queue/datasets.h"
#include "server/queue/events.h"
#include "server/queue/jobs.h"
#include "server/queue/queue.h"
#include "server/queue/tasks.h"
#include "server/queue/users.h"
#include "server/queue/workers.h"

struct place {
    char dir[64], path[96];
    ff_queue *q;
    struct ff_who ann, bob, admin;
};

/* ---- one call, one transaction ---- */

struct call {
    const struct ff_who *who;
    const void *in;
    const char *id, *text;
    void *out, *out2;
    int number;
};

static inline void expect_ok(ff_err err, const ff_ctx *ctx, const char *what)
{
    if (err) fail_msg("%s: expected success, got %s: %s", what, ff_code_slug(err), ctx->message);
}

static inline void expect_err(ff_err expected, ff_err got, const ff_ctx *ctx, const char *what)
{
    if (expected != got)
        fail_msg("%s: expected %s, got %s: %s", what, ff_code_slug(expected), ff_code_slug(got), ctx->message);
}

static inline ff_err call_ensure(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_users_ensure(tx, c->text, c->number != 0, c->out, ctx);
}
static inline ff_err call_submit(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_jobs_submit(tx, c->in, c->out, c->out2, ctx);
}
static inline ff_err call_get(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_jobs_get(tx, c->who, c->id, true, c->out, ctx);
}
static inline ff_err call_find(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_jobs_find(tx, c->who, c->id, c->out, ctx);
}
static inline ff_err call_list(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_jobs_list(tx, c->who, c->in, c->out, ctx);
}
static inline ff_err call_cancel(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_jobs_cancel(tx, c->who, c->id, c->text, ctx);
}
static inline ff_err call_lease(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tasks_lease(tx, c->in, c->out, c->out2, ctx);
}
static inline ff_err call_commit(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tasks_commit(tx, c->in, c->out, ctx);
}
static inline ff_err call_holding(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tasks_holding(tx, c->id, c->text, c->number, c->out, ctx);
}
static inline ff_err call_report(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_events_report(tx, c->in, c->out, ctx);
}

/* ---- setting up ---- */

static inline int open_queue(struct place *p)
{
    ff_ctx ctx = {0};
    const struct ff_queue_config config = {.path = p->path, .readers = 2};
    ff_err err = ff_queue_open(&p->q, &config, &ctx);
    if (err) print_error("cannot open %s: %s\n", p->path, ctx.message);
    return err;
}

static inline struct ff_who user_called(struct place *p, const char *name, bool admin)
{
    ff_ctx ctx = {0};
    struct ff_who who;
    struct call c = {.text = name, .number = admin, .out = &who};
    expect_ok(ff_queue_write(p->q, call_ensure, &c, &ctx), &ctx, name);
    return who;
}

static inline int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    snprintf(p->dir, sizeof p->dir, "/tmp/ff_queue_XXXXXX");
    if (!mkdtemp(p->dir)) return -1;
    snprintf(p->path, sizeof p->path, "%s/queue.db", p->dir);
    *state = p;
    if (open_queue(p)) return -1;
    p->admin = user_called(p, "admin", true);
    p->ann = user_called(p, "ann", false);
    p->bob = user_called(p, "bob", false);
    return 0;
}

static inline int teardown(void **state)
{
    struct place *p = *state;
    ff_queue_close(p->q);
    DIR *dir = opendir(p->dir);
    for (const struct dirent *e; dir && (e = readdir(dir));) unlinkat(dirfd(dir), e->d_name, 0);
    if (dir) closedir(dir);
    int rc = rmdir(p->dir);
    free(p);
    return rc;
}

static inline void reopen(struct place *p)
{
    ff_queue_close(p->q);
    p->q = NULL;
    assert_int_equal(open_queue(p), 0);
}

/* Statements by a connection of our own, behind the queue's back. */
static inline void by_hand(const struct place *p, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* ---- jobs ---- */

/* A posterior of `parts` chains, draws of `parts` chunks, or (parts 0) a spectrum, which is one task. */
static inline struct ff_job job_of(enum ff_kind kind, int parts)
{
    struct ff_job job = {.kind = kind, .name = "test", .resources = {.ranks = 1, .pool = "default"}};
    job.sampler.chains = parts;
    job.sampler.draws = 100;
    job.chunk = 10;
    job.count = 10 * parts;
    return job;
}

static inline ff_err try_submit(struct place *p, const struct ff_submission *s, char id[FF_ID_SIZE], bool *again,
                                ff_ctx *ctx)
{
    struct call c = {.in = s, .out = id, .out2 = again};
    return ff_queue_write(p->q, call_submit, &c, ctx);
}

static inline void submit_job(struct place *p, struct ff_who who, const struct ff_job *job, char id[FF_ID_SIZE])
{
    ff_ctx ctx = {0};
    bool again;
    struct ff_submission s = {.who = who, .job = job, .spec = "{\"sampler\":{\"draws\":100}}"};
    expect_ok(try_submit(p, &s, id, &again, &ctx), &ctx, "submit");
    assert_true(ff_id_valid("job_", id));
}

static inline void submit(struct place *p, struct ff_who who, enum ff_kind kind, int parts, char id[FF_ID_SIZE])
{
    struct ff_job job = job_of(kind, parts);
    submit_job(p, who, &job, id);
}

static inline json_t *get_job(struct place *p, struct ff_who who, const char *id)
{
    ff_ctx ctx = {0};
    json_t *job;
    struct call c = {.who = &who, .id = id, .out = &job};
    expect_ok(ff_queue_read(p->q, call_get, &c, &ctx), &ctx, "get");
    return job;
}

static inline struct ff_job_row find_job(struct place *p, const char *id)
{
    ff_ctx ctx = {0};
    struct ff_job_row row;
    struct call c = {.who = &p->admin, .id = id, .out = &row};
    expect_ok(ff_queue_read(p->q, call_find, &c, &ctx), &ctx, "find");
    return row;
}

static inline void expect_text(const char *what, const char *expected, const char *got)
{
    if (strcmp(expected, got ? got : "(nothing)") != 0)
        fail_msg("%s: expected \"%s\", got \"%s\"", what, expected, got ? got : "(nothing)");
}

static inline void expect_state(struct place *p, const char *id, const char *state)
{
    expect_text("state of the job", state, find_job(p, id).state);
}

static inline void expect_task(struct place *p, const char *id, const char *name, const char *state, int attempt)
{
    json_t *job = get_job(p, p->admin, id), *task;
    size_t i;
    bool found = false;
    json_array_foreach(json_object_get(job, "tasks"), i, task)
    {
        if (strcmp(json_string_value(json_object_get(task, "name")), name) != 0) continue;
        found = true;
        expect_text(name, state, json_string_value(json_object_get(task, "state")));
        assert_int_equal(json_integer_value(json_object_get(task, "attempt")), attempt);
    }
    assert_true(found);
    json_decref(job);
}

static inline ff_err cancel(struct place *p, struct ff_who who, const char *id, ff_ctx *ctx)
{
    struct call c = {.who = &who, .id = id, .text = "user"};
    return ff_queue_write(p->q, call_cancel, &c, ctx);
}

/* ---- tasks ---- */

static const struct ff_gang small_gang = {
    .worker = "wk_aaaaaaaaaaaaaaaaaaaaaaaaaa", .pool = "default", .ranks = 1, .threads = 1, .memory_bytes = 1e9};

static inline bool try_lease(struct place *p, const struct ff_gang *gang, struct ff_lease *lease)
{
    ff_ctx ctx = {0};
    bool found;
    struct call c = {.in = gang, .out = lease, .out2 = &found};
    expect_ok(ff_queue_write(p->q, call_lease, &c, &ctx), &ctx, "lease");
    return found;
}

/* The next lease is to be this task of this job (NULL: any). */
static inline void lease_expecting(struct place *p, const char *job, const char *task, struct ff_lease *lease)
{
    if (!try_lease(p, &small_gang, lease)) fail_msg("expected a lease of %s, got none", task ? task : "any task");
    if (job) expect_text("job leased", job, lease->job);
    if (task) expect_text("task leased", task, lease->task);
}

static inline void lease_drop(struct place *p, const char *job, const char *task)
{
    struct ff_lease lease;
    lease_expecting(p, job, task, &lease);
    ff_lease_done(&lease);
}

static inline enum ff_verdict commit(struct place *p, const struct ff_commit *commit)
{
    ff_ctx ctx = {0};
    enum ff_verdict verdict;
    struct call c = {.in = commit, .out = &verdict};
    expect_ok(ff_queue_write(p->q, call_commit, &c, &ctx), &ctx, "commit");
    return verdict;
}

static inline enum ff_verdict report_end(struct place *p, const char *job, const char *task, int attempt,
                                         enum ff_outcome outcome)
{
    const struct ff_commit c = {.job = job,
                                .task = task,
                                .worker = small_gang.worker,
                                .attempt = attempt,
                                .outcome = outcome,
                                .core_seconds = 1};
    return commit(p, &c);
}

static inline void expect_end(struct place *p, const char *job, const char *task, int attempt, enum ff_outcome outcome)
{
    enum ff_verdict verdict = report_end(p, job, task, attempt, outcome);
    if (verdict != FF_COMMITTED) fail_msg("%s attempt %d: expected committed, got stale", task, attempt);
}

static inline struct ff_holding holding(struct place *p, const char *job, const char *task, int attempt)
{
    ff_ctx ctx = {0};
    struct ff_holding out;
    struct call c = {.id = job, .text = task, .number = attempt, .out = &out};
    expect_ok(ff_queue_read(p->q, call_holding, &c, &ctx), &ctx, "holding");
    return out;
}

/* ---- events ---- */

struct event_list {
    int n;
    json_t *all; /* array */
};

static inline ff_err gather_event(void *self, const struct ff_event *event, ff_ctx *ctx)
{
    json_t *value = json_loads(event->text, 0, NULL);
    (void)ctx;
    assert_non_null(value);
    assert_null(strchr(event->text, '\n'));
    assert_int_equal(json_integer_value(json_object_get(value, "seq")), event->seq);
    json_array_append_new(self, value);
    return FF_OK;
}
static inline ff_err call_events(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_events_read(tx, *(const int64_t *)c->in, c->number, 100000, gather_event, c->out, ctx);
}
static inline ff_err call_samples(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_samples_read(tx, *(const int64_t *)c->in, c->number, 100000, gather_event, c->out, ctx);
}

/* Events after `after`; they have to be numbered without a gap, and nothing may follow an end. */
static inline json_t *events_after(struct place *p, const char *id, int after)
{
    ff_ctx ctx = {0};
    struct ff_job_row row = find_job(p, id);
    json_t *all = json_array(), *event;
    size_t i;
    struct call c = {.in = &row.row, .number = after, .out = all};
    expect_ok(ff_queue_read(p->q, call_events, &c, &ctx), &ctx, "events");
    json_array_foreach(all, i, event)
    {
        assert_int_equal(json_integer_value(json_object_get(event, "seq")), after + (int)i + 1);
        bool end = !strcmp(json_string_value(json_object_get(event, "type")), "end");
        assert_int_equal(end, row.ended && i + 1 == json_array_size(all));
    }
    assert_int_equal(row.last_seq, after + (int)json_array_size(all));
    return all;
}

/* "queued running chain-0:running .." : states in the order of their events. */
static inline void expect_story(struct place *p, const char *id, const char *expected)
{
    char story[2048] = "";
    json_t *all = events_after(p, id, 0), *event;
    size_t i, n = 0;
    json_array_foreach(all, i, event)
    {
        const char *state = json_string_value(json_object_get(event, "state"));
        const char *task = json_string_value(json_object_get(event, "task"));
        const char *type = json_string_value(json_object_get(event, "type"));
        n += (size_t)snprintf(story + n, sizeof story - n, "%s%s%s%s", n ? " " : "", task ? task : "", task ? ":" : "",
                              !strcmp(type, "end") ? "end-" : "");
        n += (size_t)snprintf(story + n, sizeof story - n, "%s", state ? state : type);
    }
    json_decref(all);
    expect_text("events", expected, story);
}

#endif
