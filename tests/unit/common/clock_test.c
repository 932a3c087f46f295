/* tests/unit/common/clock_test.c - times as text; a thread that ticks until it is stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/ticker.h"

static void times_are_texts_of_utc(void **unused)
{
    (void)unused;
    char text[FF_TIME_SIZE];
    ff_time_text(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    ff_time_text(1709251199042, text); /* the leap day of 2024 */
    assert_string_equal(text, "2024-02-29T23:59:59.042Z");
    ff_time_text_s(1709251199042, text);
    assert_string_equal(text, "2024-02-29T23:59:59Z");
    ff_time_stamp(1709251199042, text);
    assert_string_equal(text, "20240229T235959Z");
    assert_true(ff_now_ms() > 1709251199042);
    const double before = ff_clock_s();
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    assert_true(ff_clock_s() - before >= 0.002);
}

struct counter {
    atomic_int ticks;
    atomic_bool inside;
};

static void count(void *self)
{
    struct counter *c = self;
    atomic_store(&c->inside, true);
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    atomic_fetch_add(&c->ticks, 1);
    atomic_store(&c->inside, false);
}

static void wait_for(const atomic_int *value, int least)
{
    const double end = ff_clock_s() + 20;
    while (atomic_load(value) < least && ff_clock_s() < end) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(atomic_load(value) >= least);
}

static void a_ticker_ticks_until_it_is_stopped(void **unused)
{
    (void)unused;
    struct counter c = {0};
    struct ff_ticker *ticker;
    ff_ctx ctx = {0};
    assert_int_equal(ff_ticker_start(&ticker, 0.001, count, &c, &ctx), FF_OK);
    wait_for(&c.ticks, 3);
    ff_ticker_stop(ticker);
    assert_false(atomic_load(&c.inside));
    const int ticks = atomic_load(&c.ticks);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_int_equal(atomic_load(&c.ticks), ticks);
    ff_ticker_stop(NULL);
}

static void a_ticker_ticks_at_once_and_is_stopped_in_its_pause(void **unused)
{
    (void)unused;
    struct counter c = {0};
    struct ff_ticker *ticker;
    ff_ctx ctx = {0};
    assert_int_equal(ff_ticker_start(&ticker, 3600, count, &c, &ctx), FF_OK);
    wait_for(&c.ticks, 1);
    ff_ticker_stop(ticker); /* a test that waits for the pause would not end */
    assert_int_equal(atomic_load(&c.ticks), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_texts_of_utc),
        cmocka_unit_test(a_ticker_ticks_until_it_is_stopped),
        cmocka_unit_test(a_ticker_ticks_at_once_and_is_stopped_in_its_pause),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
