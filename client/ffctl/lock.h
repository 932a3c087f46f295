/* client/ffctl/lock.h - one run at a time writes a result. The lock is a file beside the result, held by ffctl and, through the
** inherited descriptor, by its worker: when ffctl was killed, a resumed run waits until the old worker has written its
** checkpoint. The kernel drops the lock with its last holder, so a file left behind locks nothing. */
#ifndef FF_CLIENT_LOCK_H
#define FF_CLIENT_LOCK_H

#include "common/err.h"

struct ff_lock {
    int fd;
    char *path;
};

/* Takes the lock for the result `out`, waiting up to `wait_s` for another holder. FF_ECHECKPOINT when it stays taken. */
FF_MUST_USE ff_err ff_lock_take(struct ff_lock *lock, const char *out, int wait_s, ff_ctx *ctx);
void ff_lock_drop(struct ff_lock *lock);

#endif
