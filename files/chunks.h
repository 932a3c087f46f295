/* files/chunks.h - the group /chunks of a result whose draws stand in files of their own, too large to be put into one:
** which draws each chunk has, and size and SHA-256 of its arrays' files. Written by the worker, read by server and
** client.
**   /chunks/first, count, valid   (chunk)               number of its first draw; draws; those of them that are valid
**   /chunks/size                  (chunk, array)        bytes of the .npy file
**   /chunks/sha256                (chunk, array, byte)  of the file
** Labels of `array`: theta, x, valid and, where the job has scores, score. Attributes `observable` and `noise` are
** those of /draws/x. Chunk N is what task draws-N made; it has NAME.npy of each array, rows in C order, little
** endian. */
#ifndef FF_FILES_CHUNKS_H
#define FF_FILES_CHUNKS_H

#include <stdint.h>

#include "common/hash.h"
#include "files/h5.h"

enum { FF_CHUNK_THETA, FF_CHUNK_X, FF_CHUNK_VALID, FF_CHUNK_SCORE, FF_CHUNK_ARRAYS };
enum { FF_MAX_CHUNKS = 100000 };
extern const struct ff_chunk_array {
    const char *name;
    enum ff_type type;
} ff_chunk_arrays[FF_CHUNK_ARRAYS];

/* Dimensions of the array in /draws; components: of a shear. */
const char *ff_chunk_dims(int array, bool components);

struct ff_chunk {
    int64_t first, count, valid;
    int64_t size[FF_CHUNK_ARRAYS];
    char sha256[FF_CHUNK_ARRAYS][FF_HASH_SIZE];
};
struct ff_chunks {
    long total;                     /* chunks of the job */
    long n;                         /* of them in `chunk` */
    int narrays;                    /* all of ff_chunk_arrays, or all but score */
    char observable[16], noise[16]; /* "shear", "included" */
    struct ff_chunk *chunk;         /* (n) */
};

/* Into a file that has no such group yet; c->n is c->total. */
FF_MUST_USE ff_err ff_chunks_put(ff_h5 *f, const struct ff_chunks *c, ff_ctx *ctx);
/* Chunks from number `from` on, at most `most` of them, read in a limited child (files/guard.h) and checked: draws
** follow each other, sizes are sizes of files. FF_ENOTFOUND: the result has no such group; FF_ERANGE: no chunk
** `from`. */
FF_MUST_USE ff_err ff_chunks_read(struct ff_chunks *out, const char *path, long from, long most, ff_ctx *ctx);
void ff_chunks_done(struct ff_chunks *c); /* zeroed is fine */

#endif
