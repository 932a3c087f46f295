/* server/main/setup.h - the data folder: made with its keys and the administrator's token at the first start, and locked for as
** long as a server uses it. */
#ifndef FF_SERVER_MAIN_SETUP_H
#define FF_SERVER_MAIN_SETUP_H

#include <stdbool.h>

#include "common/err.h"
#include "server/queue/queue.h"

/* Makes DIR (mode 0700) and takes DIR/lock, waiting up to `wait_s` for a server that is stopping. FF_ECONFLICT: in use, by
** which process. *fd holds the lock until it is closed. */
FF_MUST_USE ff_err ff_setup_folder(const char *data, double wait_s, int *fd, ff_ctx *ctx);

/* FF_EDATABASE when DIR was used before (it has the server's key) and its database is gone: a new, empty one would forget every
** job without a word. */
FF_MUST_USE ff_err ff_setup_expects(const char *data, const char *database, ff_ctx *ctx);

/* A database without users gets `admin` and DIR/admin.token (mode 0600); *made says so. A token file that is missing
** while there are users is not made again: `ffctl tokens add` does that. */
FF_MUST_USE ff_err ff_setup_admin(const char *data, ff_queue *queue, bool *made, ff_ctx *ctx);

#endif
