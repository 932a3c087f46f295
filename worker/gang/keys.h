/* worker/gang/keys.h - CURVE keys of a gang: 32 bytes written as 40 characters of Z85 (ZeroMQ's RFC 32), in text files.
** A secret key comes from a file that only its owner may read; it is never printed. */
#ifndef FF_WORKER_GANG_KEYS_H
#define FF_WORKER_GANG_KEYS_H

#include "common/err.h"

enum { FF_KEY_SIZE = 41 }; /* 40 characters and NUL */

struct ff_keys {
    char server[FF_KEY_SIZE]; /* public key of the server */
    char secret[FF_KEY_SIZE]; /* of this gang */
    char own[FF_KEY_SIZE];    /* its public key, made from the secret one */
};

/* server: a file, or the key itself; secret: a file. FF_ENOFILE, FF_EBADFILE (no key in it, or others may read it). */
FF_MUST_USE ff_err ff_keys_read(struct ff_keys *out, const char *server, const char *secret, ff_ctx *ctx);
/* A new pair: NAME.key (mode 0600) and NAME.pub, which the server is to be given. FF_EUSAGE when one of them is there. */
FF_MUST_USE ff_err ff_keys_make(const char *name, ff_ctx *ctx);
/* Overwrites them. */
void ff_keys_wipe(struct ff_keys *keys);

#endif
