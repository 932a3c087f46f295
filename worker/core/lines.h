/* worker/core/lines.h - the leaf of slab.h: the lines of a mesh (mesh.h) along x, y and z, each transformed in one
** thread by the one plan of its axis, wherever it lies. Unnormalised; sign -1 forward, +1 inverse.
**   planes   lines along x and y of this rank's planes. Forward: field -> blocks, the field is destroyed; inverse:
**            blocks -> field. Blocks are half-complex rows (cp complex) in the order in which they travel: for rank q
**            (nzl, its nyl rows, cp). Of one rank these are the planes as they stand, and blocks may be the field
**   columns  lines along z of this rank's rows. Forward: arrived (nz, nyl, cp) -> spectrum (nyl, nz, cp); inverse:
**            back, and `arrived` may not be the spectrum. Blocks from all ranks, one after the other, are `arrived`
** The inverse does not look at the imaginary parts at kx = 0 and (nx even) kx = h, of which a real row has none.
** Lines are transformed FF_LINES at a time in scratch of the thread, where they lie one after the other: a plan has
** the same shape and the same cache lines whatever the mesh's strides, and memory is read in whole cache lines. */
#ifndef FF_WORKER_CORE_LINES_H
#define FF_WORKER_CORE_LINES_H

#include "worker/core/mesh.h"

enum { FF_LINES = 8 };

/* Complex numbers from one line in scratch to the next: whole cache lines, and one more, so that lines whose length
** is a power of 2 do not all fall into the same sets of a cache. */
static inline long ff_lines_pitch(long n)
{
    return (n + 7) / 8 * 8 + 8;
}

/* Complex numbers of scratch for the lines before their transform, and as many after it. */
static inline long ff_lines_room(const struct ff_mesh *m)
{
    const long longest = m->ny > m->nz ? m->ny : m->nz;
    return FF_LINES * ff_lines_pitch(longest > m->cp ? longest : m->cp);
}

/* Bytes that a leaf holds: scratch of every thread, two tables of a row; FFTW's own tables are small and not
** counted. */
static inline size_t ff_lines_bytes(const struct ff_mesh *m, int real_bytes)
{
    return (size_t)(m->threads * 2 * ff_lines_room(m) + 2 * m->cp) * 2 * (size_t)real_bytes;
}

#endif
