/* server/main/service.h - all parts of the server, started from the bottom up and stopped from the top down.
** Call order: ff_service_start -> ff_service_reload, ff_service_alive while it runs -> ff_service_stop. */
#ifndef FF_SERVER_MAIN_SERVICE_H
#define FF_SERVER_MAIN_SERVICE_H

#include "common/err.h"
#include "server/main/config.h"
#include "server/main/log.h"

struct ff_service;

/* The config and the log are borrowed. Writes DIR/server.address and DIR/dispatch.address: where it listens. */
FF_MUST_USE ff_err ff_service_start(struct ff_service **out, const struct ff_server_config *config, struct ff_log *log,
                                    ff_ctx *ctx);
const char *ff_service_address(const struct ff_service *s);
/* Reads the allowed keys of gangs again. */
void ff_service_reload(struct ff_service *s);
/* Does the database still take what is written? */
FF_MUST_USE ff_err ff_service_alive(struct ff_service *s, ff_ctx *ctx);
/* Gangs checkpoint and give their tasks back; requests in flight are finished. NULL is fine. */
void ff_service_stop(struct ff_service *s);

#endif
