/* worker/gang/session_take.c - what came from the server, and what became of the connection (session.h). */
#include <stdio.h>
#include <string.h>

#include "worker/gang/session_inner.h"

enum {
    DENIED_MOST = 8
}; /* handshakes cut in a row, before the first WELCOME, that say the server's key is another one */

static const char *text_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text ? text : "";
}

static void fail(ff_session *s, ff_err code, const char *what)
{
    ff_session_over(s, ff_fail(&s->why, code, FF_HERE, "%s", what));
}

/* ---- the connection ---- */

void ff_session_greet(ff_session *s, double now)
{
    if (s->contact == FF_WELCOME || !s->began) s->apart_since = now;
    s->began = true;
    s->contact = s->linked ? FF_GREETING : FF_APART;
    s->hello_at = -1; /* at once */
    s->asked_since = -1;
    s->fetch.asked = false;
}

/* The server ended the handshake. Its own end looks the same, so one time says nothing. */
static void cut(ff_session *s)
{
    if (s->ever_welcome || ++s->denied < DENIED_MOST) return;
    fail(s, FF_EAUTH, "the server ends the connection in its first step: its key is not the one of --server-key");
}

void ff_session_link(ff_session *s, enum ff_change change, double now)
{
    pthread_mutex_lock(&s->lock);
    switch (change) {
    case FF_LINK_UP:
        s->linked = true;
        s->denied = 0;
        ff_session_greet(s, now);
        break;
    case FF_LINK_DOWN:
        if (s->linked && s->contact == FF_WELCOME && !s->over)
            ff_session_say(s, "the connection to the server is lost");
        s->linked = false;
        ff_session_greet(s, now);
        break;
    case FF_LINK_DENIED:
        if (!s->ever_welcome) fail(s, FF_EAUTH, "the server does not allow this worker's key (--key)");
        break;
    case FF_LINK_CUT:
        cut(s);
        break;
    case FF_LINK_SAME:
        break;
    }
    pthread_mutex_unlock(&s->lock);
}

void ff_session_refuse(ff_session *s, const ff_ctx *why)
{
    pthread_mutex_lock(&s->lock);
    if (why->code == FF_EVERSION) {
        if (!s->over) s->why = *why;
        ff_session_over(s, FF_EVERSION);
    } else {
        ff_session_say(s, "a message of the server is not understood: %s", why->message);
    }
    pthread_mutex_unlock(&s->lock);
}

void ff_session_drain(ff_session *s)
{
    pthread_mutex_lock(&s->lock);
    s->draining = true;
    ff_session_ask_stop(s, "drain");
    pthread_mutex_unlock(&s->lock);
}

void ff_session_checkpoint(ff_session *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->stop != 1) s->stop = s->stop == 2 ? 3 : 2;
    pthread_mutex_unlock(&s->lock);
}

/* ---- messages ---- */

static void take_welcome(ff_session *s, const json_t *body)
{
    const bool again = s->ever_welcome;
    snprintf(s->worker, sizeof s->worker, "%s", text_of(body, "worker"));
    s->heartbeat_s = (double)json_integer_value(json_object_get(body, "heartbeat_ms")) / 1000;
    s->checkpoint_s = json_number_value(json_object_get(body, "checkpoint_s"));
    s->credit = (long)json_integer_value(json_object_get(body, "credit"));
    if (s->contact != FF_WELCOME) {
        s->beat_at = -1;
        ff_session_say(s, "%s by the server as %s", again ? "welcomed again" : "welcomed", s->worker);
    }
    /* A store that was shared stays so while this process lives: its tasks' paths are below it. */
    if (!again) s->shared = text_of(body, "store")[0] != '\0';
    s->ever_welcome = true;
    s->contact = FF_WELCOME;
    ff_outbox_rewind(&s->outbox);
    ff_upload_rewind(&s->upload);
    s->fetch.asked = false;
    s->commit_sent = false;
    s->asked_since = -1;
}

static void take_refused(ff_session *s, const json_t *body)
{
    const int protocol = (int)json_integer_value(json_object_get(body, "protocol"));
    const char *detail = text_of(body, "detail");
    if (protocol != FF_WIRE_VERSION) {
        ff_session_over(s, ff_fail(&s->why, FF_EVERSION, FF_HERE,
                                   "the server speaks protocol %d, this worker protocol %d: %s", protocol,
                                   FF_WIRE_VERSION, detail));
    } else if (!s->ever_welcome) {
        ff_session_over(s, ff_fail(&s->why, FF_ECONFLICT, FF_HERE, "the server refuses this worker: %s", detail));
    } else { /* it may still count on the connection that we have given up: HELLO is said again */
        ff_session_say(s, "the server refuses this worker for now: %s", detail);
    }
}

