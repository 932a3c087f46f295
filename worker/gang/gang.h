/* worker/gang/gang.h - `ffworker --connect`: a gang that takes tasks from a server until it is told to stop.
** Rank 0: this thread runs the tasks; another owns the socket, sends heartbeats and whatever else is due (session.h).
** Other ranks follow (ranks.h).
** The gang outlives its server: it keeps computing, reconnects and offers what it has. */
#ifndef FF_WORKER_GANG_GANG_H
#define FF_WORKER_GANG_GANG_H

#include <signal.h>

#include "common/err.h"
#include "worker/gang/work.h"

struct ff_gang_config {
    const char *connect;     /* tcp://HOST:PORT or ipc://PATH */
    const char *server_key;  /* a file, or the key */
    const char *key;         /* a file */
    const char *store;       /* the server's store as this machine sees it; NULL: not shared */
    const char *scratch;     /* where a folder for what is fetched is made; NULL: $TMPDIR, else /tmp */
    const char *pool, *name; /* name NULL: host and pid */
    int threads;             /* >= 1 */
    double memory_bytes;     /* 0: no limit */
    double idle_exit_s, give_up_s, drain_wait_s, first_step_s; /* as in ff_session_config */
    int wake_fd; /* an eventfd: a signal handler that changed one of the next two writes to it */
    const volatile sig_atomic_t *terminate;    /* not 0: drain */
    const volatile sig_atomic_t *checkpoint;   /* changed: the task in hand writes a checkpoint and goes on */
    void (*say)(void *self, const char *line); /* words for people, from any thread */
    void *say_self;
    const struct ff_runner *runner; /* NULL: the engine */
};

/* FF_OK: drained. FF_EVERSION, FF_EAUTH, FF_ECONFLICT (refused), FF_EUNREACHABLE; FF_EUSAGE and errors of files before
** any connection. */
FF_MUST_USE ff_err ff_gang_run(const struct ff_gang_config *config, ff_ctx *ctx);

#endif
