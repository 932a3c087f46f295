/* tests/unit/common/json_test.c - JSON text: the conformance files of the shared data, and what jansson leaves open. */
#include <dirent.h>
#include <errno.h>

#include "tests/unit/common/help.h"

static ff_err parse(const char *text, size_t size, ff_ctx *ctx)
{
    json_t *value = (void *)1;
    ff_err err = ff_json_parse(&value, text, size, ctx);
    assert_true(err ? value == NULL : value != NULL);
    assert_true(!err || ctx->message[0]);
    json_decref(value);
    return err;
}

static ff_err parse_file(const char *path, ff_ctx *ctx)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot open %s", path);
    char *text = malloc(1 << 20);
    size_t size = fread(text, 1, 1 << 20, file);
    fclose(file);
    ff_err err = parse(text, size, ctx);
    free(text);
    return err;
}

/* The three valid texts that the contract refuses on purpose. */
static bool refused_on_purpose(const char *name)
{
    return !strcmp(name, "y_object_duplicated_key.json") || !strcmp(name, "y_object_duplicated_key_and_value.json") ||
           !strcmp(name, "y_object_escaped_null_in_key.json");
}

static void valid_texts_pass_and_invalid_ones_do_not(void **state)
{
    char folder[1024], path[2048];
    const char *shared = getenv("FF_SHARED");
    struct dirent *entry;
    int count = 0, wrong = 0;
    (void)state;
    snprintf(folder, sizeof folder, "%s/data/json", shared ? shared : "../shared");
    DIR *dir = opendir(folder);
    if (!dir) {
        print_message("# %s is not there: skipped\n", folder);
        skip();
    }
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        if (strncmp(name, "y_", 2) != 0 && strncmp(name, "n_", 2) != 0) continue;
        bool good = name[0] == 'y' && !refused_on_purpose(name);
        ff_ctx ctx = {0};
        snprintf(path, sizeof path, "%s/%s", folder, name);
        ff_err err = parse_file(path, &ctx);
        if (good == (err == FF_OK) && (good || err == FF_EBADJSON)) {
            count++;
            continue;
        }
        print_error("%s: expected %s, got %s %s\n", name, good ? "ok" : "bad-json", ff_code_slug(err), ctx.message);
        wrong++;
    }
    closedir(dir);
    print_message("# %d files as expected\n", count);
    if (wrong || count < 280)
        fail_msg("expected 0 of at least 280 files to be wrong, got %d of %d", wrong, count + wrong);
}

static void what_jansson_leaves_open_is_closed(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        ff_err expected;
    } cases[] = {
        {"123\0", 4, FF_EBADJSON},
        {"{}\0{}", 5, FF_EBADJSON},
        {"", 0, FF_EBADJSON},
        {"[1e400]", 7, FF_EBADJSON},
        {"[9223372036854775808]", 21, FF_EBADJSON},
        {"[9223372036854775807]", 21, FF_OK},
        {"[NaN]", 5, FF_EBADJSON},
        {"{\"a\":{\"b\":1,\"b\":2}}", 19, FF_EBADJSON},
        {"[\"\\u0000\"]", 10, FF_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ff_ctx ctx = {0};
        ff_err err = parse(cases[i].text, cases[i].size, &ctx);
        if (err != cases[i].expected)
            fail_msg("%s: expected %s, got %s", cases[i].text, ff_code_slug(cases[i].expected), ff_code_slug(err));
    }
}

static void depth_and_size_are_bounded(void **state)
{
    size_t size = (size_t)FF_JOB_MAX_BYTES + 1;
    char *text = malloc(size);
    ff_ctx ctx = {0};
    (void)state;
    memset(text, '[', size);
    assert_int_equal(parse(text, 3000, &ctx), FF_EBADJSON);
    assert_non_null(strstr(ctx.message, "depth"));
    assert_int_equal(parse(text, size - 1, &ctx), FF_ETOOLARGE);
    assert_non_null(strstr(ctx.message, "too many values"));
    assert_int_equal(parse(text, size, &ctx), FF_ETOOLARGE);
    assert_non_null(strstr(ctx.message, "8388609"));
    memset(text, ' ', size);
    assert_int_equal(parse(text, size - 1, &ctx), FF_EBADJSON);
    /* a long string is valid JSON, and a bad job that says how long */
    int n = snprintf(text, size, "{\"kind\":\"draws\",\"name\":\"");
    memset(text + n, 'x', 2 << 20);
    memcpy(text + n + (2 << 20), "\"}", 2);
    struct ff_job *job;
    assert_int_equal(ff_job_parse(&job, text, (size_t)n + (2 << 20) + 2, NULL, &ctx), FF_EBADJOB);
    expect_word("pointer", "/name", ctx.pointer);
    free(text);
}

