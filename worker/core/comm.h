/* worker/core/comm.h - the communicator: four calls over a group of ranks. `self` (one rank) is here, the group over
** MPI in comm_mpi.h, that over threads in comm_threads.h; one over NCCL fills the same table. All calls are
** collective: every rank of the group makes them. */
#ifndef FF_WORKER_CORE_COMM_H
#define FF_WORKER_CORE_COMM_H

#include <stddef.h>

#include "common/err.h"

struct ff_message { /* bytes to or from one peer */
    int peer;
    void *bytes;
    size_t size;
};

struct ff_comm {
    int rank, nranks;
    void *group;
    /* counts and offsets in bytes, one for each rank */
    ff_err (*alltoallv)(const struct ff_comm *c, const void *send, const size_t *send_count, const size_t *send_at,
                        void *recv, const size_t *recv_count, const size_t *recv_at, ff_ctx *ctx);
    /* any peers, any number of messages; messages between two ranks match in order */
    ff_err (*sendrecv_list)(const struct ff_comm *c, const struct ff_message *send, int nsend,
                            const struct ff_message *recv, int nrecv, ff_ctx *ctx);
    /* sum over ranks in order of rank, in place */
    ff_err (*allreduce_f64)(const struct ff_comm *c, double *x, long n, ff_ctx *ctx);
    /* recv (nranks, size) */
    ff_err (*allgather)(const struct ff_comm *c, const void *send, size_t size, void *recv, ff_ctx *ctx);
};

struct ff_comm ff_comm_self(void);

#endif
