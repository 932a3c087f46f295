/* worker/theta/grid.c - see grid.h. */
#include "worker/theta/grid.h"

#include <math.h>
#include <string.h>

/* Legendre polynomial of degree FF_PANEL and its derivative. */
static double legendre(double x, double *slope)
{
    double before = 1, p = x;
    for (int k = 2; k <= FF_PANEL; k++) {
        double next = ((2 * k - 1) * x * p - (k - 1) * before) / k;
        before = p;
        p = next;
    }
    *slope = FF_PANEL * (x * p - before) / (x * x - 1);
    return p;
}

double ff_rule_lagrange(const struct ff_rule *rule, int m, double x)
{
    const double *node = rule->x;
    double p = 1;
    for (int k = 0; k < FF_PANEL; k++)
        if (k != m) p *= (x - node[k]) / (node[m] - node[k]);
    return p;
}

/* Multiplies out Lagrange polynomial m. */
static void expand(struct ff_rule *rule, int m)
{
    double c[FF_PANEL] = {1};
    for (int k = 0; k < FF_PANEL; k++) {
        if (k == m) continue;
        const double scale = 1 / (rule->x[m] - rule->x[k]);
        for (int j = FF_PANEL - 1; j >= 0; j--) c[j] = ((j ? c[j - 1] : 0) - rule->x[k] * c[j]) * scale;
    }
    rule->first[m] = 0;
    for (int j = 0; j < FF_PANEL; j++) {
        rule->power[j][m] = c[j];
        rule->first[m] += (j % 2 ? -c[j] : c[j]) / (j + 1);
    }
}

void ff_rule_weights(const struct ff_rule *rule, double x, double value[FF_PANEL], double slope[FF_PANEL],
                     double upto[FF_PANEL])
{
    for (int m = 0; m < FF_PANEL; m++) value[m] = slope[m] = upto[m] = 0;
    for (int j = FF_PANEL - 1; j >= 0; j--)
        for (int m = 0; m < FF_PANEL; m++) {
            slope[m] = slope[m] * x + value[m];
            value[m] = value[m] * x + rule->power[j][m];
            upto[m] = upto[m] * x + rule->power[j][m] / (j + 1);
        }
    for (int m = 0; m < FF_PANEL; m++) upto[m] = upto[m] * x + rule->first[m];
}

void ff_rule_init(struct ff_rule *rule)
{
    for (int i = 0; i < FF_PANEL; i++) {
        double x = -cos(M_PI * (i + 0.75) / (FF_PANEL + 0.5)), slope = 1;
        for (int step = 0; step < 20; step++) {
            double p = legendre(x, &slope);
            x -= p / slope;
        }
        rule->x[i] = x;
        rule->w[i] = 2 / ((1 - x * x) * slope * slope);
    }
    /* The rule itself integrates the polynomials exactly over [-1, x_i]. */
    for (int i = 0; i < FF_PANEL; i++) {
        double half = (rule->x[i] + 1) / 2;
        for (int m = 0; m < FF_PANEL; m++) {
            double sum = 0;
            for (int k = 0; k < FF_PANEL; k++)
                sum += rule->w[k] * ff_rule_lagrange(rule, m, half * (rule->x[k] + 1) - 1);
            rule->upto[i][m] = half * sum;
        }
    }
    for (int m = 0; m < FF_PANEL; m++) expand(rule, m);
}

ff_err ff_grid_init(struct ff_grid *g, const double *edge, int npanels, struct ff_pool *pool, ff_ctx *ctx)
{
    *g = (struct ff_grid){.npanels = npanels, .n = npanels * FF_PANEL};
    ff_rule_init(&g->rule);
    ff_err err = ff_pool_doubles(pool, &g->edge, (size_t)npanels + 1, ctx);
    if (!err) err = ff_pool_doubles(pool, &g->z, (size_t)g->n, ctx);
    if (!err) err = ff_pool_doubles(pool, &g->w, (size_t)g->n, ctx);
    if (err) return err;
    memcpy(g->edge, edge, ((size_t)npanels + 1) * sizeof *edge);
    for (int p = 0; p < npanels; p++) {
        double half = (edge[p + 1] - edge[p]) / 2;
        for (int i = 0; i < FF_PANEL; i++) {
            g->z[p * FF_PANEL + i] = edge[p] + half * (1 + g->rule.x[i]);
            g->w[p * FF_PANEL + i] = half * g->rule.w[i];
        }
    }
    return FF_OK;
}

/* Integrals over panel p up to each of its nodes (part) and over all of it (returned). */
static double panel(const struct ff_grid *g, int p, const double *f, int stride, double part[FF_PANEL])
{
    double half = (g->edge[p + 1] - g->edge[p]) / 2, whole = 0, value[FF_PANEL];
    for (int m = 0; m < FF_PANEL; m++) {
        value[m] = half * f[(p * FF_PANEL + m) * stride];
        whole += g->rule.w[m] * value[m];
    }
    for (int i = 0; i < FF_PANEL; i++) {
        part[i] = 0;
        for (int m = 0; m < FF_PANEL; m++) part[i] += g->rule.upto[i][m] * value[m];
    }
    return whole;
}

double ff_grid_below(const struct ff_grid *g, const double *f, double *out, int stride)
{
    double sum = 0, part[FF_PANEL];
    for (int p = 0; p < g->npanels; p++) {
        double whole = panel(g, p, f, stride, part);
        for (int i = 0; i < FF_PANEL; i++) out[(p * FF_PANEL + i) * stride] = sum + part[i];
        sum += whole;
    }
    return sum;
}

void ff_grid_above(const struct ff_grid *g, const double *f, double *out, int stride)
{
    double sum = 0, part[FF_PANEL];
    for (int p = g->npanels - 1; p >= 0; p--) {
        sum += panel(g, p, f, stride, part);
        for (int i = 0; i < FF_PANEL; i++) out[(p * FF_PANEL + i) * stride] = sum - part[i];
    }
}
