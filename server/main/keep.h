/* server/main/keep.h - housekeeping while the server runs: backups of the database, retention of ended jobs, a daily report of
** files that no row knows. One thread. */
#ifndef FF_SERVER_MAIN_KEEP_H
#define FF_SERVER_MAIN_KEEP_H

#include "common/err.h"
#include "server/main/config.h"
#include "server/main/log.h"
#include "server/queue/queue.h"
#include "server/store/store.h"

struct ff_keeper;

FF_MUST_USE ff_err ff_keep_start(struct ff_keeper **out, const struct ff_server_config *config, ff_queue *queue,
                                 ff_storehouse *store, struct ff_log *log, ff_ctx *ctx);
void ff_keep_stop(struct ff_keeper *k); /* NULL is fine */

#endif
