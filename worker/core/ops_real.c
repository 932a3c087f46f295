/* worker/core/ops_real.c - the CPU's table of operations, for float and for double. */
#include "worker/core/real.h"

#include "worker/core/ops.h"

#ifdef FF_REAL_IS_FLOAT
#define TABLE ff_ops_cpu_f32
#else
#define TABLE ff_ops_cpu_f64
#endif

const struct ff_ops TABLE = {
    .size = (int)sizeof(ff_real),
#define X(type, name, args) .name = FF_NAME(ff_##name),
#include "worker/core/ops.def"
#undef X
};
