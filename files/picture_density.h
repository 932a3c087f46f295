/* files/picture_density.h - smooth densities of samples for pictures: histogram, Gaussian kernel (Silverman's width),
** corrected where the samples end abruptly (a prior's edge), and the levels that enclose a given share of them. */
#ifndef FF_FILES_PICTURE_DENSITY_H
#define FF_FILES_PICTURE_DENSITY_H

#include "common/err.h"

/* One parameter's samples and what is drawn of them. */
struct ff_density_axis {
    const double *x; /* (n), borrowed */
    long n;
    double least, most;   /* of the samples */
    double q16, q50, q84; /* quantiles */
    double spread;        /* min(sd, normal sd of the middle half) */
    double low, high;     /* range shown */
};

/* Quantiles and a range to show: nearly all samples and, if not too far off, `truth` (NAN: none). FF_EBADFILE when a
** sample is not finite. */
FF_MUST_USE ff_err ff_density_axis_init(struct ff_density_axis *axis, const double *x, long n, double truth,
                                        ff_ctx *ctx);

/* Densities, any normalisation, at the centres of nbins equal bins of the range shown: (nbins), and (nbins, nbins) with y
** slowest. */
FF_MUST_USE ff_err ff_density_1d(double *out, int nbins, const struct ff_density_axis *x, ff_ctx *ctx);
FF_MUST_USE ff_err ff_density_2d(double *out, int nbins, const struct ff_density_axis *x,
                                 const struct ff_density_axis *y, ff_ctx *ctx);

/* The density above which `share` (0 .. 1) of the whole lies. */
FF_MUST_USE ff_err ff_density_level(const double *density, long n, double share, double *level, ff_ctx *ctx);

#endif
