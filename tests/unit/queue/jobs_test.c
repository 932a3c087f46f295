/* tests/unit/queue/jobs_test.c - submitting, idempotency keys, quotas, pages, who may see what, extending, retention. */
#include <pthread.h>

#include "tests/unit/queue/help.h"

static const char *const hash_a = "aaaa", *const hash_b = "bbbb";

static void submitted_job_is_shown_as_the_contract_says(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    struct ff_job job = job_of(FF_POSTERIOR, 2);
    job.resources.priority = 7;
    submit_job(p, p->ann, &job, id);
    json_t *got = get_job(p, p->ann, id);
    static const char *const members[] = {"id",       "kind",     "name",     "state",      "reason",   "message",
                                          "created",  "started",  "finished", "user",       "priority", "pool",
                                          "progress", "attempts", "retry_of", "extend_of",  "result",   "error",
                                          "links",    "spec",     "tasks",    "task_counts"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (!json_object_get(got, members[i])) fail_msg("no member %s", members[i]);
    }
    assert_string_equal(json_string_value(json_object_get(got, "user")), "ann");
    assert_int_equal(json_integer_value(json_object_get(got, "priority")), 7);
    assert_true(json_is_null(json_object_get(got, "started")));
    assert_int_equal(json_array_size(json_object_get(got, "tasks")), 3);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(got, "task_counts"), "total")), 3);
    assert_int_equal(strlen(json_string_value(json_object_get(got, "created"))), strlen("2026-01-31T23:59:59.123Z"));
    json_decref(got);
}

static void same_key_same_request_is_the_same_job(void **state)
{
    struct place *p = *state;
    char first[FF_ID_SIZE], second[FF_ID_SIZE];
    bool again;
    ff_ctx ctx = {0};
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    struct ff_submission s = {
        .who = p->ann, .job = &job, .spec = "{}", .idempotency_key = "k1", .request_hash = hash_a};
    expect_ok(try_submit(p, &s, first, &again, &ctx), &ctx, "first");
    assert_false(again);
    expect_ok(try_submit(p, &s, second, &again, &ctx), &ctx, "second");
    assert_true(again);
    assert_string_equal(first, second);
    s.request_hash = hash_b;
    expect_err(FF_EKEYREUSED, try_submit(p, &s, second, &again, &ctx), &ctx, "another request");
    assert_string_equal(second, "");
    s.who = p->bob; /* keys are each user's own */
    expect_ok(try_submit(p, &s, second, &again, &ctx), &ctx, "another user");
    assert_false(again);
    s.who = p->ann;
    by_hand(p, "UPDATE idempotency SET created_ms = created_ms - 49 * 3600 * 1000");
    expect_ok(try_submit(p, &s, second, &again, &ctx), &ctx, "two days later");
    assert_false(again);
}

struct racer {
    struct place *p;
    char id[FF_ID_SIZE];
    bool again;
    ff_err err;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    ff_ctx ctx = {0};
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    const struct ff_submission s = {
        .who = r->p->ann, .job = &job, .spec = "{}", .idempotency_key = "race", .request_hash = hash_a};
    r->err = try_submit(r->p, &s, r->id, &r->again, &ctx);
    return NULL;
}

static void threads_with_one_key_make_one_job(void **state)
{
    enum { N = 16 };
    pthread_t thread[N];
    struct racer racer[N];
    int made = 0;
    for (int i = 0; i < N; i++) {
        racer[i] = (struct racer){.p = *state};
        assert_int_equal(pthread_create(&thread[i], NULL, race, &racer[i]), 0);
    }
    for (int i = 0; i < N; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < N; i++) {
        assert_int_equal(racer[i].err, FF_OK);
        assert_string_equal(racer[i].id, racer[0].id);
        made += !racer[i].again;
    }
    assert_int_equal(made, 1);
}

/* ---- quotas ---- */

static ff_err call_add_user(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_users_add(tx, c->text, false, c->in, c->out, ctx);
}

static struct ff_who user_with(struct place *p, const char *name, struct ff_quotas quotas)
{
    char id[FF_ID_SIZE];
    ff_ctx ctx = {0};
    struct call c = {.text = name, .in = &quotas, .out = id};
    expect_ok(ff_queue_write(p->q, call_add_user, &c, &ctx), &ctx, "add a user");
    return user_called(p, name, false);
}

static ff_err submit_one(struct place *p, struct ff_who who, ff_ctx *ctx)
{
    char id[FF_ID_SIZE];
    bool again;
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    const struct ff_submission s = {.who = who, .job = &job, .spec = "{}"};
    return try_submit(p, &s, id, &again, ctx);
}

