/* worker/gang/session.c - a session's life and the task thread's side (session.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/gang/session_inner.h"

/* ---- small things ---- */

bool ff_held_is(const struct ff_held *h, const json_t *body)
{
    const char *job = json_string_value(json_object_get(body, "job"));
    const char *task = json_string_value(json_object_get(body, "task"));
    return h->task && job && task && !strcmp(job, h->job) && !strcmp(task, h->name) &&
           json_integer_value(json_object_get(body, "attempt")) == h->attempt;
}

void ff_held_drop(struct ff_held *h)
{
    json_decref(h->task);
    *h = (struct ff_held){0};
}

json_t *ff_held_name(const struct ff_held *h)
{
    return json_pack("{ss ss si}", "job", h->job, "task", h->name, "attempt", h->attempt);
}

void ff_session_say(ff_session *s, const char *format, ...)
{
    char line[FF_MESSAGE_SIZE + 128];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    s->config.say(s->config.self, line);
}

void ff_session_ask_stop(ff_session *s, const char *why)
{
    if (s->phase == FF_IDLE || s->phase == FF_SETTLED) return;
    if (!s->stop_why[0] || !strcmp(why, "fenced")) snprintf(s->stop_why, sizeof s->stop_why, "%s", why);
    s->stop = 1;
    pthread_cond_broadcast(&s->changed);
}

void ff_session_over(ff_session *s, ff_err err)
{
    if (s->over) return;
    s->over = true;
    s->err = err;
    if (s->phase == FF_GIVEN) s->phase = FF_IDLE;
    ff_session_ask_stop(s, "shutdown");
    pthread_cond_broadcast(&s->changed);
}

/* ---- life ---- */

ff_err ff_session_open(ff_session **out, const struct ff_session_config *config, ff_ctx *ctx)
{
    *out = NULL;
    ff_session *s = calloc(1, sizeof *s);
    if (!s) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a session");
    const ff_err err = ff_outbox_init(&s->outbox, config->max_events, ctx);
    if (err) {
        free(s);
        return err;
    }
    s->config = *config;
    s->heartbeat_s = 1; /* until WELCOME says */
    s->asked_since = -1;
    s->batch = FF_OUTBOX_BATCH;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    ff_upload_init(&s->upload);
    ff_fetch_init(&s->fetch);
    *out = s;
    return FF_OK;
}

void ff_session_close(ff_session *s)
{
    if (!s) return;
    ff_ctx ignored = {0};
    if (ff_fetch_end(&s->fetch, &ignored)) ff_ctx_clear(&ignored);
    ff_upload_clear(&s->upload);
    ff_outbox_done(&s->outbox);
    json_decref(s->commit);
    ff_held_drop(&s->held);
    ff_held_drop(&s->waiting);
    ff_held_drop(&s->last);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

ff_err ff_session_end(ff_session *s, ff_ctx *ctx)
{
    pthread_mutex_lock(&s->lock);
    const ff_err err = s->err;
    if (err && ctx) *ctx = s->why;
    pthread_mutex_unlock(&s->lock);
    return err;
}

void ff_session_begin(ff_session *s)
{
    s->phase = FF_GIVEN;
    s->abandoned = false;
    s->stop_why[0] = '\0';
    s->stop = 0;
    ff_outbox_clear(&s->outbox);
    ff_upload_clear(&s->upload);
    s->asked_since = -1;
    s->grew_at = -1;
    s->gap_s = 0;
    s->expect_s = s->config.first_step_s;
    if (s->draining) ff_session_ask_stop(s, "drain");
    pthread_cond_broadcast(&s->changed);
}

void ff_session_settle(ff_session *s, enum ff_settled how)
{
    s->settled = how;
    s->phase = FF_SETTLED;
    json_decref(s->commit);
    s->commit = NULL;
    ff_held_drop(&s->last);
    s->last = s->held;
    s->held = (struct ff_held){0};
    ff_outbox_clear(&s->outbox);
    ff_upload_clear(&s->upload);
    s->asked_since = -1;
    pthread_cond_broadcast(&s->changed);
}

/* ---- the task thread ---- */

const json_t *ff_session_next(ff_session *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->over && s->phase != FF_GIVEN) pthread_cond_wait(&s->changed, &s->lock);
    const json_t *task = s->over ? NULL : s->held.task;
    if (task) s->phase = FF_RUNNING;
    pthread_mutex_unlock(&s->lock);
    return task;
}

