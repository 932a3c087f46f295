/* worker/gang/outcome.c - see outcome.h. */
#include "worker/gang/outcome.h"

#include <stdio.h>
#include <string.h>

enum ff_outcome_kind ff_outcome_of(ff_err err, const struct ff_work_end *end)
{
    switch (err) {
    case FF_OK:
        return end->more ? FF_OUT_AGAIN : FF_OUT_SUCCEEDED;
    case FF_EINTERRUPTED:
        return FF_OUT_RELEASED;
    case FF_EDISKFULL:
    case FF_EIO:
    case FF_ESTORAGE:
    case FF_ENOMEM:
    case FF_EVERSION:    /* a server of another build */
    case FF_EBADMESSAGE: /* the same */
        return FF_OUT_ENVIRONMENT;
    default:
        return FF_OUT_FAILED;
    }
}

const char *ff_outcome_name(enum ff_outcome_kind kind)
{
    static const char *const names[] = {[FF_OUT_SUCCEEDED] = "succeeded",
                                        [FF_OUT_AGAIN] = "again",
                                        [FF_OUT_FAILED] = "failed",
                                        [FF_OUT_RELEASED] = "released",
                                        [FF_OUT_ENVIRONMENT] = "environment"};
    return names[kind];
}

/* "disk-full" as the short code "disk_full". */
static void code_of(ff_err err, char *out, size_t size)
{
    snprintf(out, size, "%s", ff_code_slug(err));
    for (char *c = out; *c; c++)
        if (*c == '-') *c = '_';
}

json_t *ff_outcome_commit(enum ff_outcome_kind kind, const struct ff_work_end *end, const char *why, const ff_ctx *ctx,
                          double core_seconds)
{
    char code[32] = "";
    const char *reason = "", *message = "";
    if (kind == FF_OUT_FAILED || kind == FF_OUT_ENVIRONMENT) {
        code_of(ctx->code, code, sizeof code);
        reason = code;
        message = ctx->message;
    } else if (kind == FF_OUT_RELEASED) {
        reason = why[0] ? why : "drain";
    }
    json_t *commit = json_pack("{ss ss ss sf sf so}", "outcome", ff_outcome_name(kind), "reason", reason, "message",
                               message, "core_seconds", core_seconds, "gpu_seconds", 0.0, "files", json_array());
    if (commit && kind == FF_OUT_AGAIN)
        json_object_set_new(commit, "state", json_pack("{sI}", "draws", (json_int_t)end->draws));
    if (commit && (kind == FF_OUT_FAILED || kind == FF_OUT_ENVIRONMENT))
        json_object_set_new(commit, "problem", ff_problem(ctx));
    return commit;
}
