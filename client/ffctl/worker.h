/* client/ffctl/worker.h - ffworker as a child process: found, started, listened to, stopped.
** Call order: ff_signals_hold -> ff_worker_start -> ff_worker_follow -> ff_signals_release. */
#ifndef FF_CLIENT_WORKER_H
#define FF_CLIENT_WORKER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

/* Signals are read from a descriptor instead of interrupting: no handler, no global state. */
struct ff_signals {
    int fd;
    sigset_t before; /* the mask to give back */
};
FF_MUST_USE ff_err ff_signals_hold(struct ff_signals *signals, ff_ctx *ctx);
void ff_signals_release(struct ff_signals *signals);

struct ff_worker {
    pid_t pid;
    int out, err; /* its stdout and stderr, to be read */
    int status;   /* of waitpid, once it is gone */
    int stopped;  /* the signal we were asked to stop by: SIGINT, SIGTERM or 0 */
    bool killed;  /* asked a second time: no clean-up */
};

/* argv ends with NULL; argv[0] is the path. The worker gets SIGTERM should this process die. */
FF_MUST_USE ff_err ff_worker_start(struct ff_worker *worker, char *const *argv, const struct ff_signals *signals,
                                   ff_ctx *ctx);

struct ff_listener {
    void *self;
    void (*line)(void *self, const char *line, size_t size);   /* of stdout, with its newline unless it is the last */
    void (*words)(void *self, const char *bytes, size_t size); /* of stderr */
    void (*stopping)(void *self, bool again);                  /* asked to stop; the second time the worker is killed */
};

/* Listens until the worker is gone. SIGINT, SIGTERM and SIGHUP become SIGTERM to the worker, which checkpoints; a second
** one kills it. SIGTSTP pauses both. */
FF_MUST_USE ff_err ff_worker_follow(struct ff_worker *worker, const struct ff_signals *signals,
                                    const struct ff_listener *listener, ff_ctx *ctx);

#endif
