/* files/chunk_file.h - one chunk of draws as an HDF5 file of its own: /draws/theta, x, valid and, where there are,
** score, with the dimensions of the whole but no coordinates. Made from the .npy files of the chunk (files/chunks.h),
** and known by their hashes: an HDF5 file has the same numbers as a .npy file whose header can be made again, so its
** hash can, too. */
#ifndef FF_FILES_CHUNK_FILE_H
#define FF_FILES_CHUNK_FILE_H

#include "files/chunks.h"

/* npy: paths of the arrays' files (narrays). FF_EBADFILE: one is not the array it should be. */
FF_MUST_USE ff_err ff_chunk_file_write(const char *path, const char *const *npy, const struct ff_chunk *chunk,
                                       int narrays, ff_ctx *ctx);
/* FF_OK: the file has the numbers of the chunk, all of them. FF_ENOFILE: there is none; FF_ECORRUPT: it has others.
** Read in a limited child (files/guard.h). */
FF_MUST_USE ff_err ff_chunk_file_check(const char *path, const struct ff_chunk *chunk, int narrays, ff_ctx *ctx);

#endif
