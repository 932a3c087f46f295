/* worker/core/planes.c - see planes.h. A window is cut into runs: planes that follow each other at one owner. Sender
** and receiver cut every window in the same order, so their messages match without a word about them. */
#include "worker/core/planes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct span { /* a rank's window, in unwrapped planes */
    int lo, hi;
    long room; /* planes that its `work` has room for; ff_planes_add only */
};

struct run {
    int owner;
    long n;
    long window, plane; /* of the first: within the window, within the owner's planes */
};

struct lists { /* messages of this rank; their arrays hold as many as there are runs that concern it */
    struct ff_message *send, *recv;
    struct run *add; /* one for each message received: where it is to be added */
    int nsend, nrecv;
};

static ff_err no_memory(const struct ff_comm *c, ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to share planes among %d ranks", c->nranks);
}

/* The run that begins at plane *u of the window; *u moves behind it. */
static bool next_run(const struct ff_mesh *m, const struct span *w, long *u, struct run *run)
{
    if (*u >= w->hi) return false;
    const int z = (int)((*u % m->nz + m->nz) % m->nz);
    run->owner = ff_mesh_owner(m->nz, m->nranks, z);
    const long left = w->hi - *u, there = ff_mesh_first(m->nz, m->nranks, run->owner + 1) - z;
    run->n = left < there ? left : there;
    run->window = *u - w->lo;
    run->plane = z - ff_mesh_first(m->nz, m->nranks, run->owner);
    *u += run->n;
    return true;
}

/* Runs that this rank has to do with, as owner or with its own window: no list gets longer. */
static size_t count_runs(const struct ff_mesh *m, const struct span *spans)
{
    size_t n = 0;
    struct run run;
    for (int r = 0; r < m->nranks; r++)
        for (long u = spans[r].lo; next_run(m, &spans[r], &u, &run);) n += run.owner == m->rank || r == m->rank;
    return n;
}

static void lists_free(struct lists *l)
{
    free(l->send), free(l->recv), free(l->add);
}

static bool lists_make(struct lists *l, size_t room)
{
    *l = (struct lists){.send = malloc((room + 1) * sizeof *l->send),
                        .recv = malloc((room + 1) * sizeof *l->recv),
                        .add = malloc((room + 1) * sizeof *l->add)};
    return l->send && l->recv && l->add;
}

/* ---- copies: ghosts, fetch ---- */

/* Every rank's window filled from the owners of its planes. A plane that is its own copy stays. */
static ff_err fill_windows(const struct ff_comm *c, const struct ff_mesh *m, const struct span *spans, char *planes,
                           char *window, size_t bytes, ff_ctx *ctx)
{
    struct lists l;
    ff_err err = FF_OK;
    if (!lists_make(&l, count_runs(m, spans))) {
        lists_free(&l);
        return no_memory(c, ctx);
    }
    for (int r = 0; r < m->nranks; r++) {
        struct run run;
        for (long u = spans[r].lo; next_run(m, &spans[r], &u, &run);) {
            const size_t size = (size_t)run.n * bytes;
            char *from = planes + run.plane * (long)bytes, *to = window + run.window * (long)bytes;
            if (r == m->rank && run.owner == m->rank)
                memmove(to, from, size);
            else if (r == m->rank)
                l.recv[l.nrecv++] = (struct ff_message){run.owner, to, size};
            else if (run.owner == m->rank)
                l.send[l.nsend++] = (struct ff_message){r, from, size};
        }
    }
    if (m->nranks > 1) err = c->sendrecv_list(c, l.send, l.nsend, l.recv, l.nrecv, ctx);
    lists_free(&l);
    return err;
}

static ff_err check_group(const struct ff_comm *c, const struct ff_mesh *m, ff_ctx *ctx)
{
    if (c->nranks == m->nranks && c->rank == m->rank) return FF_OK;
    return ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d of %d shares planes of rank %d of %d", c->rank, c->nranks, m->rank,
                   m->nranks);
}

ff_err ff_planes_ghosts(const struct ff_comm *c, const struct ff_mesh *m, void *planes, int ghosts, size_t plane_bytes,
                        ff_ctx *ctx)
{
    ff_err err = check_group(c, m, ctx);
    if (err) return err;
    struct span *spans = calloc((size_t)m->nranks, sizeof *spans);
    if (!spans) return no_memory(c, ctx);
    for (int r = 0; r < m->nranks; r++) {
        const int z0 = ff_mesh_first(m->nz, m->nranks, r), z1 = ff_mesh_first(m->nz, m->nranks, r + 1);
        if (z1 > z0) spans[r] = (struct span){.lo = z0 - ghosts, .hi = z1 + ghosts};
    }
    err = fill_windows(c, m, spans, planes, (char *)planes - (long)ghosts * (long)plane_bytes, plane_bytes, ctx);
    free(spans);
    return err;
}

/* Every rank's window, known to all and as it should be; *out is the caller's to free. */
static ff_err share_spans(const struct ff_comm *c, const struct ff_mesh *m, struct span mine, struct span **out,
                          ff_ctx *ctx)
{
    *out = NULL;
    ff_err err = check_group(c, m, ctx);
    if (err) return err;
    struct span *spans = malloc((size_t)m->nranks * sizeof *spans);
    if (!spans) return no_memory(c, ctx);
    err = c->allgather(c, &mine, sizeof mine, spans, ctx);
    for (int r = 0; r < m->nranks && !err; r++)
        if (spans[r].hi < spans[r].lo || (long)spans[r].hi - spans[r].lo > m->nz)
            err = ff_fail(ctx, FF_EBUG, FF_HERE, "a window of planes %d to %d of %d on rank %d", spans[r].lo,
                          spans[r].hi, m->nz, r);
    if (err)
        free(spans);
    else
        *out = spans;
    return err;
}

