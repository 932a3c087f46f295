/* worker/theta/limber.c - see limber.h. */
#include "worker/theta/limber.h"

#include <string.h>

enum { BLOCK = 8, COLUMNS = 8 }; /* of multipoles and of columns held in registers */
enum { DZ_FIRST = FF_K_DZ, DZ_SECOND = FF_K_LANES, NWEIGHTS = FF_K_LANES + 1 };

ff_err ff_limber_init(struct ff_limber *l, const double *ell, int nell, const struct ff_kernels *k,
                      struct ff_pool *pool, ff_ctx *ctx)
{
    int nbins = k->nz->nbins, nz = k->bg->grid->n;
    *l = (struct ff_limber){.nbins = nbins, .npairs = ff_pair_count(nbins), .nell = nell, .nz = nz};
    l->nl = (nell + BLOCK - 1) / BLOCK * BLOCK;
    size_t nl = (size_t)l->nl, grid = (size_t)nz * nl;
    ff_err err = ff_pool_doubles(pool, &l->ell, nl, ctx);
    if (!err) err = ff_pool_doubles(pool, &l->lnl, nl, ctx);
    if (!err) err = ff_pool_doubles(pool, &l->factor, nl, ctx);
    if (!err) err = ff_pool_doubles(pool, &l->p, grid, ctx);
    if (!err) err = ff_pool_doubles(pool, &l->dp, grid * FF_NCOSMO, ctx);
    if (!err) err = ff_pool_doubles(pool, &l->weight, (size_t)nz * (size_t)l->npairs * NWEIGHTS, ctx);
    if (!err) err = ff_pool_doubles(pool, &l->sum, (size_t)l->npairs * nl, ctx);
    if (err) return err;
    for (int i = 0; i < l->nl; i++) {
        double x = ell[i < nell ? i : nell - 1], half = x + 0.5;
        l->ell[i] = x;
        l->lnl[i] = log(half);
        l->factor[i] = x > 1 ? (x - 1) * x * (x + 1) * (x + 2) / (half * half * half * half) : 0;
    }
    return FF_OK;
}

void ff_limber_row(struct ff_limber *l, const struct ff_power_table *p, const struct ff_state *s, int iz, bool derivs)
{
    struct ff_rows rows = {.p = l->p + (size_t)iz * (size_t)l->nl};
    for (int j = 0; j < FF_NCOSMO; j++) rows.dp[j] = l->dp + ((size_t)j * (size_t)l->nz + (size_t)iz) * (size_t)l->nl;
    ff_rows_at(p, s, l->lnl, l->nl, derivs, &rows);
}

static double *weights(const struct ff_limber *l, int lane, int iz)
{
    return l->weight + ((size_t)lane * (size_t)l->nz + (size_t)iz) * (size_t)l->npairs;
}

/* The weights of all pairs at one redshift. */
static void weigh(struct ff_limber *l, const struct ff_kernels *k, int iz, bool derivs)
{
    const double *chi = k->bg->chi + iz * FF_LANES, *invh = k->bg->invh + iz * FF_LANES;
    double geometry[FF_LANES] = {k->bg->grid->w[iz] * invh[0] / (chi[0] * chi[0])};
    for (int j = 1; j < FF_LANES; j++) geometry[j] = geometry[0] * (invh[j] / invh[0] - 2 * chi[j] / chi[0]);
    double *out[NWEIGHTS];
    for (int lane = 0; lane < NWEIGHTS; lane++) out[lane] = weights(l, lane, iz);
    for (int a = 0, pair = 0; a < l->nbins; a++)
        for (int b = a; b < l->nbins; b++, pair++) {
            const double *wa = k->all + (a * l->nz + iz) * FF_K_LANES, *wb = k->all + (b * l->nz + iz) * FF_K_LANES;
            out[FF_K_VALUE][pair] = geometry[0] * wa[0] * wb[0];
            if (!derivs) continue;
            for (int j = 1; j < FF_K_LANES; j++) out[j][pair] = geometry[0] * (wa[j] * wb[0] + wa[0] * wb[j]);
            for (int j = 1; j < FF_LANES; j++) out[j][pair] += geometry[j] * wa[0] * wb[0];
            out[DZ_FIRST][pair] = geometry[0] * wa[FF_K_DZ] * wb[0];
            out[DZ_SECOND][pair] = geometry[0] * wa[0] * wb[FF_K_DZ];
        }
}

