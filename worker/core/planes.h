/* worker/core/planes.h - planes of a mesh that go from rank to rank: ghosts for stencils, windows of mass, and sums
** whose bits do not depend on the number of ranks. A neighbour may be several ranks away: what is sent to whom follows
** from numbers that every rank knows. Collective. */
#ifndef FF_WORKER_CORE_PLANES_H
#define FF_WORKER_CORE_PLANES_H

#include <stdint.h>

#include "worker/core/comm.h"
#include "worker/core/mesh.h"

/* Fills `ghosts` planes before and after the nzl of a field (mesh.h), plane_bytes each. Any number: more than a slab
** has, more than the mesh. A rank without planes has no ghosts. */
FF_MUST_USE ff_err ff_planes_ghosts(const struct ff_comm *c, const struct ff_mesh *m, void *planes, int ghosts,
                                    size_t plane_bytes, ff_ctx *ctx);

/* A rank's window of planes lo .. hi (mesh.h) was painted with integers (int_bytes 4 or 8): every plane goes to its
** owner and is added there. planes (nzl, ny, rp): set, not added to. Exact, so the order does not matter. work: room
** for what arrives at one time, at least one plane where a rank has planes; more planes, fewer rounds. The whole
** window lo = 0, hi = nz of one rank may be the planes themselves. */
FF_MUST_USE ff_err ff_planes_add(const struct ff_comm *c, const struct ff_mesh *m, const void *window, int lo, int hi,
                                 void *planes, int int_bytes, void *work, size_t work_bytes, ff_ctx *ctx);
/* The other way, a copy: window (hi - lo planes of plane_bytes) from the owners of its planes. */
FF_MUST_USE ff_err ff_planes_fetch(const struct ff_comm *c, const struct ff_mesh *m, const void *planes, void *window,
                                   int lo, int hi, size_t plane_bytes, ff_ctx *ctx);

/* Rows of `width` doubles, this rank's `count` from row `first` on, into all (nrows, width), whole on every rank;
** mine may be the place of its rows in `all`. All ranks' rows together are the nrows, each once, in any order of
** ranks. */
FF_MUST_USE ff_err ff_rows_gather(const struct ff_comm *c, int nrows, int first, int count, long width,
                                  const double *mine, double *all, ff_ctx *ctx);
/* Exact sum over ranks, in place. work (n). */
FF_MUST_USE ff_err ff_sum_i64(const struct ff_comm *c, int64_t *x, long n, int64_t *work, ff_ctx *ctx);

#endif
