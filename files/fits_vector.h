/* files/fits_vector.h - writing a column of a catalogue as a one-dimensional FITS image of doubles, what ff_fits_vector
** (files/fits.h) reads. */
#ifndef FF_FILES_FITS_VECTOR_H
#define FF_FILES_FITS_VECTOR_H

#include "common/err.h"

/* data (n), n > 0. The file appears whole or not at all. */
FF_MUST_USE ff_err ff_fits_write_vector(const char *path, const double *data, long n, ff_ctx *ctx);

#endif
