/* tests/unit/lib/fake.h - a server of one thread that gives scripted answers, one a connection, and keeps what was asked.
** Call order: fake_start -> requests -> fake_stop -> look at fake.asked. */
#ifndef FF_TESTS_LIB_FAKE_H
#define FF_TESTS_LIB_FAKE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAKE_MOST = 16, FAKE_ASKED = 8192 };

struct fake {
    const char *const *answers; /* NULL ends; after the last the server listens no more */
    int listener, nasked;
    char address[128];
    char asked[FAKE_MOST][FAKE_ASKED]; /* request line, headers, and what of the body fits */
    pthread_t thread;
};

/* Reads a request: its headers, and as much body as they say. */
static void fake_read(int fd, char *to)
{
    size_t n = 0;
    char *end = NULL;
    while (n < FAKE_ASKED - 1 && !end) {
        ssize_t got = read(fd, to + n, FAKE_ASKED - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
        to[n] = '\0';
        end = strstr(to, "\r\n\r\n");
    }
    const char *length = strstr(to, "\r\nContent-Length: ");
    size_t want = length && end ? strtoul(length + 18, NULL, 10) + (size_t)(end + 4 - to) : n;
    while (n < want && n < FAKE_ASKED - 1) {
        ssize_t got = read(fd, to + n, FAKE_ASKED - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
        to[n] = '\0';
    }
}

static void *fake_serve(void *self)
{
    struct fake *f = self;
    for (const char *const *a = f->answers; *a && f->nasked < FAKE_MOST; a++) {
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0) break;
        fake_read(fd, f->asked[f->nasked]);
        f->nasked++;
        for (size_t sent = 0, size = strlen(*a); sent < size;) {
            ssize_t n = send(fd, *a + sent, size - sent, MSG_NOSIGNAL);
            if (n <= 0) break;
            sent += (size_t)n;
        }
        shutdown(fd, SHUT_WR);
        char rest[256];
        while (read(fd, rest, sizeof rest) > 0) continue; /* a close with bytes unread would reset the connection */
        close(fd);
    }
    close(f->listener);
    return NULL;
}

/* path: of a unix socket, or NULL for a port of this machine. */
static int fake_start(struct fake *f, const char *const *answers, const char *path)
{
    memset(f, 0, sizeof *f);
    f->answers = answers;
    if (path) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
        f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
        unlink(path);
        if (bind(f->listener, (struct sockaddr *)&at, sizeof at) != 0) return -1;
        snprintf(f->address, sizeof f->address, "unix:%s", path);
    } else {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        f->listener = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(f->listener, (struct sockaddr *)&at, sizeof at) != 0) return -1;
        getsockname(f->listener, (struct sockaddr *)&at, &size);
        snprintf(f->address, sizeof f->address, "http://127.0.0.1:%d", ntohs(at.sin_port));
    }
    if (listen(f->listener, FAKE_MOST) != 0) return -1;
    return pthread_create(&f->thread, NULL, fake_serve, f);
}

static void fake_stop(struct fake *f)
{
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->thread, NULL);
}

#endif
