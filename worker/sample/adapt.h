/* worker/sample/adapt.h - what warm-up learns: the step size by dual averaging, centre and covariance of the
** parameters in windows. Sources: dual averaging, Hoffman, Gelman 2014 (arXiv:1111.4246), section 3.2, with t0 10 and
** kappa 0.75, but gamma 0.1: one rejection lowers log(step size) by about target sqrt(t) / (gamma (t + t0)), which with
** the paper's 0.05 is more than 2 around t = 10, too noisy for a warm-up of 50 to 100 transitions; windows, Stan
** reference manual, "HMC algorithm parameters", here scaled to short warm-ups.
** Call order: ff_adapt_init -> after each warm-up transition ff_dual_update, ff_trials_add, ff_adapt_add and at the end
** of a window ff_adapt_metric; after the last one ff_trials_step -> ff_adapt_done. */
#ifndef FF_WORKER_SAMPLE_ADAPT_H
#define FF_WORKER_SAMPLE_ADAPT_H

#include <stdbool.h>

#include "worker/sample/metric.h"

/* Dual averaging of log(step size). */
struct ff_dual {
    double mu, log_eps, log_eps_mean, h_mean;
    long count; /* updates since the last start */
};
/* Starts from step size eps, with a pull towards `ambition` times it, as if it had been the mean of `known` updates. */
void ff_dual_start(struct ff_dual *d, double eps, double ambition, long known);
/* One acceptance rate; the step size never passes `most`. */
void ff_dual_update(struct ff_dual *d, double acceptance, double target, double most);

/* The latest trials of a step size, each with the acceptance rate that it got. A trial weighs less by a factor e for every
** FF_TRIALS_FADE after it: what was accepted on the way to the posterior, or in an earlier metric, may not be there. */
enum { FF_TRIALS = 64, FF_TRIALS_FADE = 12 };
struct ff_trials {
    double step_size[FF_TRIALS], acceptance[FF_TRIALS];
};
/* The count-th trial (from 0) of a warm-up takes the place of the oldest. */
void ff_trials_add(struct ff_trials *t, long count, double step_size, double acceptance);
/* The step size at which the trials together would have been accepted at the rate `target`: acceptance = erfc(c eps^2),
** since the energy error of a symmetric scheme of second order has mean mu ~ eps^4 and variance 2 mu, and is accepted
** at erfc(sqrt(mu)/2) (Gupta, Irback, Karsch, Petersson 1990, Phys. Lett. B 242, 437; Beskos et al. 2013,
** arXiv:1001.4460, proposition 3.4). Of many noisy trials it makes more than dual averaging does, whose mean forgets.
** Between the smallest and the largest step size tried; 0 when count is 0. */
double ff_trials_step(const struct ff_trials *t, long count, double target);

/* First and last+1 iterations of the windows in which the covariance is learned; first == last: none. */
void ff_windows(long warmup, long *first, long *last);
/* True when a window ends with this iteration (which lies in [first, last)). */
bool ff_window_ends(long warmup, long iteration);

/* Running mean and scatter (Welford 1962). */
struct ff_scatter {
    int dim;
    long n;
    double *mean;    /* (dim) */
    double *scatter; /* (dim, dim) lower triangle: sum of products of deviations */
};

struct ff_adapt {
    struct ff_dual dual;
    struct ff_trials *trials;
    long ntrials;
    struct ff_scatter window;
    struct ff_metric given; /* what estimates are shrunk towards */
    bool have_centre, have_factor;
    double *centre; /* (dim) scratch */
    double *work;   /* (2, dim, dim) scratch: covariance, its factor */
};

/* Returns false when out of memory. */
bool ff_adapt_init(struct ff_adapt *a, int dim, const double *centre, const double *factor);
void ff_adapt_done(struct ff_adapt *a);

/* A draw (dim) into the window. */
void ff_adapt_add(struct ff_adapt *a, const double *q);
/* The window's estimate into the metric, and an empty window. With n draws of scatter S n and n0 = dim + 5 (dim + 45 with a given factor):
** covariance (n S + n0 S0)/(n + n0), centre (n mean + n0 centre0)/(n + n0), S0 the given one. Without a given centre
** the centre is the mean; without a given factor S0 is the diagonal of S, a poor guess whose weight is squared:
** (n0/(n + n0))^2. Returns false when the metric could not be used. */
bool ff_adapt_metric(struct ff_adapt *a, struct ff_metric *metric);

#endif