static void queued_jobs_are_limited(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    struct ff_who who = user_with(p, "eve", (struct ff_quotas){.queued = 2});
    for (int i = 0; i < 2; i++) expect_ok(submit_one(p, who, &ctx), &ctx, "below the quota");
    expect_err(FF_EQUOTA, submit_one(p, who, &ctx), &ctx, "above the quota");
    assert_non_null(strstr(ctx.message, "2 queued jobs"));
    lease_drop(p, NULL, NULL); /* one runs: room for one more */
    expect_ok(submit_one(p, who, &ctx), &ctx, "below the quota");
    expect_ok(submit_one(p, p->ann, &ctx), &ctx, "another user");
}

static void submits_a_minute_are_limited(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    struct ff_who who = user_with(p, "eve", (struct ff_quotas){.submits_per_minute = 3});
    for (int i = 0; i < 3; i++) expect_ok(submit_one(p, who, &ctx), &ctx, "below the quota");
    expect_err(FF_EQUOTA, submit_one(p, who, &ctx), &ctx, "above the quota");
    assert_non_null(strstr(ctx.message, "3 submits a minute"));
    by_hand(p, "UPDATE users SET bucket_ms = bucket_ms - 21000 WHERE name = 'eve'"); /* 21 s later */
    expect_ok(submit_one(p, who, &ctx), &ctx, "a third of a minute later");
    expect_err(FF_EQUOTA, submit_one(p, who, &ctx), &ctx, "above the quota");
    by_hand(p, "UPDATE users SET bucket_ms = bucket_ms + 3600000 WHERE name = 'eve'"); /* the clock was set back */
    expect_err(FF_EQUOTA, submit_one(p, who, &ctx), &ctx, "clock set back");
}

static void running_tasks_are_limited(void **state)
{
    struct place *p = *state;
    struct ff_lease lease;
    char id[FF_ID_SIZE];
    struct ff_who who = user_with(p, "eve", (struct ff_quotas){.running = 1});
    submit(p, who, FF_POSTERIOR, 3, id);
    lease_drop(p, id, "chain-0");
    assert_false(try_lease(p, &small_gang, &lease));
    expect_end(p, id, "chain-0", 1, FF_TASK_SUCCEEDED);
    lease_drop(p, id, "chain-1");
}

static void default_quotas_hold_where_a_user_has_none(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    ff_quotas_set_defaults(p->q, &(struct ff_quotas){.queued = 1});
    expect_ok(submit_one(p, p->ann, &ctx), &ctx, "below the quota");
    expect_err(FF_EQUOTA, submit_one(p, p->ann, &ctx), &ctx, "above the quota");
    struct ff_who who = user_with(p, "eve", (struct ff_quotas){.queued = 2});
    for (int i = 0; i < 2; i++) expect_ok(submit_one(p, who, &ctx), &ctx, "her own quota");
}

/* ---- pages ---- */

static json_t *page(struct place *p, struct ff_who who, struct ff_job_filter filter)
{
    ff_ctx ctx = {0};
    json_t *out;
    struct call c = {.who = &who, .in = &filter, .out = &out};
    expect_ok(ff_queue_read(p->q, call_list, &c, &ctx), &ctx, "list");
    return out;
}

static void pages_are_stable_while_jobs_arrive(void **state)
{
    enum { N = 23 };
    struct place *p = *state;
    char id[N][FF_ID_SIZE], late[FF_ID_SIZE], cursor[64] = "";
    for (int i = 0; i < N; i++) submit(p, p->ann, FF_SPECTRUM, 0, id[i]);
    submit(p, p->bob, FF_SPECTRUM, 0, late);
    int seen = 0;
    for (int pages = 1;; pages++) {
        json_t *out = page(p, p->ann, (struct ff_job_filter){.limit = 5, .cursor = *cursor ? cursor : NULL}), *job;
        size_t i;
        json_array_foreach(json_object_get(out, "jobs"), i, job)
        {
            seen++;
            assert_in_range(seen, 1, N);
            assert_string_equal(json_string_value(json_object_get(job, "id")), id[N - seen]);
        }
        submit(p, p->ann, FF_SPECTRUM, 0, late); /* newer than all: on no later page */
        const char *next = json_string_value(json_object_get(out, "next_cursor"));
        snprintf(cursor, sizeof cursor, "%s", next ? next : "");
        json_decref(out);
        if (*cursor) continue;
        assert_int_equal(pages, 5);
        break;
    }
    assert_int_equal(seen, N);
}

