/* server/dispatch/settle.c - see inner.h: the transaction of the turn is durable; now it is remembered and answered. */
#include <stdio.h>
#include <string.h>

#include "server/dispatch/inner.h"

/* ---- HELLO ---- */

/* One attempt that the gang says it holds. Without a lease it may go on as long as nobody else got its task: its commit is
** welcome then. */
static void settle_held(ff_dispatch *d, struct ff_op *op, int i)
{
    struct ff_peer *peer = op->peer;
    struct ff_hold *hold = ff_hold_find(d, &op->held[i]);
    const bool mine = hold && (hold->peer == peer || (!hold->peer && !peer->hold));
    if (!op->holding[i].current &&
        op->holding[i].recorded) { /* only the verdict was lost; it offers its commit again */
        if (hold && mine) ff_hold_end(hold);
        peer->occupied = true;
        return;
    }
    if (!op->holding[i].current || (hold && !mine)) {
        if (hold && mine) ff_hold_end(hold);
        ff_send_stop(d, peer, &op->held[i], "fenced");
        peer->occupied = true; /* until a heartbeat says otherwise */
        return;
    }
    if (!hold) {
        peer->occupied = true;
        peer->late = op->held[i];
        return;
    }
    if (!hold->peer) ff_hold_attach(hold, peer);
    ff_hold_acknowledge(hold);
    ff_hold_renew(d, hold, ff_boot_ms());
    hold->seen = hold->taken; /* what was on its way may be lost, and comes again */
    if (hold->stop || op->holding[i].cancelling) ff_tell_stop(d, hold, "cancel");
}

static bool mentions(const struct ff_op *op, const struct ff_attempt *attempt)
{
    for (int i = 0; i < op->nheld; i++) {
        if (ff_attempt_equal(&op->held[i], attempt)) return true;
    }
    return false;
}

static void settle_hello(ff_dispatch *d, struct ff_op *op)
{
    struct ff_peer *peer = op->peer;
    if (!peer->joined) ff_log(d, "info", "gang %s joined as %s", peer->row.name, peer->row.id);
    peer->joined = true;
    peer->barren = false;
    peer->occupied = false;
    snprintf(peer->shown, sizeof peer->shown, "%s", peer->row.state);
    peer->shown_at = ff_boot_ms();
    ff_send_welcome(d, peer);
    for (int i = 0; i < op->nheld; i++) settle_held(d, op, i);
    struct ff_hold *hold = peer->hold;
    if (hold && !mentions(op, &hold->attempt)) {
        if (!hold->acknowledged) {
            ff_send_task(d, hold); /* it never arrived */
        } else if (!hold->verifying) {
            hold->ends = ff_boot_ms(); /* it gave it up */
        }
    }
    if (d->stopping) ff_send_stop(d, peer, NULL, "shutdown");
    if (peer->draining) ff_send_stop(d, peer, NULL, "drain");
}

/* ---- answers ---- */

static void settle_events(ff_dispatch *d, struct ff_op *op)
{
    const int64_t from = json_integer_value(json_object_get(op->body, "from"));
    const int64_t last = from + (int64_t)json_array_size(json_object_get(op->body, "events")) - 1;
    struct ff_hold *hold = op->hold && !op->hold->freed ? op->hold : NULL;
    if (op->current) {
        if (hold && last > hold->taken) hold->taken = last;
        ff_send_taken(d, op->peer, &op->attempt, last);
    } else if ((op->hold && op->hold->freed) || op->holding[0].recorded) {
        ff_send_taken(d, op->peer, &op->attempt, last); /* ended, in this very turn or before: nobody waits for them */
    } else {
        if (hold) ff_hold_end(hold);
        op->peer->occupied = true;
        ff_send_stop(d, op->peer, &op->attempt, "fenced");
    }
}

static void send_verdict(ff_dispatch *d, struct ff_peer *peer, const struct ff_attempt *a, enum ff_verdict verdict)
{
    peer->done = *a;
    ff_send(d, peer, FF_WIRE_VERDICT,
            json_pack("{ss ss si ss}", "job", a->job, "task", a->task, "attempt", a->number, "verdict",
                      verdict == FF_COMMITTED ? "committed" : "stale"),
            NULL, 0);
}

