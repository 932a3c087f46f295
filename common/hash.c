/* common/hash.c - see hash.h. SHA-256 of libsodium needs no sodium_init(): it has neither state nor dispatch. */
#include "common/hash.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_hex(const unsigned char digest[crypto_hash_sha256_BYTES], char out[FF_HASH_SIZE])
{
    static_assert(FF_HASH_SIZE == 2 * crypto_hash_sha256_BYTES + 1, "room for the digits and NUL");
    sodium_bin2hex(out, FF_HASH_SIZE, digest, crypto_hash_sha256_BYTES);
}

void ff_hash_bytes(const void *bytes, size_t size, char out[FF_HASH_SIZE])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, bytes, size);
    write_hex(digest, out);
}

struct ff_hash {
    crypto_hash_sha256_state state;
};

ff_hash *ff_hash_begin(void)
{
    ff_hash *h = malloc(sizeof *h);
    if (h) crypto_hash_sha256_init(&h->state);
    return h;
}

void ff_hash_add(ff_hash *h, const void *bytes, size_t size)
{
    crypto_hash_sha256_update(&h->state, bytes, size);
}

void ff_hash_end(ff_hash *h, char *out)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    if (h && out) {
        crypto_hash_sha256_final(&h->state, digest);
        write_hex(digest, out);
    }
    free(h);
}

ff_err ff_hash_file(const char *path, char out[FF_HASH_SIZE], ff_ctx *ctx)
{
    unsigned char digest[crypto_hash_sha256_BYTES], block[1 << 15];
    crypto_hash_sha256_state state;
    out[0] = '\0';
    FILE *file = fopen(path, "rb");
    if (!file) return ff_fail(ctx, errno == ENOENT ? FF_ENOFILE : FF_EIO, FF_HERE, "%s: %s", path, strerror(errno));
    crypto_hash_sha256_init(&state);
    size_t n;
    while ((n = fread(block, 1, sizeof block, file)) > 0) crypto_hash_sha256_update(&state, block, n);
    int why = ferror(file) ? errno : 0;
    fclose(file);
    if (why) return ff_fail(ctx, FF_EIO, FF_HERE, "%s: %s", path, strerror(why));
    crypto_hash_sha256_final(&state, digest);
    write_hex(digest, out);
    return FF_OK;
}
