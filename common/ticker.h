/* common/ticker.h - a thread that does something now and then until it is stopped. */
#ifndef FF_COMMON_TICKER_H
#define FF_COMMON_TICKER_H

#include "common/err.h"

struct ff_ticker;

/* tick(self) at once, and again `seconds` after each has ended. */
FF_MUST_USE ff_err ff_ticker_start(struct ff_ticker **out, double seconds, void (*tick)(void *self), void *self,
                                   ff_ctx *ctx);
/* Waits for a tick that is going on; none follows. NULL is fine. */
void ff_ticker_stop(struct ff_ticker *t);

#endif
