/* server/http/problem.c - errors as application/problem+json (reply.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/reply.h"

/* A message of a 4xx is for the client, but whoever wrote it may have named a file of the store: the path goes. */
static void hide_paths(const struct ff_http *h, char *text)
{
    const char *dir = h->config.store ? ff_storehouse_dir(h->config.store) : NULL;
    const size_t n = dir ? strlen(dir) : 0;
    for (char *at = text; n > 1 && (at = strstr(at, dir)) != NULL;) {
        char *end = at + n;
        end += strcspn(end, " \t\"',;:)");
        static const char instead[] = "(file)";
        const size_t rest = strlen(end) + 1, room = (size_t)(end - at);
        const size_t m = room < sizeof instead - 1 ? room : sizeof instead - 1;
        memmove(at + m, end, rest);
        memcpy(at, instead, m);
        at += m;
    }
}

/* What clients are told of an error of the server: nothing of its insides. */
static const char *public_detail(ff_err code)
{
    switch (code) {
    case FF_EBUSY:
    case FF_ENOMEM:
        return "the server has no room for this request now; try again";
    case FF_EDISKFULL:
        return "the server's disk is full; nothing was changed; try again later or tell its operator";
    case FF_ESTORAGE:
        return "the server's store cannot be used now; try again later or tell its operator";
    case FF_ECORRUPT:
        return "the bytes on disk are not those that were stored; the job can be retried";
    default:
        return "the server failed; its log tells more under the request's id";
    }
}

static void log_cause(struct ff_request *r, const ff_ctx *why, int status)
{
    char chain[1024] = "";
    size_t n = 0;
    for (int i = 0; i < why->nframes && n < sizeof chain; i++) {
        const struct ff_frame *f = &why->frames[i];
        n += (size_t)snprintf(chain + n, sizeof chain - n, "; %s:%d%s%s", f->file, f->line, *f->note ? " " : "",
                              f->note);
    }
    const char *level =
        status == MHD_HTTP_SERVICE_UNAVAILABLE ? "warning" : "error"; /* 503: no room, and it may pass */
    ff_http_log(r->http, level, "%s %s %s: %s: %s%s", r->id, r->method, r->match.route ? r->match.route->pattern : "-",
                ff_code_slug(why->code), why->message, chain);
}

static json_t *problem(struct ff_request *r, const ff_ctx *why, int status)
{
    char type[96], detail[FF_MESSAGE_SIZE];
    snprintf(type, sizeof type, "urn:fullfield:error:%s", ff_code_slug(why->code));
    snprintf(detail, sizeof detail, "%s", status >= 500 ? public_detail(why->code) : why->message);
    hide_paths(r->http, detail);
    const bool plain = ff_text_is_plain(detail, strlen(detail));
    json_t *body =
        json_pack("{ss ss ss si ss ss}", "type", type, "code", ff_code_slug(why->code), "title",
                  ff_code_title(why->code), "status", status, "detail", plain ? detail : "", "request_id", r->id);
    if (!body) return NULL;
    if (*why->pointer && status < 500) json_object_set_new(body, "pointer", json_string(why->pointer));
    if (r->uri && ff_text_is_plain(r->uri, strlen(r->uri))) json_object_set_new(body, "instance", json_string(r->uri));
    return body;
}

void ff_reply_problem(struct ff_request *r, const ff_ctx *why)
{
    const int status = ff_code_http(why->code);
    ff_ctx ignored = {0};
    if (status >= 500) log_cause(r, why, status);
    if (ff_reply_json(r, status, problem(r, why, status), &ignored) && ff_reply_empty(r, status, &ignored)) return;
    ff_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/problem+json");
    if (status == MHD_HTTP_UNAUTHORIZED)
        ff_reply_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"fullfield\"");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) ff_reply_header(r, MHD_HTTP_HEADER_ALLOW, r->match.allow);
    if (status == MHD_HTTP_TOO_MANY_REQUESTS) ff_reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "10");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE) ff_reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "5");
}
