/* tests/unit/queue/events_test.c - events are numbered without gap or duplicate whatever gangs send, and how often. */
#include <pthread.h>

#include "tests/unit/queue/help.h"

static json_t *sample(int chain, int draw, bool warmup)
{
    return json_pack("{ss si si si sb sf}", "type", "sample", "number", 999, "chain", chain, "draw", draw, "warmup",
                     warmup, "lp", -1.5);
}

static bool report(struct place *p, const char *job, const char *task, int attempt, long from, json_t *events)
{
    ff_ctx ctx = {0};
    bool current;
    const struct ff_event_batch batch = {.job = job, .task = task, .attempt = attempt, .from = from, .events = events};
    struct call c = {.in = &batch, .out = &current};
    expect_ok(ff_queue_write(p->q, call_report, &c, &ctx), &ctx, "report");
    json_decref(events);
    return current;
}

static json_t *samples_from(struct place *p, const char *id, int from)
{
    ff_ctx ctx = {0};
    struct ff_job_row row = find_job(p, id);
    json_t *all = json_array(), *event;
    size_t i;
    struct call c = {.in = &row.row, .number = from, .out = all};
    expect_ok(ff_queue_read(p->q, call_samples, &c, &ctx), &ctx, "samples");
    json_array_foreach(all, i, event)
        assert_int_equal(json_integer_value(json_object_get(event, "number")), from + (int)i);
    assert_int_equal(row.last_sample, from - 1 + (int)json_array_size(all));
    return all;
}

static void batch_that_comes_twice_is_taken_once(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_POSTERIOR, 1, id);
    lease_drop(p, id, NULL);
    assert_true(report(p, id, "chain-0", 1, 1, json_pack("[oo]", sample(0, 0, false), sample(0, 1, false))));
    assert_true(report(p, id, "chain-0", 1, 1, json_pack("[oo]", sample(0, 0, false), sample(0, 1, false))));
    assert_true(report(p, id, "chain-0", 1, 2, json_pack("[oo]", sample(0, 1, false), sample(0, 2, false))));
    json_t *all = samples_from(p, id, 1);
    assert_int_equal(json_array_size(all), 3);
    json_decref(all);
    json_decref(samples_from(p, id, 3));
    json_decref(events_after(p, id, 0));
}

static void event_is_stamped_by_the_server(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_POSTERIOR, 1, id);
    lease_drop(p, id, NULL);
    json_t *forged = json_pack("{ss si ss ss si ss ss}", "type", "log", "seq", 77, "time", "never", "task", "reduce",
                               "attempt", 9, "level", "info", "message", "line\nbreak");
    assert_true(report(p, id, "chain-0", 1, 1, json_pack("[o]", forged)));
    json_t *all = events_after(p, id, 3), *event = json_array_get(all, 0);
    assert_string_equal(json_string_value(json_object_get(event, "task")), "chain-0");
    assert_int_equal(json_integer_value(json_object_get(event, "attempt")), 1);
    assert_string_equal(json_string_value(json_object_get(event, "message")), "line\nbreak");
    assert_int_equal(strlen(json_string_value(json_object_get(event, "time"))), strlen("2026-01-31T23:59:59.123Z"));
    json_decref(all);
}

static void states_and_ends_are_the_servers_to_say(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_POSTERIOR, 1, id);
    lease_drop(p, id, NULL);
    char *large = malloc(100001);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    json_t *events = json_pack("[{ssss}{ssss}{ss}{}{si}{sssi}{sss[]}{ssss}]", "type", "state", "state", "succeeded",
                               "type", "end", "state", "succeeded", "type", "sample", "type", 1, "type", "sample",
                               "chain", 0, "type", "nonsense", "x", "type", "log", "message", large);
    free(large);
    assert_non_null(events);
    json_array_append_new(events, json_string("not an object"));
    assert_true(report(p, id, "chain-0", 1, 1, events));
    assert_true(report(p, id, "chain-0", 1, 20, json_pack("[{ssss}]", "type", "log", "message", "x")));
    expect_story(p, id, "queued running chain-0:running chain-0:log");
}

