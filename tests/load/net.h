/* tests/load/net.h - what the load client needs of HTTP/1.1: addresses, connections that are kept, answers taken as they
** come. It shares the machine with the server it loads, so it does little: one write a request, no copies of bodies.
** Call order: net_parse -> net_connect -> (net_send -> net_begin -> net_take until NET_DONE) again and again. */
#ifndef FF_TESTS_LOAD_NET_H
#define FF_TESTS_LOAD_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct net_address {
    struct sockaddr_storage at;
    socklen_t size;
};
/* "http://127.0.0.1:PORT" or "unix:/path"; false: neither. */
bool net_parse(struct net_address *out, const char *url);
/* A connected socket that does not block from then on; -1: refused. */
int net_connect(const struct net_address *address);
/* Requests fit into the socket's buffer, which is empty: a short write is a failure. */
bool net_send(int fd, const char *text, size_t size);

/* Pieces of a body, in order. */
typedef void (*net_body)(void *self, const char *data, size_t size);

enum net_progress { NET_MORE, NET_DONE, NET_BROKEN };

/* An answer on its way. */
struct net_answer {
    int status; /* 0: not known yet */
    enum { NET_STATUS, NET_HEADERS, NET_LENGTH, NET_CHUNK, NET_DATA, NET_AFTER, NET_TRAILER } stage;
    bool chunked;
    long long left; /* bytes of the body or of the chunk */
    char line[1024];
    size_t nline;
};
void net_begin(struct net_answer *a);
enum net_progress net_take(struct net_answer *a, const char *data, size_t size, net_body body, void *self);

double net_now(void); /* seconds, monotonic */

#endif
