/* worker/core/comm_threads.c - see comm_threads.h. Every call is the same four steps: say what I bring, wait until
** all have said it, copy what is for me straight out of the others' arrays, wait until all have copied. A rank that
** finds the group broken leaves at the first wait; at the second nobody may leave, since others are reading from its
** arrays. */
#include "worker/core/comm_threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANKS = 64 };

enum kind { ALLTOALLV, SENDRECV_LIST, ALLREDUCE, ALLGATHER };

struct call { /* what a rank brings to a call */
    enum kind kind;
    const void *bytes;             /* alltoallv, allgather */
    const size_t *count, *at;      /* alltoallv: (nranks) of bytes */
    const struct ff_message *list; /* sendrecv_list */
    double *x;                     /* allreduce */
    size_t n;                      /* of the list, of x, bytes of the gathered piece */
};

struct group {
    int nranks;
    ff_err (*run)(void *self, const struct ff_comm *c, ff_ctx *ctx);
    void *self;
    struct call call[MAX_RANKS]; /* each written by its rank before a first wait, read by all until the second */
    pthread_mutex_t lock;        /* guards what follows */
    pthread_cond_t changed;
    int waiting, ended; /* ranks */
    long meetings;      /* waits that all ranks have come to */
    bool broken;
    int culprit; /* the rank of the first error; -1: none */
    ff_err err;  /* its error */
    ff_ctx ctx;
};

struct member { /* a rank's thread */
    struct group *group;
    struct ff_comm comm;
    pthread_t thread;
};

static struct group *group_of(const struct ff_comm *c)
{
    return c->group;
}

/* ---- meeting and breaking ---- */

/* With the lock held. An error of the culprit is kept anew as it goes up through its callers. */
static void break_group(struct group *g, int rank, ff_err err, const ff_ctx *ctx)
{
    if (err && (g->culprit < 0 || g->culprit == rank)) {
        g->culprit = rank;
        g->err = err;
        g->ctx = *ctx;
    }
    g->broken = true;
    pthread_cond_broadcast(&g->changed);
}

/* Waits for all ranks; false: the group is broken and not all will come. Without `leave` it is known that all will. */
static bool meet(struct group *g, bool leave)
{
    pthread_mutex_lock(&g->lock);
    if (leave && g->ended) g->broken = true, pthread_cond_broadcast(&g->changed);
    const long meeting = g->meetings;
    if (!(leave && g->broken)) {
        if (++g->waiting == g->nranks) {
            g->waiting = 0;
            g->meetings++;
            pthread_cond_broadcast(&g->changed);
        }
        while (g->meetings == meeting && !(leave && g->broken)) pthread_cond_wait(&g->changed, &g->lock);
    }
    const bool all = g->meetings != meeting;
    pthread_mutex_unlock(&g->lock);
    return all;
}

/* A rank's function has returned: whoever waits for the rank, waits in vain. */
static void end(struct group *g, int rank, ff_err err, const ff_ctx *ctx)
{
    pthread_mutex_lock(&g->lock);
    g->ended++;
    if (err || g->waiting) break_group(g, rank, err, ctx);
    pthread_mutex_unlock(&g->lock);
}

static ff_err broken(ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ECRASHED, FF_HERE, "the group of ranks is broken: another rank has failed or ended");
}

static ff_err check_kinds(const struct group *g, int rank, ff_ctx *ctx)
{
    for (int r = 0; r < g->nranks; r++)
        if (g->call[r].kind != g->call[rank].kind)
            return ff_fail(ctx, FF_EBUG, FF_HERE, "ranks %d and %d make different calls of the group", rank, r);
    return FF_OK;
}

