/* worker/gang/gang.c - see gang.h: the gang's life and its wire thread. */
#include "worker/gang/gang.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/version.h"
#include "worker/gang/gang_inner.h"
#include "worker/gang/runner.h"
#include "worker/job/memory.h"

enum { MAX_EVENTS = 20000, MESSAGES_A_TURN = 64, TOKEN_SIZE = 128 };

static void say(void *self, const char *line)
{
    const struct ff_gang *g = self;
    g->config->say(g->config->say_self, line);
}

static void wake(void *self)
{
    const struct ff_gang *g = self;
    const uint64_t one = 1;
    if (write(g->config->wake_fd, &one, sizeof one) < 0) return; /* the counter is full: it is awake */
}

/* ---- the wire thread ---- */

static bool send(void *self, enum ff_wire_type type, const json_t *body, const void *blob, size_t blob_size)
{
    struct ff_gang *g = self;
    char line[FF_MESSAGE_SIZE + 64];
    ff_ctx why = {0};
    const bool sent = ff_link_send(&g->link, type, body, blob, blob_size, &why);
    if (!sent && why.code) {
        snprintf(line, sizeof line, "%s cannot be sent: %s", ff_wire_name(type), why.message);
        say(g, line);
    }
    return sent;
}

static double free_memory(void *self)
{
    (void)self;
    return (double)ff_memory_available();
}

/* What came since the last turn; bounded, so that heartbeats go out whatever comes. */
static void receive(struct ff_gang *g)
{
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        struct ff_wire message;
        void *bytes;
        bool got;
        ff_ctx why = {0};
        const ff_err err = ff_link_receive(&g->link, &message, &bytes, &got, &why);
        if (err) {
            ff_session_refuse(g->session, &why);
        } else if (got) {
            ff_session_take(g->session, &message, ff_clock_s());
            ff_wire_done(&message);
            free(bytes);
        }
        if (!got) return;
    }
}

static void *wire_main(void *self)
{
    struct ff_gang *g = self;
    sig_atomic_t checkpoint = *g->config->checkpoint;
    bool draining = false;
    for (;;) {
        for (enum ff_change c; (c = ff_link_change(&g->link)) != FF_LINK_SAME;)
            ff_session_link(g->session, c, ff_clock_s());
        receive(g);
        if (*g->config->terminate && !draining) {
            draining = true;
            ff_session_drain(g->session);
        }
        if (*g->config->checkpoint != checkpoint) {
            checkpoint = *g->config->checkpoint;
            ff_session_checkpoint(g->session);
        }
        const double seconds = ff_session_turn(g->session, ff_clock_s());
        if (seconds < 0) break;
        ff_link_wait(&g->link, g->config->wake_fd, seconds);
    }
    ff_link_close(&g->link);
    return NULL;
}

/* ---- HELLO ---- */

static ff_err read_token(const char *store, char token[TOKEN_SIZE], ff_ctx *ctx)
{
    char path[FF_GANG_PATH], text[TOKEN_SIZE + 2] = "";
    const int n = snprintf(path, sizeof path, "%s/token", store);
    FILE *file = n > 0 && n < (int)sizeof path ? fopen(path, "re") : NULL;
    if (!file)
        return ff_fail_at(ctx, FF_ENOFILE, "--store", FF_HERE, "%s is no store: %s/token: %s", store, store,
                          strerror(errno));
    const bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    text[strcspn(text, "\r\n")] = '\0';
    const size_t size = strlen(text) + 1;
    if (!read || size == 1 || size > TOKEN_SIZE)
        return ff_fail_at(ctx, FF_EBADFILE, "--store", FF_HERE, "%s holds no token", path);
    memcpy(token, text, size);
    return FF_OK;
}

