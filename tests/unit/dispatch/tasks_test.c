/* tests/unit/dispatch/tasks_test.c - the way of a task: HELLO, TASK, EVENTS, COMMIT, VERDICT, and what comes twice, out of
** order, broken or at the wrong moment. */
#include <pthread.h>

#include "tests/unit/dispatch/help.h"

static void tasks_are_done_one_after_another_by_one_gang(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    open_idle(&h, &g);
    assert_true(ff_id_valid("wk_", g.worker));
    assert_string_equal(g.store, ""); /* it named no token */
    submit(&h, 3, "", id);
    for (int i = 0; i < 3; i++) {
        gang_await_task(&g);
        assert_string_equal(g.job, id);
        assert_int_equal(g.attempt, 1);
        assert_int_equal(g.task[5], '0' + i);
        gang_commit(&g, "succeeded");
        gang_verdict(&g, "committed");
    }
    wait_state(&h, id, "succeeded");
    gang_close(&g);
    house_close(&h);
}

static void a_task_is_data_with_the_whole_spec(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {.shared = true};
    char id[FF_ID_SIZE];
    open_idle(&h, &g);
    assert_string_equal(g.store, ff_storehouse_dir(h.store));
    submit(&h, 1, ",\"sleep_s\":2.5,\"seed\":7", id);
    json_t *task = gang_expect(&g, FF_WIRE_TASK);
    const json_t *spec = json_object_get(task, "spec");
    assert_string_equal(word(task, "kind"), "noop");
    assert_float_equal(json_number_value(json_object_get(spec, "sleep_s")), 2.5, 0);
    assert_int_equal(json_integer_value(json_object_get(spec, "seed")), 7);
    assert_int_equal(json_integer_value(json_object_get(task, "resume")), 0);
    assert_int_equal(json_object_size(json_object_get(task, "inputs")), 0);
    json_decref(task);
    gang_close(&g);
    house_close(&h);
}

static void another_version_is_refused_and_both_are_named(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {.house = &h, .instance = "old"};
    char id[FF_ID_SIZE];
    house_open(&h);
    submit(&h, 1, "", id);
    gang_connect(&g);
    const unsigned char hello[] = {'F', 'F', 'W', '1', 99, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    zmq_send(g.socket, hello, sizeof hello, 0);
    json_t *refused = gang_expect(&g, FF_WIRE_REFUSED);
    char text[16];
    snprintf(text, sizeof text, "version %d", FF_WIRE_VERSION);
    assert_non_null(strstr(word(refused, "detail"), "99"));
    assert_non_null(strstr(word(refused, "detail"), text));
    assert_int_equal(json_integer_value(json_object_get(refused, "protocol")), FF_WIRE_VERSION);
    json_decref(refused);
    assert_false(gang_take_task(&g, 300));
    gang_close(&g);
    house_close(&h);
}

static void who_did_not_say_hello_is_asked_to(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {.house = &h, .instance = "new"};
    house_open(&h);
    gang_connect(&g);
    gang_beat(&g, false, 0, 0);
    json_decref(gang_expect(&g, FF_WIRE_AGAIN));
    gang_hello(&g, false);
    gang_close(&g);
    house_close(&h);
}

static void events_are_taken_in_order_and_once(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &g, 1, "", id);
    gang_events(&g, 1, 3);
    assert_int_equal(gang_taken(&g), 3);
    assert_int_equal(count_events(&h, id, "event "), 3); /* durable when the credit comes back */
    gang_events(&g, 1, 3);
    assert_int_equal(gang_taken(&g), 3);
    gang_events(&g, 6, 2); /* overtook 4 and 5 */
    assert_int_equal(gang_taken(&g), 3);
    gang_events(&g, 3, 3); /* 3 again, 4 and 5 new */
    assert_int_equal(gang_taken(&g), 5);
    gang_events(&g, 6, 2);
    assert_int_equal(gang_taken(&g), 7);
    assert_int_equal(count_events(&h, id, "event "), 7);
    for (char c = 'a'; c <= 'g'; c++) {
        const char text[] = {'e', 'v', 'e', 'n', 't', ' ', c, '"', 0};
        assert_int_equal(count_events(&h, id, text), 1);
    }
    gang_close(&g);
    house_close(&h);
}

