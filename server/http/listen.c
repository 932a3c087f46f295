/* server/http/listen.c - see listen.h. */
#define _GNU_SOURCE
#include "server/http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };
static const char UNIX[] = "unix:";

static ff_err failed(const char *what, const char *address, ff_ctx *ctx)
{
    const int e = errno;
    return ff_fail(ctx, e == EADDRINUSE ? FF_ECONFLICT : FF_EUSAGE, FF_HERE, "%s %s: %s", what, address, strerror(e));
}

/* Is somebody answering at the socket? */
static bool alive(const struct sockaddr_un *name)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return true;
    const bool connected = connect(fd, (const struct sockaddr *)name, sizeof *name) == 0;
    close(fd);
    return connected;
}

static ff_err listen_unix(const char *path, int *out, ff_ctx *ctx)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat info;
    if (!*path || strlen(path) >= sizeof name.sun_path)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the path of a unix socket; allowed: 1 to %zu bytes",
                       sizeof name.sun_path - 1);
    memcpy(name.sun_path, path, strlen(path) + 1);
    if (lstat(path, &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s is there and no socket", path);
        if (alive(&name)) return ff_fail(ctx, FF_ECONFLICT, FF_HERE, "another server listens on %s", path);
        unlink(path);
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return failed("a socket for", path, ctx);
    /* The mode of the socket before it has a name is that of the file it becomes: nobody slips in between. */
    if (fchmod(fd, 0600) || bind(fd, (const struct sockaddr *)&name, sizeof name) || chmod(path, 0600) ||
        listen(fd, BACKLOG)) {
        ff_err err = failed("listening on", path, ctx);
        close(fd);
        return err;
    }
    *out = fd;
    return FF_OK;
}

/* "HOST:PORT" in two. */
static ff_err split(const char *listen, char host[256], char port[16], ff_ctx *ctx)
{
    const char *colon = strrchr(listen, ':');
    const char *first = listen, *last = colon;
    if (colon && *listen == '[' && colon > listen && colon[-1] == ']') first++, last--;
    if (!colon || last <= first || last - first >= 256 || strlen(colon + 1) >= 16 || !colon[1] ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "\"%s\" is no address; allowed: HOST:PORT or unix:PATH", listen);
    snprintf(host, 256, "%.*s", (int)(last - first), first);
    snprintf(port, 16, "%s", colon + 1);
    return FF_OK;
}

static ff_err listen_on(const struct addrinfo *info, const char *address, int *out, ff_ctx *ctx)
{
    const int on = 1, fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return failed("a socket for", address, ctx);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, BACKLOG)) {
        ff_err err = failed("listening on", address, ctx);
        close(fd);
        return err;
    }
    *out = fd;
    return FF_OK;
}

static ff_err name_of(int fd, bool tls, char *address, size_t size, ff_ctx *ctx)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    char host[128], port[16];
    if (getsockname(fd, (struct sockaddr *)&name, &length)) return failed("the name of", address, ctx);
    if (getnameinfo((struct sockaddr *)&name, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return ff_fail(ctx, FF_EBUG, FF_HERE, "the address of the socket has no name");
    const bool six = name.ss_family == AF_INET6;
    snprintf(address, size, "%s://%s%s%s:%s", tls ? "https" : "http", six ? "[" : "", host, six ? "]" : "", port);
    return FF_OK;
}

ff_err ff_listen(const char *where, bool tls, int *fd, bool *local, char *address, size_t size, ff_ctx *ctx)
{
    char host[256], port[16];
    *fd = -1;
    snprintf(address, size, "%s", where);
    *local = strncmp(where, UNIX, sizeof UNIX - 1) == 0;
    if (*local) return listen_unix(where + sizeof UNIX - 1, fd, ctx);
    ff_err err = split(where, host, port, ctx);
    if (err) return err;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    const int why = getaddrinfo(host, port, &hints, &list);
    if (why) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the address %s: %s", where, gai_strerror(why));
    err = listen_on(list, where, fd, ctx);
    freeaddrinfo(list);
    if (!err) err = name_of(*fd, tls, address, size, ctx);
    if (err && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return err;
}

void ff_unlisten(int fd, const char *address)
{
    if (fd < 0) return;
    close(fd);
    if (strncmp(address, UNIX, sizeof UNIX - 1) == 0) unlink(address + sizeof UNIX - 1);
}
