/* worker/theta/growth.c - see growth.h. */
#include "worker/theta/growth.h"

#include <math.h>
#include <string.h>

#define EARLY_END 0.05 /* dark energy of any sort still asleep: long steps up to here */

struct coefficients { /* of g'' + c1 g' + c0 g = 0 */
    double c1[FF_LANES], c0[FF_LANES];
};

ff_err ff_growth_init(struct ff_growth *g, struct ff_pool *pool, ff_ctx *ctx)
{
    *g = (struct ff_growth){0};
    double *node;
    ff_err err = ff_pool_doubles(pool, &g->x, 2 * FF_GROWTH_STEPS + 1, ctx);
    if (!err)
        err = ff_pool_doubles(pool, &node, (FF_GROWTH_STEPS + 1) * sizeof(struct ff_growth_node) / sizeof(double), ctx);
    if (err) return err;
    g->node = (struct ff_growth_node *)node;
    double start = log(FF_GROWTH_START), middle = log(EARLY_END);
    for (int i = 0; i <= 2 * FF_GROWTH_STEPS; i++) {
        int late = i - 2 * FF_GROWTH_EARLY;
        g->x[i] = late < 0 ? start + (middle - start) * i / (2 * FF_GROWTH_EARLY)
                           : middle - middle * late / (2 * FF_GROWTH_LATE);
    }
    return FF_OK;
}

static bool coefficients(const struct ff_cosmology *c, double x, struct coefficients *k)
{
    struct ff_expansion at;
    if (!ff_expansion_at(c, -x, &at)) return false;
    for (int j = 0; j < FF_LANES; j++) {
        k->c1[j] = at.turn[j];
        k->c0[j] = at.turn[j] - 1.5 * at.om[j];
    }
    k->c1[0] += 4;
    k->c0[0] += 3;
    return true;
}

static void curvature(const struct coefficients *k, const double *g, const double *g1, double *g2)
{
    g2[0] = -k->c1[0] * g1[0] - k->c0[0] * g[0];
    for (int j = 1; j < FF_LANES; j++) g2[j] = -k->c1[0] * g1[j] - k->c0[0] * g[j] - k->c1[j] * g1[0] - k->c0[j] * g[0];
}

/* One step of the classical Runge-Kutta method, all lanes. */
static void step(const struct coefficients *middle, const struct coefficients *end, double h,
                 const struct ff_growth_node *from, struct ff_growth_node *to)
{
    double a2[FF_LANES], a3[FF_LANES], a4[FF_LANES], g[FF_LANES], v2[FF_LANES], v3[FF_LANES], v4[FF_LANES];
    for (int j = 0; j < FF_LANES; j++) {
        g[j] = from->g[j] + h / 2 * from->g1[j];
        v2[j] = from->g1[j] + h / 2 * from->g2[j];
    }
    curvature(middle, g, v2, a2);
    for (int j = 0; j < FF_LANES; j++) {
        g[j] = from->g[j] + h / 2 * v2[j];
        v3[j] = from->g1[j] + h / 2 * a2[j];
    }
    curvature(middle, g, v3, a3);
    for (int j = 0; j < FF_LANES; j++) {
        g[j] = from->g[j] + h * v3[j];
        v4[j] = from->g1[j] + h * a3[j];
    }
    curvature(end, g, v4, a4);
    for (int j = 0; j < FF_LANES; j++) {
        to->g[j] = from->g[j] + h / 6 * (from->g1[j] + 2 * (v2[j] + v3[j]) + v4[j]);
        to->g1[j] = from->g1[j] + h / 6 * (from->g2[j] + 2 * (a2[j] + a3[j]) + a4[j]);
    }
    curvature(end, to->g, to->g1, to->g2);
}

/* The growing mode at the start, to first order in the curvature there: g = 1 - 4/7 Ok(a). */
static void start(const struct ff_cosmology *c, double x, const struct ff_expansion *at, struct ff_growth_node *node)
{
    double bend = -4. / 7 * c->ok * exp(-2 * x) / (at->e[0] * at->e[0]);
    for (int j = 0; j < FF_LANES; j++) node->g[j] = node->g1[j] = j ? -2 * bend * at->e[j] / at->e[0] : bend;
    node->g[0] += 1;
}

bool ff_growth_solve(struct ff_growth *g, const struct ff_cosmology *c)
{
    struct coefficients middle, end;
    struct ff_expansion first;
    if (!coefficients(c, g->x[0], &end) || !ff_expansion_at(c, -g->x[0], &first)) return false;
    start(c, g->x[0], &first, &g->node[0]);
    curvature(&end, g->node[0].g, g->node[0].g1, g->node[0].g2);
    for (int i = 0; i < FF_GROWTH_STEPS; i++) {
        const double *x = g->x + 2 * i;
        if (!coefficients(c, x[1], &middle) || !coefficients(c, x[2], &end)) return false;
        step(&middle, &end, x[2] - x[0], &g->node[i], &g->node[i + 1]);
        if (!(g->node[i + 1].g[0] > 0)) return false;
    }
    memcpy(g->today, g->node[FF_GROWTH_STEPS].g, sizeof g->today);
    return true;
}

