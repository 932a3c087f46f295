/* server/dispatch/receive.c - see inner.h: what a gang's message means. A message is data and never trusted: the decoder has
** checked every member's type and bounds; here it is checked whether this gang may say this now. */
#include <stdio.h>
#include <string.h>

#include "server/dispatch/inner.h"

enum { LONGEST_STEP_MS = 86400000, STOP_AGAIN_MS = 5000 };

/* The gang's lease if it is of this attempt. */
static struct ff_hold *held_by(const struct ff_peer *peer, const struct ff_attempt *attempt)
{
    return peer->hold && ff_attempt_equal(&peer->hold->attempt, attempt) ? peer->hold : NULL;
}

/* ---- HELLO ---- */

/* A member into size bytes; what does not fit is cut between characters. */
static void copy_text(char *out, size_t size, const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    size_t n = text ? strlen(text) : 0;
    if (n >= size) {
        for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;) n--;
    }
    if (n) memcpy(out, text, n);
    out[n] = '\0';
}

static void describe(ff_dispatch *d, struct ff_peer *peer, const json_t *body)
{
    struct ff_worker_row *row = &peer->row;
    copy_text(row->name, sizeof row->name, body, "name");
    copy_text(row->pool, sizeof row->pool, body, "pool");
    copy_text(row->backend, sizeof row->backend, body, "backend");
    copy_text(row->device, sizeof row->device, body, "device");
    copy_text(row->build, sizeof row->build, body, "build");
    row->ranks = (int)json_integer_value(json_object_get(body, "ranks"));
    row->threads = (int)json_integer_value(json_object_get(body, "threads"));
    row->memory_bytes = json_number_value(json_object_get(body, "memory_bytes"));
    peer->gpu = json_is_true(json_object_get(body, "gpu"));
    const char *token = json_string_value(json_object_get(body, "store_token"));
    peer->shared = token && strcmp(token, ff_storehouse_token(d->store)) == 0;
}

/* A gang that holds what the database says was given to some worker is that worker, come back after our restart. */
static void identify(ff_dispatch *d, struct ff_peer *peer, const json_t *body)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(body, "holding"), i, item)
    {
        struct ff_attempt attempt;
        const struct ff_hold *hold = ff_attempt_read(item, &attempt) ? ff_hold_find(d, &attempt) : NULL;
        if (!hold || hold->peer || !*hold->worker || ff_peer_by_worker(d, hold->worker)) continue;
        memcpy(peer->row.id, hold->worker, sizeof peer->row.id);
        return;
    }
    ff_id_make("wk_", peer->row.id);
}

static void say_hello(ff_dispatch *d, struct ff_peer *peer, json_t *body)
{
    struct ff_op *op = ff_op_add(&d->turn, FF_OP_HELLO);
    if (!op) return;
    op->peer = peer;
    op->body = json_incref(body);
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(body, "holding"), i, item)
    {
        if (op->nheld < FF_MAX_HELD && ff_attempt_read(item, &op->held[op->nheld])) op->nheld++;
    }
}

/* Another connection says that it is a gang we know. It is the same gang, reconnected, when the old connection is gone or
** falls silent; it is a second process, and refused, when the old one goes on talking (timers.c). */
static bool takes_over(ff_dispatch *d, struct ff_peer *peer, const struct ff_route *route, int64_t now)
{
    if (peer->reachable) ff_send(d, peer, FF_WIRE_AGAIN, json_object(), NULL, 0); /* finds out whether it is there */
    if (!peer->reachable || ff_peer_silent(d, peer, now)) {
        ff_peer_move(d, peer, route);
        return true;
    }
    const bool same = peer->rival.size == route->size && memcmp(peer->rival.id, route->id, route->size) == 0;
    if (!same) {
        peer->rival = *route;
        peer->rival_since = now;
    }
    return false;
}

static void refuse(ff_dispatch *d, const struct ff_route *route, const char *detail)
{
    ff_complain(d, "a gang was refused: %s", detail);
    ff_send_refused(d, route, detail);
}

