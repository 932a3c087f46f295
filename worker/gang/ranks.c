/* worker/gang/ranks.c - see ranks.h. */
#include "worker/gang/ranks.h"

#include "common/fault.h"
#include "worker/core/comm_mpi.h"

/* What rank 0 brings to the sum; the others bring 0, so that the sum is rank 0's word. */
static const double WORD_STEP = 1, WORD_END = 2, WORD_TASK = 3;

ff_err ff_ranks_open(struct ff_ranks *r, ff_ctx *ctx)
{
    if (ff_comm_mpi_wanted()) return ff_comm_mpi_init(&r->comm, ctx);
    r->comm = ff_comm_self();
    return FF_OK;
}

static ff_err meet(const struct ff_ranks *r, double *word, ff_ctx *ctx)
{
    return r->comm.allreduce_f64(&r->comm, word, 1, ctx);
}

void ff_ranks_close(struct ff_ranks *r)
{
    double word = WORD_END;
    ff_ctx ignored = {0};
    if (r->comm.nranks > 1 && r->comm.rank == 0 && meet(r, &word, &ignored))
        ff_ranks_abort(r, ff_code_exit(FF_ECRASHED));
    ff_comm_mpi_done(&r->comm);
}

ff_err ff_ranks_step(const struct ff_ranks *r, ff_ctx *ctx)
{
    double word = WORD_STEP;
    return r->comm.nranks > 1 && !r->together ? meet(r, &word, ctx) : FF_OK;
}

ff_err ff_ranks_call(struct ff_ranks *r, ff_ctx *ctx)
{
    double word = WORD_TASK;
    const ff_err err = meet(r, &word, ctx);
    r->together = !err;
    return err;
}

void ff_ranks_dismiss(struct ff_ranks *r)
{
    r->together = false;
}

ff_err ff_ranks_follow(struct ff_ranks *r, ff_err (*part)(void *self, ff_ctx *ctx), void *self, ff_ctx *ctx)
{
    for (;;) {
        double word = 0;
        ff_err err = meet(r, &word, ctx);
        if (err || word == WORD_END) return err;
        if (word == WORD_TASK) err = part(self, ctx);
        if (err) return err;
        ff_crash_point("rank_step");
    }
}

void ff_ranks_abort(const struct ff_ranks *r, int status)
{
    ff_comm_mpi_abort(&r->comm, status);
}
