/* worker/core/reduce.h - sums whose bits do not depend on how many threads add them.
** Arrays are cut into chunks of FF_REDUCE_CHUNK elements by index; a chunk is summed in double in one fixed order (several
** fixed lanes), chunk sums are added in order of the index. threads <= 1 runs in the caller's thread. */
#ifndef FF_WORKER_CORE_REDUCE_H
#define FF_WORKER_CORE_REDUCE_H

enum { FF_REDUCE_CHUNK = 4096 };

double ff_dot_f32(const float *a, const float *b, long n, int threads);
double ff_dot_f64(const double *a, const double *b, long n, int threads);
double ff_sum_f32(const float *a, long n, int threads);
double ff_sum_f64(const double *a, long n, int threads);

#endif