static void pages_are_filtered(void **state)
{
    struct place *p = *state;
    char a[FF_ID_SIZE], b[FF_ID_SIZE], c[FF_ID_SIZE];
    submit(p, p->ann, FF_SPECTRUM, 0, a);
    submit(p, p->ann, FF_POSTERIOR, 1, b);
    submit(p, p->bob, FF_SPECTRUM, 0, c);
    lease_drop(p, a, NULL);
    static const struct {
        struct ff_job_filter filter;
        bool admin;
        size_t n;
    } cases[] = {{{.limit = 9}, false, 2},
                 {{.limit = 9, .state = "running"}, false, 1},
                 {{.limit = 9, .kind = "posterior"}, false, 1},
                 {{.limit = 9, .kind = "posterior", .state = "running"}, false, 0},
                 {{.limit = 9, .all_users = true}, true, 3},
                 {{.limit = 9, .all_users = true, .state = "queued"}, true, 2},
                 {{.limit = 9}, true, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *out = page(p, cases[i].admin ? p->admin : p->ann, cases[i].filter);
        if (json_array_size(json_object_get(out, "jobs")) != cases[i].n)
            fail_msg("case %zu: expected %zu jobs, got %zu", i, cases[i].n,
                     json_array_size(json_object_get(out, "jobs")));
        json_decref(out);
    }
}

static void bad_pages_are_refused(void **state)
{
    struct place *p = *state;
    static const struct {
        struct ff_job_filter filter;
        ff_err err;
    } cases[] = {{{.limit = 0}, FF_EBADREQUEST},
                 {{.limit = 501}, FF_EBADREQUEST},
                 {{.limit = 5, .cursor = ""}, FF_EBADREQUEST},
                 {{.limit = 5, .cursor = "17"}, FF_EBADREQUEST},
                 {{.limit = 5, .cursor = "p1 OR 1=1"}, FF_EBADREQUEST},
                 {{.limit = 5, .cursor = "pffffffffffffffffff"}, FF_EBADREQUEST},
                 {{.limit = 5, .all_users = true}, FF_EFORBIDDEN}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ff_ctx ctx = {0};
        json_t *out;
        struct call c = {.who = &p->ann, .in = &cases[i].filter, .out = &out};
        expect_err(cases[i].err, ff_queue_read(p->q, call_list, &c, &ctx), &ctx, "list");
        assert_null(out);
    }
}

/* ---- who may see what ---- */

static ff_err call_spec(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    char *spec;
    ff_err err = ff_jobs_spec(tx, c->who, c->id, &spec, ctx);
    free(spec);
    return err;
}
static ff_err call_result(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    struct ff_result_row row;
    return ff_results_find(tx, c->who, c->id, &row, ctx);
}
static ff_err call_get_only(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    json_t *job;
    ff_err err = ff_jobs_get(tx, c->who, c->id, true, &job, ctx);
    json_decref(job);
    return err;
}
static ff_err call_find_only(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    struct ff_job_row row;
    return ff_jobs_find(tx, c->who, c->id, &row, ctx);
}

static void foreign_job_is_missing_in_every_call(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE], none[FF_ID_SIZE], made[FF_ID_SIZE];
    static const ff_queue_fn calls[] = {call_get_only, call_find_only, call_spec, call_cancel, call_result};
    submit(p, p->ann, FF_POSTERIOR, 1, id);
    ff_id_make("job_", none);
    const char *const ids[] = {id, none, "", "job_'; DROP TABLE jobs; --"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        char said[2][FF_MESSAGE_SIZE];
        for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++) {
            ff_ctx ctx = {0};
            struct call c = {.who = &p->bob, .id = ids[k], .text = "user"};
            expect_err(FF_ENOTFOUND, ff_queue_write(p->q, calls[i], &c, &ctx), &ctx, "bob asks");
            if (k < 2) memcpy(said[k], ctx.message, FF_MESSAGE_SIZE);
        }
        assert_string_equal(said[0], said[1]); /* foreign and missing read alike */
        ff_ctx ctx = {0};
        struct call c = {.who = &p->admin, .id = id, .text = "admin"};
        ff_err err = ff_queue_write(p->q, calls[i], &c, &ctx);
        if (calls[i] != call_result) expect_ok(err, &ctx, "the administrator asks");
    }
    struct ff_job job = job_of(FF_POSTERIOR, 1);
    struct ff_submission s = {.who = p->bob, .job = &job, .spec = "{}", .retry_of = id};
    bool again;
    ff_ctx ctx = {0};
    expect_err(FF_ENOTFOUND, try_submit(p, &s, made, &again, &ctx), &ctx, "retry of a foreign job");
    s.retry_of = NULL;
    s.extend_of = id;
    expect_err(FF_ENOTFOUND, try_submit(p, &s, made, &again, &ctx), &ctx, "extension of a foreign job");
}