bool ff_session_shared(ff_session *s)
{
    pthread_mutex_lock(&s->lock);
    const bool shared = s->shared;
    pthread_mutex_unlock(&s->lock);
    return shared;
}

double ff_session_checkpoint_s(ff_session *s)
{
    pthread_mutex_lock(&s->lock);
    const double seconds = s->checkpoint_s;
    pthread_mutex_unlock(&s->lock);
    return seconds;
}

const volatile sig_atomic_t *ff_session_stop(ff_session *s)
{
    return &s->stop;
}

void ff_session_why(ff_session *s, char out[16])
{
    pthread_mutex_lock(&s->lock);
    memcpy(out, s->stop_why, sizeof s->stop_why);
    pthread_mutex_unlock(&s->lock);
}

void ff_session_tick(ff_session *s)
{
    atomic_fetch_add(&s->counter, 1);
}

void ff_session_expect(ff_session *s, double seconds)
{
    pthread_mutex_lock(&s->lock);
    s->expect_s = seconds;
    pthread_mutex_unlock(&s->lock);
    ff_session_tick(s);
}

static bool told_to_stop(const ff_session *s)
{
    return s->over || s->abandoned || s->stop == 1;
}

/* Words and states are no progress of the work itself. */
static bool tells_progress(const char *type)
{
    return type && (!strcmp(type, "progress") || !strcmp(type, "sample") || !strcmp(type, "map"));
}

void ff_session_emit(ff_session *s, json_t *event)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    ff_session_tick(s);
    pthread_mutex_lock(&s->lock);
    if (tells_progress(type)) s->expect_s = 0;
    while (!told_to_stop(s) && ff_outbox_full(&s->outbox)) pthread_cond_wait(&s->changed, &s->lock);
    /* Progress alone waits for the next turn, which comes soon: it is often overtaken by more of it, or by the end. */
    const bool wake = s->outbox.sent == 0 && !(type && !strcmp(type, "progress"));
    if (s->over || s->abandoned || !ff_outbox_add(&s->outbox, event, s->stop == 1)) json_decref(event);
    pthread_mutex_unlock(&s->lock);
    if (wake) s->config.wake(s->config.self);
}

ff_err ff_session_fetch(ff_session *s, const struct ff_fetch_want *want, ff_ctx *ctx)
{
    pthread_mutex_lock(&s->lock);
    ff_err err = ff_fetch_start(&s->fetch, want, ctx);
    if (!err && want->size == 0) s->fetch.done = true;
    if (!err) {
        s->config.wake(s->config.self);
        while (!s->fetch.done && !told_to_stop(s)) pthread_cond_wait(&s->changed, &s->lock);
        err = ff_fetch_end(&s->fetch, ctx);
    }
    pthread_mutex_unlock(&s->lock);
    return err;
}

ff_err ff_session_put(ff_session *s, const struct ff_upload_file *file, ff_ctx *ctx)
{
    pthread_mutex_lock(&s->lock);
    const ff_err err = ff_upload_add(&s->upload, file, ctx);
    pthread_mutex_unlock(&s->lock);
    s->config.wake(s->config.self);
    return err;
}

bool ff_session_putting(ff_session *s)
{
    pthread_mutex_lock(&s->lock);
    const bool busy = ff_upload_busy(&s->upload);
    pthread_mutex_unlock(&s->lock);
    return busy;
}

enum ff_settled ff_session_finish(ff_session *s, json_t *commit)
{
    pthread_mutex_lock(&s->lock);
    s->phase = FF_ENDING;
    s->commit = commit;
    /* All that is to be told of a short task is its end. */
    if (s->outbox.count == 1 && s->outbox.number == 1 && !s->outbox.told && ff_outbox_is_progress(&s->outbox))
        ff_outbox_clear(&s->outbox);
    s->commit_sent = false;
    s->ending_since = -1;
    if (s->abandoned) ff_session_settle(s, FF_SETTLED_STALE);
    s->config.wake(s->config.self);
    while (!s->over && s->phase == FF_ENDING) pthread_cond_wait(&s->changed, &s->lock);
    if (s->phase == FF_ENDING) ff_session_settle(s, FF_SETTLED_OVER);
    const enum ff_settled how = s->settled;
    s->phase = FF_IDLE;
    if (s->waiting.task) { /* given before this one had ended */
        s->held = s->waiting;
        s->waiting = (struct ff_held){0};
        ff_session_begin(s);
    }
    if (s->draining) s->config.wake(s->config.self); /* it may have been all that the end waited for */
    pthread_mutex_unlock(&s->lock);
    return how;
}
