/* server/http/begin.h - what is decided on the headers of a request, before its body is taken. */
#ifndef FF_SERVER_HTTP_BEGIN_H
#define FF_SERVER_HTTP_BEGIN_H

#include "server/http/server.h"

/* Framing that could be read in two ways, route, token, rights, query, type and length of the body. After an error the
** connection is closed with the answer if a body might follow. */
FF_MUST_USE ff_err ff_request_begin(struct ff_request *r, ff_ctx *ctx);
/* FF_ETOOLARGE with the limit of the route, for a body whose length was not declared. */
FF_MUST_USE ff_err ff_request_too_large(const struct ff_request *r, ff_ctx *ctx);
/* Bytes that the route's body may have. */
int64_t ff_request_limit(const struct ff_request *r);

#endif
