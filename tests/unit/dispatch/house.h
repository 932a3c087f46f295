/* tests/unit/dispatch/house.h - what the tests of the dispatcher share: a server without HTTP (queue, store, dispatcher) in a
** temporary folder, and gangs made of a DEALER socket that say what a test tells them to say. */
#ifndef FF_TESTS_UNIT_DISPATCH_HOUSE_H
#define FF_TESTS_UNIT_DISPATCH_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/hash.h"
#include "common/job.h"
#include "common/wire.h"
#include "server/dispatch/dispatch.h"
#include "server/dispatch/keys.h"
#include "server/queue/events.h"
#include "server/queue/jobs.h"
#include "server/queue/tasks.h"
#include "server/queue/users.h"
#include "server/queue/workers.h"

enum { PATIENCE_MS = 10000 };

struct house {
    char dir[64];
    ff_queue *queue;
    ff_storehouse *store;
    ff_dispatch *dispatch;
    struct ff_who who;
    int heartbeat_ms, lease_ms, stuck_ms;
};

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        ff_ctx ctx = {0};                                                                                              \
        if (call) fail_msg("%s: %s (%d)", #call, ctx.message, ctx.code);                                               \
    } while (0)

static inline int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void nap(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* ---- the server ---- */

static inline void house_log(void *self, const char *level, const char *message)
{
    (void)self;
    if (getenv("FF_TEST_LOG")) fprintf(stderr, "# %s: %s\n", level, message);
}

static inline void dispatch_start(struct house *h)
{
    const struct ff_dispatch_config config = {.queue = h->queue,
                                              .store = h->store,
                                              .endpoints = {"tcp://127.0.0.1:*"},
                                              .key_dir = h->dir,
                                              .heartbeat_ms = h->heartbeat_ms,
                                              .lease_ms = h->lease_ms,
                                              .stuck_ms = h->stuck_ms,
                                              .checkpoint_s = 5,
                                              .log = house_log};
    assert_ok(ff_dispatch_start(&h->dispatch, &config, &ctx));
}

static inline ff_err house_user(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct house *h = arg;
    return ff_users_ensure(tx, "somebody", false, &h->who, ctx);
}

static inline void queue_open(struct house *h)
{
    char path[160];
    snprintf(path, sizeof path, "%s/queue.db", h->dir);
    const struct ff_queue_config config = {.path = path, .readers = 2};
    assert_ok(ff_queue_open(&h->queue, &config, &ctx));
    assert_ok(ff_queue_write(h->queue, house_user, h, &ctx));
}

static inline void house_open(struct house *h)
{
    snprintf(h->dir, sizeof h->dir, "/tmp/ff-dispatch-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    if (!h->heartbeat_ms) h->heartbeat_ms = 200;
    if (!h->lease_ms) h->lease_ms = 5000;
    if (!h->stuck_ms) h->stuck_ms = 60000;
    const struct ff_storehouse_config config = {.dir = h->dir};
    assert_ok(ff_storehouse_open(&h->store, &config, &ctx));
    assert_ok(ff_keys_ensure(h->dir, &ctx));
    queue_open(h);
    dispatch_start(h);
}

/* The queue is closed with the dispatcher: it never forgets a listener. */
static inline void house_stop(struct house *h, bool drain, double seconds)
{
    ff_dispatch_stop(h->dispatch, drain, seconds);
    ff_queue_close(h->queue);
    h->dispatch = NULL;
    h->queue = NULL;
}

static inline void house_restart(struct house *h)
{
    house_stop(h, false, 0);
    queue_open(h);
    dispatch_start(h);
}

static inline void house_close(struct house *h)
{
    if (h->dispatch) house_stop(h, false, 0);
    ff_storehouse_close(h->store);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", h->dir);
    assert_int_equal(system(command), 0);
}

/* ---- jobs ---- */

struct submit {
    const struct ff_job *job;
    struct house *house;
    char id[FF_ID_SIZE];
};

static inline ff_err do_submit(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct submit *s = arg;
    char *spec = json_dumps(s->job->spec, JSON_COMPACT);
    const struct ff_submission submission = {.who = s->house->who, .job = s->job, .spec = spec};
    bool again;
    ff_err err = ff_jobs_submit(tx, &submission, s->id, &again, ctx);
    free(spec);
    return err;
}

/* A noop job; `more`: further members, each with a comma before it. */
static inline void submit(struct house *h, int count, const char *more, char id[FF_ID_SIZE])
{
    char text[512];
    struct ff_job *job;
    snprintf(text, sizeof text, "{\"kind\":\"noop\",\"count\":%d%s}", count, more);
    assert_ok(ff_job_parse_posted(&job, text, strlen(text), true, &ctx));
    struct submit s = {.job = job, .house = h};
    assert_ok(ff_queue_write(h->queue, do_submit, &s, &ctx));
    ff_job_free(job);
    memcpy(id, s.id, FF_ID_SIZE);
}

struct look {
    struct house *house;
    const char *id;
    json_t *job;
    struct ff_job_row row;
};

static inline ff_err do_find(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct look *l = arg;
    return ff_jobs_find(tx, &l->house->who, l->id, &l->row, ctx);
}

static inline ff_err do_get(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct look *l = arg;
    return ff_jobs_get(tx, &l->house->who, l->id, true, &l->job, ctx);
}

static inline json_t *job_of(struct house *h, const char *id)
{
    struct look l = {.house = h, .id = id};
    assert_ok(ff_queue_read(h->queue, do_get, &l, &ctx));
    return l.job;
}

static inline void state_of(struct house *h, const char *id, char state[12])
{
    struct look l = {.house = h, .id = id};
    assert_ok(ff_queue_read(h->queue, do_find, &l, &ctx));
    memcpy(state, l.row.state, sizeof l.row.state);
}

static inline void wait_state_for(struct house *h, const char *id, const char *state, int ms)
{
    const int64_t end = now_ms() + ms;
    char seen[12] = "";
    do {
        state_of(h, id, seen);
        if (strcmp(seen, state) == 0) return;
        nap(5);
    } while (now_ms() < end);
    fail_msg("job is %s, expected %s", seen, state);
}

static inline void wait_state(struct house *h, const char *id, const char *state)
{
    wait_state_for(h, id, state, PATIENCE_MS);
}

/* How many events of the job have this text in them. */
struct grep {
    struct house *house;
    const char *id, *text;
    int n;
};

static inline ff_err grep_event(void *self, const struct ff_event *event, ff_ctx *ctx)
{
    struct grep *g = self;
    (void)ctx;
    g->n += strstr(event->text, g->text) != NULL;
    return FF_OK;
}

static inline ff_err do_grep(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct grep *g = arg;
    struct ff_job_row row;
    ff_err err = ff_jobs_find(tx, &g->house->who, g->id, &row, ctx);
    return err ? err : ff_events_read(tx, row.row, 0, 100000, grep_event, g, ctx);
}

static inline int count_events(struct house *h, const char *id, const char *text)
{
    struct grep g = {.house = h, .id = id, .text = text};
    assert_ok(ff_queue_read(h->queue, do_grep, &g, &ctx));
    return g.n;
}

static inline struct ff_dispatch_numbers numbers_of(struct house *h)
{
    struct ff_dispatch_numbers n;
    ff_dispatch_numbers(h->dispatch, &n);
    return n;
}

/* ---- gangs ---- */

struct gang {
    void *context, *socket;
    struct house *house;
    char instance[32], worker[FF_ID_SIZE], store[256];
    int ranks;
    bool shared;
    /* the attempt of the last TASK */
    char job[FF_ID_SIZE], task[32];
    int attempt;
};

static inline void gang_keys(struct house *h, char server[FF_KEY_SIZE], char own[FF_KEY_SIZE], char secret[FF_KEY_SIZE])
{
    char path[160];
    snprintf(path, sizeof path, "%s/server.key", h->dir);
    assert_ok(ff_key_read(path, secret, &ctx));
    assert_int_equal(zmq_curve_public(server, secret), 0);
    snprintf(path, sizeof path, "%s/worker.key", h->dir);
    assert_ok(ff_key_read(path, secret, &ctx));
    assert_int_equal(zmq_curve_public(own, secret), 0);
}

static inline void gang_connect_as(struct gang *g, const char *server, const char *own, const char *secret)
{
    const int linger = 0;
    g->context = zmq_ctx_new();
    g->socket = zmq_socket(g->context, ZMQ_DEALER);
    zmq_setsockopt(g->socket, ZMQ_LINGER, &linger, sizeof linger);
    if (server) {
        zmq_setsockopt(g->socket, ZMQ_CURVE_SERVERKEY, server, FF_KEY_SIZE);
        zmq_setsockopt(g->socket, ZMQ_CURVE_PUBLICKEY, own, FF_KEY_SIZE);
        zmq_setsockopt(g->socket, ZMQ_CURVE_SECRETKEY, secret, FF_KEY_SIZE);
    }
    assert_int_equal(zmq_connect(g->socket, ff_dispatch_endpoint(g->house->dispatch, 0)), 0);
}

static inline void gang_connect(struct gang *g)
{
    char server[FF_KEY_SIZE], own[FF_KEY_SIZE], secret[FF_KEY_SIZE];
    gang_keys(g->house, server, own, secret);
    gang_connect_as(g, server, own, secret);
}

static inline void gang_close(struct gang *g)
{
    zmq_close(g->socket);
    zmq_ctx_term(g->context);
    g->socket = g->context = NULL;
}

static inline void gang_send_blob(struct gang *g, enum ff_wire_type type, json_t *body, const void *blob, size_t n)
{
    const struct ff_wire message = {.type = type, .body = body, .blob = blob, .blob_size = n};
    void *bytes;
    size_t size;
    assert_non_null(body);
    assert_ok(ff_wire_encode(&message, &bytes, &size, &ctx));
    assert_int_equal(zmq_send(g->socket, bytes, size, 0), (int)size);
    free(bytes);
    json_decref(body);
}

static inline void gang_send(struct gang *g, enum ff_wire_type type, json_t *body)
{
    gang_send_blob(g, type, body, NULL, 0);
}

/* The next message within ms; NULL: none. blob: malloc'ed copy, or NULL when not wanted. */
static inline json_t *gang_receive(struct gang *g, int ms, enum ff_wire_type *type, void **blob, size_t *nblob)
{
    zmq_pollitem_t item = {.socket = g->socket, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, ms) <= 0) return NULL;
    zmq_msg_t frame;
    struct ff_wire message;
    zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, g->socket, 0) >= 0);
    assert_ok(ff_wire_decode(&message, zmq_msg_data(&frame), zmq_msg_size(&frame), &ctx));
    json_t *body = json_incref(message.body);
    *type = message.type;
    if (blob) {
        *nblob = message.blob_size;
        *blob = malloc(*nblob + 1);
        memcpy(*blob, message.blob ? message.blob : "", *nblob);
    }
    ff_wire_done(&message);
    zmq_msg_close(&frame);
    return body;
}

