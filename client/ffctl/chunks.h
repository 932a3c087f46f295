/* client/ffctl/chunks.h - a result of draws that is too large for one file (files/chunks.h), here: OUT has what the
** result says and shows each array as one, and OUT.d/draws-N.h5 have the draws. The two are moved together. */
#ifndef FF_CLIENT_CHUNKS_H
#define FF_CLIENT_CHUNKS_H

#include "client/ffctl/remote.h"

/* Chunk by chunk, each checked; one that is there with the right numbers is not fetched again. progress (may be NULL)
** is told bytes of all chunks, of which there are `total`. */
FF_MUST_USE ff_err ff_fetch_chunks(struct ff_remote *r, const char *id, const char *path, int64_t total,
                                   void (*progress)(void *self, int64_t done, int64_t total), void *self);

#endif
