/* tests/unit/lib/call_test.c - requests with a JSON answer: what is sent, what errors become of answers, what is tried again. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#include "client/lib/client.h"
#include "tests/unit/lib/fake.h"

#define JSON_ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

static ff_client *open_client(const char *server, const char *token)
{
    ff_client *c;
    ff_ctx ctx = {0};
    struct ff_client_config config = {.server = server, .token = token};
    if (ff_client_open(&c, &config, &ctx)) fail_msg("%s: %s", server, ctx.message);
    return c;
}

/* One request against scripted answers. */
static ff_err ask(struct fake *f, const struct ff_client_request *request, json_t **out, ff_ctx *ctx)
{
    ff_client *c = open_client(f->address, "ff_secret");
    ff_err err = ff_client_call(c, request, out, ctx);
    ff_client_close(c);
    fake_stop(f);
    return err;
}

static const struct ff_client_request get = {.method = "GET", .path = "/v1/jobs?limit=1"};

static void a_request_carries_token_and_body(void **state)
{
    (void)state;
    static const char *const answers[] = {JSON_ANSWER("202 Accepted", "{\"id\": \"job_1\"}"), NULL};
    struct fake f;
    json_t *out;
    ff_ctx ctx = {0};
    assert_int_equal(fake_start(&f, answers, NULL), 0);
    struct ff_client_request request = {.method = "POST",
                                        .path = "/v1/jobs",
                                        .content_type = "application/json",
                                        .body = "{\"kind\":1}",
                                        .body_size = 10,
                                        .idempotency_key = "abc"};
    assert_int_equal(ask(&f, &request, &out, &ctx), FF_OK);
    assert_string_equal(json_string_value(json_object_get(out, "id")), "job_1");
    json_decref(out);
    assert_int_equal(f.nasked, 1);
    assert_memory_equal(f.asked[0], "POST /v1/jobs HTTP/1.1\r\n", 24);
    assert_non_null(strstr(f.asked[0], "\r\nAuthorization: Bearer ff_secret\r\n"));
    assert_non_null(strstr(f.asked[0], "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(f.asked[0], "\r\nIdempotency-Key: abc\r\n"));
    assert_non_null(strstr(f.asked[0], "\r\n\r\n{\"kind\":1}"));
}

static void a_unix_socket_is_a_server(void **state)
{
    (void)state;
    static const char *const answers[] = {JSON_ANSWER("200 OK", "{}"), NULL};
    struct fake f;
    json_t *out;
    ff_ctx ctx = {0};
    char path[64];
    snprintf(path, sizeof path, "/tmp/ff_call_%ld.sock", (long)getpid());
    assert_int_equal(fake_start(&f, answers, path), 0);
    assert_int_equal(ask(&f, &get, &out, &ctx), FF_OK);
    json_decref(out);
    unlink(path);
}

static void problems_become_the_error_of_their_slug(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        ff_err err;
        const char *message, *pointer;
    } cases[] = {
        {JSON_ANSWER("400 Bad Request",
                     "{\"type\":\"urn:fullfield:error:bad-job\",\"detail\":\"no\",\"pointer\":\"/model\"}"),
         FF_EBADJOB, "no", "/model"},
        {JSON_ANSWER("429 Too Many Requests", "{\"type\":\"https://x/errors/quota\",\"detail\":\"9 queued\"}"),
         FF_EQUOTA, "9 queued", ""},
        /* a slug of another status is not believed */
        {JSON_ANSWER("404 Not Found", "{\"type\":\"urn:fullfield:error:numeric\",\"title\":\"T\"}"), FF_ENOTFOUND, "T",
         ""},
        {JSON_ANSWER("401 Unauthorized", ""), FF_EAUTH, "status 401", ""},
        {JSON_ANSWER("403 Forbidden", "<html>"), FF_EFORBIDDEN, "status 403", ""},
        {JSON_ANSWER("413 Too Large", "[1]"), FF_ETOOLARGE, "status 413", ""},
        {JSON_ANSWER("418 Teapot", ""), FF_EBADREQUEST, "status 418", ""},
        {JSON_ANSWER("500 No", ""), FF_ESERVER, "status 500", ""},
        {JSON_ANSWER("302 Found\r\nLocation: http://elsewhere.example", ""), FF_ESERVER, "not followed", ""},
        {JSON_ANSWER("503 Busy", ""), FF_EBUSY, "status 503", ""},
        {JSON_ANSWER("200 OK", "<html>"), FF_ESERVER, "is this a Fullfield server?", ""},
        {JSON_ANSWER("200 OK", "{\"a\":1,\"a\":2}"), FF_ESERVER, "duplicate", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const answers[] = {cases[i].answer, NULL};
        struct fake f;
        json_t *out;
        ff_ctx ctx = {0};
        assert_int_equal(fake_start(&f, answers, NULL), 0);
        ff_err err = ask(&f, &get, &out, &ctx);
        if (err != cases[i].err) {
            fail_msg("case %zu: %s, expected %s", i, ff_code_slug(err), ff_code_slug(cases[i].err));
        }
        assert_null(out);
        if (!strstr(ctx.message, cases[i].message)) fail_msg("case %zu says '%s'", i, ctx.message);
        assert_string_equal(ctx.pointer, cases[i].pointer);
    }
}

static void nothing_at_204(void **state)
{
    (void)state;
    static const char *const answers[] = {JSON_ANSWER("204 No Content", ""), NULL};
    struct fake f;
    json_t *out = (json_t *)&f;
    ff_ctx ctx = {0};
    assert_int_equal(fake_start(&f, answers, NULL), 0);
    assert_int_equal(ask(&f, &get, &out, &ctx), FF_OK);
    assert_null(out);
}

/* How many connections are made for a method, when the first answers are these. */
static int tries(const char *method, const char *key, const char *first, const char *second, ff_err *err)
{
    const char *const answers[] = {first, second, JSON_ANSWER("200 OK", "{}"), NULL};
    struct fake f;
    json_t *out;
    ff_ctx ctx = {0};
    struct ff_client_request request = {.method = method, .path = "/v1/jobs", .idempotency_key = key};
    assert_int_equal(fake_start(&f, answers, NULL), 0);
    *err = ask(&f, &request, &out, &ctx);
    json_decref(out);
    return f.nasked;
}

static void only_what_is_harmless_is_tried_again(void **state)
{
    (void)state;
    static const char *const broken = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{";
    static const char *const busy = JSON_ANSWER("503 Busy\r\nRetry-After: 0", "");
    static const char *const full = JSON_ANSWER("503 Busy", "");
    ff_err err;
    assert_int_equal(tries("GET", NULL, broken, busy, &err), 3);
    assert_int_equal(err, FF_OK);
    assert_int_equal(tries("POST", "key", busy, broken, &err), 3);
    assert_int_equal(err, FF_OK);
    assert_int_equal(tries("POST", NULL, broken, busy, &err), 1);
    assert_int_equal(err, FF_EUNREACHABLE);
    assert_int_equal(tries("POST", NULL, busy, broken, &err), 1);
    assert_int_equal(err, FF_EBUSY);
    assert_int_equal(tries("DELETE", NULL, broken, busy, &err), 1);
    assert_int_equal(err, FF_EUNREACHABLE);
    assert_int_equal(tries("GET", NULL, full, broken, &err), 1);
    assert_int_equal(err, FF_EBUSY);
}

static void the_same_key_goes_with_every_try(void **state)
{
    (void)state;
    static const char *const answers[] = {"", JSON_ANSWER("202 Accepted", "{}"), NULL};
    struct fake f;
    json_t *out;
    ff_ctx ctx = {0};
    struct ff_client_request request = {.method = "POST", .path = "/v1/jobs", .idempotency_key = "k1"};
    assert_int_equal(fake_start(&f, answers, NULL), 0);
    assert_int_equal(ask(&f, &request, &out, &ctx), FF_OK);
    json_decref(out);
    assert_int_equal(f.nasked, 2);
    for (int i = 0; i < 2; i++) assert_non_null(strstr(f.asked[i], "\r\nIdempotency-Key: k1\r\n"));
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct fake f;
    json_t *out;
    ff_ctx ctx = {0};
    assert_int_equal(fake_start(&f, none, NULL), 0);
    pthread_join(f.thread, NULL); /* the port is free again */
    ff_client *c = open_client(f.address, NULL);
    assert_int_equal(ff_client_call(c, &get, &out, &ctx), FF_EUNREACHABLE);
    assert_non_null(strstr(ctx.message, f.address));
    ff_client_close(c);
    c = open_client("unix:/nowhere/at/all", NULL);
    assert_int_equal(ff_client_call(c, &get, &out, &ctx), FF_EUNREACHABLE);
    ff_client_close(c);
}

static void addresses_and_tokens_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "localhost:80",     "ftp://x",       "http://",    "http:///",
                                      "unix:",     "http://a@b",       "http://a/?q=1", "http://a b", "file:///etc",
                                      "http://a#", "http://a\\b:80/x", "HTTP://x"};
    ff_client *c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ff_ctx ctx = {0};
        struct ff_client_config config = {.server = bad[i]};
        if (ff_client_open(&c, &config, &ctx) != FF_EUSAGE) fail_msg("'%s' is taken", bad[i]);
        assert_null(c);
    }
    char longest[128] = "unix:";
    memset(longest + 5, 'x', 108);
    ff_ctx ctx = {0};
    struct ff_client_config config = {.server = longest};
    assert_int_equal(ff_client_open(&c, &config, &ctx), FF_EUSAGE);
    config = (struct ff_client_config){.server = "http://localhost/", .token = "a\r\nX-Evil: 1"};
    assert_int_equal(ff_client_open(&c, &config, &ctx), FF_EBADFILE);
    config.token = "good";
    assert_int_equal(ff_client_open(&c, &config, &ctx), FF_OK);
    assert_string_equal(c->server, "http://localhost");
    ff_client_close(c);
    ff_client_close(NULL);
}

