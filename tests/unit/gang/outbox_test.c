/* tests/unit/gang/outbox_test.c - events are numbered once, kept until taken, and only progress is thinned. */
#include "tests/unit/gang/help.h"
#include "worker/gang/outbox.h"

static void fill(struct ff_outbox *o, const char *type, int first, int n)
{
    for (int i = first; i < first + n; i++) assert_true(ff_outbox_add(o, event_of(type, i), false));
}

/* The numbers in a batch are from, from+1, .. and its events those of `first`, .. */
static long expect_batch(struct ff_outbox *o, long most, long from, int first, int n)
{
    long got_from;
    json_t *batch = ff_outbox_batch(o, most, &got_from);
    expect_long("events in the batch", n, (long)json_array_size(batch));
    expect_long("number of the first", from, got_from);
    for (int i = 0; i < n; i++) expect_long("event", first + i, integer_of(json_array_get(batch, (size_t)i), "number"));
    ff_outbox_mark(o, n);
    json_decref(batch);
    return got_from;
}

static void numbers_go_on_around_the_ring(void **state)
{
    struct ff_outbox o;
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(ff_outbox_init(&o, 5, &ctx), FF_OK);
    for (int round = 0; round < 7; round++) {
        fill(&o, "sample", 3 * round + 1, 3);
        expect_batch(&o, 100, 3 * round + 1, 3 * round + 1, 3);
        ff_outbox_taken(&o, 3 * round + 3);
        expect_long("left", 0, o.count);
    }
    ff_outbox_clear(&o);
    fill(&o, "log", 1, 1);
    expect_batch(&o, 100, 1, 1, 1);
    ff_outbox_done(&o);
    ff_outbox_done(&o);
}

static void nothing_is_dropped_when_it_is_full(void **state)
{
    struct ff_outbox o;
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(ff_outbox_init(&o, 3, &ctx), FF_OK);
    fill(&o, "sample", 1, 3);
    expect_batch(&o, 2, 1, 1, 2);
    ff_outbox_taken(&o, 1); /* the ring's head moves before it grows */
    fill(&o, "sample", 4, 1);
    json_t *late = event_of("sample", 5);
    assert_true(ff_outbox_full(&o));
    assert_false(ff_outbox_add(&o, late, false));
    assert_true(ff_outbox_add(&o, late, true));
    ff_outbox_rewind(&o);
    expect_batch(&o, 100, 2, 2, 4);
    ff_outbox_done(&o);
}

static void taking_is_idempotent_and_never_beyond_what_was_sent(void **state)
{
    struct ff_outbox o;
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(ff_outbox_init(&o, 100, &ctx), FF_OK);
    fill(&o, "sample", 1, 10);
    expect_batch(&o, 4, 1, 1, 4);
    ff_outbox_taken(&o, 9); /* a server that takes what it has not got */
    expect_long("left", 6, o.count);
    ff_outbox_taken(&o, 2);
    ff_outbox_taken(&o, 0);
    ff_outbox_taken(&o, -5);
    expect_long("left", 6, o.count);
    expect_batch(&o, 100, 5, 5, 6);
    ff_outbox_rewind(&o);
    ff_outbox_taken(&o, 7); /* an answer that was on its way when the connection was lost */
    expect_batch(&o, 100, 8, 8, 3);
    ff_outbox_done(&o);
}

static void only_progress_that_nobody_has_heard_is_replaced(void **state)
{
    struct ff_outbox o;
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(ff_outbox_init(&o, 100, &ctx), FF_OK);
    fill(&o, "progress", 1, 4);
    expect_batch(&o, 100, 1, 4, 1);
    fill(&o, "progress", 5, 1);
    ff_outbox_rewind(&o);
    fill(&o, "progress", 6, 1); /* number 1 was sent: it stays what it was; number 2 was not */
    long from;
    json_t *batch = ff_outbox_batch(&o, 100, &from);
    expect_long("events", 2, (long)json_array_size(batch));
    expect_long("first", 4, integer_of(json_array_get(batch, 0), "number"));
    expect_long("second", 6, integer_of(json_array_get(batch, 1), "number"));
    json_decref(batch);
    fill(&o, "sample", 7, 2);
    fill(&o, "progress", 9, 1);
    fill(&o, "sample", 10, 1);
    expect_long("samples are all kept", 6, o.count);
    ff_outbox_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_go_on_around_the_ring),
        cmocka_unit_test(nothing_is_dropped_when_it_is_full),
        cmocka_unit_test(taking_is_idempotent_and_never_beyond_what_was_sent),
        cmocka_unit_test(only_progress_that_nobody_has_heard_is_replaced),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
