/* tests/unit/http/query_test.c - query strings are read strictly. */
#include "server/http/query.h"
#include "tests/unit/http/help.h"

static ff_err parse(struct ff_query *q, const char *text)
{
    ff_ctx ctx = {0};
    return ff_query_parse(q, text, strlen(text), "limit name all state", &ctx);
}

static void values_are_decoded(void **state)
{
    struct ff_query q;
    (void)state;
    expect_number("parse", FF_OK, parse(&q, "limit=10&name=a%20b+c%C3%A9%26"));
    expect_number("how many", 2, q.n);
    expect_word("limit", "10", ff_query_text(&q, "limit"));
    expect_word("name", "a b c\xc3\xa9&", ff_query_text(&q, "name"));
    assert_null(ff_query_text(&q, "all"));
    expect_number("empty", FF_OK, parse(&q, ""));
    expect_number("none", 0, q.n);
    expect_number("an empty value", FF_OK, parse(&q, "name="));
    expect_word("empty value", "", ff_query_text(&q, "name"));
}

static void everything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "limit",              /* no value */
        "limit=1&limit=2",    /* twice */
        "limits=1",           /* unknown */
        "lim=1",              /* no prefix of a name either */
        "access_token=ff_00", /* tokens do not belong here */
        "&limit=1",           /* an empty parameter */
        "limit=1&&all=1",
        "limit=1&",
        "name=%",
        "name=%4",
        "name=%zz",
        "name=%00", /* NUL */
        "name=%0a", /* control characters */
        "name=a%7f",
        "name=%c2%85",
        "name=%ff",          /* no UTF-8 */
        "name=%c0%af",       /* overlong */
        "name=%ed%a0%80",    /* a surrogate */
        "name=%f4%90%80%80", /* beyond Unicode */
        "name=%e2%82",       /* half a character */
        "%6cimit%00=1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ff_query q;
        const ff_err err = parse(&q, bad[i]);
        if (err != FF_EBADREQUEST) print_error("\"%s\" was accepted\n", bad[i]);
        expect_number(bad[i], FF_EBADREQUEST, err);
    }
}

static void lengths_are_bounded(void **state)
{
    static char text[FF_QUERY_MAX_BYTES + 2];
    struct ff_query q;
    ff_ctx ctx = {0};
    (void)state;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "name=", 5);
    expect_number("a long string", FF_EBADREQUEST, parse(&q, text));
    text[5 + FF_QUERY_VALUE_SIZE - 1] = '\0';
    expect_number("the longest value", FF_OK, parse(&q, text));
    text[5 + FF_QUERY_VALUE_SIZE - 1] = 'a';
    text[5 + FF_QUERY_VALUE_SIZE] = '\0';
    expect_number("one byte more", FF_EBADREQUEST, parse(&q, text));
    size_t n = 0;
    char names[512] = "";
    for (int i = 0; i <= FF_QUERY_MAX_PARAMETERS; i++) {
        snprintf(names + strlen(names), sizeof names - strlen(names), "p%d ", i);
        n += (size_t)snprintf(text + n, sizeof text - n, "%sp%d=1", i ? "&" : "", i);
    }
    expect_number("too many", FF_EBADREQUEST, ff_query_parse(&q, text, n, names, &ctx));
}

static void numbers_flags_and_words_have_bounds(void **state)
{
    struct ff_query q;
    ff_ctx ctx = {0};
    long number;
    bool flag;
    const char *word;
    (void)state;
    expect_number("parse", FF_OK, parse(&q, "limit=500&all=true&state=b"));
    expect_number("number", FF_OK, ff_query_number(&q, "limit", 1, 500, 50, &number, &ctx));
    expect_number("number", 500, number);
    expect_number("too large", FF_EBADREQUEST, ff_query_number(&q, "limit", 1, 499, 50, &number, &ctx));
    expect_word("pointer", "limit", ctx.pointer);
    expect_number("not given", FF_OK, ff_query_number(&q, "name", 1, 9, 7, &number, &ctx));
    expect_number("default", 7, number);
    expect_number("flag", FF_OK, ff_query_flag(&q, "all", &flag, &ctx));
    assert_true(flag);
    expect_number("word", FF_OK, ff_query_word(&q, "state", "a b c", &word, &ctx));
    expect_word("word", "b", word);
    expect_number("another word", FF_EBADREQUEST, ff_query_word(&q, "state", "a c bb", &word, &ctx));
    assert_null(word);
    static const char *const bad[] = {"limit=",     "limit=1.5", "limit=0x10",
                                      "limit=%2B1", "limit=1e3", "limit=99999999999999999999",
                                      "limit=--1",  "limit=1%20"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_number("parse", FF_OK, parse(&q, bad[i]));
        expect_number(bad[i], FF_EBADREQUEST, ff_query_number(&q, "limit", -10, 1000, 1, &number, &ctx));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_decoded),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(numbers_flags_and_words_have_bounds),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
