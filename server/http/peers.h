/* server/http/peers.h - open connections, and how long each may take to bring a request. The library's own timer only
** measures silence; a client that sends a byte now and then would stay for ever. Here a request's headers and body have
** one deadline, which a body moves on only as fast as FF_PEER_RATE. What is overdue is shut down. Thread safe. */
#ifndef FF_SERVER_HTTP_PEERS_H
#define FF_SERVER_HTTP_PEERS_H

#include <stdbool.h>
#include <stdint.h>

struct ff_peers;
struct ff_peer;

enum { FF_PEER_RATE = 16 << 10 }; /* bytes a second that a body has to bring on average, after the deadline */

enum ff_phase {
    FF_PHASE_IDLE,    /* between requests */
    FF_PHASE_HEADERS, /* the connection is new, or a request line has come */
    FF_PHASE_BODY,
    FF_PHASE_BUSY /* being answered: no deadline here */
};

/* deadline_ms: for headers and body; idle_ms: between requests; most: connections that are served. NULL: no memory. */
struct ff_peers *ff_peers_new(int64_t deadline_ms, int64_t idle_ms, int most);
void ff_peers_free(struct ff_peers *p); /* after the daemon has stopped; NULL is fine */
/* unix_socket: whether the kernel can tell who is there. NULL: no memory. */
struct ff_peer *ff_peers_add(struct ff_peers *p, int fd, bool unix_socket, int64_t now_ms);
void ff_peers_remove(struct ff_peers *p, struct ff_peer *peer); /* before fd is closed */
void ff_peer_phase(struct ff_peers *p, struct ff_peer *peer, enum ff_phase phase, int64_t now_ms);
void ff_peer_received(struct ff_peers *p, struct ff_peer *peer, int64_t bytes);
/* Does the process at the other end of a unix socket run as our own user? */
bool ff_peer_is_owner(const struct ff_peer *peer);
/* Did it come when `most` were there already? It is to be told so and closed; those before it are served. */
bool ff_peer_is_extra(const struct ff_peer *peer);
/* Shuts down what is overdue; returns how many that were. */
int ff_peers_sweep(struct ff_peers *p, int64_t now_ms);
int ff_peers_count(struct ff_peers *p);
int ff_peers_busy(struct ff_peers *p); /* those being answered */

#endif
