/* server/dispatch/timers.c - see inner.h: what time brings, looked at in each pass of the loop after the messages that had
** arrived. Only CLOCK_BOOTTIME counts: setting the clock of the machine ends no lease. */
#include <stdio.h>
#include <string.h>

#include "server/dispatch/inner.h"

enum { SHOW_MS = 1000, SHOW_AGAIN_MS = 30000, LOOK_READY_MS = 1000 };

static struct ff_op *about_hold(ff_dispatch *d, enum ff_op_kind kind, struct ff_hold *hold)
{
    struct ff_op *op = ff_op_add(&d->turn, kind);
    if (op) op->hold = hold;
    return op;
}

static void look_at_hold(ff_dispatch *d, struct ff_hold *hold, int64_t now)
{
    const bool busy = hold->verifying || hold->preparing; /* with us */
    if (!busy && hold->ends <= now) {
        if (about_hold(d, FF_OP_LOST, hold) && hold->peer) hold->peer->occupied = true;
        return;
    }
    if (hold->peer && !busy && !hold->alarmed && now - hold->grew > ff_hold_patience(d, hold))
        about_hold(d, FF_OP_STUCK, hold);
    if (hold->walltime && now >= hold->walltime && !hold->stop) about_hold(d, FF_OP_WALLTIME, hold);
}

/* ---- gangs ---- */

/* Two connections that say they are one gang: the first was heard again since, or was it not? */
static void look_at_rival(ff_dispatch *d, struct ff_peer *peer, int64_t now)
{
    const int64_t patience = d->heartbeat_ms;
    if (peer->heard > peer->rival_since + patience / 4) {
        ff_complain(d, "a second gang says that it is %s; it was refused", peer->row.name);
        ff_send_refused(d, &peer->rival, "another gang has this name of the process and is alive");
        peer->rival.size = 0;
    } else if (now - peer->rival_since > 2 * patience) {
        const struct ff_route route = peer->rival;
        ff_peer_move(d, peer, &route);
        ff_send(d, peer, FF_WIRE_AGAIN, json_object(), NULL, 0);
    }
}

static void show(ff_dispatch *d, struct ff_peer *peer, int64_t now)
{
    const char *state = peer->draining ? "draining" : peer->hold || peer->occupied ? "busy" : "idle";
    const bool same = strcmp(state, peer->shown) == 0;
    if (now - peer->shown_at < (same ? SHOW_AGAIN_MS : SHOW_MS)) return;
    struct ff_op *op = ff_op_add(&d->turn, FF_OP_SHOW);
    if (!op) return;
    op->peer = peer;
    snprintf(peer->shown, sizeof peer->shown, "%s", state);
}

static void leave(ff_dispatch *d, struct ff_peer *peer)
{
    struct ff_op *op = ff_op_add(&d->turn, FF_OP_BYE);
    if (!op) return;
    op->peer = peer;
    peer->leaving = true;
}

static void look_at_peer(ff_dispatch *d, struct ff_peer *peer, int64_t now)
{
    if (peer->rival.size) look_at_rival(d, peer, now);
    if (peer->leaving || !peer->joined) return;
    if (!peer->hold && ff_peer_silent(d, peer, now) && now - peer->heard > d->lease_ms) {
        leave(d, peer);
        return;
    }
    if (atomic_load(&peer->drain_asked) && !peer->draining) {
        peer->draining = true;
        ff_send_stop(d, peer, NULL, "drain");
    }
    show(d, peer, now);
}

/* ---- everything ---- */

/* A task may become ready by time alone (it waited after a crash, a quota is free again): that makes no commit. */
static ff_err count_ready(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    long running;
    return ff_tasks_count(tx, "", arg, &running, ctx);
}

static void look_for_ready(ff_dispatch *d, int64_t now)
{
    bool barren = false;
    for (const struct ff_peer *p = d->peers; p && !barren; p = p->next) barren = p->barren && !p->hold;
    if (!barren || now - d->looked_ready < LOOK_READY_MS) return;
    d->looked_ready = now;
    long ready = 0;
    ff_ctx ctx = {0};
    if (ff_queue_read(d->queue, count_ready, &ready, &ctx)) {
        ff_complain(d, "the queue cannot be read: %s", ctx.message);
    } else if (ready > 0) {
        atomic_store(&d->ready, true);
    }
}

/* Keys that are not allowed any more. */
static void reload(ff_dispatch *d)
{
    int skipped;
    ff_ctx ctx = {0};
    if (ff_allowed_read(&d->allowed, d->key_dir, &skipped, &ctx)) {
        ff_log(d, "error", "the list of allowed keys stays as it was: %s", ctx.message);
        return;
    }
    if (skipped) ff_log(d, "warning", "%d files of the folder of allowed keys hold no key", skipped);
    for (struct ff_peer *p = d->peers; p; p = p->next) {
        if (p->leaving || ff_allowed_has(&d->allowed, p->key)) continue;
        ff_send_refused(d, &p->route, "its key is not allowed any more");
        leave(d, p);
    }
}

void ff_timers(ff_dispatch *d, int64_t now)
{
    if (atomic_exchange(&d->reload, false)) reload(d);
    look_for_ready(d, now);
    if (atomic_exchange(&d->ready, false)) {
        for (struct ff_peer *p = d->peers; p; p = p->next) p->barren = false;
    }
    if (atomic_exchange(&d->cancels, false) && !ff_op_add(&d->turn, FF_OP_CANCELS)) atomic_store(&d->cancels, true);
    for (struct ff_hold *hold = d->holds; hold; hold = hold->next) look_at_hold(d, hold, now);
    for (struct ff_peer *peer = d->peers; peer; peer = peer->next) look_at_peer(d, peer, now);
}
