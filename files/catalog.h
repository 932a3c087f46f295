/* files/catalog.h - a shear catalogue binned to a map dataset (docs: physics 8, 9). */
#ifndef FF_FILES_CATALOG_H
#define FF_FILES_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/model.h"

enum ff_rotate { FF_ROTATE_NONE, FF_ROTATE_45, FF_ROTATE_RANDOM };
struct ff_catalog_options {
    int npix;
    double size_deg, sigma_e; /* sigma_e per component */
    long first, last;         /* rows first .. last-1; last < 0: all */
    bool flip_e2;             /* e2 of the catalogue changes sign when x grows with RA */
    enum ff_rotate rotate;    /* null tests: all by 45 degrees, or each galaxy by its own random angle */
    uint64_t seed;
    bool centre_given;
    double ra_deg, dec_deg;
};
struct ff_catalog { /* columns of equal length n, borrowed */
    long n;
    const double *ra_deg, *dec_deg, *e1, *e2, *weight;
};
struct ff_catalog_summary {
    long used, outside, empty_pixels;
    double n_per_arcmin2, weight_sum;
};
/* pixel value = sum(w e)/sum(w); noise sd = sigma_e sqrt(sum w^2)/sum w; empty pixel: noise INFINITY, value 0. The
** result is a one-bin shear dataset (out: ff_maps_done). Non-finite rows and negative weights are errors that name the
** row. */
FF_MUST_USE ff_err ff_catalog_bin(struct ff_maps *out, struct ff_catalog_summary *summary,
                                  const struct ff_catalog *catalog, const struct ff_catalog_options *options,
                                  ff_ctx *ctx);

#endif
