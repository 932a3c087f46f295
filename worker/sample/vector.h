/* worker/sample/vector.h - vectors of a chain's phase space and the few operations the samplers need on them.
** A vector has a parameter part (double) and a latent part (float); arithmetic on latents is done in double and
** rounded once, so that the exact rotation keeps |z|^2 + |p|^2 to rounding noise without a drift. Sums come from
** worker/core/reduce.h and element-wise loops touch each element once: no result depends on the number of threads.
** Call order: ff_vec_bytes -> one block of memory -> ff_vec_take for each vector in it. */
#ifndef FF_WORKER_SAMPLE_VECTOR_H
#define FF_WORKER_SAMPLE_VECTOR_H

#include <stddef.h>

#include "worker/core/spread.h"

enum { FF_VEC_ALIGN = 64 };

struct ff_shape {
    int nparam;
    long nlatent; /* of this rank */
    int threads;
    struct ff_spread spread;
    double *rows; /* (spread.nrows) scratch */
};

struct ff_vec {
    double *a; /* (nparam) parameters */
    float *z;  /* (nlatent) latents */
};

/* Sum of a[i] b[i] in a fixed order, for the parameters: short and never shared among threads. */
double ff_param_dot(const double *a /* (n) */, const double *b /* (n) */, size_t n);

/* Bytes of one vector, a multiple of FF_VEC_ALIGN. */
size_t ff_vec_bytes(const struct ff_shape *shape);
/* A vector at *cursor, which moves behind it. Its content is what the memory held. */
struct ff_vec ff_vec_take(const struct ff_shape *shape, unsigned char **cursor);

void ff_vec_zero(const struct ff_shape *shape, struct ff_vec y);
void ff_vec_copy(const struct ff_shape *shape, struct ff_vec y, struct ff_vec x);
/* y += x */
void ff_vec_add(const struct ff_shape *shape, struct ff_vec y, struct ff_vec x);
/* Over all ranks; NAN when they cannot agree: the next evaluation of the target says why. */
double ff_vec_dot(const struct ff_shape *shape, struct ff_vec x, struct ff_vec y);

/* One kick and one linear flow, in one pass over memory:
**   p += kick (g + reference x);   (x, p) := (xx x + xp p, px x + pp p).
** kick 0 leaves g unread (it may be stale). */
struct ff_motion {
    double kick, reference; /* reference: 1 when exp(-|x|^2/2) is split off, else 0 */
    double xx, xp, px, pp;
};
void ff_vec_move(const struct ff_shape *shape, const struct ff_motion *m, struct ff_vec x, struct ff_vec p,
                 struct ff_vec g);

#endif
