/* worker/core/comm_mpi.c - see comm_mpi.h. Everything is made of messages of bytes and of MPI_Allgather: sums are not left to
** MPI_Allreduce, whose order of summation is its own business. Messages longer than MPI counts (int) go in parts. */
#include "worker/core/comm_mpi.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 1, PART = 1 << 30, SUM_BLOCK = 1 << 14 /* doubles of every rank that are summed at a time */ };

struct group {
    MPI_Comm comm; /* a duplicate of the world: libraries that use MPI too cannot take our messages */
};

static const struct group *group_of(const struct ff_comm *c)
{
    return c->group;
}

static ff_err check(int status, const char *what, ff_ctx *ctx)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (status == MPI_SUCCESS) return FF_OK;
    MPI_Error_string(status, text, &length);
    return ff_fail(ctx, FF_ECRASHED, FF_HERE, "the group of ranks is broken: %s: %.*s", what, length, text);
}

/* ---- messages ---- */

/* Parts on their way: those to come first, then those that go. */
struct requests {
    MPI_Request *request;
    MPI_Status *status;
    int *size; /* of each part */
    int n;
};

static void requests_done(struct requests *r)
{
    free(r->request);
    free(r->status);
    free(r->size);
}

static ff_err requests_init(struct requests *r, size_t room, ff_ctx *ctx)
{
    *r = (struct requests){0};
    if (room >= INT_MAX) return ff_fail(ctx, FF_EBUG, FF_HERE, "%zu messages at once", room);
    r->request = malloc((room + 1) * sizeof *r->request);
    r->status = malloc((room + 1) * sizeof *r->status);
    r->size = malloc((room + 1) * sizeof *r->size);
    if (r->request && r->status && r->size) return FF_OK;
    requests_done(r);
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu messages between ranks", room);
}

static size_t parts(size_t size)
{
    return size / PART + (size % PART != 0);
}

static size_t parts_of_list(const struct ff_message *list, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++) sum += parts(list[i].size);
    return sum;
}

/* Begins to send or to receive one message; one of no bytes is no message. */
static ff_err post(const struct group *g, const struct ff_message *m, bool sending, struct requests *r, ff_ctx *ctx)
{
    for (size_t at = 0; at < m->size; at += PART) {
        const int n = m->size - at < PART ? (int)(m->size - at) : PART;
        char *bytes = (char *)m->bytes + at;
        MPI_Request *request = &r->request[r->n];
        ff_err err = sending ? check(MPI_Isend(bytes, n, MPI_BYTE, m->peer, TAG, g->comm, request), "send", ctx)
                             : check(MPI_Irecv(bytes, n, MPI_BYTE, m->peer, TAG, g->comm, request), "receive", ctx);
        if (err) return err;
        r->size[r->n++] = n;
    }
    return FF_OK;
}

/* Waits for all; the first `coming` have to be as long as they were expected to be. */
static ff_err finish(struct requests *r, int coming, ff_ctx *ctx)
{
    ff_err err = check(MPI_Waitall(r->n, r->request, r->status), "wait for messages", ctx);
    for (int i = 0; !err && i < coming; i++) {
        int got = 0;
        err = check(MPI_Get_count(&r->status[i], MPI_BYTE, &got), "count", ctx);
        if (!err && got != r->size[i])
            err = ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d sent %d bytes where %d were expected",
                          r->status[i].MPI_SOURCE, got, r->size[i]);
    }
    return err;
}

static ff_err check_peers(const struct ff_comm *c, const struct ff_message *list, int n, ff_ctx *ctx)
{
    for (int i = 0; i < n; i++)
        if (list[i].peer < 0 || list[i].peer >= c->nranks)
            return ff_fail(ctx, FF_EBUG, FF_HERE, "message %d is for rank %d of %d", i, list[i].peer, c->nranks);
    return FF_OK;
}

static ff_err sendrecv_list(const struct ff_comm *c, const struct ff_message *send, int nsend,
                            const struct ff_message *recv, int nrecv, ff_ctx *ctx)
{
    const struct group *g = group_of(c);
    struct requests r;
    ff_err err = check_peers(c, send, nsend, ctx);
    if (!err) err = check_peers(c, recv, nrecv, ctx);
    if (!err) err = requests_init(&r, parts_of_list(send, nsend) + parts_of_list(recv, nrecv), ctx);
    if (err) return err;
    for (int i = 0; !err && i < nrecv; i++) err = post(g, &recv[i], false, &r, ctx);
    const int coming = r.n;
    for (int i = 0; !err && i < nsend; i++) err = post(g, &send[i], true, &r, ctx);
    if (!err) err = finish(&r, coming, ctx);
    requests_done(&r);
    return err;
}