static void a_commit_that_comes_again_gets_the_same_verdict(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &g, 2, "", id);
    const struct gang first = g;
    for (int i = 0; i < 3; i++) gang_commit(&g, "succeeded");
    for (int i = 0; i < 3; i++) gang_verdict(&g, "committed");
    struct gang again = first; /* and once more while the next task is in hand */
    gang_commit(&again, "succeeded");
    gang_verdict(&again, "committed");
    gang_events(&again, 1, 2); /* of an attempt that ended: nobody waits for them */
    assert_int_equal(gang_taken(&again), 2);
    assert_int_equal(count_events(&h, id, "event "), 0);
    snprintf(g.task, sizeof g.task, "noop-1");
    gang_commit(&g, "succeeded");
    gang_verdict(&g, "committed");
    wait_state(&h, id, "succeeded");
    assert_int_equal(count_events(&h, id, "\"end\""), 1);
    gang_close(&g);
    house_close(&h);
}

static void a_failed_task_fails_its_job(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &g, 1, "", id);
    json_t *body = attempt_name(&g);
    json_object_set_new(body, "outcome", json_string("failed"));
    json_object_set_new(body, "message", json_string("the sum is not finite"));
    json_object_set_new(body, "problem", json_pack("{ss}", "type", "numeric"));
    gang_send(&g, FF_WIRE_COMMIT, body);
    gang_verdict(&g, "committed");
    wait_state(&h, id, "failed");
    gang_close(&g);
    house_close(&h);
}

static void garbage_hurts_nobody_but_its_sender(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang bad = {.ranks = 8}, good = {0}; /* the smaller one gets the task */
    char id[FF_ID_SIZE], bytes[600];
    unsigned random = 12345;
    house_open(&h);
    gang_open(&bad, &h, "bad");
    for (int i = 0; i < 500; i++) {
        const size_t n = (size_t)(i % 590);
        for (size_t k = 0; k < n; k++) bytes[k] = (char)((random = random * 1103515245u + 12345u) >> 16);
        if (i % 2 && n >= 8) memcpy(bytes, "FFW1\1\0\1", 7); /* a head that looks right */
        zmq_send(bad.socket, bytes, n, 0);
    }
    zmq_send(bad.socket, "two", 3, ZMQ_SNDMORE);
    zmq_send(bad.socket, "frames", 6, 0);
    gang_send(&bad, FF_WIRE_TASK,
              json_pack("{ss ss si si si ss s{}}", "job", "job_aaaaaaaaaaaaaaaaaaaaaaaaaa", "task", "noop-0", "attempt",
                        1, "first", 0, "count", 1, "kind", "noop", "spec")); /* not for a gang to say */
    gang_open(&good, &h, "good");
    submit(&h, 1, "", id);
    const int64_t end = now_ms() + PATIENCE_MS;
    while (numbers_of(&h).refused_messages < 502 && now_ms() < end) nap(10);
    assert_int_equal(numbers_of(&h).refused_messages, 502);
    gang_close(&bad);
    if (!gang_take_task(&good, 2000)) fail_msg("the good gang got nothing");
    gang_commit(&good, "succeeded");
    gang_verdict(&good, "committed");
    wait_state(&h, id, "succeeded");
    gang_close(&good);
    house_close(&h);
}

static void small_tasks_are_left_to_small_gangs(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang large = {.ranks = 4}, small = {.ranks = 1};
    char id[FF_ID_SIZE], wide[FF_ID_SIZE];
    house_open(&h);
    gang_open(&large, &h, "large");
    gang_open(&small, &h, "small");
    submit(&h, 1, "", id);
    gang_await_task(&small);
    assert_string_equal(small.job, id);
    submit(&h, 1, ",\"resources\":{\"ranks\":3}", wide);
    gang_await_task(&large);
    assert_string_equal(large.job, wide);
    gang_commit(&small, "succeeded");
    gang_verdict(&small, "committed");
    submit(&h, 1, ",\"resources\":{\"ranks\":2}", wide);
    assert_false(gang_take_task(&small, 300));
    submit(&h, 1, ",\"resources\":{\"pool\":\"other\"}", wide);
    assert_false(gang_take_task(&small, 300));
    gang_close(&large);
    gang_close(&small);
    house_close(&h);
}

static ff_err do_cancel(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct look *l = arg;
    return ff_jobs_cancel(tx, &l->house->who, l->id, "user", ctx);
}

static void a_cancelled_job_stops_its_gang(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &g, 1, "", id);
    struct look l = {.house = &h, .id = id};
    assert_ok(ff_queue_write(h.queue, do_cancel, &l, &ctx));
    gang_stop(&g, "cancel");
    wait_state(&h, id, "cancelling");
    gang_commit(&g, "released");
    gang_verdict(&g, "committed");
    wait_state(&h, id, "cancelled");
    gang_close(&g);
    house_close(&h);
}

