/* tests/unit/dispatch/leases_test.c - leases that run out, are renewed, and are found again after a reconnection or a restart:
** never two gangs with one attempt, and no result thrown away that nobody else is working on. */
#include "tests/unit/dispatch/help.h"

static const struct house short_leases = {.heartbeat_ms = 100, .lease_ms = 1000, .stuck_ms = 60000};

/* Beats for both gangs (NULL: not) every 50 ms until `until` or the patience ends; counters grow when `grow`. */
static void keep_alive(struct gang *idle, struct gang *busy, bool grow, int *counter, int ms)
{
    for (const int64_t end = now_ms() + ms; now_ms() < end; nap(50)) {
        if (idle) gang_beat(idle, false, 0, 0);
        if (busy) gang_beat(busy, true, grow ? ++*counter : *counter, 0);
    }
}

/* Numbers are gathered a few times a second. */
static void wait_lost(struct house *h, long n)
{
    const int64_t end = now_ms() + PATIENCE_MS;
    while (numbers_of(h).leases_lost != n && now_ms() < end) nap(10);
    assert_int_equal(numbers_of(h).leases_lost, n);
}

static void a_silent_gang_loses_its_task_and_its_late_commit_is_stale(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0}, b = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &a, 1, "", id);
    const int64_t given = now_ms();
    gang_open(&b, &h, "b");
    gang_await_task(&b);
    assert_true(now_ms() - given >= 1000); /* not before the lease was over */
    assert_string_equal(b.job, id);
    assert_int_equal(b.attempt, 2);
    assert_int_equal(count_events(&h, id, "worker_lost"), 2); /* of the task and of the job */
    gang_beat(&a, true, 5, 0);                                /* it was only asleep */
    json_decref(gang_expect(&a, FF_WIRE_AGAIN));
    gang_hello(&a, true);
    gang_stop(&a, "fenced");
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "stale");
    gang_events(&a, 1, 1); /* answered, and not written */
    assert_int_equal(gang_taken(&a), 1);
    assert_int_equal(count_events(&h, id, "event "), 0);
    gang_commit(&b, "succeeded");
    gang_verdict(&b, "committed");
    wait_state(&h, id, "succeeded");
    wait_lost(&h, 1);
    gang_close(&a);
    gang_close(&b);
    house_close(&h);
}

static void a_late_commit_wins_while_nobody_else_has_the_task(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &a, 1, "", id);
    wait_state(&h, id, "queued"); /* silent for longer than its lease */
    gang_beat(&a, true, 1, 0);
    json_decref(gang_expect(&a, FF_WIRE_AGAIN)); /* it was taken for gone */
    gang_hello(&a, true);
    gang_events(&a, 1, 2);
    assert_int_equal(gang_taken(&a), 2);
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    wait_state(&h, id, "succeeded");
    assert_int_equal(count_events(&h, id, "event "), 2);
    gang_close(&a);
    house_close(&h);
}

static void progress_renews_a_lease(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0}, b = {0};
    char id[FF_ID_SIZE];
    int counter = 0;
    open_busy(&h, &a, 1, "", id);
    gang_open(&b, &h, "b");
    keep_alive(&b, &a, true, &counter, 3000);
    assert_int_equal(numbers_of(&h).leases_lost, 0);
    assert_false(gang_take_task(&b, 10));
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    gang_close(&a);
    gang_close(&b);
    house_close(&h);
}

static void a_gang_that_beats_without_progress_raises_the_alarm_and_is_fenced(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0}, b = {0};
    char id[FF_ID_SIZE];
    int counter = 7;
    h.stuck_ms = 800;
    open_busy(&h, &a, 1, "", id);
    keep_alive(NULL, &a, false, &counter, 1300);
    assert_int_equal(numbers_of(&h).stuck, 1);
    assert_int_equal(count_events(&h, id, "stuck"), 1);
    assert_int_equal(numbers_of(&h).leases_lost, 0); /* the lease ends lease_ms after the last renewal */
    keep_alive(NULL, &a, false, &counter, 1500);
    assert_int_equal(numbers_of(&h).leases_lost, 1);
    assert_int_equal(numbers_of(&h).stuck, 1);
    gang_stop(&a, "fenced");
    gang_open(&b, &h, "b");
    gang_await_task(&b);
    assert_int_equal(b.attempt, 2);
    gang_close(&a);
    gang_close(&b);
    house_close(&h);
}

