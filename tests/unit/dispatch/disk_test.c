/* tests/unit/dispatch/disk_test.c - while the database cannot be written nothing is answered, and nothing is lost: whoever
** asks again later gets what it asked for once. A program of its own, since the failing disk is for the whole process. */
#include "common/fault.h"
#include "tests/unit/dispatch/help.h"

static void nothing_is_answered_that_is_not_durable(void **state)
{
    (void)state;
    struct house h = {.lease_ms = 60000};
    struct gang g = {0};
    char id[FF_ID_SIZE];
    open_busy(&h, &g, 1, "", id);
    while (!ff_fail_io()) continue; /* up to the first call that fails */
    int unanswered = 0;
    json_t *taken = NULL;
    for (int i = 0; i < 100 && !taken; i++) {
        gang_events(&g, 1, 4);
        taken = gang_wait_for(&g, FF_WIRE_TAKEN, 150);
        if (!taken) {
            assert_int_equal(count_events(&h, id, "event "), 0);
            unanswered++;
        }
    }
    assert_non_null(taken);
    json_decref(taken);
    assert_true(unanswered >= 5);
    assert_int_equal(count_events(&h, id, "event "), 4);
    gang_commit(&g, "succeeded");
    gang_verdict(&g, "committed");
    wait_state(&h, id, "succeeded");
    gang_close(&g);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_answered_that_is_not_durable)};
    setenv("FF_FAIL_IO_AT", "500-520", 1);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