ff_err ff_planes_fetch(const struct ff_comm *c, const struct ff_mesh *m, const void *planes, void *window, int lo,
                       int hi, size_t plane_bytes, ff_ctx *ctx)
{
    struct span *spans;
    ff_err err = share_spans(c, m, (struct span){.lo = lo, .hi = hi}, &spans, ctx);
    if (err) return err;
    err = fill_windows(c, m, spans, (char *)(uintptr_t)planes, window, plane_bytes, ctx);
    free(spans);
    return err;
}

/* ---- sums ---- */

/* Every plane of this rank that its own window has, set to that; the others to zero. */
static void set_own(const struct ff_mesh *m, const struct span *own, const char *window, char *planes, size_t bytes)
{
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (int i = 0; i < m->nzl; i++) {
        const long behind = (long)m->z0 + i - own->lo, at = (behind % m->nz + m->nz) % m->nz;
        char *to = planes + i * (long)bytes;
        if (at < (long)own->hi - own->lo)
            memmove(to, window + at * (long)bytes, bytes);
        else
            memset(to, 0, bytes);
    }
}

/* Unsigned, so that an overflow is what it is in two's complement and no undefined behaviour. */
static void add_32(uint32_t *to, const uint32_t *from, long n)
{
    for (long i = 0; i < n; i++) to[i] += from[i];
}
static void add_64(uint64_t *to, const uint64_t *from, long n)
{
    for (long i = 0; i < n; i++) to[i] += from[i];
}

static void add_planes(const struct ff_mesh *m, char *to, const char *from, long nplanes, int int_bytes)
{
    const long row = m->rp * int_bytes;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long y = 0; y < nplanes * m->ny; y++)
        if (int_bytes == 4)
            add_32((uint32_t *)(void *)(to + y * row), (const uint32_t *)(const void *)(from + y * row), m->rp);
        else
            add_64((uint64_t *)(void *)(to + y * row), (const uint64_t *)(const void *)(from + y * row), m->rp);
}

struct sum { /* one ff_planes_add */
    const struct ff_mesh *mesh;
    const struct span *spans; /* (nranks) */
    char *window, *planes, *work;
    size_t bytes; /* of a plane */
    int int_bytes;
    long *coming; /* (nranks) planes for each rank from others, as far as one has counted */
};

/* What goes to whom in round number `round`. The planes that come to a rank stand in a row, by sender and along the
** sender's window; as many as the rank has room for come at a time. Returns how many rounds there are in all; -1: a
** rank has no room. */
static long list_round(const struct sum *s, long round, struct lists *l)
{
    const struct ff_mesh *m = s->mesh;
    long rounds = 0;
    l->nsend = l->nrecv = 0;
    memset(s->coming, 0, (size_t)m->nranks * sizeof *s->coming);
    for (int r = 0; r < m->nranks; r++) {
        struct run run;
        for (long u = s->spans[r].lo; next_run(m, &s->spans[r], &u, &run);) {
            const long room = s->spans[run.owner].room, first = s->coming[run.owner], last = first + run.n;
            if (run.owner == r) continue;
            if (room < 1) return -1;
            s->coming[run.owner] = last;
            if ((last + room - 1) / room > rounds) rounds = (last + room - 1) / room;
            const long begin = first > round * room ? first : round * room;
            const long end = last < (round + 1) * room ? last : (round + 1) * room;
            if (begin >= end) continue;
            const size_t size = (size_t)(end - begin) * s->bytes;
            if (r == m->rank)
                l->send[l->nsend++] =
                    (struct ff_message){run.owner, s->window + (run.window + begin - first) * (long)s->bytes, size};
            if (run.owner != m->rank) continue;
            l->add[l->nrecv] = (struct run){.n = end - begin, .plane = run.plane + begin - first};
            l->recv[l->nrecv++] = (struct ff_message){r, s->work + (begin - round * room) * (long)s->bytes, size};
        }
    }
    return rounds;
}

static ff_err add_rounds(const struct sum *s, const struct ff_comm *c, struct lists *l, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    long rounds = 1;
    for (long round = 0; round < rounds && !err; round++) {
        rounds = list_round(s, round, l);
        if (rounds < 0) return ff_fail(ctx, FF_EBUG, FF_HERE, "no room for a single plane from another rank");
        if (rounds > 0) err = c->sendrecv_list(c, l->send, l->nsend, l->recv, l->nrecv, ctx);
        for (int i = 0; i < l->nrecv && !err; i++)
            add_planes(s->mesh, s->planes + l->add[i].plane * (long)s->bytes, l->recv[i].bytes, l->add[i].n,
                       s->int_bytes);
    }
    return err;
}

ff_err ff_planes_add(const struct ff_comm *c, const struct ff_mesh *m, const void *window, int lo, int hi, void *planes,
                     int int_bytes, void *work, size_t work_bytes, ff_ctx *ctx)
{
    const size_t bytes = (size_t)ff_mesh_plane(m) * (size_t)int_bytes;
    struct span *spans;
    struct lists l;
    const struct span mine = {.lo = lo, .hi = hi, .room = (long)(work_bytes / bytes)};
    ff_err err = share_spans(c, m, mine, &spans, ctx);
    if (err) return err;
    long *coming = malloc((size_t)m->nranks * sizeof *coming);
    if (lists_make(&l, count_runs(m, spans)) && coming) {
        const struct sum s = {m, spans, (char *)(uintptr_t)window, planes, work, bytes, int_bytes, coming};
        set_own(m, &mine, window, planes, bytes);
        err = add_rounds(&s, c, &l, ctx);
    } else {
        err = no_memory(c, ctx);
    }
    lists_free(&l);
    free(coming);
    free(spans);
    return err;
}