static ff_err alltoallv(const struct ff_comm *c, const void *send, const size_t *send_count, const size_t *send_at,
                        void *recv, const size_t *recv_count, const size_t *recv_at, ff_ctx *ctx)
{
    const size_t n = (size_t)c->nranks;
    struct ff_message *out = malloc(2 * n * sizeof *out);
    if (!out) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d messages", c->nranks);
    struct ff_message *in = out + n;
    for (int i = 0; i < c->nranks; i++) {
        const int to = (c->rank + i) % c->nranks,
                  from = (c->rank + c->nranks - i) % c->nranks; /* nobody is first for all */
        out[i] = (struct ff_message){to, (char *)send + send_at[to], send_count[to]};
        in[i] = (struct ff_message){from, (char *)recv + recv_at[from], recv_count[from]};
    }
    const ff_err err = sendrecv_list(c, out, c->nranks, in, c->nranks, ctx);
    free(out);
    return err;
}

/* ---- gathering ---- */

static ff_err allgather(const struct ff_comm *c, const void *send, size_t size, void *recv, ff_ctx *ctx)
{
    const struct group *g = group_of(c);
    if (size <= PART)
        return check(MPI_Allgather(send, (int)size, MPI_BYTE, recv, (int)size, MPI_BYTE, g->comm), "allgather", ctx);
    const size_t n = (size_t)c->nranks;
    size_t *lists = malloc(4 * n * sizeof *lists);
    if (!lists) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d messages", c->nranks);
    for (size_t i = 0; i < n; i++) {
        lists[i] = lists[2 * n + i] = size;
        lists[n + i] = 0;
        lists[3 * n + i] = i * size;
    }
    const ff_err err = alltoallv(c, send, lists, lists + n, recv, lists + 2 * n, lists + 3 * n, ctx);
    free(lists);
    return err;
}

/* ((x_0 + x_1) + x_2) + .. on every rank, so that all have the same bits. */
static ff_err allreduce_f64(const struct ff_comm *c, double *x, long n, ff_ctx *ctx)
{
    const long block = n < SUM_BLOCK ? n : SUM_BLOCK;
    double *all = malloc((size_t)c->nranks * (size_t)block * sizeof *all + 1); /* (nranks, block) */
    if (!all) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to sum %ld numbers over %d ranks", n, c->nranks);
    ff_err err = FF_OK;
    for (long at = 0; !err && at < n; at += block) {
        const long m = n - at < block ? n - at : block;
        err = allgather(c, x + at, (size_t)m * sizeof *x, all, ctx);
        for (long i = 0; !err && i < m; i++) {
            double sum = all[i];
            for (int r = 1; r < c->nranks; r++) sum += all[r * m + i];
            x[at + i] = sum;
        }
    }
    free(all);
    return err;
}

/* ---- the group ---- */

static int number_in(const char *variable)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : 0;
}

bool ff_comm_mpi_wanted(void)
{
    /* srun without an MPI plugin sets no variable of the library's own; SLURM_NTASKS alone is set for batch scripts too. */
    return number_in("OMPI_COMM_WORLD_SIZE") > 1 || number_in("PMIX_SIZE") > 1 || number_in("PMI_SIZE") > 1 ||
           (getenv("PMIX_RANK") && number_in("SLURM_STEP_NUM_TASKS") > 1);
}

static ff_err join(struct group *g, struct ff_comm *out, ff_ctx *ctx)
{
    int provided, rank, nranks;
    /* Ranks of one machine copy through shared memory; the kernel's shortcut for it is forbidden in many containers, where
    ** it would fail at the first long message. A value already set wins. */
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    ff_err err = check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "start", ctx);
    if (err) return err;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    err = check(MPI_Comm_dup(MPI_COMM_WORLD, &g->comm), "duplicate the world", ctx);
    if (!err) err = check(MPI_Comm_set_errhandler(g->comm, MPI_ERRORS_RETURN), "set the error handler", ctx);
    if (!err) err = check(MPI_Comm_rank(g->comm, &rank), "rank", ctx);
    if (!err) err = check(MPI_Comm_size(g->comm, &nranks), "size", ctx);
    if (!err && provided < MPI_THREAD_FUNNELED)
        err = ff_fail(ctx, FF_EVERSION, FF_HERE, "this MPI does not allow threads beside its own (level %d)", provided);
    if (err) return err;
    *out = (struct ff_comm){.rank = rank,
                            .nranks = nranks,
                            .group = g,
                            .alltoallv = alltoallv,
                            .sendrecv_list = sendrecv_list,
                            .allreduce_f64 = allreduce_f64,
                            .allgather = allgather};
    return FF_OK;
}

ff_err ff_comm_mpi_init(struct ff_comm *out, ff_ctx *ctx)
{
    *out = ff_comm_self();
    if (!ff_comm_mpi_wanted()) return FF_OK;
    struct group *g = calloc(1, sizeof *g);
    if (!g) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the group of ranks");
    const ff_err err = join(g, out, ctx);
    if (err) free(g);
    return err;
}

void ff_comm_mpi_done(struct ff_comm *c)
{
    struct group *g = c->group;
    if (!g) return;
    MPI_Comm_free(&g->comm);
    MPI_Finalize();
    free(g);
    *c = ff_comm_self();
}

void ff_comm_mpi_abort(const struct ff_comm *c, int status)
{
    const struct group *g = group_of(c);
    if (g) MPI_Abort(g->comm, status);
}
