/* server/http/reply.c - see reply.h. Problems are in problem.c. */
#include "server/http/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static ff_err set_response(struct ff_request *r, int status, const char *type, struct MHD_Response *response,
                           long long size, ff_ctx *ctx)
{
    if (!response) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an answer");
    if (r->response) MHD_destroy_response(r->response);
    r->response = response;
    r->status = status;
    r->bytes = size;
    if (type) ff_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    ff_reply_header(r, "X-Request-Id", r->id);
    ff_reply_header(r, "Cache-Control", "no-store");
    ff_reply_header(r, "X-Content-Type-Options", "nosniff");
    return FF_OK;
}

ff_err ff_reply_bytes(struct ff_request *r, int status, const char *type, void *bytes, size_t size, ff_ctx *ctx)
{
    if (!bytes) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an answer");
    struct MHD_Response *response = MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) free(bytes);
    return set_response(r, status, type, response, (long long)size, ctx);
}

ff_err ff_reply_json(struct ff_request *r, int status, json_t *body, ff_ctx *ctx)
{
    const size_t size = body ? json_dumpb(body, NULL, 0, JSON_COMPACT) : 0;
    char *bytes = size ? malloc(size + 1) : NULL;
    if (bytes) {
        json_dumpb(body, bytes, size, JSON_COMPACT);
        bytes[size] = '\n';
    }
    json_decref(body);
    return ff_reply_bytes(r, status, "application/json", bytes, size + 1, ctx);
}

ff_err ff_reply_empty(struct ff_request *r, int status, ff_ctx *ctx)
{
    return set_response(r, status, NULL, MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT), 0,
                        ctx);
}

ff_err ff_reply_static(struct ff_request *r, const char *type, const void *bytes, size_t size, ff_ctx *ctx)
{
    return set_response(r, MHD_HTTP_OK, type,
                        MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_PERSISTENT), (long long)size,
                        ctx);
}

ff_err ff_reply_file(struct ff_request *r, int status, const char *type, int fd, int64_t offset, int64_t size,
                     ff_ctx *ctx)
{
    struct MHD_Response *response = MHD_create_response_from_fd_at_offset64((uint64_t)size, fd, (uint64_t)offset);
    if (!response) close(fd);
    return set_response(r, status, type, response, size, ctx);
}

ff_err ff_reply_stream(struct ff_request *r, const char *type, MHD_ContentReaderCallback read, void *self,
                       MHD_ContentReaderFreeCallback done, ff_ctx *ctx)
{
    enum { BLOCK = 16 << 10 };
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read, self, done);
    if (!response) done(self);
    return set_response(r, MHD_HTTP_OK, type, response, 0, ctx);
}

void ff_reply_header(struct ff_request *r, const char *name, const char *value)
{
    const char *old = MHD_get_response_header(r->response, name);
    if (old) MHD_del_response_header(r->response, name, old);
    if (MHD_add_response_header(r->response, name, value) != MHD_YES)
        ff_http_log(r->http, "warning", "%s: header %s could not be set", r->id, name);
}

void ff_reply_location(struct ff_request *r, const char *folder, const char *id)
{
    char location[128];
    snprintf(location, sizeof location, "%s/%s", folder, id);
    ff_reply_header(r, MHD_HTTP_HEADER_LOCATION, location);
}
