/* server/store/draws.h - rows of draws on their way to an answer (store.h): consecutive .npy arrays. */
#ifndef FF_SERVER_STORE_DRAWS_H
#define FF_SERVER_STORE_DRAWS_H

#include "files/chunks.h"
#include "server/store/inside.h"

enum { FF_HOUSE_NDRAWS = 4 };                      /* theta, x, valid, score */
static const size_t ff_house_max_draws = 1u << 27; /* bytes of one answer */

struct ff_house_array {
    const char *name;
    enum ff_type type; /* in the answer */
    size_t size;       /* bytes of a number of it */
    bool optional;
};
extern const struct ff_house_array ff_house_arrays[FF_HOUSE_NDRAWS];

FF_MUST_USE ff_err ff_house_draws_of_result(ff_storehouse *s, const struct ff_draws_request *r, void **bytes,
                                            size_t *size, ff_ctx *ctx);
/* index: what the files have to be, from the result they belong to; NULL: the job is running. */
FF_MUST_USE ff_err ff_house_draws_of_chunks(ff_storehouse *s, const struct ff_draws_request *r,
                                            const struct ff_chunks *index, void **bytes, size_t *size, ff_ctx *ctx);
/* /chunks of a result, from chunk `from` on. */
FF_MUST_USE ff_err ff_house_index_read(ff_storehouse *s, const char *result, long from, long most,
                                       struct ff_chunks *index, ff_ctx *ctx);
/* The file of an array of a finished result is there and as the result says. */
FF_MUST_USE ff_err ff_house_index_check(ff_storehouse *s, int fd, const char *name, const struct ff_chunk *chunk,
                                        int array, ff_ctx *ctx);
/* Folder of the finished chunk `number`; -1: not finished. */
int ff_house_chunk_folder(const ff_storehouse *s, const char *job, const json_t *attempts, long number);
/* The rows there are of those asked for: FF_ERANGE when start is beyond the end; *count is cut at the end. */
FF_MUST_USE ff_err ff_house_draws_clip(long start, long *count, long have, ff_ctx *ctx);
/* Adds `more` bytes of an answer: FF_ETOOLARGE when it would have too many. */
FF_MUST_USE ff_err ff_house_draws_fit(size_t *total, long rows, long row, size_t size, ff_ctx *ctx);

#endif
