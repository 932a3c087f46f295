/* tests/unit/http/streams_test.c - events to many watchers, samples, logs; and a server that stops while they listen. */
#include "tests/unit/http/service.h"

#include "server/http/fanout.h"
#include "server/http/server.h"

#define LAST_CHUNK "\r\n0\r\n\r\n"
enum { WATCHERS = 40, EVENTS = 700 };

static json_t *log_event(long number)
{
    return json_pack("{ss ss sf}", "type", "log", "level", "info", "message_number", (double)number);
}

static json_t *sample_event(long number)
{
    return json_pack("{ss si si si sf s{sf sf} s{}}", "type", "sample", "chain", 0, "draw", (int)number - 1, "warmup",
                     0, "lp", -1.5, "parameters", "omega_c", 0.25 + (double)number, "sigma8", 0.8, "stats");
}

static void open_stream(const struct service *s, int fd, const char *id, const char *headers)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/jobs/%s/events", id);
    send_request(s, fd, 0, "GET", path, headers, NULL);
}

/* The ids of the events heard are first, first+1, .. without gap or repetition; returns the last. */
static long check_ids(const char *text, long first)
{
    for (const char *at = text; (at = strstr(at, "id: ")) != NULL; at += 4, first++) {
        const long id = strtol(at + 4, NULL, 10);
        if (id != first) print_error("event %ld came where %ld was due\n", id, first);
        assert_true(id == first);
    }
    return first - 1;
}

static void every_watcher_gets_every_event(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE];
    int fds[WATCHERS];
    struct heard heard[WATCHERS] = {{0}};
    post_noop(s, id);
    struct ff_lease l = lease(s);
    for (int i = 0; i < WATCHERS; i++) {
        fds[i] = dial(s);
        open_stream(s, fds[i], id, NULL);
    }
    for (long n = 1; n <= EVENTS; n += 7) report(s, &l, n, 7, log_event);
    commit(s, &l, NULL, NULL, 0);
    ff_lease_done(&l);
    long last = 0;
    for (int i = 0; i < WATCHERS; i++) {
        const bool whole = hear_word(fds[i], &heard[i], LAST_CHUNK);
        if (!whole)
            print_error("watcher %d: no end after %zu bytes: ..%s\n", i, heard[i].size,
                        heard[i].size > 300 ? heard[i].text + heard[i].size - 300 : "");
        assert_true(whole);
        size_t gap = (size_t)(strstr(heard[i].text, "\r\n\r\n") - heard[i].text) + 4;
        unchunk(heard[i].text + gap, heard[i].size - gap);
        const long got = check_ids(heard[i].text, 1);
        if (i == 0) last = got;
        expect_number("last event", last, got);
        assert_true(got > EVENTS);
        assert_non_null(strstr(heard[i].text, "retry: 3000\n\n"));
        heard_free(&heard[i]);
        close(fds[i]);
    }
}

static void a_watcher_goes_on_where_it_was(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE], path[96];
    post_noop(s, id);
    struct ff_lease l = lease(s);
    report(s, &l, 1, 20, log_event);
    commit(s, &l, NULL, NULL, 0);
    ff_lease_done(&l);
    snprintf(path, sizeof path, "/v1/jobs/%s/events", id);
    struct answer a = ask(s, 0, "GET", path, NULL, NULL);
    const long last = check_ids(a.body, 1);
    free(a.body);
    a = ask(s, 0, "GET", path, "Last-Event-ID: 10\r\n", NULL);
    expect_number("status", 200, a.status);
    expect_header(&a, "Content-Type: text/event-stream");
    expect_number("last", last, check_ids(a.body, 11));
    assert_non_null(strstr(a.body, "event: end"));
    free(a.body);
    snprintf(path, sizeof path, "/v1/jobs/%s/events?after=%ld", id, last - 1);
    a = ask(s, 0, "GET", path, NULL, NULL);
    expect_number("last", last, check_ids(a.body, last));
    free(a.body);
    snprintf(path, sizeof path, "/v1/jobs/%s/events?after=%ld", id, last);
    expect_number("nothing more", 204, status_of(s, 0, "GET", path, NULL, NULL));
    expect_number("beyond", 204, status_of(s, 0, "GET", path, "Last-Event-ID: 99999\r\n", NULL));
    expect_number("not a number", 400, status_of(s, 0, "GET", path, "Last-Event-ID: x\r\n", NULL));
}

