/* server/http/auth.h - who asks: a bearer token (RFC 6750), or, on a unix socket and without a token, the owner of the
** socket, who is an administrator named after the account the server runs as. Tokens that were good are remembered by
** their hash for a few seconds; a removal of a token or user forgets all at once. Thread safe. */
#ifndef FF_SERVER_HTTP_AUTH_H
#define FF_SERVER_HTTP_AUTH_H

#include "server/http/server.h"

struct ff_auth *ff_auth_new(void); /* NULL: no memory */
void ff_auth_free(struct ff_auth *a);
/* Fills r->who and r->user. FF_EAUTH: no token, or not one of ours. */
FF_MUST_USE ff_err ff_auth_identify(struct ff_request *r, ff_ctx *ctx);
void ff_auth_forget(struct ff_auth *a);

#endif
