/* worker/core/blocks.c - see blocks.h. */
#include "worker/core/blocks.h"

#include <limits.h>
#include <stdbool.h>

/* Blocks of one parity follow each other without touching, and the last does not come round to the first. */
static bool apart(const int *lo, const int *hi, int slices, int places, int blocks, int parity)
{
    int start = 0, end = 0;
    for (int b = parity; b < blocks; b += 2) {
        int low = INT_MAX, high = INT_MIN;
        for (int i = ff_block_first(slices, blocks, b); i < ff_block_first(slices, blocks, b + 1); i++) {
            low = lo[i] < low ? lo[i] : low;
            high = hi[i] > high ? hi[i] : high;
        }
        if (b == parity)
            start = low;
        else if (low < end)
            return false;
        end = high;
    }
    return end - start <= places;
}

int ff_blocks_apart(const int *lo, const int *hi, int slices, int places, int most)
{
    int blocks = (most < slices ? most : slices) / 2 * 2;
    for (; blocks >= 4; blocks -= 2) /* two blocks are no better than one */
        if (apart(lo, hi, slices, places, blocks, 0) && apart(lo, hi, slices, places, blocks, 1)) return blocks;
    return 1;
}
