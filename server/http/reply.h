/* server/http/reply.h - answers. Each call leaves a response in the request; headers are added after it. Answers carry
** X-Request-Id, Cache-Control: no-store and X-Content-Type-Options: nosniff unless said otherwise. */
#ifndef FF_SERVER_HTTP_REPLY_H
#define FF_SERVER_HTTP_REPLY_H

#include <jansson.h>

#include "server/http/server.h"

FF_MUST_USE ff_err ff_reply_json(struct ff_request *r, int status, json_t *body /* taken; NULL: no memory */,
                                 ff_ctx *ctx);
FF_MUST_USE ff_err ff_reply_empty(struct ff_request *r, int status, ff_ctx *ctx);
/* bytes: malloc'ed, taken. */
FF_MUST_USE ff_err ff_reply_bytes(struct ff_request *r, int status, const char *type, void *bytes, size_t size,
                                  ff_ctx *ctx);
/* bytes live as long as the process. */
FF_MUST_USE ff_err ff_reply_static(struct ff_request *r, const char *type, const void *bytes, size_t size, ff_ctx *ctx);
/* fd: taken. */
FF_MUST_USE ff_err ff_reply_file(struct ff_request *r, int status, const char *type, int fd, int64_t offset,
                                 int64_t size, ff_ctx *ctx);
/* self is freed by `done` in any case, also when this fails. */
FF_MUST_USE ff_err ff_reply_stream(struct ff_request *r, const char *type, MHD_ContentReaderCallback read, void *self,
                                   MHD_ContentReaderFreeCallback done, ff_ctx *ctx);
/* Replaces a header of the same name. */
void ff_reply_header(struct ff_request *r, const char *name, const char *value);
/* "Location: /v1/jobs/ID" and the like. */
void ff_reply_location(struct ff_request *r, const char *folder, const char *id);

/* application/problem+json of RFC 9457. What the server keeps to itself (paths, SQL, anything of a 5xx) goes to the log
** under the request's id instead. Always leaves a response, unless there is no memory at all. */
void ff_reply_problem(struct ff_request *r, const ff_ctx *why);

#endif