static void a_declared_long_step_is_waited_for(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0};
    char id[FF_ID_SIZE];
    h.stuck_ms = 300;
    open_busy(&h, &a, 1, "", id);
    for (const int64_t end = now_ms() + 3000; now_ms() < end; nap(50)) gang_beat(&a, true, 1, 20000);
    assert_int_equal(numbers_of(&h).stuck, 0);
    assert_int_equal(numbers_of(&h).leases_lost, 0);
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    gang_close(&a);
    house_close(&h);
}

static void a_gang_that_ignores_stop_loses_its_task(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0};
    char id[FF_ID_SIZE];
    int counter = 0;
    h.stuck_ms = 600;
    open_busy(&h, &a, 1, ",\"resources\":{\"walltime\":1}", id);
    keep_alive(NULL, &a, true, &counter, 3500);
    wait_state(&h, id, "cancelled");
    gang_close(&a);
    house_close(&h);
}

static void a_reconnected_gang_keeps_its_name_and_its_lease(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0};
    char id[FF_ID_SIZE], worker[FF_ID_SIZE];
    h.lease_ms = 3000;
    open_busy(&h, &a, 1, "", id);
    gang_beat(&a, true, 1, 0);
    memcpy(worker, a.worker, sizeof worker);
    gang_close(&a);
    gang_connect(&a);
    gang_hello(&a, true);
    assert_string_equal(a.worker, worker);
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    wait_state(&h, id, "succeeded");
    assert_int_equal(numbers_of(&h).leases_lost, 0);
    gang_close(&a);
    house_close(&h);
}

static void a_task_that_never_arrived_is_sent_again(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0};
    char id[FF_ID_SIZE];
    h.lease_ms = 5000;
    open_idle(&h, &a);
    submit(&h, 1, "", id);
    wait_state(&h, id, "running");
    gang_close(&a); /* with the TASK unread */
    gang_connect(&a);
    gang_hello(&a, false);
    assert_true(gang_take_task(&a, 2000));
    assert_int_equal(a.attempt, 1);
    gang_close(&a);
    house_close(&h);
}

static void of_two_processes_with_one_name_the_second_is_refused(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0}, b = {.house = &h, .instance = "a"};
    char id[FF_ID_SIZE];
    int counter = 0;
    h.lease_ms = 5000;
    open_busy(&h, &a, 2, "", id);
    gang_connect(&b);
    gang_say_hello(&b, false);
    json_t *refused = NULL;
    for (int i = 0; i < 40 && !refused; i++) {
        gang_beat(&a, true, ++counter, 0);
        refused = gang_wait_for(&b, FF_WIRE_REFUSED, 50);
    }
    assert_non_null(refused);
    json_decref(refused);
    assert_false(gang_take_task(&b, 200));
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    gang_close(&a);
    gang_say_hello(&b, false); /* the first is gone: now it may */
    json_decref(gang_expect(&b, FF_WIRE_WELCOME));
    gang_close(&b);
    house_close(&h);
}

static void a_restarted_server_finds_its_gangs_again(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0}, b = {0};
    char id[FF_ID_SIZE], worker[FF_ID_SIZE];
    open_busy(&h, &a, 2, "", id);
    gang_open(&b, &h, "b");
    gang_await_task(&b);
    gang_events(&a, 1, 2);
    assert_int_equal(gang_taken(&a), 2);
    memcpy(worker, a.worker, sizeof worker);
    gang_close(&a);
    gang_close(&b);
    house_restart(&h);
    gang_connect(&a);
    gang_hello(&a, true);
    assert_string_equal(a.worker, worker);
    gang_events(&a, 2, 2); /* 2 again: its credit was lost with the server */
    assert_int_equal(gang_taken(&a), 3);
    assert_int_equal(count_events(&h, id, "event "), 3);
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    gang_await_task(&a); /* b does not come back: one full lease, then its task is a's */
    assert_int_equal(a.attempt, 2);
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    wait_state(&h, id, "succeeded");
    gang_close(&a);
    house_close(&h);
}