/* Waits for a message of this type, dropping others; NULL when none comes within ms. */
static inline json_t *gang_wait_for(struct gang *g, enum ff_wire_type wanted, int ms)
{
    const int64_t end = now_ms() + ms;
    for (int64_t left; (left = end - now_ms()) > 0;) {
        enum ff_wire_type type;
        json_t *body = gang_receive(g, (int)left, &type, NULL, NULL);
        if (body && type == wanted) return body;
        json_decref(body);
    }
    return NULL;
}

static inline json_t *gang_expect(struct gang *g, enum ff_wire_type wanted)
{
    json_t *body = gang_wait_for(g, wanted, PATIENCE_MS);
    if (!body) fail_msg("no %s came", ff_wire_name(wanted));
    return body;
}

static inline const char *word(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text ? text : "";
}

static inline json_t *attempt_name(const struct gang *g)
{
    return json_pack("{ss ss si}", "job", g->job, "task", g->task, "attempt", g->attempt);
}

static inline void gang_say_hello(struct gang *g, bool holding)
{
    json_t *body = json_pack("{ss ss ss ss ss ss si si sf sb ss}", "name", "test", "build", "test", "cpu_class", "c",
                             "backend", "cpu", "device", "", "pool", "default", "ranks", g->ranks ? g->ranks : 1,
                             "threads", 1, "memory_bytes", 1e9, "gpu", 0, "instance", g->instance);
    if (g->shared) json_object_set_new(body, "store_token", json_string(ff_storehouse_token(g->house->store)));
    json_t *list = json_array();
    if (holding) json_array_append_new(list, attempt_name(g));
    json_object_set_new(body, "holding", list);
    gang_send(g, FF_WIRE_HELLO, body);
}

