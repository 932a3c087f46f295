/* worker/core/slab.c - see slab.h: the order of the passes, which is the same for every leaf (lines.h). forward:
** planes (field -> blocks), exchange, columns (arrived -> spectrum); inverse: the mirror. With one rank blocks are
** the field itself and nothing is exchanged: the pass along z transposes on its way. */
#include "worker/core/slab.h"

#include <stdbool.h>
#include <stdlib.h>

#include "worker/core/lines.h"

struct ff_slab {
    const struct ff_ops *ops;
    struct ff_mesh mesh;
    struct ff_lines *lines;
    uint64_t hash;
    /* Bytes and where they begin, one for each rank: of `blocks`, rows of my planes, and of `arrived`, planes of my
    ** rows */
    size_t *block, *block_at, *arrived, *arrived_at;
};

static size_t row_bytes(const struct ff_mesh *m, int real_bytes)
{
    return (size_t)m->rp * (size_t)real_bytes;
}

static void fill_lists(struct ff_slab *s)
{
    const struct ff_mesh *m = &s->mesh;
    const size_t row = row_bytes(m, s->ops->size), nzl = (size_t)m->nzl, nyl = (size_t)m->nyl;
    for (int r = 0; r < m->nranks; r++) {
        const size_t y0 = (size_t)ff_mesh_first(m->ny, m->nranks, r),
                     y1 = (size_t)ff_mesh_first(m->ny, m->nranks, r + 1);
        const size_t z0 = (size_t)ff_mesh_first(m->nz, m->nranks, r),
                     z1 = (size_t)ff_mesh_first(m->nz, m->nranks, r + 1);
        s->block[r] = nzl * (y1 - y0) * row;
        s->block_at[r] = nzl * y0 * row;
        s->arrived[r] = (z1 - z0) * nyl * row;
        s->arrived_at[r] = z0 * nyl * row;
    }
}

/* Sides and precision are part of the name: two meshes may have plans of the same text. */
static uint64_t hash_of(const struct ff_slab *s)
{
    const int facts[] = {s->mesh.nx, s->mesh.ny, s->mesh.nz, s->ops->size};
    uint64_t hash = s->ops->lines_hash(s->lines);
    for (int i = 0; i < 4; i++) hash = (hash ^ (uint64_t)facts[i]) * 0x100000001b3u;
    return hash;
}

ff_err ff_slab_init(ff_slab **out, const struct ff_ops *ops, const struct ff_mesh *mesh, ff_ctx *ctx)
{
    *out = NULL;
    if (mesh->threads < 1 || mesh->nranks < 1 || mesh->rank < 0 || mesh->rank >= mesh->nranks)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "a mesh of rank %d of %d with %d threads", mesh->rank, mesh->nranks,
                       mesh->threads);
    const size_t ranks = (size_t)mesh->nranks;
    ff_slab *s = calloc(1, sizeof *s);
    size_t *lists = malloc(4 * ranks * sizeof *lists);
    if (!s || !lists) {
        free(s), free(lists);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for transforms over %d ranks", mesh->nranks);
    }
    *s = (ff_slab){.ops = ops, .mesh = *mesh, .block = lists};
    s->block_at = lists + ranks, s->arrived = lists + 2 * ranks, s->arrived_at = lists + 3 * ranks;
    fill_lists(s);
    const ff_err err = ops->lines_init(&s->lines, mesh, ctx);
    if (err) {
        ff_slab_free(s);
        return err;
    }
    s->hash = hash_of(s);
    *out = s;
    return FF_OK;
}

void ff_slab_free(ff_slab *s)
{
    if (!s) return;
    s->ops->lines_free(s->lines);
    free(s->block);
    free(s);
}

size_t ff_slab_bytes(const struct ff_mesh *mesh, int real_bytes)
{
    return sizeof(ff_slab) + 4 * (size_t)mesh->nranks * sizeof(size_t) + ff_lines_bytes(mesh, real_bytes);
}

uint64_t ff_slab_hash(const ff_slab *s)
{
    return s->hash;
}

static ff_err check_group(const ff_slab *s, const struct ff_comm *c, const void *work, ff_ctx *ctx)
{
    const struct ff_mesh *m = &s->mesh;
    if (c->nranks != m->nranks || c->rank != m->rank)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d of %d transforms the slab of rank %d of %d", c->rank, c->nranks,
                       m->rank, m->nranks);
    if (m->nranks > 1 && !work) return ff_fail(ctx, FF_EBUG, FF_HERE, "a transform over ranks without a third array");
    return FF_OK;
}

ff_err ff_slab_forward(ff_slab *s, const struct ff_comm *c, void *field, void *spectrum, void *work, ff_ctx *ctx)
{
    ff_err err = check_group(s, c, work, ctx);
    if (err) return err;
    if (c->nranks == 1) {
        s->ops->lines_planes(s->lines, field, field, -1);
        s->ops->lines_columns(s->lines, field, spectrum, -1);
        return FF_OK;
    }
    s->ops->lines_planes(s->lines, field, spectrum, -1);
    err = c->alltoallv(c, spectrum, s->block, s->block_at, work, s->arrived, s->arrived_at, ctx);
    if (!err) s->ops->lines_columns(s->lines, work, spectrum, -1);
    return err;
}

ff_err ff_slab_inverse(ff_slab *s, const struct ff_comm *c, void *spectrum, void *field, void *work, ff_ctx *ctx)
{
    ff_err err = check_group(s, c, work, ctx);
    if (err) return err;
    if (c->nranks == 1) {
        s->ops->lines_columns(s->lines, field, spectrum, +1);
        s->ops->lines_planes(s->lines, field, field, +1);
        return FF_OK;
    }
    s->ops->lines_columns(s->lines, work, spectrum, +1);
    err = c->alltoallv(c, work, s->arrived, s->arrived_at, spectrum, s->block, s->block_at, ctx);
    if (!err) s->ops->lines_planes(s->lines, field, spectrum, +1);
    return err;
}
