/* server/http/tokens.c - bearer tokens: made (and shown once), listed without their secret, revoked at once. */
#include <sodium.h>
#include <string.h>

#include "server/http/auth.h"
#include "server/http/body.h"
#include "server/http/reply.h"

struct query {
    struct ff_request *r;
    const char *user, *label;
    char id[FF_ID_SIZE], token[FF_TOKEN_SIZE];
    json_t *out;
};

static ff_err add(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_tokens_add(tx, q->user, q->label, q->id, q->token, ctx);
}

ff_err ff_post_token(struct ff_request *r, ff_ctx *ctx)
{
    static const struct ff_member members[] = {
        {"user", FF_MEMBER_TEXT, false, 1, 63}, {"label", FF_MEMBER_TEXT, false, 0, 63}, {0}};
    struct query q = {.r = r};
    json_t *body;
    ff_err err = ff_body_read(r, members, &body, ctx);
    if (err) return err;
    q.user = json_string_value(json_object_get(body, "user"));
    q.label = json_string_value(json_object_get(body, "label"));
    if (!q.user) q.user = r->user;
    if (!q.label) q.label = "";
    if (strcmp(q.user, r->user) != 0 && !r->who.admin)
        err = ff_fail_at(ctx, FF_EFORBIDDEN, "/user", FF_HERE, "only an administrator makes tokens for others");
    if (!err) err = ff_queue_write(r->http->config.queue, add, &q, ctx);
    if (!err)
        err = ff_reply_json(r, MHD_HTTP_CREATED,
                            json_pack("{ss ss ss ss}", "id", q.id, "user", q.user, "label", q.label, "token", q.token),
                            ctx);
    if (!err) ff_reply_location(r, "/v1/tokens", q.id);
    sodium_memzero(q.token, sizeof q.token);
    json_decref(body);
    return err;
}

static ff_err list(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_tokens_list(tx, &q->r->who, &q->out, ctx);
}

ff_err ff_get_tokens(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_read(r->http->config.queue, list, &q, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_OK, q.out, ctx);
}

static ff_err drop(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_tokens_remove(tx, &q->r->who, q->r->match.args[0], ctx);
}

ff_err ff_delete_token(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_write(r->http->config.queue, drop, &q, ctx);
    if (err) return err;
    ff_auth_forget(r->http->auth);
    return ff_reply_empty(r, MHD_HTTP_NO_CONTENT, ctx);
}