static inline void gang_hello(struct gang *g, bool holding)
{
    gang_say_hello(g, holding);
    json_t *welcome = gang_expect(g, FF_WIRE_WELCOME);
    snprintf(g->worker, sizeof g->worker, "%s", word(welcome, "worker"));
    snprintf(g->store, sizeof g->store, "%s", word(welcome, "store"));
    json_decref(welcome);
}

static inline void gang_open(struct gang *g, struct house *h, const char *instance)
{
    g->house = h;
    snprintf(g->instance, sizeof g->instance, "%s", instance);
    gang_connect(g);
    gang_hello(g, false);
}

static inline void gang_note_task(struct gang *g, const json_t *task)
{
    snprintf(g->job, sizeof g->job, "%s", word(task, "job"));
    snprintf(g->task, sizeof g->task, "%s", word(task, "task"));
    g->attempt = (int)json_integer_value(json_object_get(task, "attempt"));
}

static inline bool gang_take_task(struct gang *g, int ms)
{
    json_t *task = gang_wait_for(g, FF_WIRE_TASK, ms);
    if (!task) return false;
    gang_note_task(g, task);
    json_decref(task);
    return true;
}

static inline void gang_beat(struct gang *g, bool holding, int counter, double expect_ms)
{
    json_t *list = json_array();
    if (holding) {
        json_t *item = attempt_name(g);
        json_object_set_new(item, "counter", json_integer(counter));
        json_object_set_new(item, "expect_next_ms", json_real(expect_ms));
        json_array_append_new(list, item);
    }
    gang_send(g, FF_WIRE_HEARTBEAT, json_pack("{so}", "holding", list));
}

