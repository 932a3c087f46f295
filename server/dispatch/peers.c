/* server/dispatch/peers.c - see inner.h: gangs and leases in memory. */
#include <stdlib.h>
#include <string.h>

#include "server/dispatch/inner.h"

/* ---- attempts ---- */

bool ff_attempt_read(const json_t *object, struct ff_attempt *out)
{
    *out = (struct ff_attempt){0};
    const json_t *job = json_object_get(object, "job"), *task = json_object_get(object, "task");
    const json_int_t number = json_integer_value(json_object_get(object, "attempt"));
    if (json_string_length(job) >= sizeof out->job || json_string_length(task) >= sizeof out->task) return false;
    if (!json_is_string(job) || !json_is_string(task) || number < 0 || number > INT32_MAX) return false;
    memcpy(out->job, json_string_value(job), json_string_length(job) + 1);
    memcpy(out->task, json_string_value(task), json_string_length(task) + 1);
    out->number = (int)number;
    return true;
}

bool ff_attempt_equal(const struct ff_attempt *a, const struct ff_attempt *b)
{
    return a->number == b->number && strcmp(a->task, b->task) == 0 && strcmp(a->job, b->job) == 0;
}

/* ---- gangs ---- */

static bool route_equal(const struct ff_route *a, const struct ff_route *b)
{
    return a->size == b->size && memcmp(a->id, b->id, a->size) == 0;
}

/* FNV-1a. */
static struct ff_peer **bucket_of(ff_dispatch *d, const struct ff_route *route)
{
    uint32_t hash = 2166136261u;
    for (int i = 0; i < route->size; i++) hash = (hash ^ route->id[i]) * 16777619u;
    return &d->bucket[hash % FF_ROUTE_BUCKETS];
}

struct ff_peer *ff_peer_by_route(ff_dispatch *d, const struct ff_route *route)
{
    struct ff_peer *peer = *bucket_of(d, route);
    while (peer && !route_equal(&peer->route, route)) peer = peer->next_route;
    return peer;
}

struct ff_peer *ff_peer_by_instance(ff_dispatch *d, const char *instance)
{
    struct ff_peer *peer = d->peers;
    while (peer && (peer->gone || strcmp(peer->instance, instance) != 0)) peer = peer->next;
    return peer;
}

struct ff_peer *ff_peer_by_worker(ff_dispatch *d, const char *worker)
{
    struct ff_peer *peer = d->peers;
    while (peer && (peer->gone || strcmp(peer->row.id, worker) != 0)) peer = peer->next;
    return peer;
}

bool ff_peer_silent(const ff_dispatch *d, const struct ff_peer *peer, int64_t now)
{
    return now - peer->heard > (int64_t)FF_MISSED_HEARTBEATS * d->heartbeat_ms;
}

static void route_add(ff_dispatch *d, struct ff_peer *peer)
{
    struct ff_peer **bucket = bucket_of(d, &peer->route);
    peer->next_route = *bucket;
    *bucket = peer;
}

static void route_remove(ff_dispatch *d, struct ff_peer *peer)
{
    struct ff_peer **at = bucket_of(d, &peer->route);
    while (*at && *at != peer) at = &(*at)->next_route;
    if (*at) *at = peer->next_route;
}

struct ff_peer *ff_peer_new(const ff_dispatch *d, const struct ff_route *route)
{
    struct ff_peer *peer = d->npeers < FF_MAX_PEERS ? calloc(1, sizeof *peer) : NULL;
    if (!peer) return NULL;
    peer->route = *route;
    peer->reachable = true;
    atomic_init(&peer->drain_asked, false);
    return peer;
}

void ff_peer_link(ff_dispatch *d, struct ff_peer *peer)
{
    route_add(d, peer);
    pthread_mutex_lock(&d->lock);
    peer->next = d->peers;
    d->peers = peer;
    pthread_mutex_unlock(&d->lock);
    d->npeers++;
}

void ff_peer_move(ff_dispatch *d, struct ff_peer *peer, const struct ff_route *route)
{
    route_remove(d, peer);
    peer->route = *route;
    peer->reachable = true;
    peer->rival.size = 0;
    route_add(d, peer);
}

/* ---- leases ---- */

struct ff_hold *ff_hold_find(ff_dispatch *d, const struct ff_attempt *attempt)
{
    struct ff_hold *hold = d->holds;
    while (hold && (hold->freed || !ff_attempt_equal(&hold->attempt, attempt))) hold = hold->next;
    return hold;
}

struct ff_hold *ff_hold_new(void)
{
    struct ff_hold *hold = calloc(1, sizeof *hold);
    if (!hold) return NULL;
    hold->counter = -1;
    hold->seen = hold->taken = -1;
    return hold;
}

void ff_hold_begin(ff_dispatch *d, struct ff_hold *hold, const struct ff_attempt *attempt)
{
    const int64_t now = ff_boot_ms();
    hold->attempt = *attempt;
    hold->grew = now;
    ff_hold_renew(d, hold, now);
    pthread_mutex_lock(&d->lock);
    hold->next = d->holds;
    d->holds = hold;
    pthread_mutex_unlock(&d->lock);
}

void ff_hold_renew(const ff_dispatch *d, struct ff_hold *hold, int64_t now)
{
    hold->ends = now + d->lease_ms;
}

int64_t ff_hold_patience(const ff_dispatch *d, const struct ff_hold *hold)
{
    return hold->expected > d->stuck_ms ? hold->expected : d->stuck_ms;
}

void ff_hold_attach(struct ff_hold *hold, struct ff_peer *peer)
{
    hold->peer = peer;
    peer->hold = hold;
    memcpy(hold->worker, peer->row.id, sizeof hold->worker);
}

void ff_hold_acknowledge(struct ff_hold *hold)
{
    hold->acknowledged = true;
    free(hold->message);
    hold->message = NULL;
}

void ff_hold_end(struct ff_hold *hold)
{
    hold->freed = true;
    if (!hold->peer) return;
    hold->peer->hold = NULL;
    hold->peer = NULL;
}

/* ---- what is over ---- */

static void sweep_holds(ff_dispatch *d)
{
    for (struct ff_hold **at = &d->holds; *at;) {
        struct ff_hold *hold = *at;
        if (!hold->freed) {
            at = &hold->next;
            continue;
        }
        *at = hold->next;
        free(hold->message);
        ff_job_info_drop(hold->job);
        free(hold);
    }
}

static void sweep_peers(ff_dispatch *d)
{
    for (struct ff_peer **at = &d->peers; *at;) {
        struct ff_peer *peer = *at;
        if (!peer->gone) {
            at = &peer->next;
            continue;
        }
        *at = peer->next;
        route_remove(d, peer);
        d->npeers--;
        if (peer->hold) peer->hold->peer = NULL;
        free(peer);
    }
}

void ff_sweep(ff_dispatch *d)
{
    pthread_mutex_lock(&d->lock);
    sweep_holds(d);
    sweep_peers(d);
    pthread_mutex_unlock(&d->lock);
}
