/* files/picture.h - PNG pictures: a map with a colour bar and axes in degrees, a corner plot, drawn without any library but
** libpng (own stroke font, files/font.h). Meant to be read by people: labelled axes, ticks, titles. */
#ifndef FF_FILES_PICTURE_H
#define FF_FILES_PICTURE_H

#include "common/err.h"

/* Map (npix, npix), y up, East left (x mirrored for display), symmetric colour scale about 0 if `diverging`. */
FF_MUST_USE ff_err ff_picture_map(const char *path, const char *title, const float *map, int npix, double size_deg,
                                  double ra_deg, double dec_deg, int diverging, ff_ctx *ctx);

struct ff_corner {
    int nparams;
    long ndraws;
    const double *draws;      /* (nparams, ndraws) */
    const char *const *names; /* (nparams) */
    const double *truth;      /* (nparams), NAN where none; or NULL */
    const char *title;
};
/* 1-D histograms with median and 68 % on the diagonal, 68 % and 95 % contours below it, truth as lines. */
FF_MUST_USE ff_err ff_picture_corner(const char *path, const struct ff_corner *corner, ff_ctx *ctx);

#endif
