/* tests/load/net.c - see net.h. */
#include "tests/load/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

double net_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- addresses and sockets ---- */

static bool parse_unix(struct net_address *out, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof un.sun_path) return false;
    memcpy(un.sun_path, path, n + 1);
    memcpy(&out->at, &un, sizeof un);
    out->size = sizeof un;
    return true;
}

bool net_parse(struct net_address *out, const char *url)
{
    char host[64];
    unsigned port;
    struct sockaddr_in in = {.sin_family = AF_INET};
    *out = (struct net_address){0};
    if (strncmp(url, "unix:", 5) == 0) return parse_unix(out, url + 5);
    if (sscanf(url, "http://%63[0-9.]:%u", host, &port) != 2 || port == 0 || port > 65535) return false;
    in.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1) return false;
    memcpy(&out->at, &in, sizeof in);
    out->size = sizeof in;
    return true;
}

int net_connect(const struct net_address *address)
{
    const int one = 1, fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)&address->at, address->size) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
        if (address->at.ss_family == AF_INET) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return fd;
    }
    close(fd);
    return -1;
}

bool net_send(int fd, const char *text, size_t size)
{
    return send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* ---- answers ---- */

void net_begin(struct net_answer *a)
{
    a->status = 0;
    a->stage = NET_STATUS;
    a->chunked = false;
    a->left = 0;
    a->nline = 0;
}

static bool end_of_headers(struct net_answer *a)
{
    a->stage = a->chunked ? NET_CHUNK : NET_LENGTH;
    return !a->chunked && a->left == 0;
}

/* A whole line; NET_DONE where the answer ends with it. */
static enum net_progress take_line(struct net_answer *a)
{
    static const char length[] = "Content-Length:", encoding[] = "Transfer-Encoding: chunked";
    char *end;
    switch (a->stage) {
    case NET_STATUS:
        a->stage = NET_HEADERS;
        return sscanf(a->line, "HTTP/1.1 %d", &a->status) == 1 ? NET_MORE : NET_BROKEN;
    case NET_HEADERS:
        if (!*a->line) return end_of_headers(a) ? NET_DONE : NET_MORE;
        if (strncasecmp(a->line, length, sizeof length - 1) == 0) a->left = atoll(a->line + sizeof length - 1);
        if (strcasecmp(a->line, encoding) == 0) a->chunked = true;
        return NET_MORE;
    case NET_CHUNK:
        a->left = strtoll(a->line, &end, 16);
        a->stage = a->left ? NET_DATA : NET_TRAILER;
        return end != a->line && a->left >= 0 ? NET_MORE : NET_BROKEN;
    case NET_AFTER:
        a->stage = NET_CHUNK;
        return *a->line ? NET_BROKEN : NET_MORE;
    default: /* NET_TRAILER */
        return *a->line ? NET_MORE : NET_DONE;
    }
}

/* Adds to the line; how many bytes of data that took. *whole: its end was reached. */
static size_t gather(struct net_answer *a, const char *data, size_t size, bool *whole)
{
    const char *end = memchr(data, '\n', size);
    const size_t n = end ? (size_t)(end - data) : size;
    const size_t room = sizeof a->line - 1 - a->nline, kept = n < room ? n : room;
    memcpy(a->line + a->nline, data, kept);
    a->nline += kept;
    *whole = end != NULL;
    if (!end) return size;
    if (a->nline && a->line[a->nline - 1] == '\r') a->nline--;
    a->line[a->nline] = '\0';
    a->nline = 0;
    return n + 1;
}

enum net_progress net_take(struct net_answer *a, const char *data, size_t size, net_body body, void *self)
{
    enum net_progress now = NET_MORE;
    while (size > 0 && now == NET_MORE) {
        size_t n;
        bool whole = false;
        if (a->stage == NET_LENGTH || a->stage == NET_DATA) {
            n = (long long)size < a->left ? size : (size_t)a->left;
            body(self, data, n);
            a->left -= (long long)n;
            if (a->left == 0 && a->stage == NET_LENGTH) now = NET_DONE;
            if (a->left == 0 && a->stage == NET_DATA) a->stage = NET_AFTER;
        } else {
            n = gather(a, data, size, &whole);
            if (whole) now = take_line(a);
        }
        data += n;
        size -= n;
    }
    return now == NET_DONE && size > 0 ? NET_BROKEN : now;
}
