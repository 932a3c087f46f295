/* worker/job/preview.c - see preview.h. */
#include "worker/job/preview.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/npy.h"

enum { NMAPS = 2, PATH_BYTES = FF_PATH_SIZE + 64 };
static const char *const NAMES[NMAPS] = {"convergence_mean", "convergence_sd"};

static void path_of(const struct ff_pchain *c, const char *suffix, char path[PATH_BYTES])
{
    if (c->own_folder)
        snprintf(path, PATH_BYTES, "%s/maps%s", c->dir, suffix);
    else
        snprintf(path, PATH_BYTES, "%s/chain-%d.maps%s", c->dir, c->number, suffix);
}

static bool put_maps(const struct ff_pchain *c, FILE *file, const float *maps)
{
    const long npix = c->data->npix, shape[] = {NMAPS, c->data->nbins, npix, npix};
    const size_t n = (size_t)c->convergence.len * NMAPS;
    char head[FF_NPY_HEAD];
    const size_t size = ff_npy_head(head, FF_F32_T, 4, shape);
    return fwrite(head, 1, size, file) == size && fwrite(maps, sizeof *maps, n, file) == n;
}

static bool put_facts(const struct ff_pchain *c, FILE *file)
{
    json_t *facts = json_pack("{s:[ss],s:I,s:f,s:f,s:f,s:i}", "names", NAMES[0], NAMES[1], "draws",
                              (json_int_t)c->ndraws, "size_deg", c->data->size_deg, "ra_deg", c->data->ra_deg,
                              "dec_deg", c->data->dec_deg, "npix", c->data->npix);
    const bool ok = facts && !json_dumpf(facts, file, JSON_COMPACT);
    json_decref(facts);
    return ok;
}

/* One of the two files, replaced whole. maps NULL: the facts. */
static ff_err replace(const struct ff_pchain *c, const char *suffix, const float *maps, ff_ctx *ctx)
{
    char path[PATH_BYTES], part[PATH_BYTES + 8];
    path_of(c, suffix, path);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *file = fopen(part, "wbe");
    bool ok = file && (maps ? put_maps(c, file, maps) : put_facts(c, file));
    int why = errno;
    if (file && fclose(file) && ok) {
        ok = false;
        why = errno;
    }
    if (ok && rename(part, path)) {
        ok = false;
        why = errno;
    }
    if (ok) return FF_OK;
    if (file) remove(part);
    return ff_fail(ctx, why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO, FF_HERE,
                   "the preview %s cannot be written: %s", path, strerror(why));
}

ff_err ff_preview_write(const struct ff_pchain *c, const char *task, ff_ctx *ctx)
{
    const long npix = c->data->npix, shape[] = {c->data->nbins, npix, npix}, len = c->convergence.len;
    if (c->convergence.count == 0) return FF_OK;
    float *maps = malloc((size_t)len * NMAPS * sizeof *maps);
    if (!maps) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a preview of %ld pixels", len);
    ff_moments_get(&c->convergence, maps, maps + len);
    ff_err err = replace(c, ".npy", maps, ctx);
    if (!err) err = replace(c, ".json", NULL, ctx);
    free(maps);
    if (!err) ff_emit_map(&c->run->sink, task, NAMES[0], -1, 3, shape, "");
    return err;
}