/* sum (npairs, nl) = weight (nz, npairs)^T p (nz, nl), COLUMNS pairs from `first` on. */
static void product_columns(const struct ff_limber *l, const double *restrict weight, const double *restrict p,
                            int first, double *restrict sum)
{
    int count = l->npairs - first < COLUMNS ? l->npairs - first : COLUMNS;
    size_t nl = (size_t)l->nl, np = (size_t)l->npairs;
    for (size_t block = 0; block < nl; block += BLOCK) {
        double acc[COLUMNS][BLOCK] = {{0}};
        if (count == COLUMNS) {
            for (int z = 0; z < l->nz; z++)
                for (int c = 0; c < COLUMNS; c++)
                    for (int i = 0; i < BLOCK; i++)
                        acc[c][i] +=
                            weight[(size_t)z * np + (size_t)(first + c)] * p[(size_t)z * nl + block + (size_t)i];
        } else {
            for (int z = 0; z < l->nz; z++)
                for (int c = 0; c < count; c++)
                    for (int i = 0; i < BLOCK; i++)
                        acc[c][i] +=
                            weight[(size_t)z * np + (size_t)(first + c)] * p[(size_t)z * nl + block + (size_t)i];
        }
        for (int c = 0; c < count; c++)
            for (int i = 0; i < BLOCK; i++) sum[(size_t)(first + c) * nl + block + (size_t)i] = acc[c][i];
    }
}

/* out (npairs, nell) += lf^2 sum over z of weight lane times the powers p (nz, nl). */
static void add_product(struct ff_limber *l, int lane, const double *p, double *out)
{
    for (int first = 0; first < l->npairs; first += COLUMNS) product_columns(l, weights(l, lane, 0), p, first, l->sum);
    for (int pair = 0; pair < l->npairs; pair++)
        for (int i = 0; i < l->nell; i++) out[pair * l->nell + i] += l->factor[i] * l->sum[pair * l->nl + i];
}

/* Adds the pairs of product `lane` to the rows of dz of their first or second bin. */
static void add_shift(struct ff_limber *l, int lane, double *dcl)
{
    for (int first = 0; first < l->npairs; first += COLUMNS)
        product_columns(l, weights(l, lane, 0), l->p, first, l->sum);
    for (int a = 0, pair = 0; a < l->nbins; a++)
        for (int b = a; b < l->nbins; b++, pair++) {
            int par = ff_par_dz(l->nbins, lane == DZ_FIRST ? a : b);
            double *out = dcl + ((size_t)par * (size_t)l->npairs + (size_t)pair) * (size_t)l->nell;
            for (int i = 0; i < l->nell; i++) out[i] += l->factor[i] * l->sum[pair * l->nl + i];
        }
}

void ff_limber_contract(struct ff_limber *l, const struct ff_kernels *k, double *cl, double *dcl)
{
    size_t table = (size_t)l->npairs * (size_t)l->nell, grid = (size_t)l->nz * (size_t)l->nl;
    for (int z = 0; z < l->nz; z++) weigh(l, k, z, dcl != NULL);
    memset(cl, 0, table * sizeof *cl);
    add_product(l, FF_K_VALUE, l->p, cl);
    if (!dcl) return;
    memset(dcl, 0, (size_t)ff_par_count(l->nbins) * table * sizeof *dcl);
    for (int j = 0; j < FF_NCOSMO; j++) add_product(l, FF_K_VALUE, l->dp + (size_t)j * grid, dcl + (size_t)j * table);
    add_product(l, FF_K_OM, l->p, dcl + FF_OMEGA_C * table);
    add_product(l, FF_K_OM, l->p, dcl + FF_OMEGA_B * table);
    add_product(l, FF_K_W0, l->p, dcl + FF_W0 * table);
    add_product(l, FF_K_WA, l->p, dcl + FF_WA * table);
    add_product(l, FF_K_A, l->p, dcl + FF_A_IA * table);
    add_product(l, FF_K_ETA, l->p, dcl + FF_ETA_IA * table);
    add_product(l, FF_K_Z0, l->p, dcl + FF_Z0_IA * table);
    add_shift(l, DZ_FIRST, dcl);
    add_shift(l, DZ_SECOND, dcl);
}
