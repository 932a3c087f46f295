/* common/err.c - see err.h. */
#include "common/err.h"

#include <stdarg.h>
#include <stdbool.h>
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

/* A message quotes what users wrote and may be cut by its buffer: control characters (a terminal would obey them) become
** '?', and half a UTF-8 sequence at the end is dropped, so that it is always text that JSON can hold if its parts were. */
static void clean(char *text)
{
    size_t n = strlen(text), lead = n;
    while (lead > 0 && n - lead < 4 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80) lead--;
    if (lead > 0 && (unsigned char)text[lead - 1] >= 0xc0) {
        unsigned char first = (unsigned char)text[lead - 1];
        size_t need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        if (n - (lead - 1) < need) text[lead - 1] = '\0';
    }
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
        if (*c < 0x20 || *c == 0x7f) *c = '?';
        if (c1) c[0] = c[1] = '?';
    }
}

static void set(ff_ctx *ctx, ff_err code, const char *pointer, const char *file, int line, const char *fmt,
                va_list args)
{
    if (!ctx) return;
    ctx->code = code;
    vsnprintf(ctx->message, sizeof ctx->message, fmt, args);
    snprintf(ctx->pointer, sizeof ctx->pointer, "%s", pointer);
    clean(ctx->message);
    clean(ctx->pointer);
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
    clean(frame->note);
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