static struct ff_held hold(const json_t *body)
{
    return (struct ff_held){.task = json_incref((json_t *)body),
                            .job = text_of(body, "job"),
                            .name = text_of(body, "task"),
                            .attempt = (int)json_integer_value(json_object_get(body, "attempt"))};
}

static void take_task(ff_session *s, const json_t *body)
{
    if (ff_held_is(&s->held, body) || ff_held_is(&s->waiting, body) || ff_held_is(&s->last, body)) return;
    if (s->phase == FF_IDLE) {
        s->held = hold(body);
        ff_session_begin(s);
    } else if ((s->abandoned || s->phase == FF_SETTLED) && !s->waiting.task) {
        s->waiting = hold(body);
    } else {
        ff_session_say(s, "a task was sent while another one is in hand: not begun");
    }
}

static void take_taken(ff_session *s, const json_t *body)
{
    if (!ff_held_is(&s->held, body)) return;
    ff_outbox_taken(&s->outbox, (long)json_integer_value(json_object_get(body, "upto")));
    s->asked_since = -1;
    pthread_cond_broadcast(&s->changed);
}

static void take_verdict(ff_session *s, const json_t *body)
{
    if (!ff_held_is(&s->held, body)) return;
    const bool committed = !strcmp(text_of(body, "verdict"), "committed");
    if (s->phase == FF_ENDING && s->commit_sent) {
        ff_session_settle(s, committed ? FF_SETTLED_COMMITTED : FF_SETTLED_STALE);
    } else if (!committed) { /* nothing was committed yet: it is the server's way to say that we have lost the task */
        s->abandoned = true;
        ff_session_ask_stop(s, "fenced");
        if (s->phase == FF_ENDING) ff_session_settle(s, FF_SETTLED_STALE);
    }
}

static void take_stop(ff_session *s, const json_t *body)
{
    const char *why = text_of(body, "why");
    if (!json_is_integer(json_object_get(body, "attempt"))) { /* the gang itself */
        if (!s->draining) ff_session_say(s, "the server asks this worker to end: %s", why);
        s->draining = true;
        ff_session_ask_stop(s, why);
        return;
    }
    if (ff_held_is(&s->waiting, body) && !strcmp(why, "fenced")) ff_held_drop(&s->waiting);
    if (!ff_held_is(&s->held, body)) return;
    ff_session_ask_stop(s, why);
    if (strcmp(why, "fenced") != 0) return;
    s->abandoned = true;
    ff_outbox_clear(&s->outbox);
    ff_upload_clear(&s->upload);
    s->asked_since = -1;
    if (s->phase == FF_ENDING) ff_session_settle(s, FF_SETTLED_STALE);
}

static void take_stored(ff_session *s, const json_t *body)
{
    if (!ff_held_is(&s->held, body)) return;
    const int64_t have = json_integer_value(json_object_get(body, "have"));
    if (ff_upload_stored(&s->upload, text_of(body, "name"), have)) ff_session_tick(s);
    s->asked_since = -1;
}

static void take_chunk(ff_session *s, const struct ff_wire *message)
{
    if (!ff_fetch_chunk(&s->fetch, message->body, message->blob, message->blob_size)) return;
    ff_session_tick(s);
    s->asked_since = -1;
    if (s->fetch.done) pthread_cond_broadcast(&s->changed);
}

static void take(ff_session *s, const struct ff_wire *message, double now)
{
    switch (message->type) {
    case FF_WIRE_WELCOME:
        take_welcome(s, message->body);
        break;
    case FF_WIRE_REFUSED:
        take_refused(s, message->body);
        break;
    case FF_WIRE_TASK:
        take_task(s, message->body);
        break;
    case FF_WIRE_TAKEN:
        take_taken(s, message->body);
        break;
    case FF_WIRE_VERDICT:
        take_verdict(s, message->body);
        break;
    case FF_WIRE_STOP:
        take_stop(s, message->body);
        break;
    case FF_WIRE_STORED:
        take_stored(s, message->body);
        break;
    case FF_WIRE_CHUNK:
        take_chunk(s, message);
        break;
    case FF_WIRE_AGAIN:
        if (s->contact == FF_WELCOME) ff_session_greet(s, now);
        break;
    default: /* a gang's own kind of message: not for us */
        break;
    }
}

void ff_session_take(ff_session *s, const struct ff_wire *message, double now)
{
    pthread_mutex_lock(&s->lock);
    s->heard = now;
    if (!s->over) take(s, message, now);
    pthread_mutex_unlock(&s->lock);
}
