/* server/dispatch/zap.h - the thread that says who may connect. libzmq asks it over inproc before a CURVE handshake ends
** (ZAP, rfc.zeromq.org/spec/27); without it any key would be let in. A key that is let in becomes the "User-Id" of
** every message of that connection. */
#ifndef FF_SERVER_DISPATCH_ZAP_H
#define FF_SERVER_DISPATCH_ZAP_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/dispatch/keys.h"

struct ff_zap {
    struct ff_allowed *allowed;
    void *socket;
    pthread_t thread;
    bool started;
    atomic_long refused;
};
#define FF_ZAP_DOMAIN "fullfield"

/* Before any socket of the context that asks is bound. */
FF_MUST_USE ff_err ff_zap_start(struct ff_zap *zap, void *context, struct ff_allowed *allowed, ff_ctx *ctx);
/* After zmq_ctx_shutdown, which is what ends the thread. */
void ff_zap_join(struct ff_zap *zap);

#endif
