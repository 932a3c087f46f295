/* tests/unit/lib/stream_test.c - events over broken connections, downloads in pieces. The SHA-256 of "0123456789" is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/lib/http.h"
#include "tests/unit/lib/fake.h"

#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1\n\n"
#define EVENT(seq, type) "id: " #seq "\nevent: " type "\ndata: {\"seq\":" #seq ",\"type\":\"" type "\"}\n\n"
#define HASH "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
#define TAG "ETag: \"sha256-" HASH "\"\r\nConnection: close\r\n"

static ff_client *open_client(const struct fake *f)
{
    ff_client *c;
    ff_ctx ctx = {0};
    struct ff_client_config config = {.server = f->address};
    if (ff_client_open(&c, &config, &ctx)) fail_msg("%s", ctx.message);
    return c;
}

struct heard {
    char text[256];
    long stop_at;
};

static bool on_event(void *self, const char *text, json_t *event)
{
    struct heard *h = self;
    long seq = (long)json_integer_value(json_object_get(event, "seq"));
    size_t n = strlen(h->text);
    assert_int_equal(text[0], '{');
    snprintf(h->text + n, sizeof h->text - n, "%ld:%s ", seq, json_string_value(json_object_get(event, "type")));
    return seq != h->stop_at;
}

static ff_err listen_to(const char *const *answers, long after, double patience_s, struct fake *f, struct heard *h,
                        ff_ctx *ctx)
{
    assert_int_equal(fake_start(f, answers, NULL), 0);
    ff_client *c = open_client(f);
    ff_err err = ff_client_events(c, "job_x", after, patience_s, on_event, h, ctx);
    ff_client_close(c);
    fake_stop(f);
    return err;
}

static void events_are_told_once_over_broken_connections(void **state)
{
    (void)state;
    static const char *const answers[] = {STREAM EVENT(1, "state") EVENT(2, "log") "id: 3\nevent: log\nda",
                                          "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nConnection: close\r\n\r\n",
                                          STREAM EVENT(2, "log") "event: heartbeat\ndata: {}\n\n" EVENT(3, "log"),
                                          "",
                                          STREAM EVENT(4, "end") EVENT(5, "log"),
                                          NULL};
    struct fake f;
    struct heard h = {0};
    ff_ctx ctx = {0};
    assert_int_equal(listen_to(answers, 0, 20, &f, &h, &ctx), FF_OK);
    assert_string_equal(h.text, "1:state 2:log 3:log 4:end ");
    static const char *const last[] = {"0", "2", "2", "3", "3"};
    for (int i = 0; i < 5; i++) {
        char line[64];
        snprintf(line, sizeof line, "\r\nLast-Event-ID: %s\r\n", last[i]);
        if (!strstr(f.asked[i], line)) fail_msg("connection %d: no '%s' in %s", i, last[i], f.asked[i]);
    }
    assert_int_equal(ctx.code, FF_OK);
}

static void a_listener_may_stop(void **state)
{
    (void)state;
    static const char *const answers[] = {STREAM EVENT(8, "log") EVENT(9, "log"), NULL};
    struct fake f;
    struct heard h = {.stop_at = 8};
    ff_ctx ctx = {0};
    assert_int_equal(listen_to(answers, 7, 20, &f, &h, &ctx), FF_OK);
    assert_string_equal(h.text, "8:log ");
}

static void no_more_events_is_an_end(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", NULL};
    struct fake f;
    struct heard h = {0};
    ff_ctx ctx = {0};
    assert_int_equal(listen_to(answers, 12, 20, &f, &h, &ctx), FF_OK);
    assert_string_equal(h.text, "");
}

static void a_dropped_connection_is_never_success(void **state)
{
    (void)state;
    static const char *const answers[] = {STREAM EVENT(1, "log"), NULL};
    struct fake f;
    struct heard h = {0};
    ff_ctx ctx = {0};
    assert_int_equal(listen_to(answers, 0, 0.5, &f, &h, &ctx), FF_EUNREACHABLE);
    assert_string_equal(h.text, "1:log ");
    assert_non_null(strstr(ctx.message, "last event: 1"));
}

static void refusals_end_listening_at_once(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.1 404 No\r\nConnection: close\r\n\r\n", NULL};
    struct fake f;
    struct heard h = {0};
    ff_ctx ctx = {0};
    assert_int_equal(listen_to(answers, 0, 20, &f, &h, &ctx), FF_ENOTFOUND);
    assert_int_equal(f.nasked, 1);
}

static void what_is_no_json_is_an_error(void **state)
{
    (void)state;
    static const char *const answers[] = {STREAM "id: 1\nevent: log\ndata: not json\n\n", NULL};
    struct fake f;
    struct heard h = {0};
    ff_ctx ctx = {0};
    assert_int_equal(listen_to(answers, 0, 20, &f, &h, &ctx), FF_ESERVER);
}

/* ---- downloads ---- */

