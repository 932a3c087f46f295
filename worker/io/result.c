/* worker/io/result.c - see result.h. */
#include "worker/io/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/model.h"
#include "common/version.h"

static ff_err put_texts(ff_h5 *f, const struct ff_result_info *info, const char *spec, ff_ctx *ctx)
{
    char created[FF_TIME_SIZE], plans[24];
    ff_time_text_s(ff_now_ms(), created);
    snprintf(plans, sizeof plans, "%016llx", (unsigned long long)info->plan_hash);
    const char *const texts[][2] = {
        {"spec", spec},
        {"kind", info->kind},
        {"name", info->name},
        {"version", ff_version()},
        {"build", ff_build_id()},
        {"backend", info->backend},
        {"device", info->device},
        {"fft_plan_hash", plans},
        {"created_at", created},
        {"creation_library", "fullfield"},
        {"creation_library_version", ff_version()},
        {"creation_library_language", "C"},
        {"inference_library", "fullfield"},
        {"inference_library_version", ff_version()},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ff_err err = ff_h5_attr_text(f, "", texts[i][0], texts[i][1], ctx);
        if (err) return err;
    }
    return FF_OK;
}

ff_err ff_result_open(ff_h5 **out, const char *path, const struct ff_result_info *info, ff_ctx *ctx)
{
    *out = NULL;
    char *spec = json_dumps(info->spec, JSON_COMPACT | JSON_SORT_KEYS);
    if (!spec) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the text of the job");
    ff_h5 *f = NULL;
    ff_err err = ff_h5_create(&f, path, ctx);
    if (!err) err = put_texts(f, info, spec, ctx);
    if (!err) err = ff_h5_attr_int(f, "", "seed", (int64_t)info->seed, ctx);
    if (!err) err = ff_h5_attr_int(f, "", "ranks", info->ranks, ctx);
    free(spec);
    if (err) {
        ff_note(ctx, FF_HERE, "while starting the result %s", path);
        return ff_h5_end(f, err, ctx);
    }
    *out = f;
    return FF_OK;
}

ff_err ff_result_close(ff_h5 *f, const struct ff_result_cost *cost, ff_ctx *ctx)
{
    ff_err err = ff_h5_attr_int(f, "", "gradients", cost->gradients, ctx);
    if (!err) err = ff_h5_attr_int(f, "", "model_evaluations", cost->model_evaluations, ctx);
    err = ff_h5_end(f, err, ctx);
    if (err) ff_note(ctx, FF_HERE, "while publishing the result");
    return err;
}

ff_err ff_result_dim_parameters(ff_h5 *f, const char *group, const char *dim, int nbins, const int *place, int n,
                                ff_ctx *ctx)
{
    char names[FF_MAX_PARS][FF_NAME_SIZE];
    const char *labels[FF_MAX_PARS];
    for (int i = 0; i < n; i++) {
        ff_par_name(nbins, place[i], names[i]);
        labels[i] = names[i];
    }
    return ff_h5_dim_labels(f, group, dim, labels, n, ctx);
}

ff_err ff_result_dims_map(ff_h5 *f, const char *group, int nbins, int npix, ff_ctx *ctx)
{
    ff_err err = ff_h5_dim(f, group, "bin", nbins, ctx);
    if (!err) err = ff_h5_dim_plain(f, group, "y", npix, ctx);
    if (!err) err = ff_h5_dim_plain(f, group, "x", npix, ctx);
    return err;
}

ff_err ff_result_dims_pairs(ff_h5 *f, const char *group, int nbins, ff_ctx *ctx)
{
    int64_t pairs[FF_MAX_PAIRS][2];
    for (int i = 0; i < nbins; i++)
        for (int j = i; j < nbins; j++) {
            pairs[ff_pair(nbins, i, j)][0] = i;
            pairs[ff_pair(nbins, i, j)][1] = j;
        }
    ff_err err = ff_h5_dim(f, group, "pair", ff_pair_count(nbins), ctx);
    if (!err) err = ff_h5_dim(f, group, "side", 2, ctx);
    if (!err) err = ff_h5_put(f, group, "pairs", FF_I64_T, "pair side", pairs, ctx);
    return err;
}

ff_err ff_result_dims_bands(ff_h5 *f, const char *group, int nbands, const double *edges, const double *centres,
                            ff_ctx *ctx)
{
    double *bounds = malloc(sizeof *bounds * 2 * (size_t)nbands); /* (nbands, 2) */
    if (!bounds) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d bands", nbands);
    for (int b = 0; b < nbands; b++) {
        bounds[2 * b] = edges[b];
        bounds[2 * b + 1] = edges[b + 1];
    }
    ff_err err = ff_h5_dim_values(f, group, "band", centres, nbands, ctx);
    if (!err) err = ff_h5_dim(f, group, "edge", 2, ctx);
    if (!err) err = ff_h5_put(f, group, "bands", FF_F64_T, "band edge", bounds, ctx);
    free(bounds);
    return err;
}
