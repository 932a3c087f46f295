/* worker/sample/nuts.c - the no-U-turn sampler with multinomial sampling along the trajectory.
** Sources: Hoffman, Gelman 2014 (arXiv:1111.4246); multinomial and biased progressive sampling and the generalised
** U-turn criterion, Betancourt 2017 (arXiv:1701.02434, appendix A); extra checks across the two halves of a tree as
** in Stan (stan-dev/stan pull request 2800); iterative form, Phan, Pradhan, Jankowiak 2019 (arXiv:1912.11554).
** A trajectory doubles, forward or backward in time, by a subtree of 2^depth leaves that is walked leaf by leaf. The
** leaves 0 .. 2^depth-1 form a binary tree, whose node of level k starts at a leaf a that 2^k divides. A slot keeps,
** for each node that is still open, the momenta at a-1 and a and the sum of the momenta before a; leaf a owns slot
** popcount(a/2), which the leaves behind it inside its nodes never use, so max_depth - 1 slots serve all. With S_n
** the sum of momenta up to leaf n, a node [a, b] with halves [a, m], [m+1, b] goes on while each of these sums has
** positive products with both momenta named:
**   S_b - S_(a-1)     with a, b        at leaf b,
**   S_(m+1) - S_(a-1) with a, m+1      already at leaf m+1,
**   S_b - S_(m-1)     with m, b        at leaf b, where S_(m-1) = S_m - p_m is in the slot of m+1. */
#include <math.h>
#include <stdlib.h>

#include "worker/sample/kernel.h"

/* Numbers of the uniforms of one transition (FF_USE_DECISION). */
enum { INDEX_DIRECTION = 0, INDEX_SUBTREE = 32, INDEX_LEAF = 64 };

struct slot {
    struct ff_vec last;   /* momentum at leaf a - 1 (unset for a = 0) */
    struct ff_vec first;  /* momentum at leaf a */
    struct ff_vec before; /* sum of momenta of leaves 0 .. a-1 */
};

struct ff_nuts {
    struct ff_phase end[2];       /* of the trajectory: backward, forward */
    struct ff_point best, chosen; /* sample of the trajectory, of the subtree */
    struct ff_vec rho;            /* sum of momenta over the trajectory */
    struct ff_vec sum;            /* over the subtree so far: S_n */
    struct ff_vec border;         /* momentum at the old end next to the subtree */
    struct slot *slot;            /* (nslots) */
};

static int slots(int max_depth)
{
    return max_depth > 1 ? max_depth - 1 : 1;
}

size_t ff_nuts_vectors(int max_depth)
{
    return 2 * 3 + 2 * 2 + 3 + 3 * (size_t)slots(max_depth);
}

struct ff_nuts *ff_nuts_new(const struct ff_shape *shape, int max_depth, unsigned char **cursor)
{
    struct ff_nuts *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    n->slot = calloc((size_t)slots(max_depth), sizeof *n->slot);
    if (!n->slot) {
        free(n);
        return NULL;
    }
    struct ff_vec *fixed[] = {&n->end[0].at.x, &n->end[0].at.g, &n->end[0].p, &n->end[1].at.x, &n->end[1].at.g,
                              &n->end[1].p,    &n->best.x,      &n->best.g,   &n->chosen.x,    &n->chosen.g,
                              &n->rho,         &n->sum,         &n->border};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) *fixed[i] = ff_vec_take(shape, cursor);
    for (int i = 0; i < slots(max_depth); i++) {
        n->slot[i].last = ff_vec_take(shape, cursor);
        n->slot[i].first = ff_vec_take(shape, cursor);
        n->slot[i].before = ff_vec_take(shape, cursor);
    }
    return n;
}

void ff_nuts_free(struct ff_nuts *n)
{
    if (n) free(n->slot);
    free(n);
}

static struct slot *slot_of(struct ff_nuts *n, long leaf)
{
    return &n->slot[__builtin_popcountl((unsigned long)leaf >> 1)];
}

static double log_add(double a, double b)
{
    const double high = fmax(a, b), low = fmin(a, b);
    return low == -INFINITY ? high : high + log1p(exp(low - high));
}

/* A sum of momenta u + v - w; v and w may be NULL. */
struct sum {
    const struct ff_vec *u, *v, *w;
};

/* The momenta a and b at the two ends of a stretch both point along its sum of momenta. */
static bool goes_on(const struct ff_chain *c, struct ff_vec a, struct ff_vec b, struct sum s)
{
    const struct ff_vec ends[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        double along = ff_vec_dot(&c->shape, ends[i], *s.u);
        if (s.v) along += ff_vec_dot(&c->shape, ends[i], *s.v);
        if (s.w) along -= ff_vec_dot(&c->shape, ends[i], *s.w);
        if (!(along > 0)) return false;
    }
    return true;
}

/* What a transition gathers while its trajectory grows. */
struct growth {
    double start;      /* energy at the start */
    double log_weight; /* of the trajectory: log of the sum of exp(start - energy) */
    double sub_weight; /* of the subtree */
    double best_energy, chosen_energy;
    double sum_accept;
    long leaves;
    bool moved; /* best is not the start */
    struct ff_transition *out;
};

/* Counts one leaf of the given energy; returns false when it is a divergence. */
static bool weigh_leaf(struct ff_chain *c, struct growth *g, double energy, int direction)
{
    struct ff_nuts *n = c->nuts;
    struct ff_transition *out = g->out;
    const double change = energy - g->start;
    if (fabs(change) > fabs(out->max_energy_error)) out->max_energy_error = change;
    g->leaves++;
    if (!(change <= c->config.max_energy_error)) {
        out->diverging = true;
        return false;
    }
    g->sum_accept += fmin(1, exp(-change));
    g->sub_weight = log_add(g->sub_weight, -change);
    const double u = ff_kernel_uniform(c, (uint64_t)(INDEX_LEAF + g->leaves));
    if (log(u) < -change - g->sub_weight) {
        ff_kernel_copy_point(c, &n->chosen, &n->end[direction].at);
        g->chosen_energy = energy;
    }
    return true;
}

