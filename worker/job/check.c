/* worker/job/check.c - see check.h.
** The expected value is always a difference of f64 values: differences of f32 values are noisier than the tolerance.
** lpt: gradients jump where a particle enters another cell, so differences are taken where none does (ff_sim_cells). The more
** particles, the shorter such a step, until nothing but rounding is left of a difference: a large box is checked with fewer
** cells. There are no whitened coordinates. */
#include "worker/job/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"
#include "worker/core/particles.h"
#include "worker/core/reduce.h"
#include "worker/core/rng.h"
#include "worker/job/difference.h"
#include "worker/job/engine.h"
#include "worker/job/light_line.h"
#include "worker/job/memory.h"
#include "worker/job/prior.h"

static const double TOLERANCE[] = {[FF_F32] = 1e-3, [FF_F64] = 1e-6};
static const char *const PRECISION[] = {[FF_F32] = "f32", [FF_F64] = "f64"};
enum { MAX_TRIES = 1000 };     /* prior draws until one is inside the model */
enum { MOST_CELLS = 1 << 15 }; /* lpt: of the box that is checked */

/* What is differentiated: <w, observable(theta, z)> for a fixed w, or the log density. */
enum function { ADJOINT, WHITE, WHITENED, NFUNCTIONS };
static const char *const FUNCTION[] = {"adjoint", "log density, white", "log density, whitened"};

struct side { /* the model in one precision */
    enum ff_precision precision;
    struct ff_engine engine;
    void *y, *y_bar, *map, *weight; /* real (nlatent) (nlatent) (nobs) (nobs) */
};

struct check {
    const struct ff_prepared *prepared;
    const struct ff_model *model;
    struct side f64, f32;
    long nlatent, nobs;
    double theta[FF_MAX_PARS]; /* the point */
    double *y, *direction, *moved, *gradient,
        *other;     /* (nlatent): the point, the direction, y + h direction, gradients */
    double *weight; /* (nobs) w of the adjoint */
    json_t *list;
    bool ok;
    /* the line being differentiated */
    enum function function;
    int par;                   /* along this parameter; -1: along the direction */
    struct ff_light_line line; /* lpt: tables along the parameter */
    bool kinks;                /* go on where particles are in other cells than at the point */
    uint64_t cells;            /* of the point */
};

static bool is_lpt(const struct check *c)
{
    return c->model->simulator == FF_SIM_LPT;
}

/* ---- reals of either precision ---- */

static void *reals_alloc(enum ff_precision precision, long n)
{
    return malloc((size_t)n * (precision == FF_F32 ? sizeof(float) : sizeof(double)));
}

static void reals_set(enum ff_precision precision, void *out, const double *in, long n)
{
    if (precision == FF_F64) {
        memcpy(out, in, (size_t)n * sizeof *in);
        return;
    }
    float *to = out;
    for (long i = 0; i < n; i++) to[i] = (float)in[i];
}

static void reals_get(enum ff_precision precision, const void *in, double *out, long n)
{
    if (precision == FF_F64) {
        memcpy(out, in, (size_t)n * sizeof *out);
        return;
    }
    const float *from = in;
    for (long i = 0; i < n; i++) out[i] = (double)from[i];
}

static double log_prior(const struct ff_model *model, const double *theta, double *gradient)
{
    double sum = 0, slope;
    for (int p = 0; p < model->npars; p++) {
        sum += ff_prior_logp(&model->par[p], theta[p], &slope);
        if (gradient) gradient[p] += slope;
    }
    return sum;
}

static enum ff_whiten whiten_of(enum function function)
{
    return function == WHITENED ? FF_WHITEN_WIENER : FF_WHITEN_NONE;
}

/* ---- values and gradients ---- */

