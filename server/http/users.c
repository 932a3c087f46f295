/* server/http/users.c - users and their accounts; for administrators, but for one's own usage. */
#include <stdio.h>
#include <string.h>

#include "server/http/auth.h"
#include "server/http/body.h"
#include "server/http/reply.h"

struct query {
    struct ff_request *r;
    const char *name;
    bool admin;
    struct ff_quotas quotas;
    char id[FF_ID_SIZE];
    json_t *out;
};

static ff_err add(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    ff_err err = ff_users_add(tx, q->name, q->admin, &q->quotas, q->id, ctx);
    return err ? err : ff_users_get(tx, q->id, &q->out, ctx);
}

/* Quotas of the body; those left out stay 0: the server's default. */
static ff_err quotas_of(const json_t *object, struct ff_quotas *out, ff_ctx *ctx)
{
    static const struct ff_member members[] = {{"queued", FF_MEMBER_INTEGER, false, 0, 1e9},
                                               {"running", FF_MEMBER_INTEGER, false, 0, 1e9},
                                               {"submits_per_minute", FF_MEMBER_INTEGER, false, 0, 1e9},
                                               {"result_bytes", FF_MEMBER_NUMBER, false, 0, 1e18},
                                               {0}};
    ff_err err = ff_body_check(object, "/quotas", members, ctx);
    if (err) return err;
    out->queued = (long)json_integer_value(json_object_get(object, "queued"));
    out->running = (long)json_integer_value(json_object_get(object, "running"));
    out->submits_per_minute = (long)json_integer_value(json_object_get(object, "submits_per_minute"));
    out->result_bytes = json_number_value(json_object_get(object, "result_bytes"));
    return FF_OK;
}

/* Names go into logs, files of accounts and command lines. */
static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
    return name[0] != '.' && name[0] != '-' && strspn(name, letters) == strlen(name);
}

ff_err ff_post_user(struct ff_request *r, ff_ctx *ctx)
{
    static const struct ff_member members[] = {{"name", FF_MEMBER_TEXT, true, 1, 63},
                                               {"admin", FF_MEMBER_BOOL, false, 0, 0},
                                               {"quotas", FF_MEMBER_OBJECT, false, 0, 0},
                                               {0}};
    struct query q = {.r = r};
    json_t *body;
    ff_err err = ff_body_read(r, members, &body, ctx);
    if (err) return err;
    q.name = json_string_value(json_object_get(body, "name"));
    q.admin = json_is_true(json_object_get(body, "admin"));
    const json_t *quotas = json_object_get(body, "quotas");
    if (!is_name(q.name))
        err =
            ff_fail_at(ctx, FF_EBADREQUEST, "/name", FF_HERE, "allowed: letters, digits and . _ - @, not . or - first");
    if (!err && quotas) err = quotas_of(quotas, &q.quotas, ctx);
    if (!err) err = ff_queue_write(r->http->config.queue, add, &q, ctx);
    json_decref(body);
    if (err) {
        json_decref(q.out);
        return err;
    }
    err = ff_reply_json(r, MHD_HTTP_CREATED, q.out, ctx);
    if (!err) ff_reply_location(r, "/v1/users", q.id);
    return err;
}

static ff_err list(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_users_list(tx, &q->out, ctx);
}

ff_err ff_get_users(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_read(r->http->config.queue, list, &q, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_OK, q.out, ctx);
}

static ff_err get(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_users_get(tx, q->r->match.args[0], &q->out, ctx);
}

ff_err ff_get_user(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_read(r->http->config.queue, get, &q, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_OK, q.out, ctx);
}

static ff_err drop(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_users_remove(tx, q->r->match.args[0], ctx);
}

ff_err ff_delete_user(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_write(r->http->config.queue, drop, &q, ctx);
    if (err) return err;
    ff_auth_forget(r->http->auth);
    return ff_reply_empty(r, MHD_HTTP_NO_CONTENT, ctx);
}

static ff_err usage(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_usage_get(tx, &q->r->who, &q->out, ctx);
}

ff_err ff_get_usage(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_read(r->http->config.queue, usage, &q, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_OK, q.out, ctx);
}
