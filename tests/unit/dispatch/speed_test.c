/* tests/unit/dispatch/speed_test.c - two gangs that do nothing as fast as they can: how many tasks a second go through lease,
** TASK, COMMIT and VERDICT, durable at each step. The number is printed; what is asserted is that none is lost or doubled. */
#include <pthread.h>

#include "tests/unit/dispatch/house.h"

enum { GANGS = 2, TASKS = 6000 };

struct fast {
    struct gang gang;
    int done;
};

static void *work(void *arg)
{
    struct fast *f = arg;
    for (;;) {
        enum ff_wire_type type;
        json_t *body = gang_receive(&f->gang, 2000, &type, NULL, NULL);
        if (!body) return NULL;
        if (type == FF_WIRE_TASK) {
            json_t *commit = json_pack("{ss ss sO ss}", "job", word(body, "job"), "task", word(body, "task"), "attempt",
                                       json_object_get(body, "attempt"), "outcome", "succeeded");
            gang_send(&f->gang, FF_WIRE_COMMIT, commit);
        }
        f->done += type == FF_WIRE_VERDICT;
        json_decref(body);
    }
}

static void two_gangs_do_every_task_once(void **state)
{
    (void)state;
    struct house h = {.heartbeat_ms = 20000, .lease_ms = 60000};
    struct fast fast[GANGS] = {{.gang = {.shared = true}}, {.gang = {.shared = true}}};
    pthread_t thread[GANGS];
    char id[FF_ID_SIZE];
    house_open(&h);
    for (int i = 0; i < GANGS; i++) gang_open(&fast[i].gang, &h, i ? "b" : "a");
    const int64_t begun = now_ms();
    submit(&h, TASKS, "", id);
    for (int i = 0; i < GANGS; i++) assert_int_equal(pthread_create(&thread[i], NULL, work, &fast[i]), 0);
    wait_state_for(&h, id, "succeeded", 60000);
    const int64_t spent = now_ms() - begun;
    for (int i = 0; i < GANGS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(fast[0].done + fast[1].done, TASKS);
    print_message("# %.0f tasks/s through two gangs\n", 1000.0 * TASKS / (double)spent);
    for (int i = 0; i < GANGS; i++) gang_close(&fast[i].gang);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_gangs_do_every_task_once)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
