/* worker/sim/block.c - see block.h. */
#pragma GCC optimize("fp-contract=fast") /* bits are promised for one build; a fused multiply-add is half the work */
#include "worker/sim/block.h"

#include <math.h>
#include <string.h>

#include "worker/core/ff_math.h"

static const double PIVOT_FLOOR = 1e-10;

#define EACH_LANE(x) _Pragma("omp simd") for (int x = 0; x < FF_BLOCK; x++)

void ff_block_cholesky(int nb, ff_lanes *g, ff_lanes *b, ff_lanes *inverse, double *lowest)
{
    ff_lanes least;
    for (int x = 0; x < FF_BLOCK; x++) least[x] = 1;
    for (int j = 0; j < nb; j++) {
        const int jj = ff_pair(nb, j, j);
        double *d = b[jj], *inv = inverse[j];
        memcpy(d, g[jj], sizeof(ff_lanes));
        for (int k = 0; k < j; k++) {
            const double *r = b[ff_pair(nb, k, j)];
            EACH_LANE(x) d[x] -= r[x] * r[x];
        }
        EACH_LANE(x)
        {
            const double size = fabs(g[jj][x]), floor = PIVOT_FLOOR * size;
            const double ratio = size > 0 ? d[x] / size : 1;
            least[x] = ratio < least[x] ? ratio : least[x];
            const double root = sqrt(d[x] > floor ? d[x] : floor);
            inv[x] = d[x] > floor ? 1 / root : 0;
            d[x] = root;
        }
        for (int i = j + 1; i < nb; i++) {
            double *e = b[ff_pair(nb, j, i)];
            memcpy(e, g[ff_pair(nb, j, i)], sizeof(ff_lanes));
            for (int k = 0; k < j; k++) {
                const double *r = b[ff_pair(nb, k, i)], *q = b[ff_pair(nb, k, j)];
                EACH_LANE(x) e[x] -= r[x] * q[x];
            }
            EACH_LANE(x) e[x] *= inv[x];
        }
    }
    *lowest = 1;
    for (int x = 0; x < FF_BLOCK; x++) *lowest = fmin(*lowest, least[x]);
}

void ff_block_cholesky_adjoint(int nb, ff_lanes *b, ff_lanes *inverse, ff_lanes *b_bar, ff_lanes *g_bar)
{
    for (int j = nb - 1; j >= 0; j--) { /* the columns of ff_block_cholesky, backwards */
        const int jj = ff_pair(nb, j, j);
        const double *inv = inverse[j];
        for (int i = j + 1; i < nb; i++) {
            const int ij = ff_pair(nb, j, i);
            double *t = g_bar[ij];
            EACH_LANE(x)
            {
                t[x] = b_bar[ij][x] * inv[x];
                b_bar[jj][x] -= t[x] * b[ij][x];
            }
            for (int k = 0; k < j; k++) {
                const int ik = ff_pair(nb, k, i), jk = ff_pair(nb, k, j);
                EACH_LANE(x)
                {
                    b_bar[ik][x] -= t[x] * b[jk][x];
                    b_bar[jk][x] -= t[x] * b[ik][x];
                }
            }
        }
        double *t = g_bar[jj];
        EACH_LANE(x) t[x] = 0.5 * b_bar[jj][x] * inv[x];
        for (int k = 0; k < j; k++) {
            const int jk = ff_pair(nb, k, j);
            EACH_LANE(x) b_bar[jk][x] -= 2 * t[x] * b[jk][x];
        }
    }
}

/* m = 1 + A^T W A, A = diag(c) B: m_ij = 1_ij + sum over k >= j of c_k^2 w_k b_ki b_kj. */
static void information(int nb, ff_lanes *b, const double *c, ff_lanes *w, ff_lanes *m)
{
    ff_lanes cw[FF_MAX_BINS];
    for (int k = 0; k < nb; k++) EACH_LANE(x) cw[k][x] = c[k] * c[k] * w[k][x];
    for (int i = 0; i < nb; i++)
        for (int j = i; j < nb; j++) {
            double *sum = m[ff_pair(nb, i, j)];
            for (int x = 0; x < FF_BLOCK; x++) sum[x] = i == j ? 1 : 0;
            for (int k = j; k < nb; k++) {
                const double *p = b[ff_pair(nb, i, k)], *q = b[ff_pair(nb, j, k)];
                EACH_LANE(x) sum[x] += cw[k][x] * p[x] * q[x];
            }
        }
}

