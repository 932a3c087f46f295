/* worker/job/light_line.h - the tables of a light-cone along a straight line: T + h dT/dp, dT/dp being differences of the tables
** in parameter p. Where particles move, a step without kinks (ff_sim_cells) may be so short that tables made anew at its end
** would differ by little but rounding; tables themselves have no kinks, and take steps of any length.
** Call order: ff_light_line_init -> ff_light_line_fill for a parameter -> ff_light_line_set, any number -> ff_light_line_done. */
#ifndef FF_WORKER_JOB_LIGHT_LINE_H
#define FF_WORKER_JOB_LIGHT_LINE_H

#include "worker/job/engine.h"

struct ff_light_line {
    long n;             /* numbers in the tables: amplitude, d1, d2, weight one after the other */
    double *at, *slope; /* (n) */
    double *moved;      /* (n) */
};

/* engine: of the simulator lpt. */
FF_MUST_USE ff_err ff_light_line_init(struct ff_light_line *l, const struct ff_engine *e, ff_ctx *ctx);
void ff_light_line_done(struct ff_light_line *l);
/* The line through theta along parameter par; step: a length over which tables change visibly, shortened until both its ends
** are inside the model. */
FF_MUST_USE ff_err ff_light_line_fill(struct ff_light_line *l, struct ff_engine *e, const double *theta, int par,
                                      double step, ff_ctx *ctx);
/* Sets the tables at h in the simulator, gains too. */
FF_MUST_USE ff_err ff_light_line_set(struct ff_light_line *l, struct ff_engine *e, const double *theta, int par,
                                     double h, ff_ctx *ctx);

#endif
