/* common/hash.h - SHA-256 in hexadecimal. */
#ifndef FF_COMMON_HASH_H
#define FF_COMMON_HASH_H

#include <stddef.h>

#include "common/err.h"

enum { FF_HASH_SIZE = 65 }; /* 64 digits and NUL */
void ff_hash_bytes(const void *bytes, size_t size, char out[FF_HASH_SIZE]);
/* Bytes that come in pieces. NULL: no memory. ff_hash_end frees it; out NULL: for that alone; h NULL is fine then. */
typedef struct ff_hash ff_hash;
ff_hash *ff_hash_begin(void);
void ff_hash_add(ff_hash *h, const void *bytes, size_t size);
void ff_hash_end(ff_hash *h, char *out); /* (FF_HASH_SIZE) */
FF_MUST_USE ff_err ff_hash_file(const char *path, char out[FF_HASH_SIZE], ff_ctx *ctx);

#endif
