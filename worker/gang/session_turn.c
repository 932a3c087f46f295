/* worker/gang/session_turn.c - what is due to be said, and when the next turn is wanted (session.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/fault.h"
#include "worker/gang/session_inner.h"

/* Seconds. HELLO_S: between two HELLOs. RESEND_S: what was sent and not answered is sent again. COMMIT_S: the same of a
** commit. MISSED: heartbeats without any answer to a question after which HELLO is said again. */
static const double HELLO_S = 1, RESEND_S = 2, COMMIT_S = 1, MISSED = 3, MISSED_LEAST_S = 3;
/* Between turns of a gang at work: how long its progress may wait. */
static const double RUNNING_S = 0.25;
/* Longest gaps between signs of progress are this much longer at most, it is assumed. */
static const double GAP_FACTOR = 4;

static bool send(ff_session *s, enum ff_wire_type type, json_t *body /* taken */)
{
    const bool sent = body && s->config.send(s->config.self, type, body, NULL, 0);
    json_decref(body);
    return sent;
}

static json_t *holding(const ff_session *s)
{
    json_t *list = json_array();
    const bool held = s->held.task && !s->abandoned;
    if (held) json_array_append_new(list, ff_held_name(&s->held));
    if (s->waiting.task) json_array_append_new(list, ff_held_name(&s->waiting));
    return list;
}

/* A question is out: `now` counts towards the server's silence. */
static void asked(ff_session *s, double now)
{
    if (s->asked_since < 0) s->asked_since = now;
}

/* ---- contact ---- */

static void say_hello(ff_session *s, double now)
{
    if (s->hello_at >= 0 && now < s->hello_at + HELLO_S) return;
    json_t *body = json_copy((json_t *)s->config.hello);
    if (body) json_object_set_new(body, "holding", holding(s));
    if (send(s, FF_WIRE_HELLO, body)) s->hello_at = now;
}

/* The longest a task will go without a sign of progress, as far as is known. */
static double expected_gap(const ff_session *s)
{
    return s->expect_s > 0 ? s->expect_s : GAP_FACTOR * fmax(s->gap_s, s->heartbeat_s);
}

/* Looks at the counter: how long since it grew. */
static void watch_progress(ff_session *s, double now, long counter)
{
    if (s->grew_at < 0) s->grew_at = now;
    if (counter == s->beat_counter) return;
    if (s->expect_s <= 0) s->gap_s = fmax(s->gap_s, now - s->grew_at);
    s->grew_at = now;
}

static json_t *beat_of(const struct ff_held *held, long counter, double iteration_s, double gap_s)
{
    json_t *beat = ff_held_name(held);
    json_object_set_new(beat, "counter", json_integer(counter));
    json_object_set_new(beat, "last_iteration_ms", json_real(1000 * iteration_s));
    json_object_set_new(beat, "expect_next_ms", json_real(1000 * gap_s));
    return beat;
}

static void heartbeat(ff_session *s, double now)
{
    if (s->beat_at >= 0 && now < s->beat_at + s->heartbeat_s) return;
    const long counter = atomic_load(&s->counter), grown = counter - s->beat_counter;
    const double since = s->beat_at >= 0 ? now - s->beat_at : s->heartbeat_s;
    json_t *list = json_array();
    if (s->held.task && !s->abandoned) {
        watch_progress(s, now, counter);
        const double iteration_s = grown > 0 ? since / (double)grown : now - s->grew_at;
        json_array_append_new(list, beat_of(&s->held, counter, iteration_s, expected_gap(s)));
    }
    if (s->waiting.task) /* not begun: the abandoned one before it has to reach its boundary */
        json_array_append_new(list, beat_of(&s->waiting, counter, 0, s->config.first_step_s));
    s->beat_counter = counter;
    s->beat_at = now; /* a heartbeat that could not be sent is not made up for */
    send(s, FF_WIRE_HEARTBEAT,
         json_pack("{so sf}", "holding", list, "free_memory_bytes", s->config.free_memory(s->config.self)));
}

static void mind_silence(ff_session *s, double now)
{
    const double patience = fmax(MISSED * s->heartbeat_s, MISSED_LEAST_S);
    if (s->asked_since < 0 || now < s->asked_since + patience || now < s->heard + patience) return;
    ff_session_say(s, "the server has not answered for %.1f s: trying again", now - fmax(s->heard, s->asked_since));
    ff_session_greet(s, now);
}

/* ---- the attempt ---- */

static json_t *attempt_body(const ff_session *s)
{
    return ff_held_name(&s->held);
}

static bool send_batch(ff_session *s)
{
    long from;
    const long credit = s->credit - s->outbox.sent;
    json_t *batch = ff_outbox_batch(&s->outbox, credit < s->batch ? credit : s->batch, &from);
    if (!batch) return false;
    const long n = (long)json_array_size(batch);
    json_t *body = attempt_body(s);
    json_object_set_new(body, "from", json_integer(from));
    json_object_set_new(body, "events", batch);
    if (!send(s, FF_WIRE_EVENTS, body)) {
        s->batch = n > 1 ? n / 2 : 1; /* too large for one message, perhaps */
        return false;
    }
    s->batch = s->batch < FF_OUTBOX_BATCH / 2 ? 2 * s->batch : FF_OUTBOX_BATCH;
    ff_outbox_mark(&s->outbox, n);
    return true;
}

/* One message is on its way at a time, so that events gather meanwhile; whole messages go as credit allows. */
static void send_events(ff_session *s, double now)
{
    if (s->outbox.sent > 0 && now >= s->events_at + RESEND_S) ff_outbox_rewind(&s->outbox);
    while (s->outbox.sent == 0 || ff_outbox_unsent(&s->outbox) >= FF_OUTBOX_BATCH) {
        if (!send_batch(s)) return;
        s->events_at = now;
        asked(s, now);
    }
}