static void settle_commit(ff_dispatch *d, struct ff_op *op)
{
    if (op->hold) ff_hold_end(op->hold);
    if (op->peer) {
        if (!op->peer->hold) {
            op->peer->occupied = false;
            op->peer->barren = false;
        }
        send_verdict(d, op->peer, &op->attempt, op->verdict);
    }
    const char *outcome = json_string_value(json_object_get(op->body, "outcome"));
    const bool succeeded = !op->reason && outcome && strcmp(outcome, "succeeded") == 0;
    if (op->verdict != FF_COMMITTED || !succeeded) return;
    if (ff_is_manifest(&op->attempt) && *op->path)
        ff_files_tidy(d, &op->attempt, op->chunk_bytes); /* what is said again has no path */
    else if (op->attempt.number > 1)
        ff_files_drop(d, &op->attempt);
}

static void settle_late(ff_dispatch *d, struct ff_op *op)
{
    if (!op->current) {
        settle_commit(d, op);
    } else if (!ff_files_accept(d, op->peer, &op->attempt, op->body)) {
        ff_complain(d, "gang %s offers a result; no room to look at it now", op->peer->row.name);
    }
}

static void settle_holding(ff_dispatch *d, struct ff_op *op)
{
    for (int i = 0; i < op->nheld; i++) {
        const struct ff_hold *hold = ff_hold_find(d, &op->held[i]);
        if (hold && hold->peer == op->peer) continue;
        if (op->holding[i].recorded) continue; /* it waits for the verdict */
        if (hold || !op->holding[i].current) ff_send_stop(d, op->peer, &op->held[i], "fenced");
    }
}

/* ---- leases ---- */

static void settle_grant(ff_dispatch *d, struct ff_op *op)
{
    struct ff_hold *hold = op->hold;
    struct ff_lease *lease = &op->lease;
    struct ff_attempt attempt = {.number = lease->attempt};
    memcpy(attempt.job, lease->job, sizeof attempt.job);
    memcpy(attempt.task, lease->task, sizeof attempt.task);
    op->hold = NULL; /* the list's now */
    ff_hold_begin(d, hold, &attempt);
    ff_hold_attach(hold, op->peer);
    hold->seen = hold->taken = 0;
    hold->job = op->job;
    op->job = NULL;
    if (lease->walltime_s > 0) hold->walltime = ff_boot_ms() + (int64_t)(lease->walltime_s * 1000);
    const char *extended = json_string_value(json_object_get(json_object_get(lease->inputs, "extend"), "job"));
    if (extended) snprintf(hold->extended, sizeof hold->extended, "%s", extended);
    if (!op->peer->shared) {
        ff_files_prepare(d, hold, lease);
        return;
    }
    ff_ctx ctx = {0};
    if (ff_task_compose(d, hold, lease, true, NULL, &ctx)) {
        ff_complain(d, "a task cannot be sent: %s", ctx.message);
        hold->ends = ff_boot_ms();
        return;
    }
    ff_send_task(d, hold);
}

static void settle_lost(ff_dispatch *d, struct ff_op *op)
{
    struct ff_peer *peer = op->hold->peer;
    if (!op->current) return;
    d->lost++;
    ff_log(d, "warning", "lease of %s %s attempt %d (%s) ended without a result", op->hold->attempt.job,
           op->hold->attempt.task, op->hold->attempt.number, op->hold->worker);
    /* One that talks is stuck: it is told. One that is silent may yet come back with the result while its task waits. */
    const int64_t now = ff_boot_ms();
    if (peer && !ff_peer_silent(d, peer, now)) {
        /* One that lost it by our own fault (no memory for its message, say) is as good as any. */
        if (op->hold->alarmed || op->hold->stop) peer->shunned_until = now + d->stuck_ms;
        ff_send_stop(d, peer, &op->hold->attempt, "fenced");
    }
    ff_hold_end(op->hold);
}