static void hello(ff_dispatch *d, struct ff_peer *peer, const struct ff_route *route, const char *key, json_t *body)
{
    const char *instance = json_string_value(json_object_get(body, "instance"));
    const int64_t now = ff_boot_ms();
    if (!ff_allowed_has(&d->allowed, key)) {
        refuse(d, route, "its key is not allowed any more");
        return;
    }
    if (peer && strcmp(peer->instance, instance) != 0) {
        refuse(d, route, "one connection, two names of the process");
        return;
    }
    if (!peer && (peer = ff_peer_by_instance(d, instance))) {
        if (strcmp(peer->key, key) != 0) {
            refuse(d, route, "another gang with another key has this name of the process");
            return;
        }
        if (!takes_over(d, peer, route, now)) return;
    }
    if (!peer) {
        peer = ff_peer_new(d, route);
        if (!peer) {
            refuse(d, route, "no room for another gang");
            return;
        }
        copy_text(peer->instance, sizeof peer->instance, body, "instance");
        memcpy(peer->key, key, strnlen(key, sizeof peer->key - 1));
        identify(d, peer, body);
        ff_peer_link(d, peer);
    }
    peer->heard = now;
    peer->shunned_until = 0;
    describe(d, peer, body);
    say_hello(d, peer, body);
}

/* ---- HEARTBEAT ---- */

/* A heartbeat renews the lease while there is progress, or as long without as the gang said its step takes. A gang that
** was told to stop and goes on for longer than that loses it. */
static void renew(ff_dispatch *d, struct ff_hold *hold, const json_t *item)
{
    const int64_t now = ff_boot_ms();
    const int64_t counter = json_integer_value(json_object_get(item, "counter"));
    double expected = json_number_value(json_object_get(item, "expect_next_ms"));
    if (expected > LONGEST_STEP_MS) expected = LONGEST_STEP_MS;
    ff_hold_acknowledge(hold);
    if (counter > hold->counter) {
        hold->counter = counter;
        hold->grew = now;
        hold->expected = (int64_t)expected;
        hold->alarmed = false;
    } else if ((int64_t)expected > hold->expected) {
        hold->expected = (int64_t)expected;
    }
    const int64_t patience = ff_hold_patience(d, hold);
    const bool obeys = !hold->stop || now - hold->stop_since <= patience;
    if (obeys && now - hold->grew <= patience) ff_hold_renew(d, hold, now);
    if (hold->stop && now - hold->stop_sent >= STOP_AGAIN_MS) ff_tell_stop(d, hold, hold->stop);
}

static void heartbeat(ff_dispatch *d, struct ff_peer *peer, const json_t *body)
{
    struct ff_op *op = NULL;
    bool mine = false, other = false;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(body, "holding"), i, item)
    {
        struct ff_attempt attempt;
        if (!ff_attempt_read(item, &attempt)) continue;
        if (held_by(peer, &attempt)) {
            mine = true;
            renew(d, peer->hold, item);
        } else if (!ff_attempt_equal(&peer->done, &attempt)) {
            other = true;
            if (!op && (op = ff_op_add(&d->turn, FF_OP_HOLDING))) op->peer = peer;
            if (op && op->nheld < FF_MAX_HELD) op->held[op->nheld++] = attempt;
        }
    }
    peer->occupied = other; /* given nothing as long as it is busy with what is not, or no longer, its own */
    if (peer->hold && !mine && !peer->hold->sent) ff_send_task(d, peer->hold);
}

/* ---- EVENTS, COMMIT ---- */

/* Events are taken in the order of their numbers: what comes again is answered again, what comes too early is not taken. */
static void events(ff_dispatch *d, struct ff_peer *peer, json_t *body)
{
    struct ff_attempt attempt;
    if (!ff_attempt_read(body, &attempt)) return;
    const int64_t from = json_integer_value(json_object_get(body, "from"));
    const int64_t n = (int64_t)json_array_size(json_object_get(body, "events"));
    if (from > INT64_MAX / 2) return;
    const int64_t last = from + n - 1;
    struct ff_hold *hold = held_by(peer, &attempt);
    if (!hold && ff_attempt_equal(&peer->done, &attempt)) {
        ff_send_taken(d, peer, &attempt, last); /* of an attempt that has ended: nobody waits for them */
        return;
    }
    if (hold) {
        ff_hold_acknowledge(hold);
        const bool early = hold->seen >= 0 && from > hold->seen + 1;
        if (early || (hold->taken >= 0 && last <= hold->taken)) {
            ff_send_taken(d, peer, &attempt, hold->taken);
            return;
        }
        if (last > hold->seen) hold->seen = last;
    }
    struct ff_op *op = ff_op_add(&d->turn, FF_OP_EVENTS);
    if (!op) return;
    op->peer = peer;
    op->hold = hold;
    op->attempt = attempt;
    op->body = json_incref(body);
}

