/* worker/job/difference.c - see difference.h. */
#include "worker/job/difference.h"

#include <math.h>

enum { ROWS = 10, HALVINGS = 30 };
static const double SHRINK = 1.4; /* of the step, row to row */

struct pair {
    double slope, mean;
};

static ff_err pair_at(ff_line f, void *self, double h, struct pair *out, ff_ctx *ctx)
{
    double up, down;
    ff_err err = f(self, h, &up, ctx);
    if (!err) err = f(self, -h, &down, ctx);
    if (err) return err;
    *out = (struct pair){.slope = (up - down) / (2 * h), .mean = 0.5 * (up + down)};
    return FF_OK;
}

/* One more row of the tableau; `row` holds the last one, of length n, and then the new one. Keeps the best entry. */
static double extrapolate(double *row, int n, double slope, struct ff_difference *best)
{
    double factor = SHRINK * SHRINK, last = row[0], entry = slope;
    row[0] = slope;
    for (int j = 1; j <= n; j++, factor *= SHRINK * SHRINK) {
        const double finer = (entry * factor - last) / (factor - 1);
        const double error = fmax(fabs(finer - entry), fabs(finer - last));
        if (error <= best->error) {
            best->error = error;
            best->slope = finer;
        }
        entry = finer;
        last = j < n ? row[j] : 0;
        row[j] = finer;
    }
    return row[n];
}

ff_err ff_differentiate(ff_line f, void *self, double step, struct ff_difference *out, ff_ctx *ctx)
{
    double row[ROWS], centre;
    struct pair pair;
    *out = (struct ff_difference){.slope = NAN, .error = INFINITY, .curvature = NAN};
    ff_err err = f(self, 0, &centre, ctx);
    if (!err) err = pair_at(f, self, step, &pair, ctx);
    for (int i = 0; !err && !isfinite(pair.slope) && i < HALVINGS; i++) err = pair_at(f, self, step *= 0.5, &pair, ctx);
    if (err || !isfinite(pair.slope)) return err;
    out->curvature = 2 * (pair.mean - centre) / (step * step);
    row[0] = pair.slope;
    for (int n = 1; n < ROWS; n++) {
        const double diagonal = row[n - 1];
        err = pair_at(f, self, step /= SHRINK, &pair, ctx);
        if (err) return err;
        if (fabs(extrapolate(row, n, pair.slope, out) - diagonal) >= 2 * out->error)
            break; /* rounding has taken over */
    }
    return FF_OK;
}
