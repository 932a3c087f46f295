/* server/store/draws.h - rows of draws on their way to an answer (store.h): consecutive .npy arrays. */
#ifndef FF_SERVER_STORE_DRAWS_H
#define FF_SERVER_STORE_DRAWS_H

#include "files/h5.h"
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
FF_MUST_USE ff_err ff_house_draws_of_chunks(ff_storehouse *s, const struct ff_draws_request *r, void **bytes,
                                            size_t *size, ff_ctx *ctx);
/* The rows there are of those asked for: FF_ERANGE when start is beyond the end; *count is cut at the end. */
FF_MUST_USE ff_err ff_house_draws_clip(long start, long *count, long have, ff_ctx *ctx);
/* Adds `more` bytes of an answer: FF_ETOOLARGE when it would have too many. */
FF_MUST_USE ff_err ff_house_draws_fit(size_t *total, long rows, long row, size_t size, ff_ctx *ctx);

#endif
