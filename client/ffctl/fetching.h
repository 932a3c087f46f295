/* client/ffctl/fetching.h - the result of a job of a server as a file here: for download, export and run. */
#ifndef FF_CLIENT_FETCHING_H
#define FF_CLIENT_FETCHING_H

#include "client/ffctl/remote.h"

/* All of a job's result, verified, under `path`; a bar on a terminal. Draws that are too many for one file come as
** files of their own, in `path`.d (chunks.h). FF_ECONFLICT says in which state a job without result is. */
FF_MUST_USE ff_err ff_fetch_all(struct ff_remote *r, const char *id, const char *path, bool resume);
/* The same of one file only: FF_ECONFLICT also when it has its draws elsewhere. */
FF_MUST_USE ff_err ff_fetch_result(struct ff_remote *r, const char *id, const char *path, bool resume);

/* An empty file of our own in $TMPDIR or /tmp, its name ending in `suffix`; *path malloc'ed, to be unlinked and
** freed. */
FF_MUST_USE ff_err ff_temporary(char **path, const char *suffix, ff_ctx *ctx);

#endif