void ff_block_invert(int nb, ff_lanes *r, ff_lanes *inverse, ff_lanes *t)
{
    for (int j = 0; j < nb; j++) {
        memcpy(t[ff_pair(nb, j, j)], inverse[j], sizeof(ff_lanes));
        for (int i = j + 1; i < nb; i++) {
            double *sum = t[ff_pair(nb, j, i)];
            memset(sum, 0, sizeof(ff_lanes));
            for (int k = j; k < i; k++) {
                const double *p = r[ff_pair(nb, k, i)], *q = t[ff_pair(nb, j, k)];
                EACH_LANE(x) sum[x] -= p[x] * q[x];
            }
            EACH_LANE(x) sum[x] *= inverse[i][x];
        }
    }
}

void ff_block_wiener(int nb, ff_lanes *b, const double *c, ff_lanes *w, ff_lanes *s, double *logdet)
{
    ff_lanes m[FF_MAX_PAIRS], r[FF_MAX_PAIRS], inverse[FF_MAX_BINS];
    double lowest;
    information(nb, b, c, w, m);
    ff_block_cholesky(nb, m, r, inverse, &lowest);
    ff_block_invert(nb, r, inverse, s);
    EACH_LANE(x)
    {
        double product = 1;
        for (int i = 0; i < nb; i++) product *= inverse[i][x];
        logdet[x] = ff_log_f64(product);
    }
}

/* q = -(lower part of t_bar t^T, its diagonal halved) - logdet_bar/2 on the diagonal: R^T R_bar, ready for the VJP. */
static void inner_cotangent(int nb, ff_lanes *t, ff_lanes *t_bar, const double *logdet_bar, ff_lanes *q)
{
    for (int j = 0; j < nb; j++)
        for (int i = j; i < nb; i++) {
            double *sum = q[ff_pair(nb, j, i)];
            memset(sum, 0, sizeof(ff_lanes));
            for (int k = 0; k <= j; k++) {
                const double *p = t_bar[ff_pair(nb, k, i)], *r = t[ff_pair(nb, k, j)];
                EACH_LANE(x) sum[x] -= p[x] * r[x];
            }
            if (i == j) EACH_LANE(x) sum[x] = 0.5 * (sum[x] - logdet_bar[x]);
        }
}

/* h = H + H^T, H = T^T Q T (T and Q lower), by pair. */
static void sandwich(int nb, ff_lanes *t, ff_lanes *q, ff_lanes *h)
{
    ff_lanes qt[FF_MAX_PAIRS];
    for (int j = 0; j < nb; j++)
        for (int i = j; i < nb; i++) {
            double *sum = qt[ff_pair(nb, j, i)];
            memset(sum, 0, sizeof(ff_lanes));
            for (int k = j; k <= i; k++) {
                const double *p = q[ff_pair(nb, k, i)], *r = t[ff_pair(nb, j, k)];
                EACH_LANE(x) sum[x] += p[x] * r[x];
            }
        }
    for (int i = 0; i < nb; i++)
        for (int j = i; j < nb; j++) {
            double *sum = h[ff_pair(nb, i, j)];
            memset(sum, 0, sizeof(ff_lanes));
            for (int k = j; k < nb; k++) { /* H_ij + H_ji: both sums start at k = max(i, j) */
                const double *ti = t[ff_pair(nb, i, k)], *tj = t[ff_pair(nb, j, k)];
                const double *xi = qt[ff_pair(nb, i, k)], *xj = qt[ff_pair(nb, j, k)];
                EACH_LANE(x) sum[x] += ti[x] * xj[x] + tj[x] * xi[x];
            }
        }
}

void ff_block_wiener_adjoint(int nb, ff_lanes *b, const double *c, ff_lanes *w, ff_lanes *s, ff_lanes *s_bar,
                             const double *logdet_bar, ff_lanes *b_bar, double *c_bar)
{
    ff_lanes q[FF_MAX_PAIRS], h[FF_MAX_PAIRS];
    inner_cotangent(nb, s, s_bar, logdet_bar, q);
    sandwich(nb, s, q, h);
    for (int i = 0; i < nb; i++) { /* A_bar = W A (H + H^T), lower part; A = diag(c) B */
        ff_lanes total = {0};
        for (int j = 0; j <= i; j++) {
            ff_lanes sum = {0};
            for (int k = 0; k <= i; k++) {
                const double *p = b[ff_pair(nb, k, i)], *r = h[ff_pair(nb, k, j)];
                EACH_LANE(x) sum[x] += p[x] * r[x];
            }
            const double *entry = b[ff_pair(nb, j, i)];
            double *to = b_bar[ff_pair(nb, j, i)];
            EACH_LANE(x)
            {
                const double a = c[i] * w[i][x] * sum[x];
                to[x] += c[i] * a;
                total[x] += a * entry[x];
            }
        }
        c_bar[i] = 0;
        for (int x = 0; x < FF_BLOCK; x++) c_bar[i] += total[x];
    }
}
