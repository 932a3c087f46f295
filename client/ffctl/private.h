/* client/ffctl/private.h - a server of our own for one run: ffserver --private beside this program, its data in OUT.ckpt, a unix
** socket that nobody else can reach. It ends with us: asked to (SIGTERM: its gangs checkpoint), or when we die.
** Call order: ff_private_start -> requests through .remote -> ff_private_stop -> ff_private_result -> ff_private_forget;
** ff_private_done in any case. What is left of OUT.ckpt is what --resume goes on from. */
#ifndef FF_CLIENT_PRIVATE_H
#define FF_CLIENT_PRIVATE_H

#include "client/ffctl/remote.h"

struct ff_private_options {
    const char *out;           /* the result; data stand in `out`.ckpt */
    bool resume;               /* go on from what is there, else that is thrown away */
    int gangs, ranks, threads; /* ranks of each gang, threads of each rank */
    double checkpoint_s;       /* 0: the server's default */
};

struct ff_private {
    struct ff_remote remote;
    char *data;          /* folder */
    char *socket_folder; /* where the path in the data folder would be too long for a socket; else NULL */
    char *address;
};

/* Returns when the server answers. FF_ECHECKPOINT: --resume without anything to go on from, or data of another program. */
FF_MUST_USE ff_err ff_private_start(struct ff_private *p, struct ff_cli *cli, const struct ff_private_options *o);
/* Is it why a request failed? Then the error is replaced by one that says so. */
ff_err ff_private_why(struct ff_private *p, ff_err err);
/* Asks it to stop and waits until it has. A signal meanwhile kills it and its gangs: `again` is called first, may be NULL. */
void ff_private_stop(struct ff_private *p, void (*again)(void *self), void *self);
/* Moves the result of the job (an object of the API) to `out`. The server has stopped. */
FF_MUST_USE ff_err ff_private_result(struct ff_private *p, const json_t *job, const char *out);
/* Removes the data folder. */
void ff_private_forget(struct ff_private *p);
void ff_private_done(struct ff_private *p);

/* The job this folder is for: kept beside the data, so that --resume can tell whether it is the same. */
FF_MUST_USE ff_err ff_private_keep_job(struct ff_private *p, const char *id, const json_t *job);
/* *id: NULL when no job was kept (the run was killed before). FF_ECHECKPOINT, naming the member, when `job` is another but for
** its resources. */
FF_MUST_USE ff_err ff_private_kept_job(struct ff_private *p, const json_t *job, char **id);

#endif
