/* server/http/body.h - small JSON bodies: an object whose members are all known and have their type. */
#ifndef FF_SERVER_HTTP_BODY_H
#define FF_SERVER_HTTP_BODY_H

#include <jansson.h>

#include "server/http/server.h"

enum ff_member_kind { FF_MEMBER_TEXT, FF_MEMBER_BOOL, FF_MEMBER_INTEGER, FF_MEMBER_NUMBER, FF_MEMBER_OBJECT };
struct ff_member {
    const char *name; /* NULL ends the list */
    enum ff_member_kind kind;
    bool required;
    double low, high; /* of numbers, or of the length of a text */
};
/* *out: the object (new reference); an empty body counts as {} where the route allows it. FF_EBADJSON, or FF_EBADREQUEST
** with the pointer. */
FF_MUST_USE ff_err ff_body_read(struct ff_request *r, const struct ff_member *members, json_t **out, ff_ctx *ctx);
/* The same of an object inside; pointer: of the object. */
FF_MUST_USE ff_err ff_body_check(const json_t *object, const char *pointer, const struct ff_member *members,
                                 ff_ctx *ctx);

#endif
