/* worker/core/blocks.h - cutting work into blocks that many threads may do without treading on one another: even blocks at
** once, then odd ones. Slices of the work, in order, each touch an interval of places on a circle; a block is a run of
** slices. */
#ifndef FF_WORKER_CORE_BLOCKS_H
#define FF_WORKER_CORE_BLOCKS_H

/* First of the items that part `part` of `parts` has; ff_block_first(items, parts, parts) == items. */
static inline int ff_block_first(int items, int parts, int part)
{
    return (int)((long)items * part / parts);
}

/* How many blocks: an even number up to `most`, as large as may be while no two blocks of one parity touch the same place,
** or 1. Slice i touches lo[i] .. hi[i], unwrapped, of `places` places around. Block b has the slices from
** ff_block_first(slices, blocks, b) on. */
int ff_blocks_apart(const int *lo, const int *hi, int slices, int places, int most);

#endif
