/* server/store/maps.c - maps to be looked at (store.h): where they come from, and what is asked for. */
#include "server/store/maps.h"

#include <stdlib.h>
#include <string.h>

ff_err ff_house_map_check(const struct ff_map_request *r, long *nbins, long ncomp, long npix, ff_ctx *ctx)
{
    if (*nbins < 1 || npix < 1 || npix > FF_HOUSE_MAX_NPIX || (ncomp != 0 && ncomp != 2)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "map \"%s\" has %ld bins of %ld x %ld pixels, %ld components",
                       r->name, *nbins, npix, npix, ncomp);
    }
    if (r->bin >= *nbins) {
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "bin %d of map \"%s\": its bins are 0 to %ld", r->bin, r->name,
                       *nbins - 1);
    }
    if (r->component >= (ncomp ? ncomp : 1)) {
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "component %d of map \"%s\": %s", r->component, r->name,
                       ncomp ? "its components are 0 and 1" : "it has no components");
    }
    if (r->bin >= 0) *nbins = 1;
    if (*nbins > ff_house_max_map / npix / npix / (ncomp ? ncomp : 1)) {
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE,
                       "map \"%s\" has %ld bins of %ld x %ld pixels, more than one answer holds: ask for one bin",
                       r->name, *nbins, npix, npix);
    }
    return FF_OK;
}

static ff_err check_request(const struct ff_map_request *r, ff_ctx *ctx)
{
    if (strcmp(r->format, "npy") && strcmp(r->format, "fits") && strcmp(r->format, "png")) {
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "the format of a map is npy, fits or png");
    }
    if (!ff_house_plain(r->name)) {
        return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "that is not the name of a map, such as convergence_mean");
    }
    return r->result ? ff_house_check_path(r->result, ctx) : FF_OK;
}

ff_err ff_storehouse_map(ff_storehouse *s, const struct ff_map_request *request, void **bytes, size_t *size,
                         ff_ctx *ctx)
{
    struct ff_house_map map = {0};
    struct ff_map_request r = *request;
    *bytes = NULL;
    *size = 0;
    ff_err err = check_request(&r, ctx);
    if (err) return err;
    /* FITS and pictures show one bin and component: the first where none is named. */
    if (r.bin < 0 && strcmp(r.format, "npy")) r.bin = 0;
    if (r.component < 0 && strcmp(r.format, "npy")) r.component = 0;
    err = r.result ? ff_house_map_of_result(s, &r, &map, ctx) : ff_house_map_of_chains(s, &r, &map, ctx);
    if (!err) err = ff_house_map_encode(s, &r, &map, bytes, size, ctx);
    free(map.map);
    return ff_house_ours(err, ctx);
}
