/* files/dataset.h - the datasets of the contract (docs: design 4.3): maps, shift tables, n(z), read and written.
** Readers run the parsing library in a limited child process (files/guard.h), so that a file that crashes the library,
** or makes it ask for the moon, is an FF_EBADFILE naming the file and the field. A missing file is FF_ENOFILE.
** Everything read is checked: shapes agree, numbers are finite (noise_sd may be INFINITY = masked, never <= 0), axes
** increase, n(z) >= 0. */
#ifndef FF_FILES_DATASET_H
#define FF_FILES_DATASET_H

#include "common/err.h"
#include "common/model.h"

FF_MUST_USE ff_err ff_maps_read(struct ff_maps *out, const char *path, ff_ctx *ctx);
FF_MUST_USE ff_err ff_maps_write(const struct ff_maps *maps, const char *path, ff_ctx *ctx);
void ff_maps_done(struct ff_maps *maps);

FF_MUST_USE ff_err ff_curve_read(struct ff_curve *out, const char *path, ff_ctx *ctx); /* n(z) */
FF_MUST_USE ff_err ff_curve_write(const struct ff_curve *curve, const char *path, ff_ctx *ctx);
void ff_curve_done(struct ff_curve *curve);

FF_MUST_USE ff_err ff_shift_read(struct ff_shift_table *out, const char *path, ff_ctx *ctx);
FF_MUST_USE ff_err ff_shift_write(const struct ff_shift_table *table, const char *path, ff_ctx *ctx);
void ff_shift_done(struct ff_shift_table *table);

#endif