static inline void gang_events(struct gang *g, int from, int n)
{
    json_t *body = attempt_name(g), *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{ss ss ss+}", "type", "log", "level", "info", "message", "event ",
                                              (char[]){(char)('a' + (from + i - 1) % 26), 0}));
    json_object_set_new(body, "from", json_integer(from));
    json_object_set_new(body, "events", list);
    gang_send(g, FF_WIRE_EVENTS, body);
}

static inline int64_t gang_taken(struct gang *g)
{
    json_t *taken = gang_expect(g, FF_WIRE_TAKEN);
    int64_t upto = json_integer_value(json_object_get(taken, "upto"));
    json_decref(taken);
    return upto;
}

static inline void gang_commit(struct gang *g, const char *outcome)
{
    json_t *body = attempt_name(g);
    json_object_set_new(body, "outcome", json_string(outcome));
    gang_send(g, FF_WIRE_COMMIT, body);
}

static inline void gang_verdict(struct gang *g, const char *expected)
{
    json_t *verdict = gang_expect(g, FF_WIRE_VERDICT);
    assert_string_equal(word(verdict, "verdict"), expected);
    assert_string_equal(word(verdict, "task"), g->task);
    assert_int_equal(json_integer_value(json_object_get(verdict, "attempt")), g->attempt);
    json_decref(verdict);
}

static inline void gang_stop(struct gang *g, const char *why)
{
    json_t *stop = gang_expect(g, FF_WIRE_STOP);
    assert_string_equal(word(stop, "why"), why);
    json_decref(stop);
}

#endif
