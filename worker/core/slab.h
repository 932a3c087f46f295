/* worker/core/slab.h - Fourier transforms of a mesh over ranks (docs: compute, section 3). A forward transform goes
** (x r2c, y) plane by plane while the plane is in cache, hands rows over to the ranks that own them (alltoallv), and
** goes along z a few columns at a time; the spectrum stays transposed (mesh.h). The inverse mirrors it. Every line of
** every transform is done by the same plans whatever the slabs, so the bits do not depend on ranks or threads. Plans
** are FFTW_ESTIMATE, the same in every process.
** The inverse takes of a spectrum's planes kx = 0 and (nx even) kx = h only the Hermitian part (X_k + conj X_-k)/2, as
** a c2r transform along x does: nothing has to be symmetric, and no rank needs another's -k.
** Collective; arrays have ff_mesh_room() reals and begin at a multiple of 64 bytes. One ff_slab serves one thread of
** calls. */
#ifndef FF_WORKER_CORE_SLAB_H
#define FF_WORKER_CORE_SLAB_H

#include <stdint.h>

#include "worker/core/comm.h"
#include "worker/core/mesh.h"
#include "worker/core/ops.h"

typedef struct ff_slab ff_slab;

/* nx, ny, nz products of 2, 3, 5. ops: the leaf and with it the precision. */
FF_MUST_USE ff_err ff_slab_init(ff_slab **out, const struct ff_ops *ops, const struct ff_mesh *mesh, ff_ctx *ctx);
void ff_slab_free(ff_slab *s);
size_t ff_slab_bytes(const struct ff_mesh *mesh, int real_bytes); /* what an ff_slab holds */
uint64_t ff_slab_hash(const ff_slab *s);                          /* identifies the plans */

/* field -> spectrum and back, unnormalised (one after the other multiplies by nx ny nz). The input is destroyed. work:
** a third array; not used (may be NULL) with one rank. */
FF_MUST_USE ff_err ff_slab_forward(ff_slab *s, const struct ff_comm *c, void *field, void *spectrum, void *work,
                                   ff_ctx *ctx);
FF_MUST_USE ff_err ff_slab_inverse(ff_slab *s, const struct ff_comm *c, void *spectrum, void *field, void *work,
                                   ff_ctx *ctx);

#endif