/* Every prefix of a job, and the job with any one byte changed, is an answer and no crash. */
static void damaged_texts_are_refused_or_read(void **state)
{
    static const char job_text[] = "{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\",\"parameters\":{\"h\":{"
                                   "\"normal\":[0.7,0.1],\"low\":0.5}}},\"data\":{\"mock\":{\"seed\":3}}}";
    static const char bytes[] = "\"{}[]:,0-e\\\xff\n\x01";
    char text[sizeof job_text];
    struct ff_job *job;
    ff_ctx ctx;
    (void)state;
    for (size_t i = 0; i < sizeof job_text - 1; i++) {
        assert_int_equal(ff_job_parse(&job, job_text, i, NULL, &ctx), FF_EBADJSON);
        for (size_t k = 0; k < sizeof bytes; k++) {
            memcpy(text, job_text, sizeof text);
            text[i] = bytes[k];
            ff_err err = ff_job_parse(&job, text, sizeof text - 1, NULL, &ctx);
            assert_true(err ? !job && ctx.message[0] : job != NULL);
            ff_job_free(job);
        }
    }
}

/* Eight megabytes of empty arrays would take hundreds of megabytes. */
static void values_are_counted_before_they_take_memory(void **state)
{
    const size_t most = 200000, size = 2 * most;
    char *text = malloc(size);
    ff_ctx ctx = {0};
    (void)state;
    for (size_t i = 0; i < size; i += 2) memcpy(text + i, "1,", 2);
    text[0] = '[';
    text[size - 1] = ']';
    text[size - 2] = '1';
    text[1] = ' ';
    assert_int_equal(parse(text, size, &ctx), FF_OK);
    text[1] = '[';
    assert_int_equal(parse(text, size, &ctx), FF_ETOOLARGE);
    free(text);
}

/* An allocator for jansson whose `left`-th call from now on fails as the C library's does. */
static long left;

static void *failing_malloc(size_t size)
{
    if (left > 0 && --left == 0) {
        errno = ENOMEM;
        return NULL;
    }
    return malloc(size);
}

/* Whichever allocation fails, that is what is said, of a good text and of one whose fault comes last. (Tokens are short: a longer
** one jansson would go on reading with bytes missing.) */
static void want_of_memory_is_no_fault_of_the_text(void **state)
{
    static const struct {
        const char *text;
        ff_err whole;
    } cases[] = {{"{\"a\":[1,2.5,\"text\",{\"b\":null}],\"c\":{}}", FF_OK},
                 {"{\"a\":[1,2.5,\"text\",{\"b\":null}],\"c\":nul}", FF_EBADJSON}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int failed = 0;
        for (bool more = true; more; failed += more) {
            ff_ctx ctx = {0};
            left = failed + 1;
            json_set_alloc_funcs(failing_malloc, free);
            const ff_err err = parse(cases[i].text, strlen(cases[i].text), &ctx);
            json_set_alloc_funcs(malloc, free);
            more = left == 0;
            const ff_err expected = more ? FF_ENOMEM : cases[i].whole;
            if (err != expected)
                fail_msg("allocation %d of %s: expected %s, got %s: %s", failed + 1, cases[i].text,
                         ff_code_slug(expected), ff_code_slug(err), ctx.message);
        }
        if (failed < 10) fail_msg("expected at least 10 allocations, got %d", failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_pass_and_invalid_ones_do_not),
        cmocka_unit_test(what_jansson_leaves_open_is_closed),
        cmocka_unit_test(values_are_counted_before_they_take_memory),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(want_of_memory_is_no_fault_of_the_text),
        cmocka_unit_test(damaged_texts_are_refused_or_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