static bool put(void *self, const struct ff_upload_file *file, int64_t offset, const void *bytes, size_t size)
{
    ff_session *s = self;
    json_t *body = attempt_body(s);
    json_object_set_new(body, "name", json_string(file->name));
    json_object_set_new(body, "offset", json_integer(offset));
    json_object_set_new(body, "size", json_integer(file->size));
    json_object_set_new(body, "sha256", json_string(file->sha256));
    const bool sent = s->config.send(s->config.self, FF_WIRE_PUT, body, bytes, size);
    json_decref(body);
    return sent;
}

static void send_files(ff_session *s, double now)
{
    if (s->upload.unanswered > 0 && now >= s->chunks_at + RESEND_S) ff_upload_rewind(&s->upload);
    if (!ff_upload_send(&s->upload, put, s)) return;
    s->chunks_at = now;
    asked(s, now);
}

static void ask_file(ff_session *s, double now)
{
    if (!ff_fetch_busy(&s->fetch)) return;
    if (s->fetch.asked && now < s->fetch_at + RESEND_S) return;
    if (!send(s, FF_WIRE_GET, ff_fetch_ask(&s->fetch))) return;
    s->fetch.asked = true;
    s->fetch_at = now;
    asked(s, now);
}

/* A file that could not be sent makes an end that needs it one for another gang to try. */
static void mind_failed_upload(ff_session *s)
{
    const char *outcome = json_string_value(json_object_get(s->commit, "outcome"));
    if (!s->upload.failed || !outcome || !strcmp(outcome, "failed") || !strcmp(outcome, "environment")) return;
    json_object_set_new(s->commit, "outcome", json_string("environment"));
    json_object_set_new(s->commit, "reason", json_string("transfer"));
    json_object_set_new(s->commit, "message", json_string("a file of the task could not be sent to the server"));
    json_object_set_new(s->commit, "files", json_array());
    json_object_del(s->commit, "result");
}

static void send_commit(ff_session *s, double now)
{
    if (s->phase != FF_ENDING || !s->commit || s->outbox.count > 0 || ff_upload_busy(&s->upload)) return;
    if (s->commit_sent && now < s->commit_at + COMMIT_S) return;
    mind_failed_upload(s);
    json_t *body = attempt_body(s);
    json_object_update(body, s->commit);
    if (!s->commit_sent) ff_crash_point("gang_before_commit");
    if (!send(s, FF_WIRE_COMMIT, body)) return;
    if (!s->commit_sent) ff_crash_point("gang_after_commit_sent");
    s->commit_sent = true;
    s->commit_at = now;
    asked(s, now);
}

/* ---- the end ---- */

static void mind_end(ff_session *s, double now)
{
    const bool idle = s->phase == FF_IDLE && !s->waiting.task;
    const double apart = s->contact == FF_WELCOME ? 0 : now - s->apart_since;
    if (s->draining && idle) {
        if (s->contact == FF_WELCOME) s->bye = send(s, FF_WIRE_BYE, json_pack("{ss}", "reason", "drained"));
        ff_session_over(s, FF_OK);
    } else if (idle && apart >= s->config.idle_exit_s) {
        ff_session_over(s,
                        ff_fail(&s->why, FF_EUNREACHABLE, FF_HERE, "no server for %.0f s, and no task in hand", apart));
    } else if (s->config.give_up_s > 0 && apart >= s->config.give_up_s) {
        ff_session_over(s, ff_fail(&s->why, FF_EUNREACHABLE, FF_HERE,
                                   "no server for %.0f s: the task in hand is given up, its files stay", apart));
    }
    if (s->phase != FF_ENDING || s->over) return;
    if (s->ending_since < 0) s->ending_since = now;
    if (s->draining && now >= s->ending_since + s->config.drain_wait_s)
        ff_session_over(s, ff_fail(&s->why, FF_EUNREACHABLE, FF_HERE,
                                   "the server has not confirmed the end of the last task for %.0f s; its files stay",
                                   now - s->ending_since));
}

/* The earliest of what is due. */
static double until_next(const ff_session *s, double now)
{
    double next = now + (s->phase == FF_RUNNING ? RUNNING_S : 1);
    if (s->contact == FF_WELCOME) {
        next = fmin(next, s->beat_at + s->heartbeat_s);
        if (s->outbox.sent > 0) next = fmin(next, s->events_at + RESEND_S);
        if (s->commit_sent) next = fmin(next, s->commit_at + COMMIT_S);
    } else if (s->contact == FF_GREETING) {
        next = fmin(next, s->hello_at >= 0 ? s->hello_at + HELLO_S : now + 0.05);
    }
    return fmax(next - now, 0.001);
}

double ff_session_turn(ff_session *s, double now)
{
    pthread_mutex_lock(&s->lock);
    if (!s->began) ff_session_greet(s, now);
    if (s->contact == FF_WELCOME && !s->over) mind_silence(s, now);
    if (s->contact == FF_GREETING && !s->over) say_hello(s, now);
    if (s->contact == FF_WELCOME && !s->over) {
        heartbeat(s, now);
        if (s->held.task && !s->abandoned) {
            send_events(s, now);
            send_files(s, now);
            ask_file(s, now);
            send_commit(s, now);
        }
    }
    if (!s->over) mind_end(s, now);
    const double seconds = s->over ? -1 : until_next(s, now);
    pthread_mutex_unlock(&s->lock);
    return seconds;
}