/* The four steps. `copy` takes what is for this rank; it may also write where no other rank reads or writes. */
static ff_err collective(const struct ff_comm *c, const struct call *mine,
                         ff_err (*copy)(const struct group *g, int rank, const void *to, ff_ctx *ctx), const void *to,
                         ff_ctx *ctx)
{
    struct group *g = group_of(c);
    g->call[c->rank] = *mine;
    if (!meet(g, true)) return broken(ctx);
    ff_err err = check_kinds(g, c->rank, ctx);
    if (!err) err = copy(g, c->rank, to, ctx);
    if (err) {
        pthread_mutex_lock(&g->lock);
        break_group(g, c->rank, err, ctx);
        pthread_mutex_unlock(&g->lock);
    }
    meet(g, false);
    if (err) return err;
    pthread_mutex_lock(&g->lock);
    const bool fails = g->broken;
    pthread_mutex_unlock(&g->lock);
    return fails ? broken(ctx) : FF_OK;
}

/* ---- the calls ---- */

struct places {
    char *bytes;
    const size_t *count, *at; /* alltoallv */
};

static ff_err copy_alltoallv(const struct group *g, int rank, const void *to, ff_ctx *ctx)
{
    const struct places *mine = to;
    for (int i = 0; i < g->nranks; i++) {
        const int r = (rank + i) % g->nranks; /* nobody is first for all */
        const struct call *from = &g->call[r];
        if (from->count[rank] != mine->count[r])
            return ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d sends %zu bytes to rank %d, which expects %zu", r,
                           from->count[rank], rank, mine->count[r]);
        if (from->count[rank])
            memmove(mine->bytes + mine->at[r], (const char *)from->bytes + from->at[rank], from->count[rank]);
    }
    return FF_OK;
}

static ff_err alltoallv(const struct ff_comm *c, const void *send, const size_t *send_count, const size_t *send_at,
                        void *recv, const size_t *recv_count, const size_t *recv_at, ff_ctx *ctx)
{
    const struct call mine = {.kind = ALLTOALLV, .bytes = send, .count = send_count, .at = send_at};
    const struct places to = {recv, recv_count, recv_at};
    return collective(c, &mine, copy_alltoallv, &to, ctx);
}

struct expected {
    const struct ff_message *list;
    size_t n;
};

/* The next message of `from` to `rank` after number *next - 1; NULL: none. One of no bytes is no message. */
static const struct ff_message *next_message(const struct call *from, int rank, size_t *next)
{
    while (*next < from->n) {
        const struct ff_message *m = &from->list[(*next)++];
        if (m->peer == rank && m->size) return m;
    }
    return NULL;
}

static ff_err copy_messages(const struct group *g, int rank, const void *to, ff_ctx *ctx)
{
    const struct expected *mine = to;
    const struct call *own = &g->call[rank];
    size_t next[MAX_RANKS] = {0};
    for (size_t i = 0; i < own->n; i++)
        if (own->list[i].peer < 0 || own->list[i].peer >= g->nranks)
            return ff_fail(ctx, FF_EBUG, FF_HERE, "message %zu is for rank %d of %d", i, own->list[i].peer, g->nranks);
    for (size_t i = 0; i < mine->n; i++) {
        const struct ff_message *into = &mine->list[i];
        if (into->peer < 0 || into->peer >= g->nranks)
            return ff_fail(ctx, FF_EBUG, FF_HERE, "message %zu is from rank %d of %d", i, into->peer, g->nranks);
        if (!into->size) continue;
        const struct ff_message *from = next_message(&g->call[into->peer], rank, &next[into->peer]);
        if (!from || from->size != into->size)
            return ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d sent %zu bytes where rank %d expected %zu", into->peer,
                           from ? from->size : 0, rank, into->size);
        memmove(into->bytes, from->bytes, into->size);
    }
    for (int r = 0; r < g->nranks; r++)
        if (next_message(&g->call[r], rank, &next[r]))
            return ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d sent more than rank %d expected", r, rank);
    return FF_OK;
}

static ff_err sendrecv_list(const struct ff_comm *c, const struct ff_message *send, int nsend,
                            const struct ff_message *recv, int nrecv, ff_ctx *ctx)
{
    const struct call mine = {.kind = SENDRECV_LIST, .list = send, .n = (size_t)nsend};
    const struct expected to = {recv, (size_t)nrecv};
    return collective(c, &mine, copy_messages, &to, ctx);
}

