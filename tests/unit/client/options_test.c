/* tests/unit/client/options_test.c - the reader of command lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/ffctl/options.h"

struct values {
    bool flag;
    const char *text, *kind;
    long count;
    double size;
};
static const struct ff_option options[] = {
    {"flag", 'f', FF_OPTION_FLAG, offsetof(struct values, flag), .help = ""},
    {"text", 0, FF_OPTION_TEXT, offsetof(struct values, text), "TEXT", .help = ""},
    {"kind", 'k', FF_OPTION_TEXT, offsetof(struct values, kind), "KIND", "red|blue", .help = ""},
    {"count", 0, FF_OPTION_INT, offsetof(struct values, count), "N", .low = 1, .high = 10, .help = ""},
    {"size", 's', FF_OPTION_REAL, offsetof(struct values, size), "S", .help = ""},
    {0}};
struct common {
    bool json;
};
static const struct ff_option common_options[] = {
    {"json", 0, FF_OPTION_FLAG, offsetof(struct common, json), .help = ""}, {0}};

/* Reads `words` (NULL-terminated) and returns the error. */
static ff_err read_words(const char *const *words, struct values *values, struct common *common, const char **args,
                         int *nargs, ff_ctx *ctx)
{
    char *argv[32];
    int argc = 0;
    for (; words[argc]; argc++) argv[argc] = (char *)words[argc];
    *values = (struct values){0};
    *common = (struct common){0};
    return ff_options_read(options, values, common_options, common, argc, argv, args, nargs, ctx);
}

static void values_are_taken_in_every_spelling(void **state)
{
    (void)state;
    const char *words[] = {"a",       "--text=x=y", "-k", "blue", "b",  "--count", "7", "--size",
                           "-2.5e-1", "--json",     "-f", "--",   "-c", "--flag",  NULL};
    struct values values;
    struct common common;
    const char *args[FF_MAX_ARGS];
    int nargs;
    ff_ctx ctx = {0};
    assert_int_equal(read_words(words, &values, &common, args, &nargs, &ctx), FF_OK);
    assert_true(values.flag && common.json);
    assert_string_equal(values.text, "x=y");
    assert_string_equal(values.kind, "blue");
    assert_int_equal(values.count, 7);
    assert_true(values.size == -0.25);
    assert_int_equal(nargs, 4);
    assert_string_equal(args[0], "a");
    assert_string_equal(args[1], "b");
    assert_string_equal(args[2], "-c");
    assert_string_equal(args[3], "--flag");
}

static void a_lone_dash_is_an_argument(void **state)
{
    (void)state;
    const char *words[] = {"-", NULL}, *args[FF_MAX_ARGS];
    struct values values;
    struct common common;
    int nargs;
    ff_ctx ctx = {0};
    assert_int_equal(read_words(words, &values, &common, args, &nargs, &ctx), FF_OK);
    assert_int_equal(nargs, 1);
}

static void mistakes_are_usage_errors_that_say_what_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *words[3], *says;
    } cases[] = {{{"--cout", "7"}, "did you mean '--count'"},
                 {{"--jsn"}, "did you mean '--json'"},
                 {{"--cou", "7"}, "unknown option"}, /* no abbreviations */
                 {{"-kred"}, "unknown option"},
                 {{"-z"}, "unknown option"},
                 {{"--count"}, "needs a value"},
                 {{"--count", "7x"}, "whole number"},
                 {{"--count", "1.5"}, "whole number"},
                 {{"--count", ""}, "whole number"},
                 {{"--count", "11"}, "1 to 10"},
                 {{"--count", "99999999999999999999"}, "whole number"},
                 {{"--size", "nan"}, "a number"},
                 {{"--size", "1e999"}, "a number"},
                 {{"--kind", "green"}, "red|blue"},
                 {{"--kind", "re"}, "red|blue"},
                 {{"--flag=1"}, "takes no value"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct values values;
        struct common common;
        const char *args[FF_MAX_ARGS];
        int nargs;
        ff_ctx ctx = {0};
        ff_err err = read_words(cases[i].words, &values, &common, args, &nargs, &ctx);
        if (err != FF_EUSAGE || !strstr(ctx.message, cases[i].says)) {
            fail_msg("'%s': error %d '%s', expected %d with '%s'", cases[i].words[0], err, ctx.message, FF_EUSAGE,
                     cases[i].says);
        }
    }
}

static void too_many_arguments_are_refused(void **state)
{
    (void)state;
    const char *words[FF_MAX_ARGS + 2], *args[FF_MAX_ARGS];
    for (int i = 0; i <= FF_MAX_ARGS; i++) words[i] = "a";
    words[FF_MAX_ARGS + 1] = NULL;
    struct values values;
    struct common common;
    int nargs;
    ff_ctx ctx = {0};
    assert_int_equal(read_words(words, &values, &common, args, &nargs, &ctx), FF_EUSAGE);
}

static void the_nearest_word_is_found_and_far_ones_are_not(void **state)
{
    (void)state;
    const char *const words[] = {"describe", "download", "export", NULL};
    assert_string_equal(ff_nearest("descibe", words), "describe");
    assert_string_equal(ff_nearest("exprot", words), "export");
    assert_null(ff_nearest("qqqqqqqq", words));
    assert_null(ff_nearest("", words));
    char long_word[4096];
    memset(long_word, 'x', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    const char *const other[] = {"abc", NULL};
    (void)ff_nearest(long_word, other); /* no overflow */
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_in_every_spelling),
        cmocka_unit_test(a_lone_dash_is_an_argument),
        cmocka_unit_test(mistakes_are_usage_errors_that_say_what_is_allowed),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(the_nearest_word_is_found_and_far_ones_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
