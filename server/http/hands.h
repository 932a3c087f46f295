/* server/http/hands.h - threads that run handlers, so that the threads of the daemon never wait for a disk. A request
** is pushed with its connection suspended; when its handler is done the connection is resumed. */
#ifndef FF_SERVER_HTTP_HANDS_H
#define FF_SERVER_HTTP_HANDS_H

#include "server/http/server.h"

FF_MUST_USE ff_err ff_hands_start(struct ff_hands **out, int threads, ff_ctx *ctx);
/* Suspends the connection and queues the request; false once they are stopping: nothing was done. */
bool ff_hands_push(struct ff_hands *hands, struct ff_request *r);
/* What was pushed is finished first; later pushes are refused. NULL is fine. */
void ff_hands_stop(struct ff_hands *hands);
void ff_hands_free(struct ff_hands *hands); /* after ff_hands_stop, when nobody can push any more; NULL is fine */

#endif
