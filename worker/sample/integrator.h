/* worker/sample/integrator.h - symmetric splittings of Hamilton's equations for H = -lp(x) + |p|^2/2.
** Flow A moves x and p exactly: a drift x += t p (leapfrog), or a rotation by t that is the exact motion in the
** reference N(0, I) (Beskos, Pinski, Sanz-Serna, Stuart 2011; Shahbaba, Lan, Johnson, Neal 2014, arXiv:1106.5941).
** Flow B kicks: p += t grad lp (leapfrog), or p += t (grad lp + x), the part of the force the rotation does not have.
** A scheme is a table: B(kick[0]) A(time[0]), then `stages` times [gradient, B(kick[i]) A(time[i])]; it reads the
** same from both ends. One step advances time by eps and takes `stages` gradients: a scheme that ends in a kick
** reuses its last gradient in the next step; one that ends in a flow ("position first") needs one more at the end of
** a run, for the energy there. Sources of the coefficients:
**   VERLET    Strang splitting, 1 gradient.
**   MINNORM2  McLachlan 1995 (SIAM J. Sci. Comput. 16, 151), Omelyan, Mryglod, Folk 2003 (cond-mat/0110585): least
** error norm
**             among two-stage schemes, kick first.
**   BCSS3     Blanes, Casas, Sanz-Serna 2014 (arXiv:1405.3153), three stages, made for HMC at long steps.
**   SABA2     Laskar, Robutel 2001 (astro-ph/0005074): kicks at the Gauss-Legendre nodes; for a perturbation of size
** e of
**             the rotation the error is O(e eps^4 + e^2 eps^2).
**   ABA84     Blanes, Casas, Farres, Laskar, Makazaga, Murua 2013 (arXiv:1208.0689): O(e eps^8 + e^2 eps^4).
** Call order: ff_mover_eval on a first point -> ff_mover_run, any number of times. */
#ifndef FF_WORKER_SAMPLE_INTEGRATOR_H
#define FF_WORKER_SAMPLE_INTEGRATOR_H

#include <stdbool.h>

#include "common/err.h"
#include "worker/sample/chain.h"
#include "worker/sample/metric.h"
#include "worker/sample/target.h"
#include "worker/sample/vector.h"

enum { FF_MAX_STAGES = 5 };

struct ff_splitting {
    const char *name;
    int stages;                     /* gradients a step */
    double kick[FF_MAX_STAGES + 1]; /* (stages + 1) in units of eps */
    double time[FF_MAX_STAGES + 1]; /* (stages + 1) in units of eps */
};
const struct ff_splitting *ff_splitting_of(enum ff_scheme scheme);

/* A position with what the target says there. */
struct ff_point {
    struct ff_vec x; /* (s, z) */
    struct ff_vec g; /* gradient of lp with respect to (q, z): q, so that it survives a change of metric */
    double lp;       /* -INFINITY where the density is not finite */
};

/* A position and a momentum. */
struct ff_phase {
    struct ff_point at;
    struct ff_vec p;
};

struct ff_mover {
    const struct ff_target *target;
    const struct ff_shape *shape;
    const struct ff_metric *metric;
    const struct ff_splitting *splitting;
    enum ff_integrator integrator;
    double *q, *gs; /* (nparam) each: scratch */
    long gradients; /* evaluations of the target so far */
};

/* lp and g at point->x. A position or density that is not finite gives lp = -INFINITY and FF_OK; the target is not
** asked about positions that are not finite. Errors are the target's. */
FF_MUST_USE ff_err ff_mover_eval(struct ff_mover *m, struct ff_point *point, ff_ctx *ctx);

/* `steps` steps of length eps (negative: back in time) from a state whose g is up to date (or, position first, may be
** stale); leaves lp and g up to date. *inside = false when the run met a point of density zero and stopped there. */
FF_MUST_USE ff_err ff_mover_run(struct ff_mover *m, struct ff_phase *state, double eps, long steps, bool *inside,
                                ff_ctx *ctx);

/* -lp + |p|^2/2, INFINITY when that is not finite. */
double ff_mover_energy(const struct ff_mover *m, const struct ff_phase *state);

#endif