/* One that does not read holds up nobody, and gets everything when it reads at last. */
static void a_slow_reader_is_only_slow(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE];
    struct heard slow = {0}, fast = {0};
    post_noop(s, id);
    struct ff_lease l = lease(s);
    const int slow_fd = dial(s), fast_fd = dial(s);
    open_stream(s, slow_fd, id, NULL);
    open_stream(s, fast_fd, id, NULL);
    for (long n = 1; n <= 7000; n += 200) report(s, &l, n, 200, log_event);
    commit(s, &l, NULL, NULL, 0);
    ff_lease_done(&l);
    assert_true(hear_word(fast_fd, &fast, LAST_CHUNK));
    assert_true(hear_word(slow_fd, &slow, LAST_CHUNK));
    const char *text = strstr(slow.text, "\r\n\r\n") + 4;
    const size_t size = slow.size - (size_t)(text - slow.text);
    unchunk((char *)text, size);
    assert_true(check_ids(text, 1) > 7000);
    heard_free(&slow);
    heard_free(&fast);
    close(slow_fd);
    close(fast_fd);
}

static void a_quiet_stream_has_heartbeats(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE];
    struct heard h = {0};
    post_noop(s, id);
    const int fd = dial(s);
    open_stream(s, fd, id, NULL);
    assert_true(hear_word(fd, &h, "id: 1\n"));
    const int64_t later = ff_monotonic_ms() + 1000L * FF_HEARTBEAT_S + 1000;
    for (const int64_t until = clock_ms() + PATIENCE_MS; !strstr(h.text, "heartbeat") && clock_ms() < until;) {
        ff_fanout_tick(s->http->fanout, later); /* as if that time had passed */
        hear(fd, &h, clock_ms() + 50);
    }
    char *beat = strstr(h.text, "event: heartbeat\ndata: {}\n\n");
    assert_non_null(beat);
    assert_null(strstr(beat, "id: ")); /* it does not move the reader's place */
    heard_free(&h);
    close(fd);
}

static void watchers_are_counted(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE], path[96];
    int fds[50];
    post_noop(s, id);
    snprintf(path, sizeof path, "/v1/jobs/%s/events", id);
    for (int i = 0; i < 50; i++) {
        struct heard h = {0};
        fds[i] = dial(s);
        open_stream(s, fds[i], id, NULL);
        assert_true(hear_word(fds[i], &h, "id: 1"));
        heard_free(&h);
    }
    struct answer a = ask(s, 0, "GET", path, NULL, NULL);
    expect_number("one too many", 429, a.status);
    expect_header(&a, "Retry-After: 10");
    free(a.body);
    for (int i = 0; i < 50; i++) close(fds[i]);
    /* Those who left are noticed, though nothing is sent to them. */
    int status = 429;
    for (const int64_t until = clock_ms() + PATIENCE_MS; status == 429 && clock_ms() < until;) {
        const int fd = dial(s);
        struct heard h = {0};
        open_stream(s, fd, id, NULL);
        assert_true(hear_word(fd, &h, "\r\n\r\n"));
        sscanf(h.text, "HTTP/1.1 %d", &status);
        heard_free(&h);
        close(fd);
        if (status == 429) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    expect_number("room again", 200, status);
}

