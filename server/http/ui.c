/* server/http/ui.c - the live page. It runs what the program carries and talks to this server only. */
#include <string.h>

#include "server/http/embed.h"
#include "server/http/reply.h"

static ff_err send_page(struct ff_request *r, const char *name, ff_ctx *ctx)
{
    for (int i = 0; i < ff_nui_files; i++) {
        const struct ff_embedded *file = &ff_ui_files[i];
        if (strcmp(file->name, name) != 0) continue;
        ff_err err = ff_reply_static(r, file->type, file->text, (size_t)(file->end - file->text), ctx);
        if (err) return err;
        ff_reply_header(r, "Cache-Control", "no-cache");
        ff_reply_header(r, "Content-Security-Policy",
                        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'");
        ff_reply_header(r, "Referrer-Policy", "no-referrer");
        return FF_OK;
    }
    return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "there is nothing at this path");
}

ff_err ff_get_ui(struct ff_request *r, ff_ctx *ctx)
{
    return send_page(r, "index.html", ctx);
}

ff_err ff_get_ui_file(struct ff_request *r, ff_ctx *ctx)
{
    return send_page(r, r->match.args[0], ctx);
}

ff_err ff_get_root(struct ff_request *r, ff_ctx *ctx)
{
    ff_err err = ff_reply_empty(r, MHD_HTTP_SEE_OTHER, ctx);
    if (!err) ff_reply_header(r, MHD_HTTP_HEADER_LOCATION, "/ui/");
    return err;
}
