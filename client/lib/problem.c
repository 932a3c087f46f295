/* client/lib/problem.c - an answer that is no success as an error: of a problem+json body its type, detail and pointer; else
** of its status alone (a proxy in between knows no problems). */
#include <stdio.h>
#include <string.h>

#include "client/lib/exchange.h"

/* Where only the status is known. */
static ff_err code_of_status(int status)
{
    static const ff_err codes[] = {FF_EAUTH,     FF_EFORBIDDEN, FF_ENOTFOUND, FF_EMETHOD, FF_EDEADLINE,
                                   FF_ECONFLICT, FF_ERANGE,     FF_ETOOLARGE, FF_EMEDIA,  FF_EVERSION,
                                   FF_EQUOTA,    FF_EKEYREUSED, FF_EHEADERS,  FF_EBUSY};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (ff_code_http(codes[i]) == status) return codes[i];
    }
    return status >= 400 && status < 500 ? FF_EBADREQUEST : FF_ESERVER;
}

/* "urn:fullfield:error:quota" -> FF_EQUOTA when that has this status; else what the status says. */
static ff_err code_of(const char *type, int status)
{
    if (!type) return code_of_status(status);
    size_t n = strlen(type);
    while (n > 0 && type[n - 1] != ':' && type[n - 1] != '/') n--;
    for (ff_err e = FF_OK + 1; e < FF_NCODES; e++) {
        if (strcmp(ff_code_slug(e), type + n) == 0 && ff_code_http(e) == status) return e;
    }
    return code_of_status(status);
}

static const char *text_of(const json_t *problem, const char *key)
{
    const char *text = json_string_value(json_object_get(problem, key));
    return text && *text ? text : NULL;
}

ff_err ff_exchange_problem(const struct ff_exchange *x, ff_ctx *ctx)
{
    json_t *problem = x->problem.size ? json_loadb(x->problem.data, x->problem.size, 0, NULL) : NULL;
    const char *detail = text_of(problem, "detail"), *title = text_of(problem, "title");
    const char *pointer = text_of(problem, "pointer"), *request = text_of(problem, "request_id");
    const ff_err err = code_of(text_of(problem, "type"), x->status);
    if (detail || title) {
        ff_fail_at(ctx, err, pointer ? pointer : "", FF_HERE, "%s", detail ? detail : title);
    } else if (x->status >= 300 && x->status < 400) {
        ff_fail(ctx, err, FF_HERE, "the server sends elsewhere (status %d), which is not followed", x->status);
    } else {
        ff_fail(ctx, err, FF_HERE, "the server answered with status %d (%s)", x->status, ff_code_title(err));
    }
    if (x->retry_after_s >= 0) ff_note(ctx, FF_HERE, "the server asks to wait %.0f s", x->retry_after_s);
    if (request || x->request_id[0]) ff_note(ctx, FF_HERE, "request %s", request ? request : x->request_id);
    json_decref(problem);
    return err;
}

bool ff_exchange_busy(const struct ff_exchange *x, double *wait_s)
{
    if (x->status != 503 && x->status != 429) return false;
    if (x->retry_after_s >= 0) *wait_s = x->retry_after_s;
    return true;
}
