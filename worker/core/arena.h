/* worker/core/arena.h - one allocation for everything an object needs: the same function lays the arrays out twice,
** first with an empty arena (a planning pass that only counts), then with the memory there. Every array starts at a
** multiple of 256 bytes and is zero at first.
** Call order: arena = {0}; layout(&arena) -> ff_arena_alloc -> layout(&arena) again -> ff_arena_free. */
#ifndef FF_WORKER_CORE_ARENA_H
#define FF_WORKER_CORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct ff_arena {
    char *base;    /* NULL while planning */
    size_t used;   /* bytes handed out in this pass */
    size_t size;   /* bytes allocated */
    bool overflow; /* a size of the planning pass did not fit in a size_t */
};

/* Room for count items of item_bytes each; NULL while planning. */
void *ff_arena_take(struct ff_arena *a, long count, size_t item_bytes);

/* Allocates what the planning pass counted and starts the second pass; FF_ENOMEM with the numbers if there is no
** room. */
FF_MUST_USE ff_err ff_arena_alloc(struct ff_arena *a, const char *what, ff_ctx *ctx);
void ff_arena_free(struct ff_arena *a);

#endif
