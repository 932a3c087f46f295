/* worker/core/arena.c - see arena.h. */
#include "worker/core/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 256 };

void *ff_arena_take(struct ff_arena *a, long count, size_t item_bytes)
{
    const size_t start = a->used;
    if (count < 0 || (item_bytes && (size_t)count > (SIZE_MAX - start - ALIGN) / item_bytes)) {
        a->overflow = true;
        return NULL;
    }
    const size_t end = start + ((size_t)count * item_bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (a->base && end > a->size) return NULL; /* the second pass asks for more than the first */
    a->used = end;
    return a->base ? a->base + start : NULL;
}

ff_err ff_arena_alloc(struct ff_arena *a, const char *what, ff_ctx *ctx)
{
    const size_t bytes = a->used ? a->used : ALIGN;
    if (a->overflow) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "%s needs more bytes than can be counted", what);
    a->base = aligned_alloc(ALIGN, bytes);
    if (!a->base) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "%s needs %zu bytes, which are not there", what, bytes);
    memset(a->base, 0, bytes);
    a->size = bytes;
    a->used = 0;
    return FF_OK;
}

void ff_arena_free(struct ff_arena *a)
{
    free(a->base);
    *a = (struct ff_arena){0};
}
