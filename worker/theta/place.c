/* worker/theta/place.c - see place.h. */
#include "worker/theta/place.h"

#include <math.h>

#define NEWTON_STEP 1e-9 /* of a panel: the step after one so small is lost in rounding */
enum { NEWTON_STEPS = 50 };

struct panel {
    const struct ff_rule *rule;
    const double *chi, *invh; /* lanes of its first node */
    double edge, half;        /* redshift where it begins; half of its length */
};

static struct panel panel_of(const struct ff_background *bg, int p)
{
    const struct ff_grid *g = bg->grid;
    const int first = p * FF_PANEL;
    return (struct panel){.rule = &g->rule,
                          .chi = bg->chi + first * FF_LANES,
                          .invh = bg->invh + first * FF_LANES,
                          .edge = g->edge[p],
                          .half = (g->edge[p + 1] - g->edge[p]) / 2};
}

/* A lane of chi where the integrals of the Lagrange polynomials from -1 are `upto`. */
static double chi_at(const struct panel *p, const double upto[FF_PANEL], int lane)
{
    double sum = 0;
    for (int m = 0; m < FF_PANEL; m++) sum += (upto[m] - p->rule->upto[0][m]) * p->invh[m * FF_LANES + lane];
    return p->chi[lane] + p->half * sum;
}

static double dchi_dz(const struct panel *p, const double value[FF_PANEL])
{
    double sum = 0;
    for (int m = 0; m < FF_PANEL; m++) sum += value[m] * p->invh[m * FF_LANES];
    return sum;
}

bool ff_place_find(const struct ff_background *bg, const double start[FF_LANES], double r, int *panel,
                   struct ff_place *out)
{
    static const double none[FF_PANEL] = {0};
    struct panel p = panel_of(bg, *panel);
    double left, right;
    for (;; p = panel_of(bg, ++*panel)) {
        right = start[0] + chi_at(&p, p.rule->w, 0); /* a weight is the integral over the whole panel */
        if (r <= right) break;
        if (*panel + 1 == bg->grid->npanels) return false;
    }
    left = start[0] + chi_at(&p, none, 0);
    double x = 2 * (r - left) / (right - left) - 1, step = 1, upto[FF_PANEL], slope[FF_PANEL];
    for (int i = 0; i < NEWTON_STEPS && fabs(step) > NEWTON_STEP; i++) {
        ff_rule_weights(p.rule, x, out->value, slope, upto);
        step = (r - start[0] - chi_at(&p, upto, 0)) / (p.half * dchi_dz(&p, out->value));
        x += step;
    }
    ff_rule_weights(p.rule, x, out->value, slope, upto);
    const double rise = dchi_dz(&p, out->value);
    out->z[0] = p.edge + p.half * (1 + x);
    for (int j = 1; j < FF_LANES; j++) out->z[j] = -(start[j] + chi_at(&p, upto, j)) / rise;
    for (int m = 0; m < FF_PANEL; m++) out->slope[m] = slope[m] / p.half;
    out->first = *panel * FF_PANEL;
    return true;
}
