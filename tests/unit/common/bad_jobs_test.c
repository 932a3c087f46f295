/* tests/unit/common/bad_jobs_test.c - every job of bad_jobs.json is refused with the code, the place and the words it
** names: [{"job", "pointer", "code" (a slug), "says" (part of the message), "schema": "passes" (a JSON Schema cannot see
** what is wrong)}]. */
#include "tests/unit/common/help.h"

static int expect_refusal(size_t i, const json_t *bad)
{
    const char *pointer, *code, *says;
    const json_t *job;
    ff_ctx ctx = {0};
    struct ff_job *out = (void *)1;
    assert_int_equal(
        json_unpack((json_t *)bad, "{so ss ss ss}", "job", &job, "pointer", &pointer, "code", &code, "says", &says), 0);
    char *text = json_dumps(job, JSON_COMPACT | JSON_ENCODE_ANY);
    ff_err err = ff_job_parse(&out, text, strlen(text), "/base", &ctx);
    bool same = err == ctx.code && !strcmp(ff_code_slug(err), code) && !strcmp(ctx.pointer, pointer) &&
                strstr(ctx.message, says) && !out;
    if (!same)
        print_error("case %zu: expected %s at \"%s\" saying \"%s\";\n  got %s at \"%s\": %s\n  of %.300s\n", i, code,
                    pointer, says, ff_code_slug(err), ctx.pointer, ctx.message, text);
    ff_job_free(err ? NULL : out);
    free(text);
    return !same;
}

static void bad_jobs_are_refused_where_they_are_bad(void **state)
{
    json_error_t error;
    json_t *cases = json_load_file("tests/unit/common/bad_jobs.json", JSON_ALLOW_NUL, &error);
    size_t i;
    json_t *bad;
    int wrong = 0;
    (void)state;
    if (!cases) fail_msg("tests/unit/common/bad_jobs.json: %s", error.text);
    assert_true(json_array_size(cases) >= 80);
    json_array_foreach(cases, i, bad) wrong += expect_refusal(i, bad);
    json_decref(cases);
    if (wrong) fail_msg("expected 0 cases that are not refused as they should be, got %d", wrong);
}

/* A quoted member may be long, may end inside a character, may try to move the terminal's cursor. */
static void long_and_strange_names_stay_text(void **state)
{
    char name[901] = "", text[1000];
    ff_ctx ctx = {0};
    struct ff_job *job;
    (void)state;
    for (size_t i = 0; i + 9 < sizeof name; i += 9) memcpy(name + i, "\\u001b\u00e9x", 9);
    snprintf(text, sizeof text, "{\"kind\":\"spectrum\",\"model\":{\"preset\":\"cosmos\"},\"%s\":1}", name);
    assert_int_equal(ff_job_parse(&job, text, strlen(text), NULL, &ctx), FF_EBADJOB);
    json_t *message = json_string(ctx.message), *pointer = json_string(ctx.pointer);
    assert_non_null(message);
    assert_non_null(pointer);
    assert_null(strchr(ctx.message, '\x1b'));
    assert_true(strlen(ctx.pointer) > FF_POINTER_SIZE - 5);
    json_decref(message);
    json_decref(pointer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_jobs_are_refused_where_they_are_bad),
        cmocka_unit_test(long_and_strange_names_stay_text),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
