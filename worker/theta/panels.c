/* worker/theta/panels.c - where to put the panels of the redshift grid (nz.h: ff_nz_panels).
** Starts from panels on which the matter power along a multipole, P(l/chi(z), z), is smooth, and halves those on which
** the distribution of some bin is not resolved by the panel's polynomial, at several shifts dz. */
#include "worker/theta/nz.h"

#include <math.h>
#include <stdbool.h>

#include "worker/theta/grid.h"

#define CUMULATIVE_ERROR 2e-6 /* of the whole bin */
#define DENSITY_ERROR 1e-3    /* of the bin's mean density over one unit of z */

static const double base[] = {0,   0.012, 0.03, 0.05, 0.075, 0.105, 0.14, 0.18, 0.23, 0.29, 0.37, 0.46, 0.57,
                              0.7, 0.85,  1.02, 1.22, 1.46,  1.75,  2.1,  2.6,  3.3,  4.3,  5.8,  8};
#define STRETCH 1.4 /* beyond the last of them */
enum { NBASE = sizeof base / sizeof *base, NSHIFTS = 5, NTRIES = FF_PANEL + 1 };
static const double shifts[NSHIFTS] = {-0.06, -0.03, 0, 0.03, 0.06};

/* Weights of the panel's polynomial at points between its nodes. */
struct probe {
    struct ff_rule rule;
    double x[NTRIES], weight[NTRIES][FF_PANEL];
};

static void probe_init(struct probe *p)
{
    ff_rule_init(&p->rule);
    for (int t = 0; t < NTRIES; t++) {
        double left = t ? p->rule.x[t - 1] : -1, right = t < FF_PANEL ? p->rule.x[t] : 1;
        p->x[t] = (left + right) / 2;
        for (int m = 0; m < FF_PANEL; m++) p->weight[t][m] = ff_rule_lagrange(&p->rule, m, p->x[t]);
    }
}

static bool resolved(const struct ff_nz *nz, const struct probe *p, int bin, double dz, double low, double high)
{
    double half = (high - low) / 2, z[FF_PANEL], try[NTRIES];
    struct ff_nz_point node[FF_PANEL], truth[NTRIES];
    for (int i = 0; i < FF_PANEL; i++) z[i] = low + half * (1 + p->rule.x[i]);
    for (int t = 0; t < NTRIES; t++) try[t] = low + half * (1 + p->x[t]);
    ff_nz_at(nz, bin, dz, z, FF_PANEL, node);
    ff_nz_at(nz, bin, dz, try, NTRIES, truth);
    for (int t = 0; t < NTRIES; t++) {
        double below = 0, n = 0;
        for (int m = 0; m < FF_PANEL; m++) {
            below += p->weight[t][m] * node[m].below;
            n += p->weight[t][m] * node[m].n;
        }
        if (fabs(below - truth[t].below) > CUMULATIVE_ERROR || fabs(n - truth[t].n) > DENSITY_ERROR) return false;
    }
    return true;
}

static bool all_resolved(const struct ff_nz *nz, const struct probe *p, double low, double high)
{
    for (int b = 0; b < nz->nbins; b++) {
        if (high - low < 2 * nz->bin[b].feature) continue;
        for (int s = 0; s < NSHIFTS; s++)
            if (ff_nz_kept(nz, b, shifts[s]) > 0.5 && !resolved(nz, p, b, shifts[s], low, high)) return false;
    }
    return true;
}

int ff_nz_panels(const struct ff_nz *nz, double edge[FF_NZ_MAX_PANELS + 1])
{
    struct probe probe;
    probe_init(&probe);
    int n = 0;
    for (int i = 0; i < NBASE && base[i] < nz->end - 0.1; i++) edge[n++] = base[i];
    for (double z = base[NBASE - 1] * STRETCH; z < nz->end - 0.1; z *= STRETCH) edge[n++] = z;
    edge[n] = nz->end;
    for (int i = 0; i < n && n < FF_NZ_MAX_PANELS;) {
        if (all_resolved(nz, &probe, edge[i], edge[i + 1])) {
            i++;
            continue;
        }
        for (int k = n; k > i; k--) edge[k + 1] = edge[k];
        edge[i + 1] = (edge[i] + edge[i + 2]) / 2;
        n++;
    }
    return n;
}
