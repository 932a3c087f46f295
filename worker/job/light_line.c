/* worker/job/light_line.c - see light_line.h. Differences: central, by a step, its half and its fourth, extrapolated to none
** (Romberg; error of the sixth order). */
#include "worker/job/light_line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 3, HALVINGS = 30 };
static const double WEIGHT[STEPS] = {1.0 / 45, -20.0 / 45, 64.0 / 45};

ff_err ff_light_line_init(struct ff_light_line *l, const struct ff_engine *e, ff_ctx *ctx)
{
    const struct ff_light_tables *t = &e->light_tables;
    *l = (struct ff_light_line){.n = t->nk + (2 + t->nbins) * (long)t->nz};
    l->at = calloc(3 * (size_t)l->n, sizeof *l->at);
    if (!l->at) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for tables of %ld numbers", l->n);
    l->slope = l->at + l->n;
    l->moved = l->slope + l->n;
    return FF_OK;
}

void ff_light_line_done(struct ff_light_line *l)
{
    free(l->at);
    *l = (struct ff_light_line){0};
}

/* slope += factor times the tables at theta + h. */
static ff_err add_tables(struct ff_light_line *l, struct ff_engine *e, const double *theta, int par, double h,
                         double factor, bool *inside, ff_ctx *ctx)
{
    double moved[FF_MAX_PARS];
    memcpy(moved, theta, (size_t)e->light_tables.npars * sizeof *moved);
    moved[par] += h;
    const ff_err err = ff_lightcone_eval(e->light, moved, &e->light_tables, ctx);
    *inside = *inside && e->light_tables.inside;
    for (long i = 0; i < l->n; i++) l->slope[i] += factor * e->light_tables.amplitude[i]; /* all are in one block */
    return err;
}

ff_err ff_light_line_fill(struct ff_light_line *l, struct ff_engine *e, const double *theta, int par, double step,
                          ff_ctx *ctx)
{
    bool inside = false;
    ff_err err = FF_OK;
    for (int i = 0; i < HALVINGS && !inside && !err; i++, step /= 2) {
        double h = step;
        memset(l->slope, 0, (size_t)l->n * sizeof *l->slope);
        inside = true;
        for (int k = 0; k < STEPS && !err; k++, h /= 2) {
            err = add_tables(l, e, theta, par, h, WEIGHT[k] / (2 * h), &inside, ctx);
            if (!err) err = add_tables(l, e, theta, par, -h, -WEIGHT[k] / (2 * h), &inside, ctx);
        }
    }
    if (!err && !inside) err = ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "the model has no inside around this theta");
    if (!err) err = ff_lightcone_eval(e->light, theta, &e->light_tables, ctx);
    if (!err) memcpy(l->at, e->light_tables.amplitude, (size_t)l->n * sizeof *l->at);
    return err;
}

ff_err ff_light_line_set(struct ff_light_line *l, struct ff_engine *e, const double *theta, int par, double h,
                         ff_ctx *ctx)
{
    const struct ff_light_tables *t = &e->light_tables;
    double gain[FF_MAX_BINS];
    for (int b = 0; b < t->nbins; b++) gain[b] = 1 + theta[ff_par_m(b)] + (par == ff_par_m(b) ? h : 0);
    for (long i = 0; i < l->n; i++) l->moved[i] = l->at[i] + h * l->slope[i];
    const struct ff_sim_tables tables = {.gain = gain,
                                         .amplitude = l->moved,
                                         .d1 = l->moved + t->nk,
                                         .d2 = l->moved + t->nk + t->nz,
                                         .weight = l->moved + t->nk + 2 * t->nz};
    return ff_sim_set_tables(e->sim, &tables, ctx);
}
