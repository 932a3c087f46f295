/* files/convert.h - .npy and text files to datasets (ffctl convert, upload). */
#ifndef FF_FILES_CONVERT_H
#define FF_FILES_CONVERT_H

#include "common/err.h"

struct ff_convert_options {
    const char *as;   /* "convergence", "shear", "nz", "shift" */
    const char *axes; /* e.g. "y,x,bin" ("y,x,bin,component" for shear); NULL: "bin,y,x" / "bin,component,y,x" */
    double size_deg;  /* maps */
    double ra_deg, dec_deg;
    const char *noise_sd; /* "0.05" or one number a bin, comma separated; NULL: the map has no noise_sd */
    int column;           /* nz: which of the file's columns is n, counted from 1 (z); 0: the second */
};
/* shift: .npy (...,5) with last axis (omega_m, sigma8, w0, bin from 0, shift), any order of the other axes. nz:
** columns z, n; negative n that sum to at most a thousandth of the positive ones are noise about zero and set to 0,
** more are refused. */
FF_MUST_USE ff_err ff_convert(const char *in, const char *out, const struct ff_convert_options *options, ff_ctx *ctx);

#endif
