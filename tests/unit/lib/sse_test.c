/* tests/unit/lib/sse_test.c - server-sent events, in whatever pieces they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/lib/sse.h"

/* What was dispatched, as one text: "event|id|data;". */
struct seen {
    char text[1024];
};

static ff_err on_event(void *self, const struct ff_sse_event *e, ff_ctx *ctx)
{
    struct seen *seen = self;
    size_t n = strlen(seen->text);
    (void)ctx;
    assert_int_equal(strlen(e->data), e->size);
    snprintf(seen->text + n, sizeof seen->text - n, "%s|%ld|%s;", e->event, e->id, e->data);
    return FF_OK;
}

/* Feeds `text` in pieces of `piece` bytes. */
static void feed(struct ff_sse *s, struct seen *seen, const char *text, size_t piece)
{
    ff_ctx ctx = {0};
    for (size_t at = 0, size = strlen(text); at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        assert_int_equal(ff_sse_feed(s, text + at, n, on_event, seen, &ctx), FF_OK);
    }
}

static void assert_dispatched(const char *text, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct ff_sse s = {0};
        struct seen seen = {0};
        feed(&s, &seen, text, piece);
        if (strcmp(seen.text, expected) != 0) {
            fail_msg("in pieces of %zu: got '%s', expected '%s'", piece, seen.text, expected);
        }
        ff_sse_done(&s);
    }
}

static void events_come_out_whatever_the_pieces(void **state)
{
    (void)state;
    assert_dispatched("id: 7\nevent: log\ndata: {\"a\":1}\n\n", "log|7|{\"a\":1};");
    assert_dispatched("retry: 3000\n\nid:1\ndata:x\n\nid:2\ndata:y\n\n", "|1|x;|2|y;");
}

static void all_three_line_ends_are_known(void **state)
{
    (void)state;
    assert_dispatched("id: 1\r\ndata: x\r\n\r\nid: 2\r\ndata: y\r\n\r\n", "|1|x;|2|y;");
    assert_dispatched("id: 1\rdata: x\r\rid: 2\rdata: y\r\r", "|1|x;|2|y;");
}

static void data_lines_are_joined_comments_dropped(void **state)
{
    (void)state;
    assert_dispatched(": keep-alive\ndata: one\ndata:two\ndata\n\n", "|-1|one\ntwo\n;");
    assert_dispatched("event: heartbeat\ndata:\n\n", "heartbeat|-1|;");
}

static void an_event_without_data_or_without_its_end_is_none(void **state)
{
    (void)state;
    assert_dispatched("event: log\nid: 3\n\n", "");
    assert_dispatched("data: cut off", "");
    assert_dispatched("data: cut off\n", "");
}

static void what_is_no_number_is_no_id(void **state)
{
    (void)state;
    assert_dispatched("id: x\ndata: a\n\nid: -4\ndata: b\n\nid: 99999999999999999999\ndata: c\n\n",
                      "|-1|a;|-1|b;|-1|c;");
    struct ff_sse s = {0};
    struct seen seen = {0};
    feed(&s, &seen, "retry: 1500\nretry: soon\n\n", 5);
    assert_int_equal(s.retry_ms, 1500);
    ff_sse_done(&s);
}

static void an_endless_line_is_refused(void **state)
{
    (void)state;
    struct ff_sse s = {0};
    struct seen seen = {0};
    ff_ctx ctx = {0};
    const size_t size = 1 << 20;
    char *block = malloc(size);
    memset(block, 'x', size);
    ff_err err = FF_OK;
    size_t fed = 0;
    while (!err && fed <= FF_SSE_MOST) {
        err = ff_sse_feed(&s, block, size, on_event, &seen, &ctx);
        fed += size;
    }
    assert_int_equal(err, FF_ETOOLARGE);
    free(block);
    ff_sse_done(&s);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_out_whatever_the_pieces),
        cmocka_unit_test(all_three_line_ends_are_known),
        cmocka_unit_test(data_lines_are_joined_comments_dropped),
        cmocka_unit_test(an_event_without_data_or_without_its_end_is_none),
        cmocka_unit_test(what_is_no_number_is_no_id),
        cmocka_unit_test(an_endless_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
