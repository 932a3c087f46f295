/* tests/unit/http/service.h - a real server on a unix socket, with a real queue and store in a folder of their own, no gangs
** (the test plays one), and a client of bare sockets. */
#ifndef FF_TESTS_HTTP_SERVICE_H
#define FF_TESTS_HTTP_SERVICE_H

#define _XOPEN_SOURCE 700 /* nftw */

#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/hash.h"
#include "server/http/http.h"
#include "server/queue/datasets.h"
#include "server/queue/events.h"
#include "server/queue/tasks.h"
#include "server/queue/users.h"
#include "server/store/store.h"
#include "tests/unit/http/help.h"

enum { PATIENCE_MS = 10000 };

struct service {
    char dir[64], socket[96];
    ff_queue *queue;
    ff_storehouse *store;
    ff_http *http;
    char tokens[2][FF_TOKEN_SIZE]; /* of ann and bob */
};

static inline void expect_ok(ff_err err, const ff_ctx *ctx)
{
    if (err) print_error("%s: %s\n", ctx->pointer, ctx->message);
    assert_int_equal(err, FF_OK);
}

/* ---- the queue, a call each ---- */
struct call {
    const void *in;
    void *out;
    bool found;
};

static inline ff_err call_token(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    char id[FF_ID_SIZE];
    struct ff_who who;
    ff_err err = ff_users_ensure(tx, c->in, false, &who, ctx);
    return err ? err : ff_tokens_add(tx, c->in, "test", id, c->out, ctx);
}
static inline ff_err call_lease(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tasks_lease(tx, c->in, c->out, &c->found, ctx);
}
static inline ff_err call_commit(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tasks_commit(tx, c->in, c->out, ctx);
}
static inline ff_err call_report(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_events_report(tx, c->in, &c->found, ctx);
}

/* The one task that is ready. */
static inline struct ff_lease lease(struct service *s)
{
    static const struct ff_gang gang = {
        .worker = "wk_0123456789abcdefghijklmnop", .pool = "default", .ranks = 1, .threads = 1, .memory_bytes = 1e12};
    struct ff_lease lease = {0};
    struct call c = {.in = &gang, .out = &lease};
    ff_ctx ctx = {0};
    expect_ok(ff_queue_write(s->queue, call_lease, &c, &ctx), &ctx);
    assert_true(c.found);
    return lease;
}

/* Reports events first..first+n-1 of the attempt; each an object made by json_pack from `number`. */
static inline void report(struct service *s, const struct ff_lease *l, long first, long n, json_t *(*make)(long number))
{
    json_t *events = json_array();
    ff_ctx ctx = {0};
    for (long i = first; i < first + n; i++) json_array_append_new(events, make(i));
    const struct ff_event_batch batch = {
        .job = l->job, .task = l->task, .attempt = l->attempt, .from = first, .events = events};
    struct call c = {.in = &batch};
    expect_ok(ff_queue_write(s->queue, call_report, &c, &ctx), &ctx);
    assert_true(c.found);
    json_decref(events);
}

static inline void commit(struct service *s, const struct ff_lease *l, const char *path, const char *sha256,
                          int64_t size)
{
    const struct ff_commit commit = {.job = l->job,
                                     .task = l->task,
                                     .attempt = l->attempt,
                                     .worker = "wk_0123456789abcdefghijklmnop",
                                     .outcome = FF_TASK_SUCCEEDED,
                                     .path = path,
                                     .sha256 = sha256,
                                     .size = size};
    enum ff_verdict verdict;
    struct call c = {.in = &commit, .out = &verdict};
    ff_ctx ctx = {0};
    expect_ok(ff_queue_write(s->queue, call_commit, &c, &ctx), &ctx);
    expect_number("verdict", FF_COMMITTED, verdict);
}

/* ---- the server ---- */
static inline void say(void *self, const char *level, const char *message)
{
    (void)self;
    if (strcmp(level, "error") == 0) print_message("log: %s\n", message);
}

static inline void start_http(struct service *s)
{
    ff_ctx ctx = {0};
    char listen[128];
    snprintf(listen, sizeof listen, "unix:%s", s->socket);
    const struct ff_http_config config = {.queue = s->queue,
                                          .store = s->store,
                                          .listen = listen,
                                          .threads = 4,
                                          .streams_per_user = 50,
                                          .deadline_s = 5,
                                          .test_kinds = true,
                                          .log = say};
    expect_ok(ff_http_start(&s->http, &config, &ctx), &ctx);
}

