/* server/http/listen.h - the socket a server listens on. */
#ifndef FF_SERVER_HTTP_LISTEN_H
#define FF_SERVER_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

/* listen: "HOST:PORT" ("[::1]:80", port 0: any) or "unix:PATH" (mode 0600; a socket nobody listens on any more is replaced,
** one in use is FF_ECONFLICT). address: "http[s]://HOST:PORT" or "unix:PATH", as bound. */
FF_MUST_USE ff_err ff_listen(const char *listen, bool tls, int *fd, bool *local, char *address, size_t size,
                             ff_ctx *ctx);
/* Closes it; removes the file of a unix socket. */
void ff_unlisten(int fd, const char *address);

#endif
