/* worker/core/share.c - see share.h. */
#include "worker/core/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ff_err ff_share(const struct ff_comm *c, void *bytes, size_t size, ff_ctx *ctx)
{
    if (!c || c->nranks == 1) return FF_OK;
    struct ff_message from = {.peer = 0, .bytes = bytes, .size = size}, *to = NULL;
    int n = 0;
    if (c->rank == 0) {
        to = calloc((size_t)c->nranks, sizeof *to);
        if (!to) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d messages", c->nranks);
        for (int r = 1; r < c->nranks; r++) to[n++] = (struct ff_message){.peer = r, .bytes = bytes, .size = size};
    }
    const ff_err err = c->sendrecv_list(c, to, n, &from, c->rank != 0, ctx);
    free(to);
    return err;
}

struct report {
    int code;
    char pointer[sizeof((ff_ctx *)0)->pointer], message[sizeof((ff_ctx *)0)->message];
};

ff_err ff_share_error(const struct ff_comm *c, ff_err err, ff_ctx *ctx)
{
    if (!c || c->nranks == 1) return err;
    ff_ctx own = {0};
    struct report mine = {.code = (int)err}, *all = calloc((size_t)c->nranks, sizeof *all);
    if (!all) mine.code = (int)ff_fail(&own, FF_ENOMEM, FF_HERE, "no memory for the reports of %d ranks", c->nranks);
    if (err && ctx) {
        snprintf(mine.pointer, sizeof mine.pointer, "%s", ctx->pointer);
        snprintf(mine.message, sizeof mine.message, "%s", ctx->message);
    }
    if (!all) return (ff_err)mine.code; /* the others wait until the group is ended */
    ff_err told = c->allgather(c, &mine, sizeof mine, all, &own);
    for (int r = 0; r < c->nranks && !told; r++) {
        if (!all[r].code) continue;
        told = (ff_err)all[r].code;
        if (r == c->rank) break; /* ctx has it already, with where it came from */
        if (all[r].pointer[0])
            ff_fail_at(ctx, told, all[r].pointer, FF_HERE, "%s", all[r].message);
        else
            ff_fail(ctx, told, FF_HERE, "%s", all[r].message);
        ff_note(ctx, FF_HERE, "on rank %d of %d", r, c->nranks);
    }
    if (told && !err && own.message[0]) ff_fail(ctx, told, FF_HERE, "%s", own.message);
    free(all);
    return told;
}
