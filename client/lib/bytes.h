/* client/lib/bytes.h - bytes that grow up to a limit; NUL-terminated, so that they can be read as text. */
#ifndef FF_CLIENT_LIB_BYTES_H
#define FF_CLIENT_LIB_BYTES_H

#include <stddef.h>

#include "common/err.h"

struct ff_bytes {
    char *data; /* (size) and NUL; NULL before the first byte */
    size_t size, room;
};

/* FF_ETOOLARGE beyond `most` bytes, FF_ENOMEM; then nothing was added. */
FF_MUST_USE ff_err ff_bytes_add(struct ff_bytes *b, const void *bytes, size_t size, size_t most, ff_ctx *ctx);
void ff_bytes_done(struct ff_bytes *b);

#endif