static void samples_of_an_earlier_attempt_are_not_taken_again(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_POSTERIOR, 2, id);
    lease_drop(p, id, "chain-0");
    lease_drop(p, id, "chain-1");
    report(p, id, "chain-0", 1, 1,
           json_pack("[oooo]", sample(0, 0, true), sample(0, 1, true), sample(0, 0, false), sample(0, 1, false)));
    report(p, id, "chain-1", 1, 1, json_pack("[o]", sample(1, 0, true)));
    expect_end(p, id, "chain-0", 1, FF_TASK_LOST);
    lease_drop(p, id, "chain-0");
    assert_false(report(p, id, "chain-0", 1, 5, json_pack("[o]", sample(0, 2, false)))); /* fenced */
    /* the new attempt goes on from a checkpoint in the warm-up */
    report(p, id, "chain-0", 2, 1,
           json_pack("[oooo]", sample(0, 1, true), sample(0, 0, false), sample(0, 1, false), sample(0, 2, false)));
    json_t *all = samples_from(p, id, 1), *event;
    static const struct {
        int chain, draw;
        bool warmup;
    } expected[] = {{0, 0, true}, {0, 1, true}, {0, 0, false}, {0, 1, false}, {1, 0, true}, {0, 2, false}};
    size_t i;
    assert_int_equal(json_array_size(all), 6);
    json_array_foreach(all, i, event)
    {
        assert_int_equal(json_integer_value(json_object_get(event, "chain")), expected[i].chain);
        assert_int_equal(json_integer_value(json_object_get(event, "draw")), expected[i].draw);
        assert_int_equal(json_is_true(json_object_get(event, "warmup")), expected[i].warmup);
    }
    json_decref(all);
    json_decref(events_after(p, id, 0));
}

static void nothing_follows_the_end(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    expect_end(p, id, "spectrum", 1, FF_TASK_SUCCEEDED);
    assert_false(report(p, id, "spectrum", 1, 1, json_pack("[{ssss}]", "type", "log", "message", "late")));
    expect_story(p, id, "queued running spectrum:running spectrum:succeeded end-succeeded");
}

static void newest_progress_is_the_jobs(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_POSTERIOR, 1, id);
    lease_drop(p, id, NULL);
    report(p, id, "chain-0", 1, 1,
           json_pack("[{sssi}{sssi}]", "type", "progress", "done", 1, "type", "progress", "done", 2));
    report(p, id, "chain-0", 1, 3, json_pack("[{ssss}]", "type", "log", "message", "x"));
    json_t *job = get_job(p, p->ann, id), *progress = json_object_get(job, "progress");
    assert_int_equal(json_integer_value(json_object_get(progress, "done")), 2);
    assert_string_equal(json_string_value(json_object_get(progress, "task")), "chain-0");
    assert_null(json_object_get(progress, "type"));
    json_decref(job);
}

/* ---- many at once ---- */

enum { GANGS = 6, BATCHES = 20, SIZE = 5 };
struct gang {
    struct place *p;
    const char *id;
    int number;
};

static void *report_all(void *arg)
{
    struct gang *g = arg;
    char task[16];
    snprintf(task, sizeof task, "chain-%d", g->number);
    for (int b = 0; b < BATCHES; b++) {
        json_t *events = json_array();
        for (int i = 0; i < SIZE; i++) json_array_append_new(events, sample(g->number, b * SIZE + i, false));
        if (b % 3 == 1) report(g->p, g->id, task, 1, 1 + b * SIZE, json_deep_copy(events)); /* its answer was lost */
        report(g->p, g->id, task, 1, 1 + b * SIZE, events);
    }
    return NULL;
}

