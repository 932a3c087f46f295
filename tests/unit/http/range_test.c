/* tests/unit/http/range_test.c - byte ranges and entity tags. */
#include "server/http/range.h"
#include "tests/unit/http/help.h"

static const char TAG[] = "\"sha256-ab\"";

static void ranges_are_cut_to_the_file(void **state)
{
    static const struct {
        const char *header;
        int64_t size;
        enum ff_range_kind kind;
        int64_t first, count;
    } cases[] = {
        {NULL, 100, FF_RANGE_ALL, 0, 100},
        {"bytes=0-99", 100, FF_RANGE_PART, 0, 100},
        {"bytes=0-0", 100, FF_RANGE_PART, 0, 1},
        {"bytes=10-19", 100, FF_RANGE_PART, 10, 10},
        {"bytes=90-", 100, FF_RANGE_PART, 90, 10},
        {"bytes=-10", 100, FF_RANGE_PART, 90, 10},
        {"bytes=-1000", 100, FF_RANGE_PART, 0, 100},
        {"bytes=10-100000", 100, FF_RANGE_PART, 10, 90},
        {"Bytes= 5-6 ", 100, FF_RANGE_PART, 5, 2},
        {"bytes=99-", 100, FF_RANGE_PART, 99, 1},
        {"bytes=100-", 100, FF_RANGE_OUTSIDE, 0, 0},
        {"bytes=-0", 100, FF_RANGE_OUTSIDE, 0, 0},
        {"bytes=0-", 0, FF_RANGE_OUTSIDE, 0, 0},
        {"bytes=-5", 0, FF_RANGE_OUTSIDE, 0, 0},
        {"bytes=5000000000-5000000009", 6000000000, FF_RANGE_PART, 5000000000, 10},
        /* not valid, or not served: the whole file is a good answer */
        {"bytes=", 100, FF_RANGE_ALL, 0, 100},
        {"bytes=-", 100, FF_RANGE_ALL, 0, 100},
        {"bytes=9-3", 100, FF_RANGE_ALL, 0, 100},
        {"bytes=1-2,5-6", 100, FF_RANGE_ALL, 0, 100},
        {"bytes=a-b", 100, FF_RANGE_ALL, 0, 100},
        {"bytes=1-2x", 100, FF_RANGE_ALL, 0, 100},
        {"bytes=99999999999999999999-", 100, FF_RANGE_ALL, 0, 100},
        {"lines=1-2", 100, FF_RANGE_ALL, 0, 100},
        {"bytes=--5", 100, FF_RANGE_ALL, 0, 100},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *name = cases[i].header ? cases[i].header : "(none)";
        const struct ff_byte_range got = ff_range_of(cases[i].header, NULL, TAG, cases[i].size);
        expect_number(name, cases[i].kind, got.kind);
        if (got.kind == FF_RANGE_OUTSIDE) continue;
        expect_number(name, cases[i].first, got.first);
        expect_number(name, cases[i].count, got.count);
    }
}

static void a_range_counts_only_of_the_same_file(void **state)
{
    (void)state;
    expect_number("the same", FF_RANGE_PART, ff_range_of("bytes=1-2", TAG, TAG, 10).kind);
    expect_number("another", FF_RANGE_ALL, ff_range_of("bytes=1-2", "\"sha256-cd\"", TAG, 10).kind);
    expect_number("weak", FF_RANGE_ALL, ff_range_of("bytes=1-2", "W/\"sha256-ab\"", TAG, 10).kind);
    expect_number("a date", FF_RANGE_ALL, ff_range_of("bytes=1-2", "Wed, 21 Oct 2015 07:28:00 GMT", TAG, 10).kind);
}

static void tags_are_found_in_lists(void **state)
{
    (void)state;
    assert_true(ff_etag_listed(TAG, TAG));
    assert_true(ff_etag_listed("*", TAG));
    assert_true(ff_etag_listed("W/\"sha256-ab\"", TAG));
    assert_true(ff_etag_listed("\"x\", \"sha256-ab\"", TAG));
    assert_true(ff_etag_listed("\"x\",W/\"sha256-ab\" , \"y\"", TAG));
    assert_false(ff_etag_listed(NULL, TAG));
    assert_false(ff_etag_listed("", TAG));
    assert_false(ff_etag_listed("\"sha256-abc\"", TAG));
    assert_false(ff_etag_listed("sha256-ab", TAG));
    assert_false(ff_etag_listed("\"x\", \"y\"", TAG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_cut_to_the_file),
        cmocka_unit_test(a_range_counts_only_of_the_same_file),
        cmocka_unit_test(tags_are_found_in_lists),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
