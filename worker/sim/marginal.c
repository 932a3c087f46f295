/* worker/sim/marginal.c - likelihood of the data as a Gaussian field, mode by mode, the field marginalised:
**   log p = -1/2 sum over classes f m [ln det C + tr(C^-1 S/m)],   C = C_l/pixel area + sigma^2,
** with m the modes of the class, S the second moments of the data weighted by 1/sigma^2, over the mean product of the
** weights, sigma^2 the noise in them and f the share of modes that are independent (data.c).
** With K = C^-1 = T^T T (T lower), X_a = T C_a T^T, Y = T (S/m) T^T:
** gradient 1/2 f m tr((Y - 1) X_a), Fisher 1/2 f m tr(X_a X_b) (Tegmark, Taylor, Heavens 1997, eqs. 13-15). */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "worker/core/ff_math.h"
#include "worker/sim/state.h"

/* One block's share of an account: value, gradient (npar), Fisher (npar, npar). */
struct account {
    int npar;
    double *value, *gradient, *fisher;
};

/* out = T m T^T for symmetric m (pairs) and lower T. */
static void congruence(int nb, ff_lanes *t, ff_lanes *m, ff_lanes *out)
{
    for (int i = 0; i < nb; i++) {
        ff_lanes row[FF_MAX_BINS]; /* (T m)_i. */
        for (int c = 0; c < nb; c++) {
            memset(row[c], 0, sizeof(ff_lanes));
            for (int k = 0; k <= i; k++) {
                const double *p = t[ff_pair(nb, k, i)], *q = m[ff_pair(nb, k, c)];
                for (int x = 0; x < FF_BLOCK; x++) row[c][x] += p[x] * q[x];
            }
        }
        for (int j = i; j < nb; j++) {
            double *sum = out[ff_pair(nb, i, j)];
            memset(sum, 0, sizeof(ff_lanes));
            for (int k = 0; k <= j; k++) {
                const double *p = t[ff_pair(nb, k, j)];
                for (int x = 0; x < FF_BLOCK; x++) sum[x] += row[k][x] * p[x];
            }
        }
    }
}

/* T with T^T T = C^-1 for the block at `at`; -ln det C / 2 in half_logdet. False if C is not positive. */
static bool whitener(const ff_sim *s, const double *cl, long at, ff_lanes *t, double *half_logdet)
{
    const struct ff_classes *k = &s->cov.classes;
    const int nb = s->grid.nbins;
    ff_lanes c[FF_MAX_PAIRS], r[FF_MAX_PAIRS], inverse[FF_MAX_BINS];
    double lowest;
    for (int i = 0; i < nb; i++)
        for (int j = i; j < nb; j++) {
            const int p = ff_pair(nb, i, j);
            ff_classes_interpolate(k, cl + p * k->nell, 1 / s->cov.pixel_area, at, c[p]);
            if (i == j)
                for (int x = 0; x < FF_BLOCK; x++) c[p][x] += s->noise[i];
        }
    ff_block_cholesky(nb, c, r, inverse, &lowest);
    if (!(lowest > 0)) return false;
    ff_block_invert(nb, r, inverse, t);
    for (int x = 0; x < FF_BLOCK; x++) {
        half_logdet[x] = 0;
        for (int i = 0; i < nb; i++) half_logdet[x] += ff_log_f64(inverse[i][x]);
    }
    return true;
}

/* Independent modes of each class: f m, none on the Nyquist lines of shear, whose E mode has other noise. */
static void count_modes(const ff_sim *s, long at, double *count)
{
    const struct ff_classes *k = &s->cov.classes;
    double fraction = 0;
    for (int b = 0; b < s->grid.nbins; b++) fraction += s->fraction[b] / s->grid.nbins;
    for (int x = 0; x < FF_BLOCK; x++) {
        const bool nyquist = s->grid.n % 2 == 0 && k->j[at + x] == s->grid.h;
        count[x] = nyquist && ff_sim_is_shear(s) ? 0 : fraction * k->modes[at + x];
    }
}

static double dot(int nb, const double *count, ff_lanes *a, ff_lanes *b)
{
    ff_lanes sum = {0};
    double total = 0;
    for (int i = 0; i < nb; i++)
        for (int j = i; j < nb; j++) {
            const double *p = a[ff_pair(nb, i, j)], *q = b[ff_pair(nb, i, j)], twice = i == j ? 1 : 2;
            for (int x = 0; x < FF_BLOCK; x++) sum[x] += twice * p[x] * q[x];
        }
    for (int x = 0; x < FF_BLOCK; x++) total += count[x] * sum[x];
    return total;
}

