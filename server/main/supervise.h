/* server/main/supervise.h - the local gangs: started, started again when they end, told to stop. A gang outlives a server that is
** killed and goes on computing; the next server finds it by its lock (DIR/gangs/N.lock, held by the gang's processes) and
** starts none in its place until it is gone. Words of a gang go to DIR/gangs/N.log.
** Call order: ff_supervise_start -> ff_supervise_stop. One thread of its own. */
#ifndef FF_SERVER_MAIN_SUPERVISE_H
#define FF_SERVER_MAIN_SUPERVISE_H

#include "common/err.h"
#include "server/main/log.h"

struct ff_supervisor;

struct ff_supervise_config {
    const char *data;          /* DIR */
    const char *endpoint;      /* of dispatch */
    const char *store;         /* folder of the store */
    int gangs, ranks, threads; /* threads of one rank, >= 1 */
    double memory_bytes;       /* of one rank, 0: no limit */
    struct ff_log *log;
};
/* FF_ENOFILE when ffworker is neither beside this program nor in PATH. */
FF_MUST_USE ff_err ff_supervise_start(struct ff_supervisor **out, const struct ff_supervise_config *config,
                                      ff_ctx *ctx);
/* SIGTERM to every gang started here, SIGKILL to those left after `seconds`. NULL is fine. */
void ff_supervise_stop(struct ff_supervisor *s, double seconds);

#endif