struct told {
    pthread_mutex_t lock;
    int n;
    int64_t row;
};
static void listen(void *self, const struct ff_changes *changes)
{
    struct told *t = self;
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < changes->njobs; i++) {
        t->n += changes->jobs[i] == t->row;
        for (int k = 0; k < i; k++) assert_int_not_equal(changes->jobs[k], changes->jobs[i]);
    }
    pthread_mutex_unlock(&t->lock);
}

static void events_are_gapless_under_concurrent_reports(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    pthread_t thread[GANGS];
    struct gang gang[GANGS];
    struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER, .row = 1};
    ff_queue_listen(p->q, listen, &told);
    submit(p, p->ann, FF_POSTERIOR, GANGS, id);
    for (int i = 0; i < GANGS; i++) lease_drop(p, id, NULL);
    for (int i = 0; i < GANGS; i++) {
        gang[i] = (struct gang){p, id, i};
        assert_int_equal(pthread_create(&thread[i], NULL, report_all, &gang[i]), 0);
    }
    for (int i = 0; i < GANGS; i++) pthread_join(thread[i], NULL);
    json_t *all = samples_from(p, id, 1), *event;
    assert_int_equal(json_array_size(all), GANGS * BATCHES * SIZE);
    int next[GANGS] = {0};
    size_t i;
    json_array_foreach(all, i, event)
    {
        json_int_t chain = json_integer_value(json_object_get(event, "chain"));
        assert_int_equal(json_integer_value(json_object_get(event, "draw")), next[chain]++);
    }
    json_decref(all);
    all = events_after(p, id, 0);
    assert_int_equal(json_array_size(all), 2 + GANGS + GANGS * BATCHES * SIZE);
    json_decref(all);
    ff_queue_close(p->q); /* then every listener has been told */
    p->q = NULL;
    assert_in_range(told.n, 2, 2 + GANGS + 2 * GANGS * BATCHES);
}

/* ---- logs ---- */

struct log_query {
    int64_t job;
    long after;
    int64_t since;
    const char *task;
    int attempt;
    json_t *out;
};
static ff_err call_logs(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct log_query *q = arg;
    return ff_logs_read(tx, q->job, q->after, q->since, q->task, q->attempt, 1000, gather_event, q->out, ctx);
}

static void logs_are_filtered(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_POSTERIOR, 2, id);
    lease_drop(p, id, "chain-0");
    lease_drop(p, id, "chain-1");
    report(p, id, "chain-0", 1, 1, json_pack("[o{ssss}]", sample(0, 0, false), "type", "log", "message", "one"));
    expect_end(p, id, "chain-0", 1, FF_TASK_LOST);
    lease_drop(p, id, "chain-0");
    report(p, id, "chain-0", 2, 1, json_pack("[{ssss}]", "type", "log", "message", "two"));
    static const struct {
        struct log_query query;
        size_t n;
    } cases[] = {{{.after = 0}, 8},        {{.after = 8}, 1},
                 {{.task = "chain-0"}, 5}, {{.task = "chain-0", .attempt = 2}, 2},
                 {{.task = "chain-1"}, 1}, {{.since = INT64_MAX}, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ff_ctx ctx = {0};
        struct log_query q = cases[i].query;
        q.job = find_job(p, id).row;
        q.out = json_array();
        expect_ok(ff_queue_read(p->q, call_logs, &q, &ctx), &ctx, "logs");
        if (json_array_size(q.out) != cases[i].n)
            fail_msg("case %zu: expected %zu lines, got %zu", i, cases[i].n, json_array_size(q.out));
        json_decref(q.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(batch_that_comes_twice_is_taken_once),
        T(event_is_stamped_by_the_server),
        T(states_and_ends_are_the_servers_to_say),
        T(samples_of_an_earlier_attempt_are_not_taken_again),
        T(nothing_follows_the_end),
        T(newest_progress_is_the_jobs),
        T(events_are_gapless_under_concurrent_reports),
        T(logs_are_filtered),
#undef T
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
