/* worker/job/moments.c - see moments.h. */
#include "worker/job/moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

ff_err ff_moments_init(struct ff_moments *m, long len, ff_ctx *ctx)
{
    *m = (struct ff_moments){.len = len};
    m->mean = calloc((size_t)len + 1, sizeof *m->mean);
    m->m2 = calloc((size_t)len + 1, sizeof *m->m2);
    if (m->mean && m->m2) return FF_OK;
    ff_moments_done(m);
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the moments of %ld pixels", len);
}

void ff_moments_done(struct ff_moments *m)
{
    free(m->mean);
    free(m->m2);
    memset(m, 0, sizeof *m);
}

void ff_moments_add(struct ff_moments *m, const float *x)
{
    const double share = 1.0 / (double)++m->count;
    for (long i = 0; i < m->len; i++) {
        const double delta = (double)x[i] - m->mean[i];
        m->mean[i] += delta * share;
        m->m2[i] += delta * ((double)x[i] - m->mean[i]);
    }
}

void ff_moments_merge(struct ff_moments *a, const struct ff_moments *b)
{
    if (b->count == 0) return;
    const double na = (double)a->count, nb = (double)b->count, n = na + nb;
    for (long i = 0; i < a->len; i++) {
        const double delta = b->mean[i] - a->mean[i];
        a->mean[i] += delta * nb / n;
        a->m2[i] += b->m2[i] + delta * delta * na * nb / n;
    }
    a->count += b->count;
}

void ff_moments_get(const struct ff_moments *m, float *mean, float *sd)
{
    for (long i = 0; i < m->len; i++) {
        if (mean) mean[i] = (float)m->mean[i];
        if (sd) sd[i] = m->count > 1 ? (float)sqrt(m->m2[i] / (double)(m->count - 1)) : 0;
    }
}
