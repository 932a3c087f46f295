/* worker/sample/adapt.c - see adapt.h. */
#include "worker/sample/adapt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/sample/vector.h"

void ff_dual_start(struct ff_dual *d, double eps, double ambition, long known)
{
    *d = (struct ff_dual){.mu = log(ambition * eps), .log_eps = log(eps), .log_eps_mean = log(eps), .count = known};
}

void ff_dual_update(struct ff_dual *d, double acceptance, double target, double most)
{
    const double gamma = 0.1, t0 = 10, kappa = 0.75;
    d->count++;
    const double t = (double)d->count, weight = 1 / (t + t0), keep = pow(t, -kappa);
    d->h_mean = (1 - weight) * d->h_mean + weight * (target - acceptance);
    d->log_eps = fmin(d->mu - sqrt(t) / gamma * d->h_mean, log(most));
    d->log_eps_mean = (1 - keep) * d->log_eps_mean + keep * d->log_eps;
}

void ff_trials_add(struct ff_trials *t, long count, double step_size, double acceptance)
{
    t->step_size[count % FF_TRIALS] = step_size;
    t->acceptance[count % FF_TRIALS] = acceptance;
}

/* Acceptance expected of the latest n of `count` trials, minus what they got, the latest weighing most. */
static double surplus(const struct ff_trials *t, long count, long n, double c)
{
    const double fade = exp(-1.0 / FF_TRIALS_FADE);
    double sum = 0, weight = 1;
    for (long age = 0; age < n; age++, weight *= fade) {
        const long i = (count - 1 - age) % FF_TRIALS;
        sum += weight * (erfc(c * t->step_size[i] * t->step_size[i]) - t->acceptance[i]);
    }
    return sum;
}

double ff_trials_step(const struct ff_trials *t, long count, double target)
{
    const long n = count < FF_TRIALS ? count : FF_TRIALS;
    if (n == 0) return 0;
    double least = t->step_size[0], most = least;
    for (long i = 1; i < n; i++) {
        least = fmin(least, t->step_size[i]);
        most = fmax(most, t->step_size[i]);
    }
    double none = 0, all = 6; /* erfc(6) = 2e-17; bisection of w = c eps^2 at the target */
    for (int i = 0; i < 60; i++) *(erfc((none + all) / 2) > target ? &none : &all) = (none + all) / 2;
    const double wanted = none;
    double low = wanted / (most * most), high = wanted / (least * least); /* c that give the bounds of the answer */
    for (int i = 0; i < 60; i++) *(surplus(t, count, n, (low + high) / 2) > 0 ? &low : &high) = (low + high) / 2;
    return sqrt(wanted / low);
}

/* Stan's 75 + windows + 50 of 1000, in shares of a shorter warm-up that still leave each part something to do. */
void ff_windows(long warmup, long *first, long *last)
{
    const long head = warmup * 3 / 20, tail = warmup / 5;
    *first = head < 75 ? head : 75;
    *last = warmup - (tail < 50 ? tail : 50);
    if (warmup < 20) *first = *last = 0;
}

bool ff_window_ends(long warmup, long iteration)
{
    long first, last;
    ff_windows(warmup, &first, &last);
    long size = warmup / 4 < 25 ? warmup / 4 : 25;
    /* Windows double; one that would leave less than its successor's length runs to the end. */
    for (long end = first + size; end <= last; size *= 2, end += size) {
        if (end + 2 * size > last) end = last;
        if (iteration + 1 == end) return true;
        if (iteration + 1 < end) return false;
    }
    return false;
}

bool ff_adapt_init(struct ff_adapt *a, int dim, const double *centre, const double *factor)
{
    const size_t n = (size_t)dim;
    *a = (struct ff_adapt){.have_centre = centre != NULL, .have_factor = factor != NULL, .window.dim = dim};
    a->window.mean = calloc(n + 1, sizeof(double));
    a->window.scatter = calloc(n * n + 1, sizeof(double));
    a->centre = calloc(n + 1, sizeof(double));
    a->work = calloc(2 * n * n + 1, sizeof(double));
    a->trials = calloc(1, sizeof *a->trials);
    if (!ff_metric_init(&a->given, dim, centre, factor) || !a->window.mean || !a->window.scatter || !a->centre ||
        !a->work || !a->trials) {
        ff_adapt_done(a);
        return false;
    }
    return true;
}

void ff_adapt_done(struct ff_adapt *a)
{
    free(a->window.mean);
    free(a->window.scatter);
    free(a->centre);
    free(a->work);
    free(a->trials);
    ff_metric_done(&a->given);
    *a = (struct ff_adapt){0};
}

void ff_adapt_add(struct ff_adapt *a, const double *q)
{
    struct ff_scatter *w = &a->window;
    const size_t n = (size_t)w->dim;
    w->n++;
    const double share = 1 / (double)w->n;
    /* Deviation from the old mean times deviation from the new one = (1 - share) times the square of the former. */
    double *delta = a->centre;
    for (size_t i = 0; i < n; i++) {
        delta[i] = q[i] - w->mean[i];
        w->mean[i] += share * delta[i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) w->scatter[i * n + j] += (1 - share) * delta[i] * delta[j];
}

/* Covariance of the given metric, element (i, j). */
static double given_covariance(const struct ff_metric *given, size_t i, size_t j)
{
    const size_t n = (size_t)given->n;
    const size_t shorter = i < j ? i : j;
    return ff_param_dot(given->factor + i * n, given->factor + j * n, shorter + 1);
}

bool ff_adapt_metric(struct ff_adapt *a, struct ff_metric *metric)
{
    struct ff_scatter *w = &a->window;
    const size_t dim = (size_t)w->dim;
    /* A given factor knows more than the few draws of a short warm-up. */
    const double n = (double)w->n, n0 = (double)w->dim + (a->have_factor ? 45 : 5);
    const double share = n0 / (n + n0), trust = a->have_factor ? share : share * share;
    for (size_t i = 0; i < dim; i++) {
        const double mean = w->mean[i];
        a->centre[i] = a->have_centre ? (n * mean + n0 * a->given.centre[i]) / (n + n0) : mean;
        for (size_t j = 0; j <= i; j++) {
            const double sample = w->scatter[i * dim + j] / (n > 1 ? n - 1 : 1);
            double prior = i == j ? sample : 0;
            if (a->have_factor) prior = given_covariance(&a->given, i, j);
            a->work[i * dim + j] = (1 - trust) * sample + trust * prior;
        }
    }
    w->n = 0;
    memset(w->mean, 0, dim * sizeof(double));
    memset(w->scatter, 0, dim * dim * sizeof(double));
    return ff_metric_set(metric, a->centre, a->work, a->work + dim * dim);
}
