/* tests/unit/queue/tasks_test.c - leases, fences, outcomes, and what follows from each. */
#include "tests/unit/queue/help.h"

static const char *const some_hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static void posterior_runs_its_chains_then_its_reduce(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    struct ff_lease lease;
    submit(p, p->ann, FF_POSTERIOR, 2, id);
    lease_expecting(p, id, "chain-0", &lease);
    assert_int_equal(lease.attempt, 1);
    assert_true(lease.job_started);
    assert_string_equal(lease.kind, "posterior");
    assert_string_equal(lease.spec, "{\"sampler\":{\"draws\":100}}");
    assert_int_equal(json_integer_value(json_object_get(lease.inputs, "resume")), 0);
    ff_lease_done(&lease);
    lease_expecting(p, id, "chain-1", &lease);
    assert_false(lease.job_started);
    ff_lease_done(&lease);
    assert_false(try_lease(p, &small_gang, &lease)); /* reduce is blocked */
    expect_end(p, id, "chain-1", 1, FF_TASK_SUCCEEDED);
    assert_false(try_lease(p, &small_gang, &lease));
    expect_end(p, id, "chain-0", 1, FF_TASK_SUCCEEDED);
    lease_expecting(p, id, "reduce", &lease);
    assert_int_equal(json_integer_value(json_object_get(lease.inputs, "chain-1")), 1);
    ff_lease_done(&lease);
    const struct ff_commit last = {.job = id,
                                   .task = "reduce",
                                   .attempt = 1,
                                   .outcome = FF_TASK_SUCCEEDED,
                                   .sha256 = some_hash,
                                   .path = "results/x.h5",
                                   .size = 1234};
    assert_int_equal(commit(p, &last), FF_COMMITTED);
    assert_int_equal(commit(p, &last), FF_COMMITTED); /* the answer was lost */
    expect_state(p, id, "succeeded");
    json_t *job = get_job(p, p->ann, id), *result = json_object_get(job, "result");
    assert_int_equal(json_integer_value(json_object_get(result, "size")), 1234);
    assert_string_equal(json_string_value(json_object_get(result, "sha256")), some_hash);
    json_decref(job);
    expect_story(p, id,
                 "queued running chain-0:running chain-1:running chain-1:succeeded chain-0:succeeded reduce:queued "
                 "reduce:running reduce:succeeded end-succeeded");
}

static void older_attempt_is_stale_once_another_holds_the_task(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    struct ff_lease lease;
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, "spectrum");
    expect_end(p, id, "spectrum", 1, FF_TASK_LOST);
    expect_state(p, id, "queued");
    lease_expecting(p, id, "spectrum", &lease);
    assert_int_equal(lease.attempt, 2);
    assert_int_equal(json_integer_value(json_object_get(lease.inputs, "resume")), 1);
    ff_lease_done(&lease);
    assert_false(holding(p, id, "spectrum", 1).current || holding(p, id, "spectrum", 1).recorded);
    assert_true(holding(p, id, "spectrum", 2).current);
    assert_int_equal(report_end(p, id, "spectrum", 1, FF_TASK_SUCCEEDED), FF_STALE);
    expect_state(p, id, "running");
    assert_int_equal(report_end(p, id, "spectrum", 3, FF_TASK_SUCCEEDED), FF_STALE);
    expect_end(p, id, "spectrum", 2, FF_TASK_SUCCEEDED);
    expect_end(p, id, "spectrum", 2, FF_TASK_SUCCEEDED);
    assert_int_equal(report_end(p, id, "spectrum", 1, FF_TASK_SUCCEEDED), FF_STALE);
    assert_true(holding(p, id, "spectrum", 2).recorded && !holding(p, id, "spectrum", 2).current);
    /* the loss was recorded before: known, and without effect */
    expect_end(p, id, "spectrum", 1, FF_TASK_LOST);
    expect_state(p, id, "succeeded");
    expect_story(p, id,
                 "queued running spectrum:running spectrum:queued queued running spectrum:running spectrum:succeeded "
                 "end-succeeded");
}

static void same_attempt_with_another_file_is_stale(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE], other[65];
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, "spectrum");
    struct ff_commit c = {
        .job = id, .task = "spectrum", .attempt = 1, .sha256 = some_hash, .path = "results/x.h5", .size = 1};
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    memset(other, 'f', 64);
    other[64] = '\0';
    c.sha256 = other;
    assert_int_equal(commit(p, &c), FF_STALE);
    json_t *job = get_job(p, p->ann, id);
    assert_string_equal(json_string_value(json_object_get(json_object_get(job, "result"), "sha256")), some_hash);
    json_decref(job);
}

