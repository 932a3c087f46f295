/* worker/job/mock.c - mock data (run.h): the maps of the truth plus noise. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"
#include "worker/job/draw.h"
#include "worker/job/run.h"

static ff_err fill(const struct ff_prepared *p, const double *parameters, uint64_t seed, struct ff_maps *maps,
                   int threads, const struct ff_comm *comm, ff_ctx *ctx)
{
    struct ff_drawer drawer;
    bool inside;
    ff_err err = ff_drawer_init(&drawer, &p->job->model, &p->shift, threads, comm, false, ctx);
    if (err) return err;
    err = ff_drawer_maps(&drawer, parameters, seed, 0, NULL, maps->map, &inside, ctx);
    if (!err && !inside)
        err = ff_fail_at(ctx, FF_EOUTSIDE, "/data/mock/parameters", FF_HERE,
                         "the truth of the mock is outside the model: %s", drawer.engine.why);
    if (!err) ff_noise_add(maps->map, maps->noise_sd, ff_maps_len(maps), seed, 0, NULL);
    ff_drawer_done(&drawer);
    return err;
}

ff_err ff_make_mock_at(const struct ff_prepared *p, const double *parameters, uint64_t seed, int threads,
                       const struct ff_comm *comm, struct ff_maps *out, ff_ctx *ctx)
{
    *out = p->data; /* grid and observable */
    const size_t n = (size_t)ff_maps_len(out);
    out->map = malloc(n * sizeof *out->map);
    out->noise_sd = malloc(n * sizeof *out->noise_sd);
    ff_err err = FF_OK;
    if (!out->map || !out->noise_sd) {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for mock data of %zu pixels", n);
    } else {
        memcpy(out->noise_sd, p->data.noise_sd, n * sizeof *out->noise_sd);
        err = fill(p, parameters, seed, out, threads, comm, ctx);
        if (!err) err = ff_share(comm, out->map, n * sizeof *out->map, ctx); /* the same to the last digit */
    }
    if (err) {
        ff_note(ctx, FF_HERE, "while making the mock data");
        ff_maps_done(out);
        memset(out, 0, sizeof *out);
    }
    return err;
}

ff_err ff_make_mock(const struct ff_prepared *p, int threads, const struct ff_comm *comm, struct ff_maps *out,
                    ff_ctx *ctx)
{
    return ff_make_mock_at(p, p->job->data.parameters, p->job->data.seed, threads, comm, out, ctx);
}