/* Weights of (f, h f', h^2 f'') at the two ends of a cell, of the quintic Hermite polynomial and of its slope. */
static void hermite(double t, double value[6], double slope[6])
{
    double t2 = t * t, t3 = t2 * t, t4 = t3 * t, s = 1 - t;
    value[0] = 1 - 10 * t3 + 15 * t4 - 6 * t4 * t;
    value[1] = t - 6 * t3 + 8 * t4 - 3 * t4 * t;
    value[2] = t2 * s * s * s / 2;
    value[3] = 1 - value[0];
    value[4] = -4 * t3 + 7 * t4 - 3 * t4 * t;
    value[5] = t3 * s * s / 2;
    slope[0] = -30 * t2 * s * s;
    slope[1] = 1 - 18 * t2 + 32 * t3 - 15 * t4;
    slope[2] = t - 4.5 * t2 + 6 * t3 - 2.5 * t4;
    slope[3] = -slope[0];
    slope[4] = -12 * t2 + 28 * t3 - 15 * t4;
    slope[5] = 1.5 * t2 - 4 * t3 + 2.5 * t4;
}

/* The step that holds x, and the fraction of it. */
static int find(const struct ff_growth *g, double x, double *t)
{
    bool late = x > g->x[2 * FF_GROWTH_EARLY];
    int first = late ? FF_GROWTH_EARLY : 0, count = late ? FF_GROWTH_LATE : FF_GROWTH_EARLY;
    double h = g->x[2 * first + 2] - g->x[2 * first], u = (x - g->x[2 * first]) / h;
    int i = u < 0 ? 0 : (u > count - 1 ? count - 1 : (int)u);
    *t = u - i;
    return first + i;
}

void ff_growth_at(const struct ff_growth *g, double l, double lnd[FF_LANES], double f[FF_LANES])
{
    double t, w[6], ws[6], value[FF_LANES], slope[FF_LANES];
    int i = find(g, -l, &t);
    double h = g->x[2 * i + 2] - g->x[2 * i];
    const struct ff_growth_node *p = &g->node[i], *q = p + 1;
    hermite(t, w, ws);
    for (int j = 0; j < FF_LANES; j++) {
        value[j] = w[0] * p->g[j] + w[3] * q->g[j] + h * (w[1] * p->g1[j] + w[4] * q->g1[j]) +
                   h * h * (w[2] * p->g2[j] + w[5] * q->g2[j]);
        slope[j] = (ws[0] * p->g[j] + ws[3] * q->g[j]) / h + ws[1] * p->g1[j] + ws[4] * q->g1[j] +
                   h * (ws[2] * p->g2[j] + ws[5] * q->g2[j]);
    }
    lnd[0] = log(value[0] / g->today[0]) - l;
    for (int j = 1; j < FF_LANES; j++) lnd[j] = value[j] / value[0] - g->today[j] / g->today[0];
    if (!f) return;
    f[0] = 1 + slope[0] / value[0];
    for (int j = 1; j < FF_LANES; j++) f[j] = (slope[j] - slope[0] * value[j] / value[0]) / value[0];
}

/* u'' of the second order. */
static bool second(const struct ff_growth *g, const struct ff_cosmology *c, double x, double u, double u1, double *u2)
{
    struct ff_expansion at;
    double lnd[FF_LANES];
    if (!ff_expansion_at(c, -x, &at)) return false;
    ff_growth_at(g, -x, lnd, NULL);
    double g1 = exp(lnd[0] - x) * g->today[0]; /* D/a */
    *u2 = -(6 + at.turn[0]) * u1 - (8 + 2 * at.turn[0] - 1.5 * at.om[0]) * u - 1.5 * at.om[0] * g1 * g1;
    return true;
}

bool ff_growth_second(const struct ff_growth *g, const struct ff_cosmology *c, double l, double *d2, double *f2)
{
    double u = -3. / 7, v = 0, x = g->x[0], end = -l;
    for (int i = 0; i < FF_GROWTH_STEPS && x < end; i++) {
        double h = fmin(g->x[2 * i + 2], end) - x, a1, a2, a3, a4;
        if (!second(g, c, x, u, v, &a1) || !second(g, c, x + h / 2, u + h / 2 * v, v + h / 2 * a1, &a2) ||
            !second(g, c, x + h / 2, u + h / 2 * (v + h / 2 * a1), v + h / 2 * a2, &a3) ||
            !second(g, c, x + h, u + h * (v + h / 2 * a2), v + h * a3, &a4))
            return false;
        u += h * v + h * h / 6 * (a1 + a2 + a3);
        v += h / 6 * (a1 + 2 * (a2 + a3) + a4);
        x += h;
    }
    *d2 = exp(2 * end) * u;
    *f2 = 2 + v / u;
    return true;
}
