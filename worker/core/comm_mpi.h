/* worker/core/comm_mpi.h - the communicator over MPI (comm.h): the group of ranks that mpirun or srun started together.
** Threads: MPI is asked for MPI_THREAD_FUNNELED; only the thread that called ff_comm_mpi_init makes the calls of the group. Others may
** compute and talk to the network, but not through MPI. More would cost every call a lock and nobody needs it.
** A group is as good as its weakest rank: an error of MPI is returned, the group is broken after it, and nothing but
** ff_comm_mpi_abort is left to do. A rank that dies without a word takes the others with it: mpirun ends them.
** Call order: ff_comm_mpi_wanted -> ff_comm_mpi_init -> calls -> ff_comm_mpi_done. */
#ifndef FF_WORKER_CORE_COMM_MPI_H
#define FF_WORKER_CORE_COMM_MPI_H

#include <stdbool.h>

#include "worker/core/comm.h"

/* Was this process started as one of several ranks? Without, MPI is never touched (starting it alone costs a second). */
bool ff_comm_mpi_wanted(void);

/* Joins the group, once per process. out is ff_comm_self() when there is one rank only. */
FF_MUST_USE ff_err ff_comm_mpi_init(struct ff_comm *out, ff_ctx *ctx);
/* Leaves it, when all do. */
void ff_comm_mpi_done(struct ff_comm *c);
/* Ends every rank of the group at once; `status` is mpirun's exit status. */
void ff_comm_mpi_abort(const struct ff_comm *c, int status);

#endif
