/* common/hash.h - SHA-256 in hexadecimal. */
#ifndef FF_COMMON_HASH_H
#define FF_COMMON_HASH_H

#include <stddef.h>

#include "common/err.h"

enum { FF_HASH_SIZE = 65 }; /* 64 digits and NUL */
void ff_hash_bytes(const void *bytes, size_t size, char out[FF_HASH_SIZE]);
FF_MUST_USE ff_err ff_hash_file(const char *path, char out[FF_HASH_SIZE], ff_ctx *ctx);

#endif
