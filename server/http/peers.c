/* server/http/peers.c - see peers.h. A list under one lock: thousands of connections, looked through a few times a
** second. A peer's socket stays open as long as the peer is in the list. */
#define _GNU_SOURCE
#include "server/http/peers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct ff_peer {
    struct ff_peer *prev, *next;
    int fd;
    bool owner, shut, extra;
    enum ff_phase phase;
    int64_t since_ms, received;
};

struct ff_peers {
    pthread_mutex_t lock;
    struct ff_peer *first;
    int n, most;
    int64_t deadline_ms, idle_ms;
};

struct ff_peers *ff_peers_new(int64_t deadline_ms, int64_t idle_ms, int most)
{
    struct ff_peers *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    pthread_mutex_init(&p->lock, NULL);
    p->deadline_ms = deadline_ms;
    p->idle_ms = idle_ms;
    p->most = most;
    return p;
}

void ff_peers_free(struct ff_peers *p)
{
    if (!p) return;
    while (p->first) ff_peers_remove(p, p->first);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static bool runs_as_us(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && size == sizeof who && who.uid == geteuid();
}

struct ff_peer *ff_peers_add(struct ff_peers *p, int fd, bool unix_socket, int64_t now_ms)
{
    struct ff_peer *peer = calloc(1, sizeof *peer);
    if (!peer) return NULL;
    peer->fd = fd;
    peer->owner = unix_socket && runs_as_us(fd);
    peer->phase = FF_PHASE_HEADERS;
    peer->since_ms = now_ms;
    pthread_mutex_lock(&p->lock);
    peer->next = p->first;
    if (p->first) p->first->prev = peer;
    p->first = peer;
    peer->extra = ++p->n > p->most;
    pthread_mutex_unlock(&p->lock);
    return peer;
}

void ff_peers_remove(struct ff_peers *p, struct ff_peer *peer)
{
    if (!peer) return;
    pthread_mutex_lock(&p->lock);
    if (peer->prev) peer->prev->next = peer->next;
    if (peer->next) peer->next->prev = peer->prev;
    if (p->first == peer) p->first = peer->next;
    p->n--;
    pthread_mutex_unlock(&p->lock);
    free(peer);
}

void ff_peer_phase(struct ff_peers *p, struct ff_peer *peer, enum ff_phase phase, int64_t now_ms)
{
    if (!peer) return;
    pthread_mutex_lock(&p->lock);
    /* A body shares the deadline of its headers: the clock goes on. */
    if (phase != FF_PHASE_BODY) peer->since_ms = now_ms;
    if (phase != FF_PHASE_BODY) peer->received = 0;
    peer->phase = phase;
    pthread_mutex_unlock(&p->lock);
}

void ff_peer_received(struct ff_peers *p, struct ff_peer *peer, int64_t bytes)
{
    if (!peer) return;
    pthread_mutex_lock(&p->lock);
    peer->received += bytes;
    pthread_mutex_unlock(&p->lock);
}

bool ff_peer_is_owner(const struct ff_peer *peer)
{
    return peer && peer->owner;
}

bool ff_peer_is_extra(const struct ff_peer *peer)
{
    return peer && peer->extra;
}

static bool overdue(const struct ff_peers *p, const struct ff_peer *peer, int64_t now_ms)
{
    const int64_t age = now_ms - peer->since_ms;
    switch (peer->phase) {
    case FF_PHASE_IDLE: /* the next request's first bytes may be dripping in unseen */
        return age > p->idle_ms + p->deadline_ms;
    case FF_PHASE_HEADERS:
        return age > p->deadline_ms;
    case FF_PHASE_BODY:
        return age > p->deadline_ms + peer->received * 1000 / FF_PEER_RATE;
    default:
        return false;
    }
}

int ff_peers_sweep(struct ff_peers *p, int64_t now_ms)
{
    int n = 0;
    pthread_mutex_lock(&p->lock);
    for (struct ff_peer *peer = p->first; peer; peer = peer->next) {
        if (peer->shut || !overdue(p, peer, now_ms)) continue;
        shutdown(peer->fd, SHUT_RDWR); /* the daemon's thread sees the end of the stream and closes it */
        peer->shut = true;
        n++;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

int ff_peers_count(struct ff_peers *p)
{
    pthread_mutex_lock(&p->lock);
    const int n = p->n;
    pthread_mutex_unlock(&p->lock);
    return n;
}

int ff_peers_busy(struct ff_peers *p)
{
    int n = 0;
    pthread_mutex_lock(&p->lock);
    for (const struct ff_peer *peer = p->first; peer; peer = peer->next) n += peer->phase == FF_PHASE_BUSY;
    pthread_mutex_unlock(&p->lock);
    return n;
}
