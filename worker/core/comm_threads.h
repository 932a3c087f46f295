/* worker/core/comm_threads.h - ranks that are threads of one process (comm.h): the same code as over MPI, without
** mpirun, for tests and for machines that have none. */
#ifndef FF_WORKER_CORE_COMM_THREADS_H
#define FF_WORKER_CORE_COMM_THREADS_H

#include "worker/core/comm.h"

/* Runs `rank(self, comm, ctx)` on nranks (1 .. 64) threads at once and waits for all. An error of one breaks the group:
** the calls of the others that wait for it return FF_ECRASHED, and the first error is returned, named by its rank. */
FF_MUST_USE ff_err ff_comm_threads_run(int nranks, ff_err (*rank)(void *self, const struct ff_comm *c, ff_ctx *ctx),
                                       void *self, ff_ctx *ctx);

#endif
