/* worker/job/blob.c - see blob.h. Each piece is preceded by its length, a native 64-bit number: checkpoints stay on machines
** of one kind (their identity says which). */
#include "worker/job/blob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void append(struct ff_blob *b, const void *bytes, size_t size)
{
    if (b->failed || size == 0) return;
    if (b->size + size > b->capacity) {
        const size_t capacity = (b->size + size) * 3 / 2;
        char *grown = realloc(b->bytes, capacity);
        if (!grown) {
            b->failed = true;
            return;
        }
        b->bytes = grown;
        b->capacity = capacity;
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

void ff_blob_put(struct ff_blob *b, const void *piece, size_t size)
{
    const uint64_t length = size;
    append(b, &length, sizeof length);
    append(b, piece, size);
}

const void *ff_blob_peek(struct ff_blob *b, size_t *size)
{
    uint64_t length;
    *size = 0;
    if (b->failed || b->size - b->at < sizeof length) {
        b->failed = true;
        return NULL;
    }
    memcpy(&length, b->bytes + b->at, sizeof length);
    if (length > b->size - b->at - sizeof length) {
        b->failed = true;
        return NULL;
    }
    const void *piece = b->bytes + b->at + sizeof length;
    b->at += sizeof length + (size_t)length;
    *size = (size_t)length;
    return piece;
}

void ff_blob_get(struct ff_blob *b, void *piece, size_t size)
{
    size_t length;
    const void *found = ff_blob_peek(b, &length);
    if (found && length == size) {
        if (size) memcpy(piece, found, size);
    } else {
        b->failed = true;
    }
}

void ff_blob_done(struct ff_blob *b)
{
    free(b->bytes);
    memset(b, 0, sizeof *b);
}