/* Tables at h along the line, theta being the parameters there. */
static ff_err set_on_line(struct check *c, const double *theta, double h, bool *inside, ff_ctx *ctx)
{
    struct ff_engine *e = &c->f64.engine;
    *inside = true;
    if (is_lpt(c) && c->par >= 0) return ff_light_line_set(&c->line, e, c->theta, c->par, h, ctx);
    return ff_engine_set(e, theta, inside, ctx);
}

/* The function of the tables that are set, at (theta, y), in f64. */
static ff_err value_at(struct check *c, const double *theta, const double *y, double *value, ff_ctx *ctx)
{
    struct side *s = &c->f64;
    ff_err err;
    if (c->function == ADJOINT) {
        err = ff_sim_forward(s->engine.sim, y, NULL, s->map, ctx);
        if (!err) *value = ff_dot_f64(s->map, c->weight, c->nobs, 1);
        return err;
    }
    struct ff_energy energy;
    err = ff_sim_energy(s->engine.sim, whiten_of(c->function), y, &energy, NULL, &(struct ff_sim_bars){0}, ctx);
    if (!err) *value = energy.loglike + energy.logprior + energy.logdet + log_prior(c->model, theta, NULL);
    return err;
}

/* Its analytic gradient at the point, by one side: y_bar (nlatent) and theta_bar (npars). */
static ff_err gradient_at(const struct check *c, struct side *s, double *y_bar, double *theta_bar, ff_ctx *ctx)
{
    bool inside;
    ff_err err = ff_engine_set(&s->engine, c->theta, &inside, ctx);
    if (!err && !inside)
        err =
            ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "the point checked is outside the model in %s", PRECISION[s->precision]);
    if (err) return err;
    const struct ff_sim_bars bars = ff_engine_bars(&s->engine);
    reals_set(s->precision, s->y, c->y, c->nlatent);
    if (c->function == ADJOINT) {
        reals_set(s->precision, s->weight, c->weight, c->nobs);
        err = ff_sim_vjp(s->engine.sim, s->y, s->weight, s->y_bar, &bars, ctx);
    } else {
        struct ff_energy energy;
        err = ff_sim_energy(s->engine.sim, whiten_of(c->function), s->y, &energy, s->y_bar, &bars, ctx);
    }
    if (err) return err;
    ff_engine_theta_bar(&s->engine, theta_bar);
    if (c->function != ADJOINT) log_prior(c->model, c->theta, theta_bar);
    reals_get(s->precision, s->y_bar, y_bar, c->nlatent);
    return FF_OK;
}

/* NAN outside the model, and beyond a kink when kinks are not wanted. */
static ff_err along_line(void *self, double h, double *value, ff_ctx *ctx)
{
    struct check *c = self;
    double theta[FF_MAX_PARS];
    uint64_t cells;
    bool inside;
    *value = NAN;
    memcpy(theta, c->theta, sizeof theta);
    for (long i = 0; i < c->nlatent; i++) c->moved[i] = c->y[i] + (c->par < 0 ? h * c->direction[i] : 0);
    if (c->par >= 0) theta[c->par] += h;
    ff_err err = set_on_line(c, theta, h, &inside, ctx);
    if (err || !inside) return err;
    err = value_at(c, theta, c->moved, value, ctx);
    if (!err) err = ff_sim_cells(c->f64.engine.sim, &cells, ctx);
    if (h == 0) c->cells = cells;
    if (cells != c->cells && !c->kinks) *value = NAN;
    return err;
}

/* The derivative, along steps without kinks; the curvature, which is wanted roughly, over the whole step. */
static ff_err differentiate(struct check *c, double step, struct ff_difference *out, ff_ctx *ctx)
{
    double centre, up, down;
    ff_err err = ff_differentiate(along_line, c, step, out, ctx);
    if (err || !is_lpt(c)) return err;
    c->kinks = true;
    err = along_line(c, 0, &centre, ctx);
    if (!err) err = along_line(c, step, &up, ctx);
    if (!err) err = along_line(c, -step, &down, ctx);
    c->kinks = false;
    if (!err && isfinite(up + down)) out->curvature = (up - 2 * centre + down) / (step * step);
    return err;
}