static void settle_bye(ff_dispatch *d, struct ff_op *op)
{
    struct ff_peer *peer = op->peer;
    if (peer->hold) {
        d->lost++;
        ff_hold_end(peer->hold);
    }
    if (peer->joined) ff_log(d, "info", "gang %s (%s) left", peer->row.name, peer->row.id);
    peer->gone = true;
}

/* ---- stops ---- */

static void stop_job(ff_dispatch *d, const char *job, const char *why)
{
    for (struct ff_hold *hold = d->holds; hold; hold = hold->next) {
        if (!hold->freed && !hold->stop && strcmp(hold->attempt.job, job) == 0) ff_tell_stop(d, hold, why);
    }
}

static void settle_cancels(ff_dispatch *d, struct ff_op *op)
{
    for (int i = 0; i < op->ncancelling; i++) {
        struct ff_attempt attempt = {.number = op->cancelling[i].attempt};
        memcpy(attempt.job, op->cancelling[i].job, sizeof attempt.job);
        memcpy(attempt.task, op->cancelling[i].task, sizeof attempt.task);
        struct ff_hold *hold = ff_hold_find(d, &attempt);
        if (hold && !hold->stop) ff_tell_stop(d, hold, "cancel");
    }
}

/* ---- all ---- */

static void settle_op(ff_dispatch *d, struct ff_op *op)
{
    switch (op->kind) {
    case FF_OP_HELLO:
        settle_hello(d, op);
        break;
    case FF_OP_EVENTS:
        settle_events(d, op);
        break;
    case FF_OP_COMMIT:
        settle_commit(d, op);
        break;
    case FF_OP_LATE:
        settle_late(d, op);
        break;
    case FF_OP_HOLDING:
        settle_holding(d, op);
        break;
    case FF_OP_LOST:
        settle_lost(d, op);
        break;
    case FF_OP_STUCK:
        op->hold->alarmed = true;
        d->stuck++;
        ff_log(d, "warning", "%s %s attempt %d (%s) is stuck: it makes no progress", op->hold->attempt.job,
               op->hold->attempt.task, op->hold->attempt.number, op->hold->worker);
        break;
    case FF_OP_WALLTIME:
        stop_job(d, op->hold->attempt.job, "walltime");
        break;
    case FF_OP_BYE:
        settle_bye(d, op);
        break;
    case FF_OP_SHOW:
        op->peer->shown_at = ff_boot_ms();
        break;
    case FF_OP_CANCELS:
        settle_cancels(d, op);
        break;
    case FF_OP_GRANT:
        settle_grant(d, op);
        break;
    }
}

/* What was asked did not happen: whoever asked asks again, so what was noted about the asking is taken back. */
static void unsettle_op(ff_dispatch *d, struct ff_op *op, bool refused)
{
    struct ff_hold *hold = op->hold;
    switch (op->kind) {
    case FF_OP_HELLO:
        if (!op->peer->joined) op->peer->gone = true;
        break;
    case FF_OP_EVENTS:
        if (hold) hold->seen = hold->taken;
        if (hold && refused) hold->ends = ff_boot_ms(); /* it would come again and again */
        break;
    case FF_OP_COMMIT:
        if (hold) hold->verifying = false;
        if (hold && refused) hold->ends = ff_boot_ms();
        break;
    case FF_OP_CANCELS:
        atomic_store(&d->cancels, true);
        break;
    case FF_OP_BYE:
        op->peer->leaving = false;
        break;
    default:
        break;
    }
}

void ff_settle(ff_dispatch *d)
{
    for (int i = 0; i < d->turn.n; i++) {
        struct ff_op *op = &d->turn.ops[i];
        if (op->err) {
            unsettle_op(d, op, true);
        } else {
            settle_op(d, op);
        }
    }
}

void ff_unsettle(ff_dispatch *d)
{
    for (int i = 0; i < d->turn.n; i++) unsettle_op(d, &d->turn.ops[i], false);
}