struct place {
    char path[64], part[72];
};

static struct place a_place(void)
{
    struct place p;
    snprintf(p.path, sizeof p.path, "/tmp/ff_stream_%ld.h5", (long)getpid());
    snprintf(p.part, sizeof p.part, "%s.part", p.path);
    unlink(p.path);
    unlink(p.part);
    return p;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_holds(const char *path, const char *text)
{
    char read_[64] = "";
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s is missing", path);
    size_t n = fread(read_, 1, sizeof read_ - 1, file);
    fclose(file);
    assert_int_equal(n, strlen(text));
    assert_string_equal(read_, text);
}

static ff_err download(const char *const *answers, const struct place *p, bool resume, struct fake *f, ff_ctx *ctx)
{
    assert_int_equal(fake_start(f, answers, NULL), 0);
    ff_client *c = open_client(f);
    ff_err err = ff_client_download(c, "/v1/jobs/job_x/result", p->path, resume, NULL, NULL, ctx);
    ff_client_close(c);
    fake_stop(f);
    return err;
}

static void a_broken_download_goes_on_where_it_was(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" TAG "\r\n0123",
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 3-9/10\r\nContent-Length: 7\r\n" TAG "\r\n34",
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 6\r\n" TAG "\r\n456789", NULL};
    struct place p = a_place();
    struct fake f;
    ff_ctx ctx = {0};
    ff_err err = download(answers, &p, false, &f, &ctx);
    if (err) fail_msg("%s", ctx.message);
    assert_holds(p.path, "0123456789");
    assert_int_not_equal(access(p.part, F_OK), 0);
    assert_null(strstr(f.asked[0], "Range:"));
    assert_non_null(strstr(f.asked[1], "\r\nRange: bytes=3-\r\nIf-Range: \"sha256-" HASH "\"\r\n"));
    assert_non_null(strstr(f.asked[2], "\r\nRange: bytes=4-\r\n"));
    unlink(p.path);
}

static void a_part_of_an_earlier_call_is_resumed(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n" TAG "\r\n56789", NULL};
    struct place p = a_place();
    struct fake f;
    ff_ctx ctx = {0};
    put(p.part, "012345");
    assert_int_equal(download(answers, &p, true, &f, &ctx), FF_OK);
    assert_holds(p.path, "0123456789");
    assert_non_null(strstr(f.asked[0], "\r\nRange: bytes=5-\r\n"));
    unlink(p.path);
}

static void a_part_of_another_file_is_not_believed(void **state)
{
    (void)state;
    static const char *const whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" TAG "\r\n0123456789";
    static const char *const wrong_bytes[] = {
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n" TAG "\r\n56789", NULL, NULL};
    static const char *const too_long[] = {"HTTP/1.1 416 No\r\nContent-Range: bytes */10\r\nConnection: close\r\n\r\n",
                                           NULL, NULL};
    const char *const *firsts[] = {wrong_bytes, too_long};
    static const char *const parts[] = {"xxxxxx", "0123456789abc"};
    for (size_t i = 0; i < 2; i++) {
        const char *answers[] = {firsts[i][0], whole, NULL};
        struct place p = a_place();
        struct fake f;
        ff_ctx ctx = {0};
        put(p.part, parts[i]);
        ff_err err = download(answers, &p, true, &f, &ctx);
        if (err) fail_msg("case %zu: %s", i, ctx.message);
        assert_holds(p.path, "0123456789");
        assert_null(strstr(f.asked[1], "Range:"));
        unlink(p.path);
    }
}

static void without_resume_an_old_part_is_written_anew(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" TAG "\r\n0123456789", NULL};
    struct place p = a_place();
    struct fake f;
    ff_ctx ctx = {0};
    put(p.part, "012345");
    assert_int_equal(download(answers, &p, false, &f, &ctx), FF_OK);
    assert_null(strstr(f.asked[0], "Range:"));
    assert_holds(p.path, "0123456789");
    unlink(p.path);
}

static void a_wrong_hash_leaves_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" TAG "\r\n0123456780",
                                      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789",
                                      "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nConnection: close\r\n\r\n0123456789"};
    static const ff_err errors[] = {FF_ECORRUPT, FF_ESERVER, FF_ESERVER};
    for (size_t i = 0; i < 3; i++) {
        const char *const answers[] = {bad[i], NULL};
        struct place p = a_place();
        struct fake f;
        ff_ctx ctx = {0};
        assert_int_equal(download(answers, &p, false, &f, &ctx), errors[i]);
        assert_int_not_equal(access(p.path, F_OK), 0);
        assert_int_not_equal(access(p.part, F_OK), 0);
    }
}