/* ---- the report ---- */

static void report(struct check *c, const char *what, enum ff_precision precision, double value, double expected,
                   double scale)
{
    char name[128];
    const double error = fabs(value - expected) / fmax(fabs(expected), scale);
    const bool ok = error <= TOLERANCE[precision]; /* false for NAN */
    snprintf(name, sizeof name, "%s: %s", FUNCTION[c->function], what);
    c->ok = c->ok && ok;
    json_t *entry =
        json_pack("{ss ss so so so sf sb}", "name", name, "precision", PRECISION[precision], "value",
                  isfinite(value) ? json_real(value) : json_null(), "expected",
                  isfinite(expected) ? json_real(expected) : json_null(), "relative_error",
                  isfinite(error) ? json_real(error) : json_null(), "tolerance", TOLERANCE[precision], "ok", ok);
    json_array_append_new(c->list, entry);
}

static double norm(const double *x, long n)
{
    return sqrt(ff_dot_f64(x, x, n, 1));
}

/* The latent: one random direction in both precisions, and the whole f32 gradient against the f64 one. */
static ff_err check_latent(struct check *c, ff_ctx *ctx)
{
    struct ff_difference d;
    c->par = -1;
    ff_err err = differentiate(c, 0.05, &d, ctx);
    if (err) return err;
    /* Along a random direction a gradient g gives a number of order |g|, which may come out small by chance. */
    const double scale = 0.1 * norm(c->gradient, c->nlatent);
    report(c, "latent", FF_F64, ff_dot_f64(c->gradient, c->direction, c->nlatent, 1), d.slope, scale);
    report(c, "latent", FF_F32, ff_dot_f64(c->other, c->direction, c->nlatent, 1), d.slope, scale);
    for (long i = 0; i < c->nlatent; i++) c->moved[i] = c->other[i] - c->gradient[i];
    const double length = norm(c->gradient, c->nlatent);
    report(c, "whole latent gradient, f32 against f64", FF_F32, length + norm(c->moved, c->nlatent), length, 0);
    return FF_OK;
}

/* A length over which a parameter's prior changes. */
static double width_of(const struct ff_prior *prior)
{
    return prior->kind == FF_PRIOR_NORMAL ? prior->sd : 0.3 * (prior->high - prior->low);
}

static ff_err check_parameters(struct check *c, const double *bar64, const double *bar32, ff_ctx *ctx)
{
    int place[FF_MAX_PARS];
    const int nfree = ff_model_free(c->model, place);
    for (int f = 0; f < nfree; f++) {
        char name[FF_NAME_SIZE];
        struct ff_difference d;
        c->par = place[f];
        const double width = width_of(&c->model->par[c->par]), step = 0.05 * width;
        ff_err err = FF_OK;
        if (is_lpt(c)) err = ff_light_line_fill(&c->line, &c->f64.engine, c->theta, c->par, 0.02 * step, ctx);
        if (!err) err = differentiate(c, step, &d, ctx);
        if (err) return err;
        /* Near an extremum the slope is nothing to compare with: the curvature says what is a small one. */
        const double scale = c->function == ADJOINT ? 0.01 * fabs(d.curvature) * width : sqrt(fabs(d.curvature));
        ff_par_name(c->model->sources.nbins, c->par, name);
        report(c, name, FF_F64, bar64[c->par], d.slope, scale);
        report(c, name, FF_F32, bar32[c->par], d.slope, scale);
    }
    return FF_OK;
}

static ff_err check_function(struct check *c, ff_ctx *ctx)
{
    double bar64[FF_MAX_PARS], bar32[FF_MAX_PARS];
    ff_err err = gradient_at(c, &c->f64, c->gradient, bar64, ctx);
    if (!err) err = gradient_at(c, &c->f32, c->other, bar32, ctx);
    if (!err) err = check_latent(c, ctx);
    if (!err) err = check_parameters(c, bar64, bar32, ctx);
    if (err) ff_note(ctx, FF_HERE, "while checking: %s", FUNCTION[c->function]);
    return err;
}