static void late_result_counts_while_nobody_else_was_leased(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, "spectrum");
    expect_end(p, id, "spectrum", 1, FF_TASK_LOST);
    assert_true(holding(p, id, "spectrum", 1).current);
    expect_end(p, id, "spectrum", 1, FF_TASK_SUCCEEDED);
    expect_state(p, id, "succeeded");
}

static void second_loss_makes_a_task_wait(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    struct ff_lease lease;
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    expect_end(p, id, "spectrum", 1, FF_TASK_LOST);
    lease_drop(p, id, NULL); /* the first loss is nobody's fault: at once */
    expect_end(p, id, "spectrum", 2, FF_TASK_LOST);
    assert_false(try_lease(p, &small_gang, &lease)); /* the second: it waits */
    expect_task(p, id, "spectrum", "queued", 2);
    json_t *job = get_job(p, p->ann, id);
    assert_string_equal(json_string_value(json_object_get(job, "reason")), "worker_lost");
    json_decref(job);
}

static void fifth_lost_attempt_crashes_the_job(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    for (int attempt = 1; attempt <= FF_MAX_ATTEMPTS; attempt++) {
        by_hand(p, "UPDATE tasks SET not_before = 0"); /* as if the wait were over */
        lease_drop(p, id, NULL);
        const struct ff_commit c = {
            .job = id, .task = "spectrum", .attempt = attempt, .outcome = FF_TASK_ENVIRONMENT, .reason = "disk_full"};
        assert_int_equal(commit(p, &c), FF_COMMITTED);
        expect_state(p, id, attempt < FF_MAX_ATTEMPTS ? "queued" : "crashed");
    }
    expect_task(p, id, "spectrum", "crashed", 5);
    json_t *job = get_job(p, p->ann, id);
    assert_string_equal(json_string_value(json_object_get(job, "reason")), "disk_full");
    assert_int_equal(json_integer_value(json_object_get(job, "attempts")), 5);
    json_decref(job);
    json_decref(events_after(p, id, 0));
}

static void failed_task_fails_the_job_and_stops_the_others(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    json_t *problem = json_pack("{ss}", "type", "numeric");
    submit(p, p->ann, FF_POSTERIOR, 3, id);
    lease_drop(p, id, "chain-0");
    lease_drop(p, id, "chain-1");
    const struct ff_commit c = {.job = id,
                                .task = "chain-1",
                                .attempt = 1,
                                .outcome = FF_TASK_FAILED,
                                .reason = "numeric",
                                .message = "not a number",
                                .problem = problem};
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    expect_state(p, id, "failed");
    expect_task(p, id, "chain-0", "cancelled", 1);
    expect_task(p, id, "chain-2", "cancelled", 0);
    assert_false(holding(p, id, "chain-0", 1).current);
    assert_int_equal(report_end(p, id, "chain-0", 1, FF_TASK_SUCCEEDED), FF_STALE);
    json_t *job = get_job(p, p->ann, id);
    assert_string_equal(json_string_value(json_object_get(json_object_get(job, "error"), "type")), "numeric");
    json_decref(job);
    json_decref(problem);
    expect_story(p, id, "queued running chain-0:running chain-1:running chain-1:failed end-failed");
}

static void released_task_goes_back_and_resumes(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    struct ff_lease lease;
    submit(p, p->ann, FF_POSTERIOR, 2, id);
    lease_drop(p, id, "chain-0");
    lease_drop(p, id, "chain-1");
    expect_end(p, id, "chain-0", 1, FF_TASK_RELEASED);
    expect_state(p, id, "running"); /* the other one runs */
    expect_end(p, id, "chain-1", 1, FF_TASK_RELEASED);
    expect_state(p, id, "queued");
    lease_expecting(p, id, "chain-0", &lease);
    assert_int_equal(lease.attempt, 2);
    assert_int_equal(json_integer_value(json_object_get(lease.inputs, "resume")), 1);
    ff_lease_done(&lease);
    /* the answer to the release was lost: told again, its files stay */
    expect_end(p, id, "chain-0", 1, FF_TASK_RELEASED);
    expect_task(p, id, "chain-0", "running", 2);
}

