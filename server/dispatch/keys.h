/* server/dispatch/keys.h - CURVE keys as files: 40 characters of Z85, one key a file. Secret keys are for their owner only
** (mode 0600) and never in a message or log. */
#ifndef FF_SERVER_DISPATCH_KEYS_H
#define FF_SERVER_DISPATCH_KEYS_H

#include <pthread.h>
#include <stdbool.h>

#include "common/err.h"

enum { FF_KEY_SIZE = 41, FF_KEY_BYTES = 32 }; /* text with NUL; binary */

/* The secret key of a file; FF_EUSAGE when others may read it or it is not a key. Wipe it after use. */
FF_MUST_USE ff_err ff_key_read(const char *path, char out[FF_KEY_SIZE], ff_ctx *ctx);

/* The public keys that may connect: every DIR/workers/NAME.pub. Any thread may ask. */
struct ff_allowed {
    pthread_mutex_t lock;
    char (*keys)[FF_KEY_SIZE];
    int n;
};
FF_MUST_USE ff_err ff_allowed_init(struct ff_allowed *allowed, ff_ctx *ctx);
void ff_allowed_done(struct ff_allowed *allowed);
/* Reads the folder again; *skipped: files that hold no key. After an error the old list stays. */
FF_MUST_USE ff_err ff_allowed_read(struct ff_allowed *allowed, const char *dir, int *skipped, ff_ctx *ctx);
bool ff_allowed_has(struct ff_allowed *allowed, const char *key);

#endif
