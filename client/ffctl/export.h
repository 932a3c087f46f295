/* client/ffctl/export.h - the formats of `ffctl export`. Each writes its files whole or not at all, and reports them. */
#ifndef FF_CLIENT_EXPORT_H
#define FF_CLIENT_EXPORT_H

#include <jansson.h>

#include "common/err.h"

struct ff_export {
    const char *in, *out; /* result, and the file (getdist: the root of file names) */
    const char *map;      /* NULL: not given */
    long bin;             /* < 0: not given */
    json_t *report;       /* "files" (list), and what else there is to say; borrowed */
};

/* Samples: .npy (n, 2 + p) of chain, draw, free parameters; getdist text chains; corner plot. */
FF_MUST_USE ff_err ff_export_samples_npy(const struct ff_export *e, ff_ctx *ctx);
FF_MUST_USE ff_err ff_export_getdist(const struct ff_export *e, ff_ctx *ctx);
FF_MUST_USE ff_err ff_export_corner(const struct ff_export *e, ff_ctx *ctx);

/* Maps and other arrays: .npy as stored, FITS with a WCS, a picture. */
FF_MUST_USE ff_err ff_export_array_npy(const struct ff_export *e, ff_ctx *ctx);
FF_MUST_USE ff_err ff_export_fits(const struct ff_export *e, ff_ctx *ctx);
FF_MUST_USE ff_err ff_export_png(const struct ff_export *e, ff_ctx *ctx);

/* Adds a file to the report. */
void ff_export_wrote(const struct ff_export *e, const char *path);

#endif
