/* files/fits.h - FITS: catalogue vectors in, maps with a TAN WCS out (docs: conventions 4.6: x is mirrored so that
** CDELT1 < 0, shear component 2 negated). */
#ifndef FF_FILES_FITS_H
#define FF_FILES_FITS_H

#include "common/err.h"
#include "common/model.h"

/* A one-dimensional image HDU as double, malloc'ed; rows first .. last-1 (last < 0: to the end). */
FF_MUST_USE ff_err ff_fits_vector(const char *path, long first, long last, double **data, long *n, ff_ctx *ctx);

/* Maps (ncomp, npix, npix) of one bin, one image HDU a component. `history` is a NULL-terminated list of lines, or
** NULL. */
FF_MUST_USE ff_err ff_fits_write_map(const char *path, const char *name, const float *map, int ncomp, int npix,
                                     double size_deg, double ra_deg, double dec_deg, const char *const *history,
                                     ff_ctx *ctx);

#endif
