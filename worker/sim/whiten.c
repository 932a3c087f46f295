/* worker/sim/whiten.c - the Wiener posterior of every class, and the change of coordinates it makes (docs: compute
** section 6). Per mode, A = diag(c) B is the response of the observable's convergence to the latent, c_i = gain_i
** shift_i exp(RESPONSE var_i) for a log-normal field, gain_i for a Gaussian one; W the information of the data, M =
** 1 + A^T W A, S = R^-T with M = R R^T, and z = S (y + S^T A^T D). Any c, W and D give an exact change of
** coordinates. */
#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "worker/sim/state.h"
#include "worker/sim/whiten.h"

void ff_sim_information(const struct ff_sim *s, long at, ff_lanes *w)
{
    for (int b = 0; b < s->grid.nbins; b++)
        for (int x = 0; x < FF_BLOCK; x++)
            w[b][x] = s->mean_weight[b][0] * s->part1[at + x] + s->mean_weight[b][1] * s->part2[at + x];
}

void ff_sim_prepare_white(struct ff_sim *s)
{
    if (s->have_white) return;
    const double start = ff_clock_s();
    const struct ff_grid *g = &s->grid;
    struct ff_covariance *c = &s->cov;
    for (int b = 0; b < g->nbins; b++)
        s->response[b] = s->gain[b] * (c->lognormal ? c->shift[b] * exp(FF_RESPONSE * c->variance[b]) : 1);
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long at = 0; at < c->classes.pitch; at += FF_BLOCK) {
        ff_lanes b[FF_MAX_PAIRS], w[FF_MAX_BINS], white[FF_MAX_PAIRS], logdet;
        ff_covariance_load(c, c->b, g->npairs, at, b);
        ff_sim_information(s, at, w);
        ff_block_wiener(g->nbins, b, s->response, w, white, logdet);
        ff_covariance_store(c, white, g->npairs, at, s->s);
        double sum = 0;
        for (int x = 0; x < FF_BLOCK; x++) sum += c->classes.modes[at + x] * logdet[x];
        c->block_sums[at / FF_BLOCK * FF_BLOCK_SUMS] = sum;
    }
    s->logdet = 0;
    for (long k = 0; k < c->classes.pitch / FF_BLOCK; k++) s->logdet += c->block_sums[k * FF_BLOCK_SUMS];
    s->ops->modes_expand(g, s->s, c->classes.pitch, c->classes.index, s->white);
    s->have_white = true;
    s->times.classes += ff_clock_s() - start;
}

static ff_err change(ff_sim *s, const void *from, void *to, bool whiten, ff_ctx *ctx)
{
    if (ff_sim_is_lpt(s)) { /* white coordinates only */
        memmove(to, from, (size_t)ff_sim_nlatent(s) * (size_t)s->ops->size);
        return FF_OK;
    }
    if (!s->have_tables || !s->have_data)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "whitened coordinates need tables and data");
    ff_sim_prepare_white(s);
    const struct ff_modes m = ff_sim_modes(s, true);
    if (whiten)
        s->ops->modes_whiten(&m, from, to);
    else
        s->ops->modes_unwhiten(&m, from, to);
    return FF_OK;
}

ff_err ff_sim_unwhiten(ff_sim *s, const void *y, void *z, ff_ctx *ctx)
{
    return change(s, y, z, false, ctx);
}

ff_err ff_sim_whiten(ff_sim *s, const void *z, void *y, ff_ctx *ctx)
{
    return change(s, z, y, true, ctx);
}