static void a_file_is_streamed_as_the_body(void **state)
{
    (void)state;
    static const char *const answers[] = {JSON_ANSWER("201 Created", "{\"id\":\"ds_1\"}"), NULL};
    struct fake f;
    json_t *out;
    ff_ctx ctx = {0};
    char path[64];
    snprintf(path, sizeof path, "/tmp/ff_call_%ld.h5", (long)getpid());
    FILE *file = fopen(path, "w");
    fputs("the bytes of a dataset", file);
    fclose(file);
    struct ff_client_request request = {
        .method = "POST", .path = "/v1/datasets", .content_type = "application/x-hdf5", .body_file = path};
    assert_int_equal(fake_start(&f, answers, NULL), 0);
    assert_int_equal(ask(&f, &request, &out, &ctx), FF_OK);
    json_decref(out);
    assert_non_null(strstr(f.asked[0], "\r\nContent-Length: 22\r\n"));
    assert_non_null(strstr(f.asked[0], "\r\n\r\nthe bytes of a dataset"));
    unlink(path);
    ff_client *c = open_client(f.address, NULL);
    assert_int_equal(ff_client_call(c, &request, &out, &ctx), FF_ENOFILE);
    ff_client_close(c);
}

static bool always(void *self)
{
    ++*(int *)self;
    return true;
}

