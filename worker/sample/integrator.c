/* worker/sample/integrator.c - see integrator.h. */
#include "worker/sample/integrator.h"

#include <math.h>

/* (1 - 1/sqrt 3)/2 and 1/sqrt 3: nodes of the two-point Gauss-Legendre rule on [0, 1]. */
#define GAUSS_END 0.21132486540518711775
#define GAUSS_MIDDLE 0.57735026918962576451
#define MINNORM_LAMBDA 0.19318332750378357
#define BCSS_A 0.29619504261126
#define BCSS_B 0.11888010966548
#define ABA84_A1 0.0753469602698929
#define ABA84_A2 0.5179168546882568
#define ABA84_A3 (0.5 - (ABA84_A1 + ABA84_A2))
#define ABA84_B1 0.1902259393736766
#define ABA84_B2 0.8465240704435263
#define ABA84_B3 (1 - 2 * (ABA84_B1 + ABA84_B2))

static const struct ff_splitting splittings[FF_NSCHEMES] = {
    [FF_SCHEME_VERLET] = {"verlet", 1, {0.5, 0.5}, {1, 0}},
    [FF_SCHEME_MINNORM2] = {"minnorm2", 2, {MINNORM_LAMBDA, 1 - 2 * MINNORM_LAMBDA, MINNORM_LAMBDA}, {0.5, 0.5, 0}},
    [FF_SCHEME_BCSS3] = {"bcss3", 3, {BCSS_B, 0.5 - BCSS_B, 0.5 - BCSS_B, BCSS_B}, {BCSS_A, 1 - 2 * BCSS_A, BCSS_A, 0}},
    [FF_SCHEME_SABA2] = {"saba2", 2, {0, 0.5, 0.5}, {GAUSS_END, GAUSS_MIDDLE, GAUSS_END}},
    [FF_SCHEME_ABA84] = {"aba84",
                         5,
                         {0, ABA84_B1, ABA84_B2, ABA84_B3, ABA84_B2, ABA84_B1},
                         {ABA84_A1, ABA84_A2, ABA84_A3, ABA84_A3, ABA84_A2, ABA84_A1}},
};

const struct ff_splitting *ff_splitting_of(enum ff_scheme scheme)
{
    return &splittings[scheme];
}

static bool all_finite(const struct ff_mover *m, struct ff_vec x)
{
    return isfinite(ff_vec_dot(m->shape, x, x)) != 0;
}

ff_err ff_mover_eval(struct ff_mover *m, struct ff_point *point, ff_ctx *ctx)
{
    point->lp = -INFINITY;
    if (!all_finite(m, point->x)) return FF_OK;
    ff_metric_to_q(m->metric, point->x.a, m->q);
    double lp = -INFINITY;
    m->gradients++;
    ff_err err = m->target->eval(m->target->self, m->q, point->x.z, &lp, point->g.a, point->g.z, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while evaluating the log density");
        return err;
    }
    if (isfinite(lp)) point->lp = lp;
    return FF_OK;
}

/* One pass over the state: B(kick) then A(time), both in absolute time. */
static void move(struct ff_mover *m, struct ff_phase *state, double kick, double time)
{
    const bool rotate = m->integrator == FF_ROTATION;
    struct ff_motion motion = {.kick = kick, .reference = rotate ? 1 : 0, .xx = 1, .xp = time, .px = 0, .pp = 1};
    if (rotate && time != 0) {
        motion.xx = motion.pp = cos(time);
        motion.xp = sin(time);
        motion.px = -motion.xp;
    }
    struct ff_vec g = {.a = m->gs, .z = state->at.g.z};
    if (kick != 0) ff_metric_pull(m->metric, state->at.g.a, m->gs);
    ff_vec_move(m->shape, &motion, state->at.x, state->p, g);
}

ff_err ff_mover_run(struct ff_mover *m, struct ff_phase *state, double eps, long steps, bool *inside, ff_ctx *ctx)
{
    const struct ff_splitting *s = m->splitting;
    const int last = s->stages;
    const bool ends_in_flow = s->time[last] != 0;
    *inside = false;
    /* The last B and A of a step and the first of the next act in one pass: one of the two pairs has a zero in it. */
    double kick = s->kick[0], time = s->time[0];
    for (long step = 0; step < steps; step++) {
        for (int stage = 1; stage <= last; stage++) {
            move(m, state, kick * eps, time * eps);
            ff_err err = ff_mover_eval(m, &state->at, ctx);
            if (err) return err;
            if (state->at.lp == -INFINITY) return FF_OK;
            kick = s->kick[stage];
            time = s->time[stage];
        }
        if (step + 1 == steps) break;
        kick += s->kick[0];
        time += s->time[0];
    }
    move(m, state, kick * eps, time * eps);
    if (ends_in_flow) {
        ff_err err = ff_mover_eval(m, &state->at, ctx);
        if (err) return err;
    }
    *inside = state->at.lp != -INFINITY;
    return FF_OK;
}

double ff_mover_energy(const struct ff_mover *m, const struct ff_phase *state)
{
    const double energy = 0.5 * ff_vec_dot(m->shape, state->p, state->p) - state->at.lp;
    return isfinite(energy) ? energy : INFINITY;
}
