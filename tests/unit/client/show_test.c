/* tests/unit/client/show_test.c - tables, the progress of many tasks as one, ids and states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/ffctl/gather.h"
#include "client/ffctl/remote.h"
#include "client/ffctl/table.h"

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    if (!value) fail_msg("not JSON: %s", text);
    return value;
}

static void a_table_is_as_wide_as_it_has_to_be(void **state)
{
    (void)state;
    static const struct ff_column columns[] = {
        {"ID", "id", false}, {"N", "n", true}, {"X", "in.x", true}, {"AT", "at", false}, {0}};
    json_t *rows = parse("[{\"id\":\"long one\",\"n\":5,\"in\":{\"x\":0.25},\"at\":\"2026-01-31T23:59:59.123Z\"},"
                         "{\"id\":\"\\u00e4\",\"n\":12345,\"in\":null,\"at\":null},{\"id\":\"a\\u001b[31mb\"}]");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ff_table_print(out, rows, columns);
    fclose(out);
    assert_string_equal(text, "ID            N     X  AT\n"
                              "long one      5  0.25  2026-01-31 23:59:59\n"
                              "\xc3\xa4         12345     -  -\n"
                              "a?[31mb       -     -  -\n");
    free(text);
    json_decref(rows);
}

/* Gathers events and gives "done/total stage rate eta ess rhat divergences". */
static void assert_gathered(const char *const *events, const char *expected)
{
    struct ff_gather gather = {0};
    json_t *whole = NULL;
    char text[160];
    for (; *events; events++) {
        json_t *event = parse(*events);
        json_decref(whole);
        whole = ff_gather_progress(&gather, event);
        assert_non_null(whole);
        json_decref(event);
    }
    snprintf(text, sizeof text, "%g/%g %s %g %g %g %g %g", json_number_value(json_object_get(whole, "done")),
             json_number_value(json_object_get(whole, "total")), json_string_value(json_object_get(whole, "stage")),
             json_number_value(json_object_get(whole, "rate")), json_number_value(json_object_get(whole, "eta_s")),
             json_number_value(json_object_get(whole, "ess")), json_number_value(json_object_get(whole, "rhat")),
             json_number_value(json_object_get(whole, "divergences")));
    assert_string_equal(text, expected);
    json_decref(whole);
    ff_gather_done(&gather);
}

#define CHAIN(i, done, stage, rate, eta, ess, rhat, div)                                                               \
    "{\"type\":\"progress\",\"task\":\"chain-" #i "\",\"done\":" #done ",\"total\":100,\"stage\":\"" stage             \
    "\",\"rate\":" #rate ",\"eta_s\":" #eta ",\"ess\":" #ess ",\"rhat\":" #rhat ",\"divergences\":" #div "}"

static void the_progress_of_tasks_adds_up(void **state)
{
    (void)state;
    static const char *const two[] = {CHAIN(0, 40, "sampling", 2, 30, 10, 1.1, 1),
                                      CHAIN(1, 10, "warmup", 1, 90, null, null, 2),
                                      CHAIN(0, 60, "sampling", 2, 20, 15, 1.05, 1), NULL};
    assert_gathered(two, "70/200 warmup 3 90 15 1.05 3");
    static const char *const done[] = {CHAIN(0, 100, "sampling", 2, 0, 10, 1.1, 0),
                                       CHAIN(1, 50, "sampling", 1, 50, 6, 1.2, 0), NULL};
    assert_gathered(done, "150/200 sampling 1 50 16 1.2 0");
}

static void a_new_attempt_starts_from_nothing(void **state)
{
    (void)state;
    struct ff_gather gather = {0};
    json_t *a = parse(CHAIN(0, 40, "sampling", 2, 30, 10, 1.1, 1)), *b = parse(CHAIN(1, 10, "warmup", 1, 9, 1, 1, 0));
    json_decref(ff_gather_progress(&gather, a));
    ff_gather_forget(&gather, "chain-0");
    ff_gather_forget(&gather, NULL);
    json_t *whole = ff_gather_progress(&gather, b);
    assert_int_equal((int)json_number_value(json_object_get(whole, "total")), 100);
    json_decref(whole);
    json_decref(a);
    json_decref(b);
    ff_gather_done(&gather);
    ff_gather_forget(&gather, "chain-0");
}

static void progress_of_the_job_itself_stays(void **state)
{
    (void)state;
    struct ff_gather gather = {0};
    json_t *event = parse("{\"type\":\"progress\",\"task\":null,\"done\":1,\"total\":2}");
    json_t *whole = ff_gather_progress(&gather, event);
    assert_ptr_equal(whole, event);
    json_decref(whole);
    json_decref(event);
    ff_gather_done(&gather);
}

static void ids_have_one_form(void **state)
{
    (void)state;
    assert_true(ff_is_id("job_", "job_0123456789abcdefghijklmnop"));
    static const char *const bad[] = {"",
                                      "job_",
                                      "job_0123456789abcdefghijklmno",
                                      "job_0123456789abcdefghijklmnopq",
                                      "ds_0123456789abcdefghijklmnop",
                                      "job_0123456789ABCDEFGHIJKLMNOP",
                                      "job_../../../../../../etc/pass",
                                      "job_0123456789abcdefghijklmn?x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (ff_is_id("job_", bad[i])) fail_msg("'%s' is taken for an id", bad[i]);
    }
    char a[FF_KEY_SIZE], b[FF_KEY_SIZE];
    ff_ctx ctx = {0};
    assert_int_equal(ff_key_make(a, &ctx), FF_OK);
    assert_int_equal(ff_key_make(b, &ctx), FF_OK);
    assert_int_equal(strlen(a), 32);
    assert_string_not_equal(a, b);
}

static void the_end_of_a_job_is_an_exit_code(void **state)
{
    (void)state;
    static const struct {
        const char *job;
        int code;
        ff_err err;
    } cases[] = {{"{\"state\":\"succeeded\"}", 0, FF_OK},
                 {"{\"state\":\"running\"}", 7, FF_OK},
                 {"{\"state\":\"failed\",\"error\":{\"type\":\"urn:fullfield:error:no-memory\",\"detail\":\"d\"}}", 3,
                  FF_ENOMEM},
                 {"{\"state\":\"failed\"}", 3, FF_ENUMERIC},
                 {"{\"state\":\"crashed\",\"message\":\"five times\"}", 3, FF_ECRASHED},
                 {"{\"state\":\"cancelled\"}", 6, FF_ECANCELLED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ff_cli cli = {0};
        json_t *job = parse(cases[i].job);
        assert_int_equal(ff_job_verdict(&cli, job), cases[i].code);
        assert_int_equal(cli.ctx.code, cases[i].err);
        json_decref(job);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_as_wide_as_it_has_to_be),
        cmocka_unit_test(the_progress_of_tasks_adds_up),
        cmocka_unit_test(a_new_attempt_starts_from_nothing),
        cmocka_unit_test(progress_of_the_job_itself_stays),
        cmocka_unit_test(ids_have_one_form),
        cmocka_unit_test(the_end_of_a_job_is_an_exit_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
