/* worker/sample/save.c - the whole state of a chain as bytes, and back (ff_chain_save, ff_chain_load of chain.h).
** Layout, little-endian: struct head, then doubles (q, kept momentum, s, metric, given metric, window, trials, gradient in q), then floats
** (latents, gradient in z). Gradients are there only for schemes that start with a kick; the others never read them.
** The head names what the bytes belong to; a chain of another kind, shape or random stream refuses them. Sizes are
** never taken from the bytes: the chain's own shape gives them, and the total has to agree before anything is read.
** Latents spread over ranks stand in the bytes as one rank alone would have them: another number of ranks goes on. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/share.h"
#include "worker/sample/kernel.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "saved chains are little-endian");

static const char magic[8] = "ffchain";
enum { VERSION = 2 };

/* What has to agree between the bytes and the chain that takes them. */
struct identity {
    char magic[8];
    int64_t version, nparam, nlatent;
    int64_t algorithm, integrator, scheme, warmup, max_depth, adapt_metric, chain;
    uint64_t seed;
    double target_accept, length, jitter, persistence, step_size, max_energy_error;
};

/* The scalars of the state. */
struct scalars {
    int64_t iteration, gradients, dual_count, ntrials, window_n, have_centre, have_factor;
    double eps, lp, mu, log_eps, log_eps_mean, h_mean;
};

struct head {
    struct identity identity;
    struct scalars scalars;
};
_Static_assert(sizeof(struct head) == 8 * (18 + 13), "no padding in what is saved");

static long latents_of_all(const struct ff_chain *c)
{
    const struct ff_spread *s = &c->shape.spread;
    return s->row ? s->row * s->nrows : c->shape.nlatent;
}

static struct identity identity_of(const struct ff_chain *c)
{
    const struct ff_chain_config *k = &c->config;
    struct identity id = {.version = VERSION,
                          .nparam = c->shape.nparam,
                          .nlatent = latents_of_all(c),
                          .algorithm = k->algorithm,
                          .integrator = k->integrator,
                          .scheme = k->scheme,
                          .warmup = k->warmup,
                          .max_depth = k->max_depth,
                          .adapt_metric = k->adapt_metric,
                          .chain = k->chain,
                          .seed = k->seed,
                          .target_accept = k->target_accept,
                          .length = k->length,
                          .jitter = k->jitter,
                          .persistence = k->persistence,
                          .step_size = k->step_size,
                          .max_energy_error = k->max_energy_error};
    memcpy(id.magic, magic, sizeof magic);
    return id;
}

static struct scalars scalars_of(const struct ff_chain *c)
{
    const struct ff_dual *d = &c->adapt.dual;
    return (struct scalars){.iteration = c->iteration,
                            .gradients = c->mover.gradients,
                            .dual_count = d->count,
                            .ntrials = c->adapt.ntrials,
                            .window_n = c->adapt.window.n,
                            .have_centre = c->adapt.have_centre,
                            .have_factor = c->adapt.have_factor,
                            .eps = c->eps,
                            .lp = c->draw.lp,
                            .mu = d->mu,
                            .log_eps = d->log_eps,
                            .log_eps_mean = d->log_eps_mean,
                            .h_mean = d->h_mean};
}

/* One array of the state, behind the head in this order. */
struct part {
    void *at;
    size_t bytes;
    bool finite_doubles; /* all have to be finite */
    size_t diagonal;     /* > 0: a factor of this order, its diagonal has to be positive */
    bool latents;        /* bytes of all ranks, at: this rank's */
};
enum { MAX_PARTS = 16 };

/* The arrays of a chain's state; returns how many. */
static int parts_of(const struct ff_chain *c, struct part *part /* (MAX_PARTS) */)
{
    const size_t n = (size_t)c->shape.nparam, line = n * sizeof(double), square = n * line;
    const size_t latent = (size_t)latents_of_all(c) * sizeof(float);
    const struct ff_adapt *a = &c->adapt;
    int count = 0;
    part[count++] = (struct part){c->q, line, true, 0, false};
    part[count++] = (struct part){c->kept, line, true, 0, false};
    part[count++] = (struct part){c->draw.x.a, line, true, 0, false};
    part[count++] = (struct part){c->metric.centre, line, true, 0, false};
    part[count++] = (struct part){c->metric.factor, square, true, n, false};
    part[count++] = (struct part){a->given.centre, line, true, 0, false};
    part[count++] = (struct part){a->given.factor, square, true, n, false};
    part[count++] = (struct part){a->window.mean, line, true, 0, false};
    part[count++] = (struct part){a->window.scatter, square, true, 0, false};
    part[count++] = (struct part){a->trials, sizeof *a->trials, true, 0, false};
    part[count++] = (struct part){c->draw.x.z, latent, false, 0, true};
    if (!ff_kernel_reads_gradient(c)) return count;
    part[count++] = (struct part){c->draw.g.a, line, false, 0, false};
    part[count++] = (struct part){c->draw.g.z, latent, false, 0, true};
    return count;
}

static size_t total(const struct part *part, int count)
{
    size_t bytes = sizeof(struct head);
    for (int i = 0; i < count; i++) bytes += part[i].bytes;
    return bytes;
}

static bool leads(const struct ff_chain *c)
{
    const struct ff_comm *comm = c->shape.spread.comm;
    return !comm || comm->rank == 0;
}