/* The U-turn checks that leaf `leaf` of the subtree completes. */
static bool leaf_goes_on(struct ff_chain *c, struct ff_vec p, long leaf)
{
    struct ff_nuts *n = c->nuts;
    if (leaf % 2 == 0) {
        if (leaf == 0) return true;
        const struct slot *a = slot_of(n, leaf & (leaf - 1));
        return goes_on(c, a->first, p, (struct sum){&n->sum, NULL, &a->before});
    }
    for (long size = 2; (leaf + 1) % size == 0; size *= 2) {
        const struct slot *a = slot_of(n, leaf + 1 - size);
        if (!goes_on(c, a->first, p, (struct sum){&n->sum, NULL, &a->before})) return false;
        if (size == 2) continue;
        const struct slot *half = slot_of(n, leaf + 1 - size / 2);
        if (!goes_on(c, half->last, p, (struct sum){&n->sum, &half->last, &half->before})) return false;
    }
    return true;
}

/* Extends the trajectory's end by 2^depth leaves; *valid = false when the subtree turns or diverges. */
static ff_err grow(struct ff_chain *c, struct growth *g, int direction, int depth, bool *valid, ff_ctx *ctx)
{
    struct ff_nuts *n = c->nuts;
    struct ff_phase *end = &n->end[direction];
    const double eps = direction ? c->eps : -c->eps;
    *valid = false;
    g->sub_weight = -INFINITY;
    ff_vec_copy(&c->shape, n->border, end->p);
    ff_vec_zero(&c->shape, n->sum);
    for (long leaf = 0; leaf < 1L << depth; leaf++) {
        struct slot *mine = leaf % 2 == 0 ? slot_of(n, leaf) : NULL;
        if (mine) {
            ff_vec_copy(&c->shape, mine->last, end->p);
            ff_vec_copy(&c->shape, mine->before, n->sum);
        }
        bool inside = false;
        ff_err err = ff_mover_run(&c->mover, end, eps, 1, &inside, ctx);
        if (err) return err;
        if (!weigh_leaf(c, g, inside ? ff_mover_energy(&c->mover, end) : INFINITY, direction)) return FF_OK;
        ff_vec_add(&c->shape, n->sum, end->p);
        if (mine) ff_vec_copy(&c->shape, mine->first, end->p);
        if (!leaf_goes_on(c, end->p, leaf)) return FF_OK;
    }
    *valid = true;
    return FF_OK;
}

/* The U-turn checks of the trajectory joined with the subtree at its end `direction`. */
static bool joined_goes_on(const struct ff_chain *c, int direction)
{
    const struct ff_nuts *n = c->nuts;
    const struct ff_vec far = n->end[1 - direction].p, near = n->end[direction].p, first = n->slot[0].first;
    return goes_on(c, far, near, (struct sum){&n->rho, &n->sum, NULL}) &&
           goes_on(c, far, first, (struct sum){&n->rho, &first, NULL}) &&
           goes_on(c, n->border, near, (struct sum){&n->sum, &n->border, NULL});
}

/* Biased progressive sampling: the subtree's sample replaces the trajectory's with probability min(1, ratio of
** weights). */
static void join_sample(struct ff_chain *c, struct growth *g, int depth)
{
    struct ff_nuts *n = c->nuts;
    if (log(ff_kernel_uniform(c, (uint64_t)(INDEX_SUBTREE + depth))) < g->sub_weight - g->log_weight) {
        const struct ff_point old = n->best;
        n->best = n->chosen;
        n->chosen = old;
        g->best_energy = g->chosen_energy;
        g->moved = true;
    }
    g->log_weight = log_add(g->log_weight, g->sub_weight);
}

ff_err ff_nuts_transition(struct ff_chain *c, struct ff_transition *out, ff_ctx *ctx)
{
    struct ff_nuts *n = c->nuts;
    ff_kernel_momentum(c, FF_USE_MOMENTUM_Z, FF_USE_MOMENTUM_S, (uint32_t)c->iteration, n->end[0].p);
    ff_vec_copy(&c->shape, n->end[1].p, n->end[0].p);
    ff_vec_copy(&c->shape, n->rho, n->end[0].p);
    for (int i = 0; i < 2; i++) ff_kernel_copy_point(c, &n->end[i].at, &c->draw);
    const double start = ff_mover_energy(&c->mover, &n->end[0]);
    struct growth g = {.start = start, .best_energy = start, .out = out};
    bool going = true;
    while (going && out->tree_depth < c->config.max_depth) {
        const int depth = out->tree_depth;
        const int direction = ff_kernel_uniform(c, (uint64_t)(INDEX_DIRECTION + depth)) < 0.5;
        bool valid = false;
        ff_err err = grow(c, &g, direction, depth, &valid, ctx);
        if (err) return err;
        if (!valid) break;
        join_sample(c, &g, depth);
        out->tree_depth++;
        going = joined_goes_on(c, direction);
        ff_vec_add(&c->shape, n->rho, n->sum);
    }
    out->reached_max_depth = going && out->tree_depth == c->config.max_depth;
    out->n_steps = g.leaves;
    out->acceptance_rate = g.sum_accept / (double)g.leaves;
    out->energy = g.best_energy;
    out->energy_error = g.best_energy - start;
    if (g.moved) {
        const struct ff_point old = c->draw;
        c->draw = n->best;
        n->best = old;
    }
    return FF_OK;
}
