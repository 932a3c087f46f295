/* tests/unit/gang/help.h - what tests of the gang share: a session whose messages land in a list, on a clock of the
** test's. */
#ifndef FF_TESTS_UNIT_GANG_HELP_H
#define FF_TESTS_UNIT_GANG_HELP_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/gang/session.h"

#define JOB "job_aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define WORKER "wk_aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum { MOST = 4096 };

struct server {
    ff_session *session;
    json_t *hello;
    double now;
    bool deaf; /* nothing can be sent */
    pthread_mutex_t lock;
    struct {
        enum ff_wire_type type;
        json_t *body;
        size_t blob;
    } sent[MOST];
    int nsent, seen;
    char said[512]; /* the last words */
};

static inline bool server_send(void *self, enum ff_wire_type type, const json_t *body, const void *blob, size_t size)
{
    struct server *v = self;
    const struct ff_wire message = {.type = type, .body = (json_t *)body, .blob = blob, .blob_size = size};
    void *bytes;
    size_t n;
    ff_ctx ctx = {0};
    if (v->deaf) return false;
    if (ff_wire_encode(&message, &bytes, &n, &ctx)) fail_msg("%s is no message: %s", ff_wire_name(type), ctx.message);
    free(bytes);
    pthread_mutex_lock(&v->lock);
    assert_true(v->nsent < MOST);
    v->sent[v->nsent].type = type;
    v->sent[v->nsent].body = json_deep_copy(body);
    v->sent[v->nsent++].blob = size;
    pthread_mutex_unlock(&v->lock);
    return true;
}

static inline void server_wake(void *self)
{
    (void)self;
}

static inline void server_say(void *self, const char *line)
{
    struct server *v = self;
    snprintf(v->said, sizeof v->said, "%s", line);
}

static inline double server_memory(void *self)
{
    (void)self;
    return 1e9;
}

static inline struct server *server_open(long max_events)
{
    struct server *v = calloc(1, sizeof *v);
    ff_ctx ctx = {0};
    pthread_mutex_init(&v->lock, NULL);
    v->now = 1000;
    v->hello = json_pack("{ss ss ss ss ss ss si si sf sb ss}", "name", "n", "build", "b", "cpu_class", "c", "backend",
                         "cpu", "device", "d", "pool", "default", "ranks", 1, "threads", 1, "memory_bytes", 1e9, "gpu",
                         0, "instance", "i");
    const struct ff_session_config config = {.hello = v->hello,
                                             .max_events = max_events,
                                             .idle_exit_s = 60,
                                             .drain_wait_s = 30,
                                             .first_step_s = 120,
                                             .send = server_send,
                                             .wake = server_wake,
                                             .say = server_say,
                                             .free_memory = server_memory,
                                             .self = v};
    assert_int_equal(ff_session_open(&v->session, &config, &ctx), FF_OK);
    return v;
}

static inline void server_close(struct server *v)
{
    ff_session_close(v->session);
    for (int i = 0; i < v->nsent; i++) json_decref(v->sent[i].body);
    json_decref(v->hello);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* A message of the server; the body is taken. */
static inline void give(struct server *v, enum ff_wire_type type, json_t *body, const void *blob, size_t size)
{
    const struct ff_wire message = {.type = type, .body = body, .blob = blob, .blob_size = size};
    void *bytes;
    size_t n;
    ff_ctx ctx = {0};
    if (ff_wire_encode(&message, &bytes, &n, &ctx)) fail_msg("%s is no message: %s", ff_wire_name(type), ctx.message);
    free(bytes);
    ff_session_take(v->session, &message, v->now);
    json_decref(body);
}

static inline double turn(struct server *v, double seconds)
{
    v->now += seconds;
    return ff_session_turn(v->session, v->now);
}

/* The next message of this type that was not seen yet; those before it are passed over. NULL: none. */
static inline const json_t *next_of(struct server *v, enum ff_wire_type type)
{
    const json_t *found = NULL;
    pthread_mutex_lock(&v->lock);
    while (!found && v->seen < v->nsent) {
        if (v->sent[v->seen].type == type) found = v->sent[v->seen].body;
        v->seen++;
    }
    pthread_mutex_unlock(&v->lock);
    return found;
}

static inline int count_of(struct server *v, enum ff_wire_type type)
{
    int n = 0;
    for (int i = 0; i < v->nsent; i++) n += v->sent[i].type == type;
    return n;
}

static inline void welcome(struct server *v, int credit)
{
    give(v, FF_WIRE_WELCOME,
         json_pack("{ss si si si ss sf si}", "worker", WORKER, "heartbeat_ms", 2000, "lease_ms", 60000, "credit",
                   credit, "store", "", "checkpoint_s", 15.0, "protocol", FF_WIRE_VERSION),
         NULL, 0);
}

/* Connected and welcomed. */
static inline void meet(struct server *v, int credit)
{
    turn(v, 0);
    ff_session_link(v->session, FF_LINK_UP, v->now);
    turn(v, 0.01);
    assert_non_null(next_of(v, FF_WIRE_HELLO));
    welcome(v, credit);
    turn(v, 0.01);
}

static inline json_t *attempt(const char *task, int number)
{
    return json_pack("{ss ss si}", "job", JOB, "task", task, "attempt", number);
}

static inline void give_task(struct server *v, const char *task, int number)
{
    json_t *body = attempt(task, number);
    json_object_update_new(body, json_pack("{si si ss s{}}", "first", 0, "count", 1, "kind", "noop", "spec"));
    give(v, FF_WIRE_TASK, body, NULL, 0);
}

static inline void give_stop(struct server *v, const char *task, int number, const char *why)
{
    json_t *body = task ? attempt(task, number) : json_object();
    json_object_set_new(body, "why", json_string(why));
    give(v, FF_WIRE_STOP, body, NULL, 0);
}

static inline void give_verdict(struct server *v, const char *task, int number, const char *verdict)
{
    json_t *body = attempt(task, number);
    json_object_set_new(body, "verdict", json_string(verdict));
    give(v, FF_WIRE_VERDICT, body, NULL, 0);
}

static inline void give_taken(struct server *v, const char *task, int number, int upto)
{
    json_t *body = attempt(task, number);
    json_object_set_new(body, "upto", json_integer(upto));
    give(v, FF_WIRE_TAKEN, body, NULL, 0);
}

static inline json_t *event_of(const char *type, int number)
{
    return json_pack("{ss si}", "type", type, "number", number);
}

static inline long integer_of(const json_t *body, const char *key)
{
    return (long)json_integer_value(json_object_get(body, key));
}

static inline void expect_long(const char *what, long expected, long got)
{
    if (expected != got) fail_msg("%s: expected %ld, got %ld", what, expected, got);
}

#endif