ff_err ff_chain_save(const ff_chain *c, void **bytes, size_t *size, ff_ctx *ctx)
{
    struct part part[MAX_PARTS];
    const int count = parts_of(c, part);
    const struct ff_spread *spread = &c->shape.spread;
    unsigned char *at = NULL;
    ff_err err = FF_OK;
    *size = 0;
    *bytes = NULL;
    if (leads(c)) {
        at = *bytes = malloc(total(part, count));
        if (!at) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "the state of a chain needs %zu bytes", total(part, count));
    }
    err = ff_share_error(spread->comm, err, ctx);
    if (at && !err) {
        const struct head head = {identity_of(c), scalars_of(c)};
        memcpy(at, &head, sizeof head);
        at += sizeof head;
    }
    for (int i = 0; i < count && !err; i++) {
        if (part[i].latents)
            err = ff_spread_collect(spread, part[i].at, c->shape.nlatent, sizeof(float), at, ctx);
        else if (at && part[i].bytes)
            memcpy(at, part[i].at, part[i].bytes);
        if (at) at += part[i].bytes;
    }
    if (err) {
        free(*bytes);
        *bytes = NULL;
        return err;
    }
    if (leads(c)) *size = total(part, count);
    return FF_OK;
}

static bool scalars_make_sense(const struct scalars *s)
{
    return s->iteration >= 0 && s->gradients >= 0 && s->dual_count >= 0 && s->ntrials >= 0 && s->window_n >= 0 &&
           s->iteration <= UINT32_MAX && (uint64_t)s->have_centre <= 1 && (uint64_t)s->have_factor <= 1 &&
           isfinite(s->eps) && s->eps > 0 && isfinite(s->lp) && isfinite(s->mu) && isfinite(s->log_eps) &&
           isfinite(s->log_eps_mean) && isfinite(s->h_mean);
}

/* The doubles of one part, still in the bytes (which need not be aligned). */
static bool part_makes_sense(const struct part *part, const unsigned char *at)
{
    if (!part->finite_doubles) return true;
    for (size_t i = 0; i < part->bytes / sizeof(double); i++) {
        double x;
        memcpy(&x, at + i * sizeof x, sizeof x);
        if (!isfinite(x)) return false;
        if (part->diagonal && i % (part->diagonal + 1) == 0 && !(x > 0)) return false;
    }
    return true;
}

/* The scalars into the chain. */
static void restore(struct ff_chain *c, const struct scalars *s)
{
    c->iteration = s->iteration;
    c->mover.gradients = s->gradients;
    c->eps = s->eps;
    c->draw.lp = s->lp;
    c->adapt.ntrials = s->ntrials;
    c->adapt.window.n = s->window_n;
    c->adapt.have_centre = s->have_centre != 0;
    c->adapt.have_factor = s->have_factor != 0;
    c->adapt.dual = (struct ff_dual){s->mu, s->log_eps, s->log_eps_mean, s->h_mean, s->dual_count};
}

/* Are the bytes a saved state of this very chain? */
static ff_err check(const ff_chain *c, const struct part *part, int count, const void *bytes, size_t size,
                    struct head *head, ff_ctx *ctx)
{
    const struct identity mine = identity_of(c), *theirs = &head->identity;
    if (size < sizeof *head)
        return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "the saved chain has %zu bytes, its head alone has %zu", size,
                       sizeof *head);
    memcpy(head, bytes, sizeof *head);
    if (memcmp(theirs->magic, magic, sizeof magic) != 0 || theirs->version != VERSION)
        return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "this is not a saved chain of version %d", VERSION);
    if (memcmp(theirs, &mine, sizeof mine) != 0)
        return ff_fail(
            ctx, FF_ECHECKPOINT, FF_HERE,
            "the saved chain (number %lld, %lld parameters, %lld latents, seed %llu) was run with other settings "
            "than this one (number %lld, %lld parameters, %lld latents, seed %llu)",
            (long long)theirs->chain, (long long)theirs->nparam, (long long)theirs->nlatent,
            (unsigned long long)theirs->seed, (long long)mine.chain, (long long)mine.nparam, (long long)mine.nlatent,
            (unsigned long long)mine.seed);
    if (size != total(part, count))
        return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "the saved chain has %zu bytes instead of %zu", size,
                       total(part, count));
    const unsigned char *at = (const unsigned char *)bytes + sizeof *head;
    bool sane = scalars_make_sense(&head->scalars);
    for (int i = 0; i < count; at += part[i].bytes, i++) sane = sane && part_makes_sense(&part[i], at);
    if (sane) return FF_OK;
    return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "the saved chain is damaged: it has impossible values");
}

ff_err ff_chain_load(ff_chain *c, const void *bytes, size_t size, ff_ctx *ctx)
{
    struct part part[MAX_PARTS];
    const int count = parts_of(c, part);
    const struct ff_spread *spread = &c->shape.spread;
    const bool lead = leads(c);
    struct head head = {0};
    ff_err err = lead ? check(c, part, count, bytes, size, &head, ctx) : FF_OK;
    err = ff_share_error(spread->comm, err, ctx);
    if (!err) err = ff_share(spread->comm, &head, sizeof head, ctx);
    const unsigned char *at = lead ? (const unsigned char *)bytes + sizeof head : NULL;
    for (int i = 0; i < count && !err; i++) {
        if (part[i].latents) {
            err = ff_spread_hand_out(spread, at, part[i].at, c->shape.nlatent, sizeof(float), ctx);
        } else if (part[i].bytes) {
            if (lead) memcpy(part[i].at, at, part[i].bytes);
            err = ff_share(spread->comm, part[i].at, part[i].bytes, ctx);
        }
        if (lead) at += part[i].bytes;
    }
    if (!err) restore(c, &head.scalars);
    return err;
}
