/* common/err.c - see err.h. */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *slug, *title;
    int http, exit_code;
} facts[FF_NCODES] = {
    [FF_OK] = {"ok", "Success", 200, 0},
#define X(name, http_, slug_, exit_, title_) [name] = {slug_, title_, http_, exit_},
#include "proto/errors.def"
#undef X
};

static void set(ff_ctx *ctx, ff_err code, const char *pointer, const char *file, int line, const char *fmt, va_list args)
{
    if (!ctx) return;
    ctx->code = code;
    vsnprintf(ctx->message, sizeof ctx->message, fmt, args);
    snprintf(ctx->pointer, sizeof ctx->pointer, "%s", pointer);
    ctx->nframes = 1;
    ctx->frames[0] = (struct ff_frame){.file = file, .line = line};
}

ff_err ff_fail(ff_ctx *ctx, ff_err code, const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set(ctx, code, "", file, line, fmt, args);
    va_end(args);
    return code;
}

ff_err ff_fail_at(ff_ctx *ctx, ff_err code, const char *pointer, const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set(ctx, code, pointer, file, line, fmt, args);
    va_end(args);
    return code;
}

void ff_note(ff_ctx *ctx, const char *file, int line, const char *fmt, ...)
{
    if (!ctx || ctx->nframes >= FF_MAX_FRAMES) return;
    struct ff_frame *frame = &ctx->frames[ctx->nframes++];
    frame->file = file;
    frame->line = line;
    va_list args;
    va_start(args, fmt);
    vsnprintf(frame->note, sizeof frame->note, fmt, args);
    va_end(args);
}

void ff_ctx_clear(ff_ctx *ctx)
{
    memset(ctx, 0, sizeof *ctx);
}

static int known(ff_err code)
{
    return code >= 0 && code < FF_NCODES;
}

const char *ff_code_slug(ff_err code)
{
    return facts[known(code) ? code : FF_EBUG].slug;
}

const char *ff_code_title(ff_err code)
{
    return facts[known(code) ? code : FF_EBUG].title;
}

int ff_code_http(ff_err code)
{
    return facts[known(code) ? code : FF_EBUG].http;
}

int ff_code_exit(ff_err code)
{
    return facts[known(code) ? code : FF_EBUG].exit_code;
}
