/* server/queue/ids.c - public ids. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "server/queue/inner.h"

enum { ID_LENGTH = 26, ID_ALPHABET = 36 };
static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";

/* Every character equally likely: bytes beyond the last multiple of the alphabet's size are thrown away. */
void ff_id_make(const char *prefix, char out[FF_ID_SIZE])
{
    unsigned char bytes[2 * ID_LENGTH];
    size_t n = (size_t)snprintf(out, FF_ID_SIZE - ID_LENGTH, "%s", prefix), end = n + ID_LENGTH;
    for (size_t i = sizeof bytes; n < end; i++) {
        if (i >= sizeof bytes) {
            randombytes_buf(bytes, sizeof bytes);
            i = 0;
        }
        if (bytes[i] < 256 / ID_ALPHABET * ID_ALPHABET) out[n++] = alphabet[bytes[i] % ID_ALPHABET];
    }
    out[end] = '\0';
}

bool ff_id_valid(const char *prefix, const char *id)
{
    size_t n = strlen(prefix);
    return id && !strncmp(id, prefix, n) && strspn(id + n, alphabet) == ID_LENGTH && !id[n + ID_LENGTH];
}
