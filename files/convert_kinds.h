/* files/convert_kinds.h - the kinds of convert.h that have a file of their own. */
#ifndef FF_FILES_CONVERT_KINDS_H
#define FF_FILES_CONVERT_KINDS_H

#include "files/convert.h"

FF_MUST_USE ff_err ff_convert_maps(const char *in, const char *out, const struct ff_convert_options *options,
                                   ff_ctx *ctx);
FF_MUST_USE ff_err ff_convert_shift(const char *in, const char *out, ff_ctx *ctx);

#endif
