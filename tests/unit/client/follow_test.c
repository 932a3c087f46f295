/* tests/unit/client/follow_test.c - how events look, and the lock of a result. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/ffctl/follow.h"
#include "client/ffctl/lock.h"

static void durations_read_as_clocks(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0:00"},         {59.4, "0:59"}, {75, "1:15"}, {3600, "1:00:00"},
                 {86399, "23:59:59"}, {-1, ""},       {NAN, ""},    {1e300, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[FF_DURATION_SIZE];
        ff_duration(cases[i].seconds, text);
        if (strcmp(text, cases[i].text) != 0) {
            fail_msg("%g s reads '%s', expected '%s'", cases[i].seconds, text, cases[i].text);
        }
    }
}

static json_t *progress(double done, double total)
{
    return json_pack("{ss sf sf sf sf ss sf sn si}", "type", "progress", "done", done, "total", total, "rate", 12.0,
                     "eta_s", 90.0, "stage", "sampling", "ess", 41.6, "rhat", "divergences", 2);
}

static void progress_is_one_line_that_fits(void **state)
{
    (void)state;
    char line[320];
    json_t *event = progress(50, 200);
    ff_progress_line(event, 8, 0, line, sizeof line);
    assert_string_equal(line, "sampling  [##......] 50/200  25 %  12/s  ETA 1:30  ESS 42  divergences 2");
    for (int columns = 2; columns < 120; columns++) {
        ff_progress_line(event, 28, columns, line, sizeof line);
        if (strlen(line) >= (size_t)columns) fail_msg("%zu characters, expected < %d", strlen(line), columns);
    }
    json_decref(event);
}

static void what_is_not_known_yet_is_left_out(void **state)
{
    (void)state;
    char line[320];
    json_t *event = json_pack("{ss si si sn sn ss sn sn si}", "type", "progress", "done", 1, "total", 200, "rate",
                              "eta_s", "stage", "warmup", "ess", "rhat", "divergences", 0);
    assert_non_null(event);
    ff_progress_line(event, 8, 0, line, sizeof line);
    assert_string_equal(line, "warmup    [........] 1/200   0 %  divergences 0");
    json_decref(event);
}

static void strange_events_do_no_harm(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "{\"type\": 1}",
                                        "{\"type\": \"progress\"}",
                                        "{\"type\": \"progress\", \"done\": 5, \"total\": 0, \"stage\": 7}",
                                        "{\"type\": \"progress\", \"done\": 1e300, \"total\": 1, \"rate\": -1e300}",
                                        "{\"type\": \"end\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char line[320];
        json_t *event = json_loads(texts[i], 0, NULL);
        assert_non_null(event);
        ff_progress_line(event, 28, 80, line, sizeof line);
        assert_true(strlen(line) < 80);
        json_decref(event);
    }
}

static void the_end_is_remembered(void **state)
{
    (void)state;
    struct ff_follow follow = {0};
    json_t *event = json_pack("{ss ss ss}", "type", "end", "state", "failed", "message", "no such luck");
    ff_follow_event(&follow, event);
    assert_string_equal(follow.state, "failed");
    json_decref(event);
}

static void a_lock_keeps_others_out_until_it_is_dropped(void **state)
{
    (void)state;
    char out[64], path[80];
    snprintf(out, sizeof out, "/tmp/ff_lock_%ld.h5", (long)getpid());
    snprintf(path, sizeof path, "%s.lock", out);
    struct ff_lock lock, second;
    ff_ctx ctx = {0};
    assert_int_equal(ff_lock_take(&lock, out, 0, &ctx), FF_OK);
    assert_int_equal(ff_lock_take(&second, out, 0, &ctx), FF_ECHECKPOINT);
    assert_non_null(strstr(ctx.message, out));
    ff_lock_drop(&second);
    assert_int_equal(access(path, F_OK), 0);
    ff_lock_drop(&lock);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(ff_lock_take(&lock, out, 0, &ctx), FF_OK);
    ff_lock_drop(&lock);
}

static void a_lock_is_held_by_a_child_that_outlives_its_parent(void **state)
{
    (void)state;
    char out[64];
    snprintf(out, sizeof out, "/tmp/ff_lock_child_%ld.h5", (long)getpid());
    int ready[2], release[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(release), 0);
    pid_t child = fork();
    if (child == 0) { /* takes the lock and leaves it to a grandchild, as a killed ffctl leaves it to its worker */
        struct ff_lock lock;
        ff_ctx ctx = {0};
        char byte;
        close(release[1]);
        if (ff_lock_take(&lock, out, 0, &ctx)) _exit(1);
        if (fork() == 0) {
            close(ready[0]);
            if (write(ready[1], "x", 1) != 1) _exit(1);
            _exit(read(release[0], &byte, 1) == 0 ? 0 : 1);
        }
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    struct ff_lock lock;
    ff_ctx ctx = {0};
    assert_int_equal(ff_lock_take(&lock, out, 0, &ctx), FF_ECHECKPOINT);
    close(release[1]); /* the grandchild ends */
    assert_int_equal(ff_lock_take(&lock, out, 20, &ctx), FF_OK);
    ff_lock_drop(&lock);
}

static void a_lock_in_no_folder_is_a_missing_file(void **state)
{
    (void)state;
    struct ff_lock lock;
    ff_ctx ctx = {0};
    assert_int_equal(ff_lock_take(&lock, "/no/such/folder/x.h5", 0, &ctx), FF_ENOFILE);
    ff_lock_drop(&lock);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_read_as_clocks),
        cmocka_unit_test(progress_is_one_line_that_fits),
        cmocka_unit_test(what_is_not_known_yet_is_left_out),
        cmocka_unit_test(strange_events_do_no_harm),
        cmocka_unit_test(the_end_is_remembered),
        cmocka_unit_test(a_lock_keeps_others_out_until_it_is_dropped),
        cmocka_unit_test(a_lock_is_held_by_a_child_that_outlives_its_parent),
        cmocka_unit_test(a_lock_in_no_folder_is_a_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
