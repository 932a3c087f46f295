/* client/ffctl/fetching.h - the result of a job of a server as a file here: for download, export and run. */
#ifndef FF_CLIENT_FETCHING_H
#define FF_CLIENT_FETCHING_H

#include "client/ffctl/remote.h"

/* The whole result, verified, under `path`; a bar on a terminal. FF_ECONFLICT says in which state a job without result is. */
FF_MUST_USE ff_err ff_fetch_result(struct ff_remote *r, const char *id, const char *path, bool resume);

/* An empty file of our own in $TMPDIR or /tmp, its name ending in `suffix`; *path malloc'ed, to be unlinked and freed. */
FF_MUST_USE ff_err ff_temporary(char **path, const char *suffix, ff_ctx *ctx);

#endif
