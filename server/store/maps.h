/* server/store/maps.h - a map on its way from a result or from running chains to bytes (store.h). */
#ifndef FF_SERVER_STORE_MAPS_H
#define FF_SERVER_STORE_MAPS_H

#include "server/store/inside.h"

enum { FF_HOUSE_MAX_NPIX = 16384 };
static const long ff_house_max_map = 1L << 26; /* numbers of one answer: a bin of the largest model */

struct ff_house_map {
    int nbins, npix;
    bool one_bin;                     /* (y,x), nbins is 1; else (bin,y,x) */
    int ncomp;                        /* of an axis between bin and y; 0: it is not there, or one of it was asked for */
    double size_deg, ra_deg, dec_deg; /* size_deg 0: not known */
    float *map;                       /* (nbins, [ncomp,] npix, npix), malloc'ed */
};

/* FF_ENOTFOUND names the maps there are; FF_EBADREQUEST: no such bin; FF_ETOOLARGE: too many numbers for one answer. */
FF_MUST_USE ff_err ff_house_map_of_result(ff_storehouse *s, const struct ff_map_request *r, struct ff_house_map *out,
                                          ff_ctx *ctx);
FF_MUST_USE ff_err ff_house_map_of_chains(ff_storehouse *s, const struct ff_map_request *r, struct ff_house_map *out,
                                          ff_ctx *ctx);
/* As r->format says. */
FF_MUST_USE ff_err ff_house_map_encode(ff_storehouse *s, const struct ff_map_request *r, const struct ff_house_map *map,
                                       void **bytes, size_t *size, ff_ctx *ctx);

/* Is (nbins, [ncomp,] npix, npix) what one answer may hold (ncomp 0: no such axis), bin one of the bins and component
** one of the components (or below 0: all; a map without components has component 0)? *nbins becomes how many are
** wanted. */
FF_MUST_USE ff_err ff_house_map_check(const struct ff_map_request *r, long *nbins, long ncomp, long npix, ff_ctx *ctx);

#endif
