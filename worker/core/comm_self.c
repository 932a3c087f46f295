/* worker/core/comm_self.c - the group of one rank: every call is a copy, or nothing. */
#include <string.h>

#include "worker/core/comm.h"

static ff_err alltoallv(const struct ff_comm *c, const void *send, const size_t *send_count, const size_t *send_at,
                        void *recv, const size_t *recv_count, const size_t *recv_at, ff_ctx *ctx)
{
    (void)c;
    if (send_count[0] != recv_count[0])
        return ff_fail(ctx, FF_EBUG, FF_HERE, "alltoallv: rank 0 sends itself %zu bytes and expects %zu", send_count[0],
                       recv_count[0]);
    memmove((char *)recv + recv_at[0], (const char *)send + send_at[0], send_count[0]);
    return FF_OK;
}

static ff_err sendrecv_list(const struct ff_comm *c, const struct ff_message *send, int nsend,
                            const struct ff_message *recv, int nrecv, ff_ctx *ctx)
{
    (void)c;
    if (nsend != nrecv)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "sendrecv_list: %d messages sent, %d expected", nsend, nrecv);
    for (int i = 0; i < nsend; i++) {
        if (send[i].peer != 0 || recv[i].peer != 0 || send[i].size != recv[i].size)
            return ff_fail(ctx, FF_EBUG, FF_HERE, "sendrecv_list: message %d, %zu bytes to rank %d, %zu from rank %d",
                           i, send[i].size, send[i].peer, recv[i].size, recv[i].peer);
        memmove(recv[i].bytes, send[i].bytes, send[i].size);
    }
    return FF_OK;
}

static ff_err allreduce_f64(const struct ff_comm *c, double *x, long n, ff_ctx *ctx)
{
    (void)c, (void)x, (void)n, (void)ctx; /* the sum over one rank is in place already */
    return FF_OK;
}

static ff_err allgather(const struct ff_comm *c, const void *send, size_t size, void *recv, ff_ctx *ctx)
{
    (void)c, (void)ctx;
    memmove(recv, send, size);
    return FF_OK;
}

struct ff_comm ff_comm_self(void)
{
    return (struct ff_comm){.rank = 0,
                            .nranks = 1,
                            .alltoallv = alltoallv,
                            .sendrecv_list = sendrecv_list,
                            .allreduce_f64 = allreduce_f64,
                            .allgather = allgather};
}