static void random_text(char *out, size_t size)
{
    unsigned char bytes[16] = {0};
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        const double now = ff_clock_s();
        const long pid = getpid();
        memcpy(bytes, &now, sizeof now);
        memcpy(bytes + sizeof now, &pid, sizeof pid);
    }
    for (size_t i = 0; i < sizeof bytes && 2 * i + 2 < size; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static ff_err make_hello(struct ff_gang *g, ff_ctx *ctx)
{
    const struct ff_gang_config *c = g->config;
    char instance[40] = "", host[128] = "?", name[256], token[TOKEN_SIZE];
    random_text(instance, sizeof instance);
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "%s:%ld", host, (long)getpid());
    const double memory = c->memory_bytes > 0 ? c->memory_bytes : (double)ff_memory_available();
    g->hello = json_pack("{ss ss ss ss ss ss si si sf sb ss}", "name", c->name ? c->name : name, "build", ff_build_id(),
                         "cpu_class", ff_cpu_class(), "backend", "cpu", "device", ff_cpu_class(), "pool", c->pool,
                         "ranks", g->ranks.comm.nranks, "threads", c->threads * g->ranks.comm.nranks, "memory_bytes",
                         memory, "gpu", 0, "instance", instance);
    if (!g->hello)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the name or the pool of the worker is no text, or there is no memory");
    if (!c->store) return FF_OK;
    const ff_err err = read_token(c->store, token, ctx);
    if (!err) json_object_set_new(g->hello, "store_token", json_string(token));
    return err;
}

/* ---- the gang ---- */

/* What tasks may take beside what the process has already. */
static ff_err limit_memory(double bytes, ff_ctx *ctx)
{
    unsigned long long pages = 0;
    if (!(bytes > 0)) return FF_OK;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%llu", &pages) != 1) pages = 0;
    if (file) fclose(file);
    const double now = (double)pages * (double)sysconf(_SC_PAGESIZE);
    const struct rlimit limit = {(rlim_t)(now + bytes), (rlim_t)(now + bytes)};
    if (!setrlimit(RLIMIT_AS, &limit)) return FF_OK;
    return ff_fail_at(ctx, FF_EUSAGE, "--memory", FF_HERE, "the memory cannot be limited to %.0f bytes: %s", bytes,
                      strerror(errno));
}

static ff_err open_session(struct ff_gang *g, ff_ctx *ctx)
{
    const struct ff_gang_config *c = g->config;
    const struct ff_session_config session = {.hello = g->hello,
                                              .max_events = MAX_EVENTS,
                                              .idle_exit_s = c->idle_exit_s,
                                              .give_up_s = c->give_up_s,
                                              .drain_wait_s = c->drain_wait_s,
                                              .first_step_s = c->first_step_s,
                                              .send = send,
                                              .wake = wake,
                                              .say = say,
                                              .free_memory = free_memory,
                                              .self = g};
    return ff_session_open(&g->session, &session, ctx);
}

static ff_err open_link(struct ff_gang *g, ff_ctx *ctx)
{
    struct ff_keys keys;
    ff_err err = ff_keys_read(&keys, g->config->server_key, g->config->key, ctx);
    if (!err) err = ff_link_open(&g->link, g->config->connect, &keys, ctx);
    ff_keys_wipe(&keys);
    return err;
}

static ff_err lead(struct ff_gang *g, ff_ctx *ctx)
{
    pthread_t wire;
    const json_t *body;
    ff_err err = g->config->scratch ? ff_scratch_check(g->config->scratch, ctx) : FF_OK;
    if (!err) err = make_hello(g, ctx);
    if (!err) err = open_session(g, ctx);
    if (!err) err = open_link(g, ctx);
    if (!err) err = limit_memory(g->config->memory_bytes, ctx);
    if (!err && pthread_create(&wire, NULL, wire_main, g))
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no thread for the wire");
    if (err) {
        if (g->link.socket) ff_link_close(&g->link);
        return err;
    }
    while ((body = ff_session_next(g->session))) ff_gang_attempt(g, body);
    pthread_join(wire, NULL);
    return ff_session_end(g->session, ctx);
}

ff_err ff_gang_run(const struct ff_gang_config *config, ff_ctx *ctx)
{
    struct ff_gang g = {.config = config};
    ff_scratch_init(&g.scratch);
    ff_err err = ff_ranks_open(&g.ranks, ctx);
    if (err) return err;
    err = ff_runner_open(&g.engine, &g.ranks, config->scratch, ctx);
    if (!err) err = g.ranks.comm.rank ? ff_ranks_follow(&g.ranks, ff_runner_part, &g.engine, ctx) : lead(&g, ctx);
    if (err && g.ranks.comm.rank) ff_ranks_abort(&g.ranks, ff_code_exit(err));
    ff_session_close(g.session);
    ff_runner_close(&g.engine);
    ff_scratch_done(&g.scratch);
    json_decref(g.hello);
    ff_ranks_close(&g.ranks);
    return err;
}