/* ---- extending ---- */

static void run_posterior(struct place *p, const char *id)
{
    for (int i = 0; i < 2; i++) lease_drop(p, id, NULL);
    expect_end(p, id, "chain-0", 1, FF_TASK_LOST);
    lease_drop(p, id, "chain-0");
    expect_end(p, id, "chain-0", 2, FF_TASK_SUCCEEDED);
    expect_end(p, id, "chain-1", 1, FF_TASK_SUCCEEDED);
    lease_drop(p, id, "reduce");
    expect_end(p, id, "reduce", 1, FF_TASK_SUCCEEDED);
}

static void extension_goes_on_from_the_old_chains(void **state)
{
    struct place *p = *state;
    char old[FF_ID_SIZE], id[FF_ID_SIZE];
    bool again;
    ff_ctx ctx = {0};
    struct ff_lease lease;
    struct ff_job job = job_of(FF_POSTERIOR, 2);
    struct ff_submission s = {.who = p->ann, .job = &job, .spec = "{}", .extend_of = old, .extend_draws = 50};
    submit(p, p->ann, FF_POSTERIOR, 2, old);
    job.sampler.draws = 150;
    expect_err(FF_ECONFLICT, try_submit(p, &s, id, &again, &ctx), &ctx, "extension of a queued job");
    run_posterior(p, old);
    expect_ok(try_submit(p, &s, id, &again, &ctx), &ctx, "extend");
    lease_expecting(p, id, "chain-0", &lease);
    assert_int_equal(json_integer_value(json_object_get(lease.state, "draws")), 150);
    const json_t *from = json_object_get(lease.inputs, "extend");
    assert_string_equal(json_string_value(json_object_get(from, "job")), old);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(from, "attempts"), "chain-0")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(from, "attempts"), "chain-1")), 1);
    assert_int_equal(json_object_size(json_object_get(from, "attempts")), 2);
    ff_lease_done(&lease);
    job.sampler.until = true; /* then the spec does not say how many there are: 100 by the old one's, and 50 */
    expect_ok(try_submit(p, &s, id, &again, &ctx), &ctx, "extend");
    lease_drop(p, NULL, "chain-1");
    lease_expecting(p, id, "chain-0", &lease);
    assert_int_equal(json_integer_value(json_object_get(lease.state, "draws")), 150);
    ff_lease_done(&lease);
    job.sampler.chains = 3;
    expect_err(FF_ECONFLICT, try_submit(p, &s, id, &again, &ctx), &ctx, "another number of chains");
}

static void only_a_posterior_is_extended(void **state)
{
    struct place *p = *state;
    char old[FF_ID_SIZE], id[FF_ID_SIZE];
    bool again;
    ff_ctx ctx = {0};
    submit(p, p->ann, FF_SPECTRUM, 0, old);
    lease_drop(p, old, NULL);
    expect_end(p, old, "spectrum", 1, FF_TASK_SUCCEEDED);
    struct ff_job job = job_of(FF_POSTERIOR, 2);
    const struct ff_submission s = {.who = p->ann, .job = &job, .spec = "{}", .extend_of = old, .extend_draws = 5};
    expect_err(FF_ECONFLICT, try_submit(p, &s, id, &again, &ctx), &ctx, "extension of a spectrum");
}

/* ---- counts and retention ---- */

struct expired {
    char (*ids)[FF_ID_SIZE];
    int n;
    int64_t before;
};
static ff_err call_expired(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct expired *e = arg;
    return ff_jobs_expired(tx, e->before, 10, &e->ids, &e->n, ctx);
}
static ff_err call_remove(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_jobs_remove(tx, ((struct call *)arg)->id, ctx);
}
static ff_err call_count(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_jobs_count(tx, arg, ctx);
}