static void a_walltime_goes_on_over_a_restart(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0};
    char id[FF_ID_SIZE];
    h.lease_ms = 30000;
    open_busy(&h, &a, 1, ",\"resources\":{\"walltime\":2}", id);
    gang_close(&a);
    house_restart(&h);
    gang_connect(&a);
    gang_hello(&a, true);
    gang_stop(&a, "walltime");
    gang_commit(&a, "released");
    gang_verdict(&a, "committed");
    wait_state(&h, id, "cancelled");
    gang_close(&a);
    house_close(&h);
}

/* What the gang says while the writer hangs, and what was seen of that. */
struct hold_up {
    struct house *house;
    struct gang *gang;
    int from;      /* of the events */
    int64_t since; /* the gang's last sign of life */
    bool in_time;  /* the loop was waiting for the writer before the lease could run out */
};

/* Runs on the writer's thread, so the events make the loop wait for it, for longer than a lease. That the lease is not over before
** they come cannot be had on a machine that does not let this thread run: then there is nothing to see. */
static ff_err hold_up(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct hold_up *u = arg;
    (void)tx, (void)ctx;
    gang_events(u->gang, u->from, 1);
    nap(200);
    u->in_time = now_ms() - u->since < u->house->lease_ms / 2;
    if (u->in_time) nap(u->house->lease_ms + u->house->lease_ms / 2);
    return FF_OK;
}

static void a_server_that_did_not_listen_blames_nobody(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0};
    char id[FF_ID_SIZE];
    int counter = 0;
    h.lease_ms = 2000;
    open_busy(&h, &a, 1, "", id);
    struct hold_up u = {.house = &h, .gang = &a, .from = 1};
    for (; !u.in_time && u.from < 20; u.from++) {
        u.since = now_ms();
        gang_beat(&a, true, ++counter, 0);
        assert_ok(ff_queue_write(h.queue, hold_up, &u, &ctx));
        assert_int_equal(gang_taken(&a), u.from);
    }
    assert_true(u.in_time);
    const int64_t listened = now_ms();
    nap(400); /* it looks at its leases many times, and counts */
    const long lost = numbers_of(&h).leases_lost;
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    if (now_ms() - listened < h.lease_ms) assert_int_equal(lost, 0); /* else this thread was held up itself */
    wait_state(&h, id, "succeeded");
    gang_close(&a);
    house_close(&h);
}

static void a_claim_to_a_foreign_attempt_is_fenced(void **state)
{
    (void)state;
    struct house h = short_leases;
    struct gang a = {0}, b = {0};
    char id[FF_ID_SIZE];
    h.lease_ms = 5000;
    open_busy(&h, &a, 1, "", id);
    b = (struct gang){.house = &h, .instance = "b", .attempt = 1};
    memcpy(b.job, a.job, sizeof b.job);
    memcpy(b.task, a.task, sizeof b.task);
    gang_connect(&b);
    gang_hello(&b, true);
    gang_stop(&b, "fenced");
    gang_beat(&b, true, 1, 0);
    gang_stop(&b, "fenced");
    gang_commit(&a, "succeeded");
    gang_verdict(&a, "committed");
    gang_close(&a);
    gang_close(&b);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_gang_loses_its_task_and_its_late_commit_is_stale),
        cmocka_unit_test(a_late_commit_wins_while_nobody_else_has_the_task),
        cmocka_unit_test(progress_renews_a_lease),
        cmocka_unit_test(a_gang_that_beats_without_progress_raises_the_alarm_and_is_fenced),
        cmocka_unit_test(a_declared_long_step_is_waited_for),
        cmocka_unit_test(a_gang_that_ignores_stop_loses_its_task),
        cmocka_unit_test(a_reconnected_gang_keeps_its_name_and_its_lease),
        cmocka_unit_test(a_task_that_never_arrived_is_sent_again),
        cmocka_unit_test(of_two_processes_with_one_name_the_second_is_refused),
        cmocka_unit_test(a_restarted_server_finds_its_gangs_again),
        cmocka_unit_test(a_walltime_goes_on_over_a_restart),
        cmocka_unit_test(a_server_that_did_not_listen_blames_nobody),
        cmocka_unit_test(a_claim_to_a_foreign_attempt_is_fenced),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
