/* server/http/body.c - see body.h. */
#include "server/http/body.h"

#include <stdio.h>
#include <string.h>

#include "common/job.h"

static bool fits(const struct ff_member *m, const json_t *value)
{
    const double number = json_is_number(value) ? json_number_value(value) : 0;
    switch (m->kind) {
    case FF_MEMBER_TEXT:
        if (!json_is_string(value)) return false;
        const size_t n = json_string_length(value);
        return (double)n >= m->low && (double)n <= m->high && ff_text_is_plain(json_string_value(value), n);
    case FF_MEMBER_BOOL:
        return json_is_boolean(value);
    case FF_MEMBER_INTEGER:
        return json_is_integer(value) && number >= m->low && number <= m->high;
    case FF_MEMBER_NUMBER:
        return json_is_number(value) && number >= m->low && number <= m->high;
    default:
        return json_is_object(value);
    }
}

static ff_err refuse(const struct ff_member *m, const char *pointer, const char *what, ff_ctx *ctx)
{
    switch (m->kind) {
    case FF_MEMBER_TEXT:
        return ff_fail_at(ctx, FF_EBADREQUEST, pointer, FF_HERE,
                          "%s; allowed: a text of %.0f to %.0f bytes without control characters", what, m->low,
                          m->high);
    case FF_MEMBER_BOOL:
        return ff_fail_at(ctx, FF_EBADREQUEST, pointer, FF_HERE, "%s; allowed: true or false", what);
    case FF_MEMBER_OBJECT:
        return ff_fail_at(ctx, FF_EBADREQUEST, pointer, FF_HERE, "%s; allowed: an object", what);
    default:
        return ff_fail_at(ctx, FF_EBADREQUEST, pointer, FF_HERE, "%s; allowed: %s from %.10g to %.10g", what,
                          m->kind == FF_MEMBER_INTEGER ? "an integer" : "a number", m->low, m->high);
    }
}

static const struct ff_member *member_called(const struct ff_member *members, const char *name)
{
    while (members->name && strcmp(members->name, name) != 0) members++;
    return members->name ? members : NULL;
}

ff_err ff_body_check(const json_t *object, const char *pointer, const struct ff_member *members, ff_ctx *ctx)
{
    const char *name;
    json_t *value;
    char place[FF_POINTER_SIZE];
    json_object_foreach((json_t *)object, name, value)
    {
        const struct ff_member *m = member_called(members, name);
        snprintf(place, sizeof place, "%s/%s", pointer, name);
        if (!m) return ff_fail_at(ctx, FF_EBADREQUEST, place, FF_HERE, "not a member that is known here");
        if (!fits(m, value)) return refuse(m, place, "not valid", ctx);
    }
    for (const struct ff_member *m = members; m->name; m++) {
        if (!m->required || json_object_get(object, m->name)) continue;
        snprintf(place, sizeof place, "%s/%s", pointer, m->name);
        return refuse(m, place, "missing", ctx);
    }
    return FF_OK;
}

ff_err ff_body_read(struct ff_request *r, const struct ff_member *members, json_t **out, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    *out = NULL;
    if (r->nbody > 0) {
        err = ff_json_parse(out, r->body, r->nbody, ctx);
    } else if (!(*out = json_object())) {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a body");
    }
    if (!err && !json_is_object(*out)) err = ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "the body is not a JSON object");
    if (!err) err = ff_body_check(*out, "", members, ctx);
    if (!err) return FF_OK;
    json_decref(*out);
    *out = NULL;
    return err;
}