/* ---- the point ---- */

static ff_err side_init(struct side *s, const struct check *c, const struct ff_maps *data, enum ff_precision precision,
                        int threads, ff_ctx *ctx)
{
    s->precision = precision;
    ff_err err = ff_engine_init(&s->engine, c->model, &c->prepared->shift, precision, threads, NULL, true, ctx);
    if (!err) err = ff_sim_set_data(s->engine.sim, data->map, data->noise_sd, ctx);
    if (err) return err;
    const long nlatent = ff_sim_nlatent(s->engine.sim), nobs = ff_sim_nobs(s->engine.sim);
    s->y = reals_alloc(precision, nlatent);
    s->y_bar = reals_alloc(precision, nlatent);
    s->map = reals_alloc(precision, nobs);
    s->weight = reals_alloc(precision, nobs);
    if (s->y && s->y_bar && s->map && s->weight) return FF_OK;
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for latents of %ld numbers", nlatent);
}

static void side_done(struct side *s)
{
    free(s->y);
    free(s->y_bar);
    free(s->map);
    free(s->weight);
    ff_engine_done(&s->engine);
}

/* The first prior draw of the job's seed that is inside the model. */
static ff_err choose_theta(struct check *c, ff_ctx *ctx)
{
    bool inside = false;
    ff_err err = FF_OK;
    for (uint32_t draw = 0; !err && !inside && draw < MAX_TRIES; draw++) {
        ff_prior_draw(c->model, c->prepared->job->seed, draw, c->theta);
        err = ff_engine_set(&c->f64.engine, c->theta, &inside, ctx);
    }
    if (!err && !inside)
        err = ff_fail_at(ctx, FF_EOUTSIDE, "/model/parameters", FF_HERE, "none of %d prior draws is inside the model",
                         MAX_TRIES);
    return err;
}

/* Standard normals that f32 holds exactly, so that both sides stand at the same point. */
static void normals(const struct check *c, uint32_t stream, double *out, long n)
{
    enum { BLOCK = 1024 };
    float part[BLOCK];
    for (long first = 0; first < n; first += BLOCK) {
        const long count = n - first < BLOCK ? n - first : BLOCK;
        ff_rng_normals_f32(c->prepared->job->seed, FF_RNG_CHECK, stream, (uint64_t)first, count, part, 1);
        for (long i = 0; i < count; i++) out[first + i] = (double)part[i];
    }
}

/* w: the map itself plus as much noise, so that <w, map> feels amplitudes as well as everything else. */
static ff_err choose_point(struct check *c, ff_ctx *ctx)
{
    normals(c, 0, c->y, c->nlatent);
    normals(c, 1, c->direction, c->nlatent);
    normals(c, 2, c->weight, c->nobs);
    ff_err err = choose_theta(c, ctx);
    if (!err) err = ff_sim_forward(c->f64.engine.sim, c->y, NULL, c->f64.map, ctx);
    if (err) return err;
    const double *map = c->f64.map;
    const double rms = norm(map, c->nobs) / sqrt((double)c->nobs);
    for (long i = 0; i < c->nobs; i++) c->weight[i] = (double)(float)(map[i] + rms * c->weight[i]);
    return FF_OK;
}

static ff_err check_init(struct check *c, const struct ff_maps *data, int threads, ff_ctx *ctx)
{
    ff_err err = side_init(&c->f64, c, data, FF_F64, threads, ctx);
    if (!err) err = side_init(&c->f32, c, data, FF_F32, threads, ctx);
    if (!err && is_lpt(c)) err = ff_light_line_init(&c->line, &c->f64.engine, ctx);
    if (err) return err;
    c->nlatent = ff_sim_nlatent(c->f64.engine.sim);
    c->nobs = ff_sim_nobs(c->f64.engine.sim);
    const size_t n = (size_t)c->nlatent;
    c->y = malloc((5 * n + (size_t)c->nobs) * sizeof *c->y);
    c->list = json_array();
    if (!c->y || !c->list) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for latents of %zu numbers", n);
    c->direction = c->y + n;
    c->moved = c->direction + n;
    c->gradient = c->moved + n;
    c->other = c->gradient + n;
    c->weight = c->other + n;
    return choose_point(c, ctx);
}

