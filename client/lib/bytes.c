/* client/lib/bytes.c - see bytes.h. */
#include "client/lib/bytes.h"

#include <stdlib.h>
#include <string.h>

ff_err ff_bytes_add(struct ff_bytes *b, const void *bytes, size_t size, size_t most, ff_ctx *ctx)
{
    if (size > most || b->size > most - size)
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "the server's answer is larger than %zu bytes", most);
    if (b->size + size + 1 > b->room) {
        size_t room = 2 * (b->size + size) + 64;
        char *grown = realloc(b->data, room);
        if (!grown) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an answer of %zu bytes", b->size + size);
        b->data = grown;
        b->room = room;
    }
    if (size > 0) memcpy(b->data + b->size, bytes, size);
    b->size += size;
    b->data[b->size] = '\0';
    return FF_OK;
}

void ff_bytes_done(struct ff_bytes *b)
{
    free(b->data);
    *b = (struct ff_bytes){0};
}
