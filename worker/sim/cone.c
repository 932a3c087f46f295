/* worker/sim/cone.c - life of a light-cone (cone.h): its arrays and tables. */
#include "worker/sim/cone_inner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nodes of the amplitude reach this far beyond the lowest and the highest wavenumber of the box. */
static const double BEYOND = 1.05;

static struct ff_comm comm_of(const struct ff_sim_config *config)
{
    return config->comm ? *config->comm : ff_comm_self();
}

/* An array of planes with ghosts, that also has room for a spectrum: pointer to the first plane that is no ghost. */
static void *take_ghosted(struct ff_arena *a, const struct ff_mesh *m, int ghosts, size_t real)
{
    const long plane = ff_mesh_plane(m), inner = ff_mesh_room(m), planes = (long)m->nzl * plane;
    char *base = ff_arena_take(a, ghosts * plane + (inner > planes ? inner : planes) + ghosts * plane, real);
    return base ? base + (size_t)(ghosts * plane) * real : NULL;
}

static void layout_potentials(struct ff_cone *c, struct ff_arena *a)
{
    const struct ff_mesh *m = &c->mesh;
    const size_t real = (size_t)c->ops->size;
    const bool second = c->model.order == 2, spectral = c->model.spectral;
    if (second) c->phi = take_ghosted(a, m, FF_STRAIN_GHOSTS, real);
    if (second) c->stencil_scratch = ff_arena_take(a, m->threads * ff_stencil_scratch(m), real);
    if (!second && !spectral) c->phi = take_ghosted(a, m, FF_GRADIENT_GHOSTS, real);
    if (second && !spectral) c->phi2 = take_ghosted(a, m, FF_GRADIENT_GHOSTS, real);
    for (int i = 0; spectral && i < 3 * c->model.order; i++)
        c->slope[i / 3][i % 3] = ff_arena_take(a, ff_mesh_room(m), real);
}

static void layout_box(struct ff_cone *c, struct ff_arena *a)
{
    const struct ff_mesh *m = &c->mesh;
    const size_t real = (size_t)c->ops->size;
    const long room = ff_mesh_room(m);
    layout_potentials(c, a);
    c->s[0] = ff_arena_take(a, room, real);
    c->s[1] = take_ghosted(a, m, c->model.order == 2 ? FF_GRADIENT_GHOSTS : 0, real);
    c->s[2] = take_ghosted(a, m, FF_GRADIENT_GHOSTS, real);
    c->mass = ff_arena_take(a, room, real); /* an integer is as large as a real */
    c->spectrum = c->model.decic || c->model.spectral ? ff_arena_take(a, room, real) : c->s[0];
    if (m->nranks > 1) c->work = ff_arena_take(a, room, real);
}

static void layout_tables(struct ff_cone *c, struct ff_arena *a)
{
    const struct ff_mesh *m = &c->mesh;
    const long maps = (long)c->nbins * c->npix * c->npix;
    struct ff_born born = {.mesh = *m, .nbins = c->nbins, .npix = c->npix};
    c->amplitude = ff_arena_take(a, FF_CONE_NODES, sizeof(double));
    c->d1 = ff_arena_take(a, m->nz, sizeof(double));
    c->d2 = ff_arena_take(a, m->nz, sizeof(double));
    c->weight = ff_arena_take(a, (long)c->nbins * m->nz, sizeof(double));
    c->distance = ff_arena_take(a, m->nz, sizeof(double));
    c->sums = ff_arena_take(a, maps, sizeof(int64_t));
    c->kappa = ff_arena_take(a, maps, (size_t)c->ops->size);
    if (m->nranks > 1) c->sums_work = ff_arena_take(a, maps, sizeof(int64_t));
    c->rows = ff_arena_take(a, (long)m->ny * FF_CONE_NODES, sizeof(double));
    c->planes = ff_arena_take(a, (long)m->nz * (2 + c->nbins), sizeof(double));
    c->born_scratch = ff_arena_take(a, m->threads * ff_born_scratch(&born), 1);
}