static void samples_are_lines_or_an_array(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE], path[96];
    post_noop(s, id);
    struct ff_lease l = lease(s);
    for (long n = 1; n <= 600; n += 100) report(s, &l, n, 100, sample_event);
    snprintf(path, sizeof path, "/v1/jobs/%s/samples?from=599", id);
    struct answer a = ask(s, 0, "GET", path, NULL, NULL);
    expect_number("lines", 200, a.status);
    expect_header(&a, "Content-Type: application/x-ndjson");
    assert_non_null(strstr(a.body, "\"number\":599"));
    assert_non_null(strstr(a.body, "\"number\":600"));
    assert_null(strstr(a.body, "\"number\":598"));
    free(a.body);
    snprintf(path, sizeof path, "/v1/jobs/%s/samples?format=npy&from=2&limit=500", id);
    a = ask(s, 0, "GET", path, NULL, NULL);
    expect_number("array", 200, a.status);
    expect_header(&a, "X-Columns: chain,draw,omega_c,sigma8");
    expect_number("size", 128 + 500 * 4 * 8, (long long)a.size);
    assert_non_null(strstr(a.body + 10, "'shape': (500, 4)")); /* after the magic bytes, which have a NUL */
    const double *rows = (const double *)(a.body + 128);
    double row[4];
    memcpy(row, rows + 4 * 499, sizeof row);
    assert_true(row[0] == 0 && row[1] == 500 && row[2] == 501.25 && row[3] == 0.8);
    free(a.body);
    snprintf(path, sizeof path, "/v1/jobs/%s/samples?from=601", id);
    a = ask(s, 0, "GET", path, NULL, NULL);
    expect_number("none yet", 0, (long long)a.size);
    free(a.body);
    expect_number("from", 400,
                  status_of(s, 0, "GET", "/v1/jobs/job_0123456789abcdefghijklmnop/samples?from=0", NULL, NULL));
    ff_lease_done(&l);
}

static long lines(const char *text)
{
    long n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void logs_are_chosen(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE], path[160];
    post_noop(s, id);
    struct ff_lease l = lease(s);
    report(s, &l, 1, 30, log_event);
    static const struct {
        const char *query;
        long least, most;
    } cases[] = {{"", 31, 40},
                 {"?tail=5", 5, 5},
                 {"?tail=0", 0, 0},
                 {"?task=noop-0", 30, 34},
                 {"?task=noop-7", 0, 0},
                 {"?attempt=2", 0, 0},
                 {"?since=2100-01-01T00:00:00Z", 0, 0},
                 {"?since=0", 31, 40}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(path, sizeof path, "/v1/jobs/%s/logs%s", id, cases[i].query);
        struct answer a = ask(s, 0, "GET", path, NULL, NULL);
        expect_number(path, 200, a.status);
        const long n = lines(a.body);
        if (n < cases[i].least || n > cases[i].most) print_error("%s: %ld lines\n", path, n);
        assert_true(n >= cases[i].least && n <= cases[i].most);
        free(a.body);
    }
    snprintf(path, sizeof path, "/v1/jobs/%s/logs?since=yesterday", id);
    expect_number("not a time", 400, status_of(s, 0, "GET", path, NULL, NULL));
    ff_lease_done(&l);
}

/* The library ends the process if it is stopped while a connection is suspended. */
static void a_stop_ends_streams(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE];
    int fds[20];
    struct heard h = {0};
    post_noop(s, id);
    for (int i = 0; i < 20; i++) {
        fds[i] = dial(s);
        open_stream(s, fds[i], id, NULL);
    }
    assert_true(hear_word(fds[19], &h, "id: 1"));
    ff_http_stop(s->http);
    while (hear(fds[19], &h, clock_ms() + PATIENCE_MS)) {
    }
    assert_true(h.ended);
    heard_free(&h);
    for (int i = 0; i < 20; i++) close(fds[i]);
    start_http(s); /* on the same path again */
    expect_number("goes on", 200, status_of(s, 0, "GET", "/v1/jobs", NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_watcher_gets_every_event, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watcher_goes_on_where_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_reader_is_only_slow, setup, teardown),
        cmocka_unit_test_setup_teardown(a_quiet_stream_has_heartbeats, setup, teardown),
        cmocka_unit_test_setup_teardown(watchers_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(samples_are_lines_or_an_array, setup, teardown),
        cmocka_unit_test_setup_teardown(logs_are_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_ends_streams, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