static void ended_jobs_expire_and_are_removed_whole(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE], alive[FF_ID_SIZE];
    ff_ctx ctx = {0};
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    submit(p, p->ann, FF_SPECTRUM, 0, alive);
    lease_drop(p, id, NULL);
    const struct ff_commit c = {.job = id,
                                .task = "spectrum",
                                .attempt = 1,
                                .sha256 = "ab",
                                .path = "results/x.h5",
                                .size = 77,
                                .chunk_bytes = 1000};
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    json_t *shown = get_job(p, p->ann, id);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(shown, "result"), "chunk_bytes")), 1000);
    json_decref(shown);
    struct expired e = {.before = ff_now_ms() - 100000};
    expect_ok(ff_queue_read(p->q, call_expired, &e, &ctx), &ctx, "expired");
    assert_int_equal(e.n, 0);
    free(e.ids);
    e.before = ff_now_ms() + 1000;
    expect_ok(ff_queue_read(p->q, call_expired, &e, &ctx), &ctx, "expired");
    assert_int_equal(e.n, 1);
    assert_string_equal(e.ids[0], id);
    free(e.ids);
    struct call remove_live = {.id = alive}, remove_old = {.id = id};
    expect_err(FF_ECONFLICT, ff_queue_write(p->q, call_remove, &remove_live, &ctx), &ctx, "removal of a queued job");
    expect_ok(ff_queue_write(p->q, call_remove, &remove_old, &ctx), &ctx, "removal");
    expect_err(FF_ENOTFOUND, ff_queue_write(p->q, call_remove, &remove_old, &ctx), &ctx, "removal again");
    struct ff_job_counts counts;
    expect_ok(ff_queue_read(p->q, call_count, &counts, &ctx), &ctx, "count");
    assert_int_equal(counts.queued, 1);
    assert_int_equal(counts.succeeded, 0);
    assert_true(counts.oldest_queued_s >= 0 && counts.oldest_queued_s < 100);
    /* nothing is left of it in any table, and its bytes are given back */
    by_hand(p, "CREATE TEMP TABLE t (n CHECK (n = 0)); INSERT INTO t SELECT count(*) FROM events WHERE job = 1;"
               "INSERT INTO t SELECT count(*) FROM tasks WHERE job = 1; INSERT INTO t SELECT count(*) FROM results;"
               "INSERT INTO t SELECT count(*) FROM specs WHERE job = 1; INSERT INTO t SELECT sum(bytes) FROM users;"
               "INSERT INTO t SELECT count(*) FROM commits");
}

/* The clock is not waited for: the start of the job is put back instead. */
static void durations_of_jobs_outlive_them(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE], never[FF_ID_SIZE], other[FF_ID_SIZE];
    ff_ctx ctx = {0};
    struct ff_job_counts counts;
    expect_ok(ff_queue_read(p->q, call_count, &counts, &ctx), &ctx, "count");
    assert_int_equal(counts.nkinds, 0);
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    by_hand(p, "UPDATE jobs SET started_ms = started_ms - 5000");
    expect_end(p, id, "spectrum", 1, FF_TASK_SUCCEEDED);
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    by_hand(p, "UPDATE jobs SET started_ms = started_ms + 3600000 WHERE finished_ms IS NULL"); /* a clock set back */
    expect_end(p, id, "spectrum", 1, FF_TASK_FAILED);
    submit(p, p->ann, FF_SPECTRUM, 0, never);
    expect_ok(cancel(p, p->ann, never, &ctx), &ctx, "cancel");
    submit(p, p->ann, FF_SIMULATE, 0, other);
    lease_drop(p, other, NULL);
    expect_end(p, other, "simulate", 1, FF_TASK_SUCCEEDED);
    struct call remove = {.id = id};
    expect_ok(ff_queue_write(p->q, call_remove, &remove, &ctx), &ctx, "removal");
    reopen(p);
    expect_ok(ff_queue_read(p->q, call_count, &counts, &ctx), &ctx, "count");
    assert_int_equal(counts.nkinds, 2);
    assert_string_equal(counts.duration[0].kind, "simulate");
    assert_int_equal(counts.duration[0].jobs, 1);
    assert_string_equal(counts.duration[1].kind, "spectrum");
    assert_int_equal(counts.duration[1].jobs, 2);
    assert_true(counts.duration[1].seconds >= 5 && counts.duration[1].seconds < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(submitted_job_is_shown_as_the_contract_says),
        T(same_key_same_request_is_the_same_job),
        T(threads_with_one_key_make_one_job),
        T(queued_jobs_are_limited),
        T(submits_a_minute_are_limited),
        T(running_tasks_are_limited),
        T(default_quotas_hold_where_a_user_has_none),
        T(pages_are_stable_while_jobs_arrive),
        T(pages_are_filtered),
        T(bad_pages_are_refused),
        T(foreign_job_is_missing_in_every_call),
        T(extension_goes_on_from_the_old_chains),
        T(only_a_posterior_is_extended),
        T(ended_jobs_expire_and_are_removed_whole),
        T(durations_of_jobs_outlive_them),
#undef T
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
