/* tests/unit/common/fault_test.c - faults on demand happen where and when they were asked for, and otherwise never. Each
** runs in a child process, since the variables are read once. */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fault.h"
#include "tests/unit/common/help.h"

enum { SURVIVED = 17 };

/* What a child says that passes the points a, b, a, b, .. `passes` times, with a variable set. */
static int ending(const char *variable, const char *value, int passes)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        setenv(variable, value, 1);
        for (int i = 0; i < passes; i++) ff_crash_point(i % 2 ? "b" : "a");
        _exit(SURVIVED);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_process_ends_at_its_point(void **state)
{
    (void)state;
    assert_int_equal(ending("FF_CRASH_AT", "a:1", 1), 137);
    assert_int_equal(ending("FF_CRASH_AT", "b:2", 4), 137);
    assert_int_equal(ending("FF_CRASH_AT", "b:2", 3), SURVIVED);
    assert_int_equal(ending("FF_CRASH_AT", "c:1", 100), SURVIVED);
    assert_int_equal(ending("FF_CRASH_AT", "a:0", 100), SURVIVED);
    assert_int_equal(ending("FF_CRASH_AT", "a", 100), SURVIVED);
    assert_int_equal(ending("FF_CRASH_AT", "", 100), SURVIVED);
}

static void it_sleeps_once(void **state)
{
    struct timespec a, b;
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(ending("FF_SLEEP_AT", "a:0.2", 200), SURVIVED);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
    assert_true(seconds >= 0.2 && seconds < 0.2 * 100); /* of 100 passes through a, one slept */
}

/* Which of the first 8 calls fail, as bits. */
static int failing_calls(const char *value)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        int bits = 0;
        if (value) setenv("FF_FAIL_IO_AT", value, 1);
        for (int i = 0; i < 8; i++) bits |= ff_fail_io() ? 1 << i : 0;
        _exit(bits);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

static void the_disk_fails_when_told(void **state)
{
    (void)state;
    assert_int_equal(failing_calls(NULL), 0);
    assert_int_equal(failing_calls("3"), 1 << 2);
    assert_int_equal(failing_calls("2-4"), 7 << 1);
    assert_int_equal(failing_calls("9"), 0);
    assert_int_equal(failing_calls("x"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_ends_at_its_point),
        cmocka_unit_test(it_sleeps_once),
        cmocka_unit_test(the_disk_fails_when_told),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
