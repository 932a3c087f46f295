/* client/lib/open.c - a client: where the server is and how to be let in (http.h); and how it waits. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "client/lib/client.h"
#include "common/clock.h"

static const double connect_timeout_s = 10, timeout_s = 60, silence_s = 60;

static ff_err bad_address(const char *server, const char *why, ff_ctx *ctx)
{
    return ff_fail_at(ctx, FF_EUSAGE, server, FF_HERE,
                      "%s; a server's address is http://HOST:PORT, https://HOST[:PORT] or unix:/PATH", why);
}

static bool loopback(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(host, names[i], n) == 0 && (host[n] == ':' || host[n] == '\0')) return true;
    }
    return false;
}

/* "http://host" without a slash at the end; a user or a query in it would be sent along unseen. */
static ff_err take_url(ff_client *c, ff_ctx *ctx)
{
    const char *host = strstr(c->server, "://") + 3;
    size_t n = strlen(c->server);
    while (n > 0 && c->server[n - 1] == '/') c->server[--n] = '\0';
    if (n <= (size_t)(host - c->server)) return bad_address(c->server, "no host is named", ctx);
    for (const char *at = host; *at; at++) {
        if (*at <= ' ' || *at == 0x7f) return bad_address(c->server, "there are blanks in it", ctx);
        if (strchr("@?#\\", *at)) return bad_address(c->server, "there is more in it than a host and a path", ctx);
    }
    c->base = strdup(c->server);
    c->direct = loopback(host);
    return c->base ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a client");
}

static ff_err take_socket(ff_client *c, ff_ctx *ctx)
{
    enum { MOST = sizeof((struct sockaddr_un *)0)->sun_path - 1 };
    const char *path = c->server + strlen("unix:");
    if (!*path) return bad_address(c->server, "no socket is named", ctx);
    if (strlen(path) > MOST) return bad_address(c->server, "the path of a socket has at most 107 bytes", ctx);
    c->base = strdup("http://localhost");
    c->socket = strdup(path);
    c->direct = true;
    return c->base && c->socket ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a client");
}

static ff_err take_address(ff_client *c, const char *server, ff_ctx *ctx)
{
    c->server = strdup(server);
    if (!c->server) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a client");
    if (strncmp(server, "unix:", 5) == 0) return take_socket(c, ctx);
    if (strncmp(server, "http://", 7) == 0 || strncmp(server, "https://", 8) == 0) return take_url(c, ctx);
    return bad_address(server, "this is no address", ctx);
}

/* The token becomes a header line; a line break in it would make two. */
static ff_err take_token(ff_client *c, const char *token, ff_ctx *ctx)
{
    static const char prefix[] = "Authorization: Bearer ";
    if (!token) return FF_OK;
    for (const char *at = token; *at; at++) {
        if (*at <= ' ' || *at > '~') return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the token is not one printable word");
    }
    size_t size = sizeof prefix + strlen(token);
    c->authorization = malloc(size);
    if (!c->authorization) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a token");
    snprintf(c->authorization, size, "%s%s", prefix, token);
    return FF_OK;
}

static double or_else(double value, double fallback)
{
    return value > 0 ? value : fallback;
}

ff_err ff_client_open(ff_client **out, const struct ff_client_config *config, ff_ctx *ctx)
{
    *out = NULL;
    ff_client *c = calloc(1, sizeof *c);
    if (!c) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a client");
    c->connect_timeout_s = or_else(config->connect_timeout_s, connect_timeout_s);
    c->timeout_s = or_else(config->timeout_s, timeout_s);
    c->silence_s = or_else(config->silence_s, silence_s);
    c->stop_fd = config->interrupted && config->stop_fd > 0 ? config->stop_fd : -1;
    c->interrupted = config->interrupted;
    c->self = config->self;
    ff_err err = take_address(c, config->server, ctx);
    if (!err) err = take_token(c, config->token, ctx);
    if (!err && config->ca_file) {
        c->ca_file = strdup(config->ca_file);
        if (!c->ca_file) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a client");
    }
    if (!err && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        c->easy = curl_easy_init();
        c->multi = curl_multi_init();
        if (!c->easy || !c->multi) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a client");
    } else if (!err) {
        err = ff_fail(ctx, FF_EBUG, FF_HERE, "libcurl cannot be started");
    }
    if (err) {
        ff_client_close(c);
        return err;
    }
    *out = c;
    return FF_OK;
}

void ff_client_close(ff_client *c)
{
    if (!c) return;
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    if (c->authorization) explicit_bzero(c->authorization, strlen(c->authorization));
    free(c->authorization);
    free(c->server);
    free(c->base);
    free(c->socket);
    free(c->ca_file);
    free(c);
}

ff_err ff_client_interrupted(ff_ctx *ctx)
{
    return ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "interrupted");
}

ff_err ff_client_pause(ff_client *c, double seconds, ff_ctx *ctx)
{
    const double until = ff_clock_s() + seconds;
    for (double left = seconds; left > 0; left = until - ff_clock_s()) {
        struct pollfd stop = {.fd = c->stop_fd, .events = POLLIN}; /* -1 is passed over */
        int n = poll(&stop, 1, left > 1 ? 1000 : (int)(left * 1000) + 1);
        if (n < 0 && errno != EINTR) return ff_fail(ctx, FF_EIO, FF_HERE, "cannot wait: %s", strerror(errno));
        if (n > 0 && c->interrupted(c->self)) return ff_client_interrupted(ctx);
    }
    return FF_OK;
}

char *ff_url_escape(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *out = malloc(3 * strlen(text) + 1), *to = out;
    for (; out && *text; text++) {
        if (strchr(plain, *text)) {
            *to++ = *text;
        } else {
            *to++ = '%';
            *to++ = hex[(unsigned char)*text >> 4];
            *to++ = hex[(unsigned char)*text & 15];
        }
    }
    if (out) *to = '\0';
    return out;
}
