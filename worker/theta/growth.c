/* worker/theta/growth.c - see growth.h. */
#include "worker/theta/growth.h"

#include <math.h>
#include <string.h>

#define EARLY_END 0.05 /* dark energy of any sort still asleep: long steps up to here */

struct coefficients { /* of g'' + c1 g' + c0 g = source */
    double c1[FF_LANES], c0[FF_LANES], source[FF_LANES];
};

static ff_err init_nodes(struct ff_growth_node **out, struct ff_pool *pool, ff_ctx *ctx)
{
    const size_t size = sizeof(struct ff_growth_node) / sizeof(double);
    double *node;
    ff_err err = ff_pool_doubles(pool, &node, (FF_GROWTH_STEPS + 1) * size, ctx);
    *out = (struct ff_growth_node *)node;
    return err;
}

ff_err ff_growth_init(struct ff_growth *g, struct ff_pool *pool, ff_ctx *ctx)
{
    *g = (struct ff_growth){0};
    ff_err err = ff_pool_doubles(pool, &g->x, 2 * FF_GROWTH_STEPS + 1, ctx);
    if (!err) err = init_nodes(&g->node, pool, ctx);
    if (err) return err;
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
        k->source[j] = 0;
    }
    k->c1[0] += 4;
    k->c0[0] += 3;
    return true;
}

static void curvature(const struct coefficients *k, const double *g, const double *g1, double *g2)
{
    g2[0] = -k->c1[0] * g1[0] - k->c0[0] * g[0] + k->source[0];
    for (int j = 1; j < FF_LANES; j++)
        g2[j] = -k->c1[0] * g1[j] - k->c0[0] * g[j] - k->c1[j] * g1[0] - k->c0[j] * g[0] + k->source[j];
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

/* What the nodes of a growth say of ln a = x: all lanes and their slopes in ln a. */
static void between(const struct ff_growth *g, const struct ff_growth_node *node, double x, double value[FF_LANES],
                    double slope[FF_LANES])
{
    double t, w[6], ws[6];
    int i = find(g, x, &t);
    double h = g->x[2 * i + 2] - g->x[2 * i];
    const struct ff_growth_node *p = &node[i], *q = p + 1;
    hermite(t, w, ws);
    for (int j = 0; j < FF_LANES; j++) {
        value[j] = w[0] * p->g[j] + w[3] * q->g[j] + h * (w[1] * p->g1[j] + w[4] * q->g1[j]) +
                   h * h * (w[2] * p->g2[j] + w[5] * q->g2[j]);
        slope[j] = (ws[0] * p->g[j] + ws[3] * q->g[j]) / h + ws[1] * p->g1[j] + ws[4] * q->g1[j] +
                   h * (ws[2] * p->g2[j] + ws[5] * q->g2[j]);
    }
}

void ff_growth_at(const struct ff_growth *g, double l, double lnd[FF_LANES], double f[FF_LANES])
{
    double value[FF_LANES], slope[FF_LANES];
    between(g, g->node, -l, value, slope);
    lnd[0] = log(value[0] / g->today[0]) - l;
    for (int j = 1; j < FF_LANES; j++) lnd[j] = value[j] / value[0] - g->today[j] / g->today[0];
    if (!f) return;
    f[0] = 1 + slope[0] / value[0];
    for (int j = 1; j < FF_LANES; j++) f[j] = (slope[j] - slope[0] * value[j] / value[0]) / value[0];
}

ff_err ff_growth_second_init(struct ff_growth_second *s, const struct ff_growth *first, struct ff_pool *pool,
                             ff_ctx *ctx)
{
    *s = (struct ff_growth_second){.first = first};
    return init_nodes(&s->node, pool, ctx);
}

/* At ln a = x, where the first order is g. */
static bool second_coefficients(const struct ff_cosmology *c, double x, const double *g, struct coefficients *k)
{
    struct ff_expansion at;
    if (!ff_expansion_at(c, -x, &at)) return false;
    const double pull = 1.5 * at.om[0] * g[0];
    for (int j = 0; j < FF_LANES; j++) {
        k->c1[j] = at.turn[j];
        k->c0[j] = 2 * at.turn[j] - 1.5 * at.om[j];
        k->source[j] = -1.5 * at.om[j] * g[0] * g[0] - 2 * pull * g[j];
    }
    k->c1[0] += 6;
    k->c0[0] += 8;
    k->source[0] = -pull * g[0];
    return true;
}

bool ff_growth_second_solve(struct ff_growth_second *s, const struct ff_cosmology *c)
{
    const struct ff_growth *first = s->first;
    struct coefficients middle, end;
    if (!second_coefficients(c, first->x[0], first->node[0].g, &end)) return false;
    s->node[0] = (struct ff_growth_node){.g = {-3. / 7}};
    curvature(&end, s->node[0].g, s->node[0].g1, s->node[0].g2);
    for (int i = 0; i < FF_GROWTH_STEPS; i++) {
        const double *x = first->x + 2 * i;
        double g[FF_LANES], slope[FF_LANES];
        between(first, first->node, x[1], g, slope);
        if (!second_coefficients(c, x[1], g, &middle) || !second_coefficients(c, x[2], first->node[i + 1].g, &end))
            return false;
        step(&middle, &end, x[2] - x[0], &s->node[i], &s->node[i + 1]);
    }
    return true;
}

void ff_growth_second_at(const struct ff_growth_second *s, double l, double d2[FF_LANES], double *f2)
{
    const double *today = s->first->today;
    double value[FF_LANES], slope[FF_LANES], scale = exp(-2 * l) / (today[0] * today[0]);
    between(s->first, s->node, -l, value, slope);
    for (int j = 1; j < FF_LANES; j++) d2[j] = scale * (value[j] - 2 * value[0] * today[j] / today[0]);
    d2[0] = scale * value[0];
    *f2 = 2 + slope[0] / value[0];
}