static bool add_block(const ff_sim *s, const double *cl, const double *dcl, long at, double *scratch,
                      struct account *to)
{
    const struct ff_classes *k = &s->cov.classes;
    const int nb = s->grid.nbins, np = s->grid.npairs;
    ff_lanes t[FF_MAX_PAIRS], y[FF_MAX_PAIRS], moments[FF_MAX_PAIRS], half_logdet, count;
    ff_lanes *const x_all = (ff_lanes *)(void *)scratch; /* (npar, npairs) */
    if (!whitener(s, cl, at, t, half_logdet)) return false;
    count_modes(s, at, count);
    for (int p = 0; p < np; p++)
        for (int x = 0; x < FF_BLOCK; x++)
            moments[p][x] = s->moments[p * k->pitch + at + x] / fmax(k->modes[at + x], 1);
    congruence(nb, t, moments, y);
    for (int i = 0; i < nb; i++)
        for (int x = 0; x < FF_BLOCK; x++) {
            half_logdet[x] -= 0.5 * y[ff_pair(nb, i, i)][x];
            y[ff_pair(nb, i, i)][x] -= 1;
        }
    for (int x = 0; x < FF_BLOCK; x++) *to->value += count[x] * half_logdet[x];
    for (int a = 0; a < to->npar; a++) {
        ff_lanes d[FF_MAX_PAIRS];
        for (int p = 0; p < np; p++)
            ff_classes_interpolate(k, dcl + ((long)a * np + p) * k->nell, 1 / s->cov.pixel_area, at, d[p]);
        congruence(nb, t, d, x_all + a * np);
        to->gradient[a] += 0.5 * dot(nb, count, y, x_all + a * np);
        for (int b = 0; b <= a; b++)
            to->fisher[a * to->npar + b] += 0.5 * dot(nb, count, x_all + a * np, x_all + b * np);
    }
    return true;
}

static struct account account_at(const ff_sim *s, int part, int npar)
{
    double *at = s->marginal_sums + (long)part * (1 + FF_MAX_PARS + FF_MAX_PARS * FF_MAX_PARS);
    return (struct account){.npar = npar, .value = at, .gradient = at + 1, .fisher = at + 1 + FF_MAX_PARS};
}

/* Adds the parts in order. */
static void close_accounts(const ff_sim *s, int npar, double *logp, double *gradient, double *fisher)
{
    *logp = 0;
    memset(gradient, 0, (size_t)npar * sizeof *gradient);
    memset(fisher, 0, (size_t)npar * (size_t)npar * sizeof *fisher);
    for (int part = 0; part < FF_MARGINAL_PARTS; part++) {
        const struct account from = account_at(s, part, npar);
        *logp += *from.value;
        for (int a = 0; a < npar; a++) {
            gradient[a] += from.gradient[a];
            for (int b = 0; b <= a; b++) fisher[a * npar + b] += from.fisher[a * npar + b];
        }
    }
    for (int a = 0; a < npar; a++)
        for (int b = 0; b < a; b++) fisher[b * npar + a] = fisher[a * npar + b];
}

ff_err ff_sim_marginal(ff_sim *s, const double *cl, int npar, const double *dcl, double *logp, double *gradient,
                       double *fisher, ff_ctx *ctx)
{
    *logp = NAN;
    if (!s->have_data) return ff_fail(ctx, FF_EBUG, FF_HERE, "the marginal likelihood needs data");
    if (npar < 0 || npar > FF_MAX_PARS)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "%d parameters; 0 to %d are possible", npar, (int)FF_MAX_PARS);
    const struct ff_grid *g = &s->grid;
    const long blocks = s->cov.classes.pitch / FF_BLOCK, per_thread = (long)FF_MAX_PARS * g->npairs * FF_BLOCK;
    int bad = 0;
#pragma omp parallel for num_threads(g->threads) schedule(static) reduction(+ : bad) if (g->threads > 1)
    for (int part = 0; part < FF_MARGINAL_PARTS; part++) {
        struct account to = account_at(s, part, npar);
        memset(to.value, 0, (size_t)(1 + FF_MAX_PARS + npar * npar) * sizeof(double));
        const long lo = blocks * part / FF_MARGINAL_PARTS, hi = blocks * (part + 1) / FF_MARGINAL_PARTS;
        for (long b = lo; b < hi; b++)
            if (!add_block(s, cl, dcl, b * FF_BLOCK, s->marginal_scratch + omp_get_thread_num() * per_thread, &to))
                bad++;
    }
    if (bad) return ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "C_l plus noise is not a covariance in %d blocks of modes", bad);
    close_accounts(s, npar, logp, gradient, fisher);
    return FF_OK;
}