static void whoever_interrupts_is_heard_while_waiting(void **state)
{
    (void)state;
    /* Headers that promise a body which never comes: the fake waits for us to close. */
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", NULL};
    struct fake f;
    json_t *out;
    ff_ctx ctx = {0};
    int asked = 0, fd = eventfd(1, EFD_CLOEXEC);
    ff_client *c;
    assert_int_equal(fake_start(&f, answers, NULL), 0);
    struct ff_client_config config = {.server = f.address, .stop_fd = fd, .interrupted = always, .self = &asked};
    assert_int_equal(ff_client_open(&c, &config, &ctx), FF_OK);
    assert_int_equal(ff_client_call(c, &get, &out, &ctx), FF_EINTERRUPTED);
    assert_int_equal(ff_client_pause(c, 100, &ctx), FF_EINTERRUPTED);
    assert_true(asked >= 2);
    ff_client_close(c);
    close(fd);
    fake_stop(&f);
}

static void a_pause_lasts_as_long_as_it_was_asked_to(void **state)
{
    (void)state;
    struct timespec a, b;
    ff_ctx ctx = {0};
    ff_client *c = open_client("http://localhost:1", NULL);
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(ff_client_pause(c, 0.05, &ctx), FF_OK);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    if (s < 0.05) fail_msg("%g s, expected at least 0.05", s);
    ff_client_close(c);
}

static void texts_are_escaped_for_a_path(void **state)
{
    (void)state;
    char *escaped = ff_url_escape("a b/\xc3\xa4?&=%~-._Z9");
    assert_string_equal(escaped, "a%20b%2F%C3%A4%3F%26%3D%25~-._Z9");
    free(escaped);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_carries_token_and_body),
        cmocka_unit_test(a_unix_socket_is_a_server),
        cmocka_unit_test(problems_become_the_error_of_their_slug),
        cmocka_unit_test(nothing_at_204),
        cmocka_unit_test(only_what_is_harmless_is_tried_again),
        cmocka_unit_test(the_same_key_goes_with_every_try),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(addresses_and_tokens_are_checked),
        cmocka_unit_test(a_file_is_streamed_as_the_body),
        cmocka_unit_test(whoever_interrupts_is_heard_while_waiting),
        cmocka_unit_test(a_pause_lasts_as_long_as_it_was_asked_to),
        cmocka_unit_test(texts_are_escaped_for_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
