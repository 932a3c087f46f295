/* server/queue/quota.h - what a user may use, and the order in which users are served. Private. */
#ifndef FF_SERVER_QUEUE_QUOTA_H
#define FF_SERVER_QUEUE_QUOTA_H

#include "server/queue/inner.h"

/* May the user submit one more job? Counts it against submits a minute. FF_EQUOTA names the quota. */
FF_MUST_USE ff_err ff_quota_submit(ff_tx *tx, int64_t user, int64_t now, ff_ctx *ctx);
/* May the user store `size` more bytes? */
FF_MUST_USE ff_err ff_quota_bytes(ff_tx *tx, int64_t user, double size, ff_ctx *ctx);
/* The quotas that hold: the user's own, else the server's default; 0: no limit. */
struct ff_quotas ff_quotas_of(ff_tx *tx, struct ff_quotas own);

/* Fair share. The account fades to half in 6 hours. */
struct ff_share {
    int64_t user;
    double used;  /* core-seconds lately, those of running tasks included */
    bool may_run; /* below the quota of running tasks */
};
FF_MUST_USE ff_err ff_share_read(ff_tx *tx, int64_t user, int64_t now, struct ff_share *out, ff_ctx *ctx);
/* Adds what an attempt used to both accounts of the user. */
FF_MUST_USE ff_err ff_share_charge(ff_tx *tx, int64_t user, int64_t now, double core_seconds, double gpu_seconds,
                                   ff_ctx *ctx);

#endif