static void reduce_sends_the_chains_on(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    struct ff_lease lease;
    json_t *target = json_pack("{si}", "draws", 200);
    submit(p, p->ann, FF_POSTERIOR, 2, id);
    for (int i = 0; i < 2; i++) lease_drop(p, id, NULL);
    expect_end(p, id, "chain-0", 1, FF_TASK_SUCCEEDED);
    expect_end(p, id, "chain-1", 1, FF_TASK_SUCCEEDED);
    lease_drop(p, id, "reduce");
    const struct ff_commit c = {.job = id, .task = "reduce", .attempt = 1, .outcome = FF_TASK_AGAIN, .state = target};
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    json_decref(target);
    expect_task(p, id, "reduce", "blocked", 1);
    expect_end(p, id, "chain-0", 1, FF_TASK_SUCCEEDED); /* told again: known, without effect */
    lease_expecting(p, id, "chain-0", &lease);
    assert_int_equal(lease.attempt, 2);
    assert_int_equal(json_integer_value(json_object_get(lease.state, "draws")), 200);
    assert_int_equal(json_integer_value(json_object_get(lease.inputs, "resume")), 1);
    ff_lease_done(&lease);
    lease_drop(p, id, "chain-1");
    expect_end(p, id, "chain-0", 2, FF_TASK_SUCCEEDED);
    expect_end(p, id, "chain-1", 2, FF_TASK_SUCCEEDED);
    lease_expecting(p, id, "reduce", &lease);
    assert_int_equal(lease.attempt, 2);
    assert_int_equal(json_integer_value(json_object_get(lease.inputs, "chain-0")), 2);
    ff_lease_done(&lease);
    expect_end(p, id, "reduce", 2, FF_TASK_SUCCEEDED);
    expect_state(p, id, "succeeded");
}

static void again_without_a_target_is_refused(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    ff_ctx ctx = {0};
    enum ff_verdict verdict;
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    const struct ff_commit c = {.job = id, .task = "spectrum", .attempt = 1, .outcome = FF_TASK_AGAIN};
    struct call call = {.in = &c, .out = &verdict};
    expect_err(FF_EBADMESSAGE, ff_queue_write(p->q, call_commit, &call, &ctx), &ctx, "again");
    expect_task(p, id, "spectrum", "running", 1);
}

/* ---- whose turn ---- */

static void least_used_user_goes_first(void **state)
{
    struct place *p = *state;
    char a[2][FF_ID_SIZE], b[FF_ID_SIZE];
    submit(p, p->ann, FF_SPECTRUM, 0, a[0]);
    submit(p, p->ann, FF_SPECTRUM, 0, a[1]);
    submit(p, p->bob, FF_SPECTRUM, 0, b);
    lease_drop(p, a[0], NULL); /* nobody has used anything */
    lease_drop(p, b, NULL);    /* ann's running task counts */
    lease_drop(p, a[1], NULL);
    struct ff_commit c = {.job = b, .task = "spectrum", .attempt = 1, .core_seconds = 1e6};
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    submit(p, p->bob, FF_SPECTRUM, 0, b);
    submit(p, p->ann, FF_SPECTRUM, 0, a[0]);
    lease_drop(p, a[0], NULL); /* although bob's is older and ann runs two */
    lease_drop(p, b, NULL);
}

static void priority_then_age_within_a_user(void **state)
{
    struct place *p = *state;
    char old[FF_ID_SIZE], middle[FF_ID_SIZE], urgent[FF_ID_SIZE];
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    submit_job(p, p->ann, &job, old);
    submit_job(p, p->ann, &job, middle);
    job.resources.priority = 5;
    submit_job(p, p->ann, &job, urgent);
    lease_drop(p, urgent, NULL);
    lease_drop(p, old, NULL);
    lease_drop(p, middle, NULL);
}

static void gang_gets_only_what_fits(void **state)
{
    struct place *p = *state;
    char wide[FF_ID_SIZE], elsewhere[FF_ID_SIZE], big[FF_ID_SIZE], fits[FF_ID_SIZE];
    bool again;
    ff_ctx ctx = {0};
    struct ff_lease lease;
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    job.resources.ranks = 4;
    submit_job(p, p->ann, &job, wide);
    job = job_of(FF_SPECTRUM, 0);
    snprintf(job.resources.pool, sizeof job.resources.pool, "gpu");
    submit_job(p, p->ann, &job, elsewhere);
    job = job_of(FF_SPECTRUM, 0);
    const struct ff_submission s = {.who = p->ann, .job = &job, .spec = "{}", .memory_bytes = 2e9};
    expect_ok(try_submit(p, &s, big, &again, &ctx), &ctx, "submit");
    submit(p, p->ann, FF_SPECTRUM, 0, fits);
    lease_drop(p, fits, NULL);
    assert_false(try_lease(p, &small_gang, &lease));
    struct ff_gang gang = small_gang;
    gang.memory_bytes = 4e9;
    assert_true(try_lease(p, &gang, &lease));
    expect_text("job leased", big, lease.job);
    ff_lease_done(&lease);
    gang.pool = "gpu";
    assert_true(try_lease(p, &gang, &lease));
    expect_text("job leased", elsewhere, lease.job);
    ff_lease_done(&lease);
}

