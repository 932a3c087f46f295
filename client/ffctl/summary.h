/* client/ffctl/summary.h - what `ffctl describe` and the end of `ffctl run` show of a result: one JSON object, and that
** object for people. */
#ifndef FF_CLIENT_SUMMARY_H
#define FF_CLIENT_SUMMARY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/err.h"

FF_MUST_USE ff_err ff_summary_read(json_t **out, const char *path, ff_ctx *ctx);
void ff_summary_print(const json_t *summary, FILE *out, bool colour);

#endif