static void a_walltime_stops_its_gang(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &g, 1, ",\"resources\":{\"walltime\":1}", id);
    gang_stop(&g, "walltime");
    gang_commit(&g, "released");
    gang_verdict(&g, "committed");
    wait_state(&h, id, "cancelled");
    gang_close(&g);
    house_close(&h);
}

static void a_drained_gang_gives_its_task_to_another(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang a = {0}, b = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &a, 1, "", id);
    ff_ctx ctx = {0};
    assert_int_equal(ff_dispatch_drain(h.dispatch, "wk_aaaaaaaaaaaaaaaaaaaaaaaaaa", &ctx), FF_ENOTFOUND);
    assert_int_equal(ff_dispatch_drain(h.dispatch, a.worker, &ctx), FF_OK);
    json_t *stop = gang_expect(&a, FF_WIRE_STOP);
    assert_string_equal(word(stop, "why"), "drain");
    assert_null(json_object_get(stop, "job"));
    json_decref(stop);
    gang_commit(&a, "released");
    gang_verdict(&a, "committed");
    assert_false(gang_take_task(&a, 300)); /* it is the only one, and gets nothing */
    gang_send(&a, FF_WIRE_BYE, json_pack("{ss}", "reason", "drained"));
    gang_open(&b, &h, "b");
    gang_await_task(&b);
    assert_int_equal(b.attempt, 2);
    gang_commit(&b, "succeeded");
    gang_verdict(&b, "committed");
    wait_state(&h, id, "succeeded");
    assert_int_equal(numbers_of(&h).leases_lost, 0);
    gang_close(&a);
    gang_close(&b);
    house_close(&h);
}

static void a_gang_that_leaves_with_a_task_loses_it_at_once(void **state)
{
    (void)state;
    struct house h = {.lease_ms = 60000};
    struct gang a = {0}, b = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &a, 1, "", id);
    gang_send(&a, FF_WIRE_BYE, json_object());
    gang_open(&b, &h, "b");
    gang_await_task(&b);
    assert_int_equal(b.attempt, 2);
    gang_close(&a);
    gang_close(&b);
    house_close(&h);
}

/* A gang that obeys, on a thread of its own while the test waits in the stop. */
static void *obey(void *arg)
{
    struct gang *g = arg;
    gang_stop(g, "shutdown");
    gang_commit(g, "released");
    gang_verdict(g, "committed");
    gang_send(g, FF_WIRE_BYE, json_object());
    return NULL;
}

static void a_stop_with_drain_waits_for_the_gangs(void **state)
{
    (void)state;
    struct house h = {.lease_ms = 60000};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    pthread_t thread;
    open_busy(&h, &g, 1, "", id);
    assert_int_equal(pthread_create(&thread, NULL, obey, &g), 0);
    const int64_t begun = now_ms();
    house_stop(&h, true, 30);
    assert_true(now_ms() - begun < PATIENCE_MS); /* until the gang had left, no longer */
    pthread_join(thread, NULL);
    queue_open(&h);
    wait_state(&h, id, "queued");
    ff_queue_close(h.queue);
    gang_close(&g);
    house_close(&h);
}

static void a_stop_without_drain_leaves_the_tasks_to_their_gangs(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &g, 1, "", id);
    house_stop(&h, false, 0);
    assert_null(gang_wait_for(&g, FF_WIRE_STOP, 200));
    queue_open(&h);
    wait_state(&h, id, "running");
    ff_queue_close(h.queue);
    gang_close(&g);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_done_one_after_another_by_one_gang),
        cmocka_unit_test(a_task_is_data_with_the_whole_spec),
        cmocka_unit_test(another_version_is_refused_and_both_are_named),
        cmocka_unit_test(who_did_not_say_hello_is_asked_to),
        cmocka_unit_test(events_are_taken_in_order_and_once),
        cmocka_unit_test(a_commit_that_comes_again_gets_the_same_verdict),
        cmocka_unit_test(a_failed_task_fails_its_job),
        cmocka_unit_test(garbage_hurts_nobody_but_its_sender),
        cmocka_unit_test(small_tasks_are_left_to_small_gangs),
        cmocka_unit_test(a_cancelled_job_stops_its_gang),
        cmocka_unit_test(a_walltime_stops_its_gang),
        cmocka_unit_test(a_drained_gang_gives_its_task_to_another),
        cmocka_unit_test(a_gang_that_leaves_with_a_task_loses_it_at_once),
        cmocka_unit_test(a_stop_with_drain_waits_for_the_gangs),
        cmocka_unit_test(a_stop_without_drain_leaves_the_tasks_to_their_gangs),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