static void walltime_that_is_over_cancels_the_job(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    struct ff_lease lease;
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    job.resources.walltime_s = 0.02;
    submit_job(p, p->ann, &job, id);
    lease_expecting(p, id, NULL, &lease);
    assert_true(lease.walltime_s > 0 && lease.walltime_s <= 0.02);
    ff_lease_done(&lease);
    expect_end(p, id, "spectrum", 1, FF_TASK_RELEASED);
    usleep(30000);
    assert_false(try_lease(p, &small_gang, &lease));
    expect_state(p, id, "cancelled");
    json_t *shown = get_job(p, p->ann, id);
    assert_string_equal(json_string_value(json_object_get(shown, "reason")), "walltime");
    json_decref(shown);
}

/* ---- asked to stop ---- */

static void queued_job_is_cancelled_at_once(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    ff_ctx ctx = {0};
    struct ff_lease lease;
    submit(p, p->ann, FF_POSTERIOR, 2, id);
    expect_ok(cancel(p, p->ann, id, &ctx), &ctx, "cancel");
    expect_state(p, id, "cancelled");
    assert_false(try_lease(p, &small_gang, &lease));
    expect_err(FF_ECONFLICT, cancel(p, p->ann, id, &ctx), &ctx, "cancel of an ended job");
    expect_story(p, id, "queued end-cancelled");
}

static ff_err call_cancelling(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tasks_cancelling(tx, c->out, c->out2, ctx);
}

static void running_job_is_cancelled_when_its_gangs_have_stopped(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    ff_ctx ctx = {0};
    struct ff_running *running;
    int n;
    submit(p, p->ann, FF_POSTERIOR, 3, id);
    lease_drop(p, id, "chain-0");
    lease_drop(p, id, "chain-1");
    expect_ok(cancel(p, p->ann, id, &ctx), &ctx, "cancel");
    expect_ok(cancel(p, p->ann, id, &ctx), &ctx, "cancel again");
    expect_state(p, id, "cancelling");
    expect_task(p, id, "chain-2", "cancelled", 0);
    assert_true(holding(p, id, "chain-0", 1).cancelling);
    struct call c = {.out = &running, .out2 = &n};
    expect_ok(ff_queue_read(p->q, call_cancelling, &c, &ctx), &ctx, "cancelling");
    assert_int_equal(n, 2);
    assert_string_equal(running[1].task, "chain-1");
    free(running);
    expect_end(p, id, "chain-0", 1, FF_TASK_RELEASED);
    expect_state(p, id, "cancelling");
    expect_end(p, id, "chain-1", 1, FF_TASK_SUCCEEDED);
    expect_state(p, id, "cancelled");
    expect_story(p, id,
                 "queued running chain-0:running chain-1:running cancelling chain-0:cancelled chain-1:succeeded "
                 "end-cancelled");
}

static void finished_result_wins_over_a_cancel(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    ff_ctx ctx = {0};
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    expect_ok(cancel(p, p->ann, id, &ctx), &ctx, "cancel");
    expect_end(p, id, "spectrum", 1, FF_TASK_SUCCEEDED);
    expect_state(p, id, "succeeded");
    expect_story(p, id, "queued running spectrum:running cancelling spectrum:succeeded log end-succeeded");
}

static void every_report_ends_a_job_that_was_asked_to_stop(void **state)
{
    struct place *p = *state;
    static const enum ff_outcome outcomes[] = {FF_TASK_FAILED, FF_TASK_RELEASED, FF_TASK_LOST, FF_TASK_ENVIRONMENT};
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        char id[FF_ID_SIZE];
        ff_ctx ctx = {0};
        submit(p, p->ann, FF_SPECTRUM, 0, id);
        lease_drop(p, id, NULL);
        expect_ok(cancel(p, p->ann, id, &ctx), &ctx, "cancel");
        expect_end(p, id, "spectrum", 1, outcomes[i]);
        expect_state(p, id, "cancelled");
        json_decref(events_after(p, id, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(posterior_runs_its_chains_then_its_reduce),
        T(older_attempt_is_stale_once_another_holds_the_task),
        T(same_attempt_with_another_file_is_stale),
        T(late_result_counts_while_nobody_else_was_leased),
        T(second_loss_makes_a_task_wait),
        T(fifth_lost_attempt_crashes_the_job),
        T(failed_task_fails_the_job_and_stops_the_others),
        T(released_task_goes_back_and_resumes),
        T(reduce_sends_the_chains_on),
        T(again_without_a_target_is_refused),
        T(least_used_user_goes_first),
        T(priority_then_age_within_a_user),
        T(gang_gets_only_what_fits),
        T(walltime_that_is_over_cancels_the_job),
        T(queued_job_is_cancelled_at_once),
        T(running_job_is_cancelled_when_its_gangs_have_stopped),
        T(finished_result_wins_over_a_cancel),
        T(every_report_ends_a_job_that_was_asked_to_stop),
#undef T
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