/* Both passes of the arena (core/arena.h). */
static void layout(struct ff_cone *c, const struct ff_sim_config *config, struct ff_arena *a)
{
    const struct ff_comm comm = comm_of(config);
    c->model = config->lpt;
    c->comm = comm;
    c->mesh = ff_mesh_make(config->lpt.mesh, config->lpt.box_mpch, comm.rank, comm.nranks, config->threads);
    c->nbins = config->nbins;
    c->npix = config->npix * config->padding;
    c->size_rad = config->size_deg * config->padding * (M_PI / 180);
    layout_box(c, a);
    layout_tables(c, a);
}

size_t ff_cone_bytes(const struct ff_sim_config *config)
{
    struct ff_cone c = {.ops = config->precision == FF_F32 ? &ff_ops_cpu_f32 : &ff_ops_cpu_f64};
    struct ff_arena a = {0};
    layout(&c, config, &a);
    if (a.overflow) return SIZE_MAX;
    size_t window = 0;
    if (c.mesh.nranks > 1) {
        const long planes = 2L * c.mesh.nzl < c.mesh.nz ? 2L * c.mesh.nzl : c.mesh.nz;
        window = (size_t)planes * (size_t)ff_mesh_plane(&c.mesh) * (size_t)c.ops->size;
    }
    return a.used + window + ff_slab_bytes(&c.mesh, c.ops->size);
}

/* Nodes in ln k from below the longest wave to above the shortest. */
static void place_nodes(struct ff_cone *c)
{
    const struct ff_mesh *m = &c->mesh;
    const int n[3] = {m->nx, m->ny, m->nz};
    double low = INFINITY, square = 0;
    for (int i = 0; i < 3; i++) {
        const double fundamental = 2 * M_PI / (n[i] * m->side[i]), nyquist = M_PI / m->side[i];
        low = fmin(low, fundamental);
        square += nyquist * nyquist;
    }
    c->lattice = (struct ff_lattice){.mesh = *m, .nk = FF_CONE_NODES, .amplitude = c->amplitude};
    c->lattice.lnk0 = log(low / BEYOND);
    c->lattice.dlnk = (log(sqrt(square) * BEYOND) - c->lattice.lnk0) / (FF_CONE_NODES - 1);
    for (int k = 0; k < m->nz; k++) c->distance[k] = (k + 0.5) * m->side[2];
}

ff_err ff_cone_init(struct ff_cone *c, const struct ff_sim_config *config, const struct ff_ops *ops, ff_ctx *ctx)
{
    *c = (struct ff_cone){.ops = ops};
    layout(c, config, &c->arena);
    ff_err err = ff_arena_alloc(&c->arena, "the box of the simulator", ctx);
    if (err) return err;
    layout(c, config, &c->arena);
    place_nodes(c);
    return ff_slab_init(&c->slab, ops, &c->mesh, ctx);
}

void ff_cone_free(struct ff_cone *c)
{
    ff_slab_free(c->slab);
    ff_arena_free(&c->arena);
    free(c->window);
    *c = (struct ff_cone){0};
}

void ff_cone_copy_rows(const struct ff_cone *c, void *to, long to_pitch, const void *from, long from_pitch)
{
    const size_t real = (size_t)c->ops->size, row = (size_t)c->npix * real;
    for (long y = 0; y < (long)c->nbins * c->npix; y++)
        memcpy((char *)to + (size_t)(y * to_pitch) * real, (const char *)from + (size_t)(y * from_pitch) * real, row);
}

static bool is_finite(const double *x, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) all = all && isfinite(x[i]);
    return all;
}

ff_err ff_cone_set(struct ff_cone *c, const struct ff_sim_tables *tables, ff_ctx *ctx)
{
    const size_t nz = (size_t)c->mesh.nz, nweight = (size_t)c->nbins * nz;
    c->moved = false;
    if (!is_finite(tables->amplitude, FF_CONE_NODES) || !is_finite(tables->d1, nz) || !is_finite(tables->d2, nz) ||
        !is_finite(tables->weight, nweight))
        return ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "the tables of the light-cone are not finite");
    memcpy(c->amplitude, tables->amplitude, FF_CONE_NODES * sizeof(double));
    memcpy(c->d1, tables->d1, nz * sizeof(double));
    memcpy(c->d2, tables->d2, nz * sizeof(double));
    memcpy(c->weight, tables->weight, nweight * sizeof(double));
    return FF_OK;
}