/* The box of a mesh of MOST_CELLS at most: its longest side in halves, thirds or fifths, as long as there is one to cut. */
static void coarsen(struct ff_lpt *lpt)
{
    int *n = lpt->mesh;
    while ((double)n[0] * n[1] * n[2] > MOST_CELLS) {
        int *longest = n[0] >= n[1] && n[0] >= n[2] ? &n[0] : n[1] >= n[2] ? &n[1] : &n[2];
        const int part = *longest % 2 == 0 ? 2 : *longest % 3 == 0 ? 3 : 5;
        if (*longest / part < FF_STENCIL_CELLS) return;
        *longest /= part;
    }
}

static json_t *parameters_of(const struct check *c)
{
    json_t *object = json_object();
    for (int p = 0; object && p < c->model->npars; p++) {
        char name[FF_NAME_SIZE];
        ff_par_name(c->model->sources.nbins, p, name);
        json_object_set_new(object, name, json_real(c->theta[p]));
    }
    return object;
}

static ff_err get_data(const struct ff_prepared *p, int threads, struct ff_maps *mock, const struct ff_maps **data,
                       ff_ctx *ctx)
{
    double centre[FF_MAX_PARS];
    *data = &p->data;
    if (p->job->data.kind == FF_DATA_SET) return FF_OK;
    *data = mock;
    if (p->job->data.kind == FF_DATA_MOCK) return ff_make_mock(p, threads, NULL, mock, ctx);
    ff_prior_centre(&p->job->model, centre);
    return ff_make_mock_at(p, centre, p->job->seed, threads, NULL, mock, ctx);
}

ff_err ff_check(const struct ff_prepared *p, int threads, json_t **report_out, bool *ok, ff_ctx *ctx)
{
    struct ff_model coarse = p->job->model;
    const struct ff_model *model = &coarse;
    struct ff_maps mock = {0};
    const struct ff_maps *data;
    struct check c = {.prepared = p, .model = model, .ok = true};
    if (model->simulator == FF_SIM_LPT) coarsen(&coarse.lpt);
    *report_out = NULL;
    *ok = false;
    const size_t f64 = ff_engine_bytes(model, FF_F64, threads), f32 = ff_engine_bytes(model, FF_F32, threads);
    ff_err err =
        ff_memory_require(2 * f64 + 2 * f32, "/model/field/npix", "fewer pixels or a larger machine are needed", ctx);
    if (!err) err = get_data(p, threads, &mock, &data, ctx);
    if (!err) err = check_init(&c, data, threads, ctx);
    const int nfunctions = model->simulator == FF_SIM_LPT ? WHITENED : NFUNCTIONS;
    for (int function = 0; !err && function < nfunctions; function++) {
        c.function = (enum function)function;
        err = check_function(&c, ctx);
    }
    if (!err) {
        const int *mesh = model->lpt.mesh;
        *report_out = json_pack("{sb so sO}", "ok", c.ok, "parameters", parameters_of(&c), "checks", c.list);
        if (*report_out && model->simulator == FF_SIM_LPT)
            json_object_set_new(*report_out, "mesh", json_pack("[iii]", mesh[0], mesh[1], mesh[2]));
        *ok = c.ok;
        if (!*report_out) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the report");
    }
    json_decref(c.list);
    free(c.y);
    ff_light_line_done(&c.line);
    side_done(&c.f64);
    side_done(&c.f32);
    ff_maps_done(&mock);
    return err;
}
