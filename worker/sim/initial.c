/* worker/sim/initial.c - the initial conditions of a light-cone as a field (sim.h): the white modes in real space. */
#include <string.h>

#include "worker/sim/state.h"

struct ff_spread ff_sim_planes(const ff_sim *s)
{
    const struct ff_mesh *m = &s->cone.mesh;
    if (!ff_sim_is_lpt(s)) return (struct ff_spread){0};
    return (struct ff_spread){.comm = m->nranks > 1 ? &s->cone.comm : NULL,
                              .row = (long)m->ny * m->nx,
                              .nrows = m->nz,
                              .first = m->z0,
                              .count = m->nzl};
}

ff_err ff_sim_initial(ff_sim *s, const void *z, void *field, ff_ctx *ctx)
{
    struct ff_cone *c = &s->cone;
    const struct ff_mesh *m = &c->mesh;
    const size_t real = (size_t)s->ops->size;
    s->ops->lattice_white(m, z, c->spectrum);
    const ff_err err = ff_slab_inverse(c->slab, &c->comm, c->spectrum, c->mass, c->work, ctx);
    if (err) return err;
    for (long row = 0; row < (long)m->nzl * m->ny; row++)
        memcpy((char *)field + (size_t)(row * m->nx) * real, (const char *)c->mass + (size_t)(row * m->rp) * real,
               (size_t)m->nx * real);
    return FF_OK;
}