static inline int setup(void **state)
{
    struct service *s = calloc(1, sizeof *s);
    char path[96];
    ff_ctx ctx = {0};
    snprintf(s->dir, sizeof s->dir, "/tmp/ff_http_XXXXXX");
    if (!mkdtemp(s->dir)) return -1;
    snprintf(s->socket, sizeof s->socket, "%s/socket", s->dir);
    snprintf(path, sizeof path, "%s/queue.db", s->dir);
    const struct ff_queue_config queue = {.path = path, .readers = 6};
    expect_ok(ff_queue_open(&s->queue, &queue, &ctx), &ctx);
    const struct ff_storehouse_config store = {.dir = s->dir};
    expect_ok(ff_storehouse_open(&s->store, &store, &ctx), &ctx);
    static const char *const names[] = {"ann", "bob"};
    for (int i = 0; i < 2; i++) {
        struct call c = {.in = names[i], .out = s->tokens[i]};
        expect_ok(ff_queue_write(s->queue, call_token, &c, &ctx), &ctx);
    }
    start_http(s);
    *state = s;
    return 0;
}

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static inline int teardown(void **state)
{
    struct service *s = *state;
    ff_http_stop(s->http);
    ff_storehouse_close(s->store);
    ff_queue_close(s->queue);
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

/* ---- the client ---- */
static inline int dial(const struct service *s)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s", s->socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static inline int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What came on a connection; text always ends with NUL. */
struct heard {
    char *text;
    size_t size;
    bool ended;
};

static inline void heard_free(struct heard *h)
{
    free(h->text);
    *h = (struct heard){0};
}

/* Reads what there is, waiting at most until `deadline`; false: nothing came in time, or the end. */
static inline bool hear(int fd, struct heard *h, int64_t deadline)
{
    char bytes[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    const int64_t left = deadline - clock_ms();
    if (h->ended || poll(&p, 1, left > 0 ? (int)left : 0) <= 0) return false;
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) {
        h->ended = true;
        return false;
    }
    h->text = realloc(h->text, h->size + (size_t)n + 1);
    memcpy(h->text + h->size, bytes, (size_t)n);
    h->size += (size_t)n;
    h->text[h->size] = '\0';
    return true;
}

/* Reads until the text has `word`; false: it did not come. */
static inline bool hear_word(int fd, struct heard *h, const char *word)
{
    const int64_t deadline = clock_ms() + PATIENCE_MS;
    while (!h->text || !strstr(h->text, word)) {
        if (!hear(fd, h, deadline)) return false;
    }
    return true;
}

/* Number of the token: 0 ann, 1 bob, -1: none (the owner of the socket). */
static inline void send_request(const struct service *s, int fd, int who, const char *method, const char *path,
                                const char *headers, const char *body)
{
    char text[8192], token[128] = "";
    if (who >= 0) snprintf(token, sizeof token, "Authorization: Bearer %s\r\n", s->tokens[who]);
    char length[64] = "";
    if (body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    const int n = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: test\r\n%s%s%s\r\n%s", method, path, token,
                           headers ? headers : "", length, body ? body : "");
    assert_true(n > 0 && (size_t)n < sizeof text);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

struct answer {
    int status;
    char headers[4096];
    char *body; /* malloc'ed */
    size_t size;
};

/* Puts the pieces of a chunked body together in place. */
static inline size_t unchunk(char *body, size_t size)
{
    size_t at = 0, out = 0;
    for (;;) {
        char *end;
        const unsigned long n = strtoul(body + at, &end, 16);
        at = (size_t)(end - body) + 2;
        if (n == 0 || at + n > size) break;
        memmove(body + out, body + at, n);
        out += n;
        at += n + 2;
    }
    body[out] = '\0';
    return out;
}

/* One request on a connection of its own. */
static inline struct answer ask(const struct service *s, int who, const char *method, const char *path,
                                const char *headers, const char *body)
{
    struct answer a = {0};
    struct heard h = {0};
    const int fd = dial(s);
    char with_close[4096];
    snprintf(with_close, sizeof with_close, "%sConnection: close\r\n", headers ? headers : "");
    send_request(s, fd, who, method, path, with_close, body);
    while (hear(fd, &h, clock_ms() + PATIENCE_MS)) {
    }
    close(fd);
    assert_true(h.ended && h.text);
    char *gap = strstr(h.text, "\r\n\r\n");
    assert_non_null(gap);
    assert_int_equal(sscanf(h.text, "HTTP/1.1 %d", &a.status), 1);
    snprintf(a.headers, sizeof a.headers, "%.*s\r\n", (int)(gap - h.text), h.text);
    gap += 4;
    a.size = h.size - (size_t)(gap - h.text);
    a.body = malloc(a.size + 1);
    memcpy(a.body, gap, a.size);
    a.body[a.size] = '\0';
    if (strstr(a.headers, "chunked")) a.size = unchunk(a.body, a.size);
    heard_free(&h);
    return a;
}

/* The same, when only the status matters. */
static inline int status_of(const struct service *s, int who, const char *method, const char *path, const char *headers,
                            const char *body)
{
    struct answer a = ask(s, who, method, path, headers, body);
    free(a.body);
    return a.status;
}

static inline void expect_header(const struct answer *a, const char *line)
{
    char whole[512];
    snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
    if (!strstr(a->headers, whole)) print_error("no \"%s\" in\n%s\n", line, a->headers);
    assert_non_null(strstr(a->headers, whole));
}

#define AS_JSON "Content-Type: application/json\r\n"

/* A job of one noop task of ann's; its id. */
static inline void post_noop(const struct service *s, char id[FF_ID_SIZE])
{
    struct answer a = ask(s, 0, "POST", "/v1/jobs", AS_JSON, "{\"kind\":\"noop\"}");
    expect_number("submitted", 202, a.status);
    json_t *body = json_loads(a.body, 0, NULL);
    snprintf(id, FF_ID_SIZE, "%s", json_string_value(json_object_get(body, "id")));
    json_decref(body);
    free(a.body);
}

#endif