static bool names_result(const json_t *body)
{
    const char *result = json_string_value(json_object_get(body, "result"));
    const char *outcome = json_string_value(json_object_get(body, "outcome"));
    return result && *result && outcome && strcmp(outcome, "succeeded") == 0;
}

static void commit(ff_dispatch *d, struct ff_peer *peer, json_t *body)
{
    struct ff_attempt attempt;
    if (!ff_attempt_read(body, &attempt)) return;
    struct ff_hold *hold = held_by(peer, &attempt);
    if (hold) ff_hold_acknowledge(hold);
    if (hold && hold->verifying) return; /* it is being looked at; the verdict follows */
    const bool result = names_result(body), file = ff_commit_result(body) != NULL;
    if (hold && result && file) {
        hold->verifying = ff_files_accept(d, peer, &attempt, body);
        return;
    }
    struct ff_op *op = ff_op_add(&d->turn, result && file ? FF_OP_LATE : FF_OP_COMMIT);
    if (!op) return;
    if (result && !file) {
        op->reason = "no_result";
        snprintf(op->message, sizeof op->message, "the gang names a result that is not among its files");
    }
    op->peer = peer;
    op->hold = hold;
    op->attempt = attempt;
    op->body = json_incref(body);
}

/* ---- any message ---- */

static void bye(ff_dispatch *d, struct ff_peer *peer)
{
    struct ff_op *op = ff_op_add(&d->turn, FF_OP_BYE);
    if (op) op->peer = peer;
    peer->leaving = true;
}

static void from_gang(ff_dispatch *d, struct ff_peer *peer, const struct ff_wire *message)
{
    switch (message->type) {
    case FF_WIRE_HEARTBEAT:
        heartbeat(d, peer, message->body);
        break;
    case FF_WIRE_EVENTS:
        events(d, peer, message->body);
        break;
    case FF_WIRE_COMMIT:
        commit(d, peer, message->body);
        break;
    case FF_WIRE_PUT:
        ff_files_put(d, peer, message);
        break;
    case FF_WIRE_GET:
        ff_files_get(d, peer, message);
        break;
    case FF_WIRE_BYE:
        bye(d, peer);
        break;
    default:
        d->refused++;
        ff_complain(d, "gang %s: %s is not for a gang to say", peer->row.name, ff_wire_name(message->type));
    }
}

static void bad_message(ff_dispatch *d, const struct ff_route *route, const ff_ctx *why)
{
    d->refused++;
    ff_complain(d, "a message of a gang was refused: %s", why->message);
    if (why->code == FF_EVERSION) ff_send_refused(d, route, why->message);
}

void ff_receive(ff_dispatch *d, const struct ff_route *route, const char *key, const void *bytes, size_t size)
{
    struct ff_wire message;
    ff_ctx ctx = {0};
    d->messages++;
    if (ff_wire_decode(&message, bytes, size, &ctx)) {
        bad_message(d, route, &ctx);
        return;
    }
    struct ff_peer *peer = ff_peer_by_route(d, route);
    if (peer) {
        peer->heard = ff_boot_ms();
        peer->reachable = true;
    }
    if (message.type == FF_WIRE_HELLO) {
        hello(d, peer, route, key, message.body);
    } else if (!peer) {
        ff_send_route(d, route, FF_WIRE_AGAIN, json_object());
    } else if (peer->joined && !peer->leaving) {
        from_gang(d, peer, &message);
        d->turn.bytes += size;
    }
    ff_wire_done(&message);
}