static void a_lost_connection_leaves_the_part(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" TAG "\r\n01234", NULL};
    struct place p = a_place();
    struct fake f;
    ff_ctx ctx = {0};
    assert_int_equal(download(answers, &p, false, &f, &ctx), FF_EUNREACHABLE);
    assert_holds(p.part, "01234");
    assert_int_not_equal(access(p.path, F_OK), 0);
    unlink(p.part);
}

static void no_folder_no_download(void **state)
{
    (void)state;
    static const char *const answers[] = {NULL};
    struct place p = {.path = "/no/such/folder/x.h5", .part = ""};
    struct fake f;
    ff_ctx ctx = {0};
    assert_int_equal(download(answers, &p, false, &f, &ctx), FF_EIO);
}

/* ---- bodies as they come ---- */

static ff_err take(void *self, const void *bytes, size_t size)
{
    char *to = self;
    size_t n = strlen(to);
    snprintf(to + n, 64 - n, "%.*s", (int)size, (const char *)bytes);
    return strstr(to, "stop") ? FF_EBADFILE : FF_OK;
}

static ff_err fetch(const char *answer, char *to)
{
    const char *const answers[] = {answer, NULL};
    struct fake f;
    ff_ctx ctx = {0};
    assert_int_equal(fake_start(&f, answers, NULL), 0);
    ff_client *c = open_client(&f);
    ff_err err = ff_client_fetch(c, "/v1/jobs/job_x/logs", take, to, &ctx);
    ff_client_close(c);
    fake_stop(&f);
    return err;
}

static void a_body_goes_to_its_taker(void **state)
{
    (void)state;
    char text[64] = "";
    assert_int_equal(fetch("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na\nb\n", text), FF_OK);
    assert_string_equal(text, "a\nb\n");
    text[0] = '\0';
    assert_int_equal(fetch("HTTP/1.1 404 No\r\nConnection: close\r\n\r\nnot for the taker", text), FF_ENOTFOUND);
    assert_string_equal(text, "");
    assert_int_equal(fetch("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut", text), FF_EUNREACHABLE);
    text[0] = '\0';
    assert_int_equal(fetch("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nstop", text), FF_EBADFILE);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_told_once_over_broken_connections),
        cmocka_unit_test(a_listener_may_stop),
        cmocka_unit_test(no_more_events_is_an_end),
        cmocka_unit_test(a_dropped_connection_is_never_success),
        cmocka_unit_test(refusals_end_listening_at_once),
        cmocka_unit_test(what_is_no_json_is_an_error),
        cmocka_unit_test(a_broken_download_goes_on_where_it_was),
        cmocka_unit_test(a_part_of_an_earlier_call_is_resumed),
        cmocka_unit_test(a_part_of_another_file_is_not_believed),
        cmocka_unit_test(without_resume_an_old_part_is_written_anew),
        cmocka_unit_test(a_wrong_hash_leaves_nothing),
        cmocka_unit_test(a_lost_connection_leaves_the_part),
        cmocka_unit_test(no_folder_no_download),
        cmocka_unit_test(a_body_goes_to_its_taker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