/* Every rank sums its part of the numbers, in order of rank, and gives all ranks the sums. */
static ff_err sum_part(const struct group *g, int rank, const void *to, ff_ctx *ctx)
{
    (void)to;
    const size_t n = g->call[rank].n, ranks = (size_t)g->nranks;
    for (int r = 0; r < g->nranks; r++)
        if (g->call[r].n != n)
            return ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d sums %zu numbers and rank %d %zu", rank, n, r, g->call[r].n);
    const size_t least = n / ranks, more = n % ranks, me = (size_t)rank;
    const size_t first = me * least + (me < more ? me : more), last = first + least + (me < more);
    for (size_t i = first; i < last; i++) {
        double sum = g->call[0].x[i];
        for (int r = 1; r < g->nranks; r++) sum += g->call[r].x[i];
        for (int r = 0; r < g->nranks; r++) g->call[r].x[i] = sum;
    }
    return FF_OK;
}

static ff_err allreduce_f64(const struct ff_comm *c, double *x, long n, ff_ctx *ctx)
{
    const struct call mine = {.kind = ALLREDUCE, .x = x, .n = (size_t)n};
    return collective(c, &mine, sum_part, NULL, ctx);
}

static ff_err copy_pieces(const struct group *g, int rank, const void *to, ff_ctx *ctx)
{
    const struct places *mine = to;
    const size_t n = g->call[rank].n;
    for (int r = 0; r < g->nranks; r++) {
        if (g->call[r].n != n)
            return ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d gathers %zu bytes of each and rank %d %zu", rank, n, r,
                           g->call[r].n);
        if (n) memmove(mine->bytes + (size_t)r * n, g->call[r].bytes, n);
    }
    return FF_OK;
}

static ff_err allgather(const struct ff_comm *c, const void *send, size_t size, void *recv, ff_ctx *ctx)
{
    const struct call mine = {.kind = ALLGATHER, .bytes = send, .n = size};
    const struct places to = {.bytes = recv};
    return collective(c, &mine, copy_pieces, &to, ctx);
}

/* ---- the group ---- */

static void *member_main(void *arg)
{
    struct member *m = arg;
    ff_ctx ctx = {0};
    const ff_err err = m->group->run(m->group->self, &m->comm, &ctx);
    end(m->group, m->comm.rank, err, &ctx);
    return NULL;
}

static void run_members(struct group *g, struct member *members)
{
    int started = 0;
    for (; started < g->nranks; started++) {
        members[started] = (struct member){.group = g};
        members[started].comm = (struct ff_comm){.rank = started,
                                                 .nranks = g->nranks,
                                                 .group = g,
                                                 .alltoallv = alltoallv,
                                                 .sendrecv_list = sendrecv_list,
                                                 .allreduce_f64 = allreduce_f64,
                                                 .allgather = allgather};
        if (pthread_create(&members[started].thread, NULL, member_main, &members[started])) break;
    }
    if (started < g->nranks) {
        ff_ctx ctx = {0};
        const ff_err err = ff_fail(&ctx, FF_ENOMEM, FF_HERE, "no thread could be started for a rank");
        end(g, started, err, &ctx);
    }
    for (int r = 0; r < started; r++) pthread_join(members[r].thread, NULL);
}

ff_err ff_comm_threads_run(int nranks, ff_err (*rank)(void *self, const struct ff_comm *c, ff_ctx *ctx), void *self,
                           ff_ctx *ctx)
{
    if (nranks < 1 || nranks > MAX_RANKS)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "%d ranks as threads; 1 to %d are possible", nranks, MAX_RANKS);
    struct group *g = calloc(1, sizeof *g);
    struct member *members = calloc((size_t)nranks, sizeof *members);
    ff_err err = FF_OK;
    if (!g || !members) {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a group of %d ranks", nranks);
        goto done;
    }
    g->nranks = nranks, g->run = rank, g->self = self, g->culprit = -1;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    run_members(g, members);
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    err = g->err;
    if (err && ctx) *ctx = g->ctx;
    if (err) ff_note(ctx, FF_HERE, "rank %d of %d", g->culprit, nranks);
done:
    free(members);
    free(g);
    return err;
}
