/* worker/gang/ranks.h - the ranks of a gang. Rank 0 talks to the server and runs tasks; the others follow it. A task that needs
** one rank: at every step all ranks meet in a sum, so that it goes on only while every rank answers. A task of all ranks: rank
** 0 calls them, and until it has ended all make the same calls (together.h). A rank that dies takes the gang with it (mpirun
** ends them all), one that hangs holds up the task, whose progress stops.
** Every call from the thread that called ff_ranks_open: MPI is used by one thread only.
** Call order: ff_ranks_open -> rank 0: ff_ranks_step*, the others: ff_ranks_follow -> ff_ranks_close. */
#ifndef FF_WORKER_GANG_RANKS_H
#define FF_WORKER_GANG_RANKS_H

#include <stdbool.h>

#include "worker/core/comm.h"

struct ff_ranks {
    struct ff_comm comm;
    bool together; /* a task of all ranks runs */
};

FF_MUST_USE ff_err ff_ranks_open(struct ff_ranks *r, ff_ctx *ctx);
/* Rank 0 lets the others go. Leaves the group. */
void ff_ranks_close(struct ff_ranks *r);
/* Rank 0: a step of the task. Errors: the group is broken. */
FF_MUST_USE ff_err ff_ranks_step(const struct ff_ranks *r, ff_ctx *ctx);
/* Rank 0: the others are to take part in what comes; and it has ended. Between the two, steps are not met. */
FF_MUST_USE ff_err ff_ranks_call(struct ff_ranks *r, ff_ctx *ctx);
void ff_ranks_dismiss(struct ff_ranks *r);
/* The others: meets rank 0 at every step, and takes part when called, until it lets them go. What `part` returns are errors of the
** group; how the task ended is rank 0's to tell. */
FF_MUST_USE ff_err ff_ranks_follow(struct ff_ranks *r, ff_err (*part)(void *self, ff_ctx *ctx), void *self,
                                   ff_ctx *ctx);
/* Ends every rank at once. */
void ff_ranks_abort(const struct ff_ranks *r, int status);

#endif
