/* tests/unit/sim/cone_claims.h - the bits of a light-cone over any number of ranks and threads: every case of the table
** below as a few hashes, functions of one rank that return an error (tests/unit/core/comm_claims.h). Ranks that are
** threads are compared in cone_test.c, ranks that are processes print theirs (cone_ranks_test.c). */
#ifndef FF_TESTS_CONE_CLAIMS_H
#define FF_TESTS_CONE_CLAIMS_H

#include "tests/unit/core/comm_claims.h"
#include "tests/unit/sim/cone_fixture.h"
#include "worker/core/planes.h"

/* Orders, paintings, offsets, gradients, observables; odd sides; fewer planes or rows than ranks; displacements of less
** than a cell, of more than a slab, and of several boxes. */
static const struct cone_case cone_cases[] = {
    {"first", {16, 12, 20}, 1, FF_PAINT_CIC, 0.5, false, false, FF_CONVERGENCE, 1, 1},
    {"second", {16, 12, 20}, 2, FF_PAINT_CIC, 0.5, false, false, FF_CONVERGENCE, 1, 1},
    {"second_tsc_shear", {15, 12, 18}, 2, FF_PAINT_TSC, 0, false, false, FF_SHEAR, 2, 1},
    {"first_decic_reduced", {12, 10, 16}, 1, FF_PAINT_CIC, 0.25, true, false, FF_REDUCED_SHEAR, 1, 1},
    {"second_tsc_decic_spectral", {12, 9, 16}, 2, FF_PAINT_TSC, 0.5, true, true, FF_CONVERGENCE, 1, 1},
    {"first_spectral_wide", {16, 12, 10}, 1, FF_PAINT_CIC, 0, false, true, FF_SHEAR, 1, 8},
    {"second_wide", {16, 10, 20}, 2, FF_PAINT_CIC, 0.5, false, false, FF_CONVERGENCE, 2, 5},
    {"first_tsc_far", {10, 9, 8}, 1, FF_PAINT_TSC, 0.5, true, false, FF_CONVERGENCE, 1, 60},
    {"first_flat", {8, 24, 8}, 1, FF_PAINT_CIC, 0.5, false, false, FF_CONVERGENCE, 1, 1},
};
enum { CONE_CASES = sizeof cone_cases / sizeof *cone_cases };

struct cone_bits {
    uint64_t maps, energy, gradient, adjoint, cells;
};

static inline uint64_t cone_hash(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ b[i]) * 0x100000001b3u;
    return hash;
}

/* Rows of a latent that are spread over ranks, and what is whole on every rank, as one number. */
static inline ff_err cone_hash_latent(const struct cone *c, const struct ff_comm *comm, const void *latent,
                                      uint64_t whole, uint64_t *out, ff_ctx *ctx)
{
    const int ny = c->config.lpt.mesh[1], y0 = ff_mesh_first(ny, comm->nranks, comm->rank);
    const int nyl = ff_mesh_first(ny, comm->nranks, comm->rank + 1) - y0;
    const size_t row = nyl ? (size_t)(c->nlatent / nyl) * c->real : 0;
    int64_t sum = 0, work;
    for (int y = 0; y < nyl; y++)
        sum += (int64_t)(cone_hash(0xcbf29ce484222325u + (uint64_t)(y0 + y), (const char *)latent + (size_t)y * row,
                                   row) >>
                         8);
    const ff_err err = ff_sum_i64(comm, &sum, 1, &work, ctx);
    *out = (uint64_t)sum ^ whole;
    return err;
}

struct cone_arrays {
    void *z, *z_bar, *maps, *obs, *obs_bar; /* real */
    double *bars;
};

static inline bool cone_arrays_make(struct cone_arrays *a, const struct cone *c)
{
    const size_t latent = (size_t)(c->nlatent + 1) * c->real, obs = (size_t)c->nobs * c->real;
    *a = (struct cone_arrays){.z = calloc(1, latent),
                              .z_bar = calloc(1, latent),
                              .maps = calloc((size_t)c->nmap, c->real),
                              .obs = calloc(1, obs),
                              .obs_bar = calloc(1, obs),
                              .bars = calloc((size_t)c->tables.n, sizeof(double))};
    return a->z && a->z_bar && a->maps && a->obs && a->obs_bar && a->bars;
}

static inline void cone_arrays_done(struct cone_arrays *a)
{
    free(a->z), free(a->z_bar), free(a->maps), free(a->obs), free(a->obs_bar), free(a->bars);
}

static inline ff_err cone_run(const struct cone *u, const struct ff_comm *c, struct cone_arrays *a,
                              struct cone_bits *out, ff_ctx *ctx)
{
    ff_sim *s = u->sim;
    const struct ff_sim_bars bars = cone_bars(&u->tables.light, a->bars);
    const size_t nbars = (size_t)u->tables.n * sizeof(double), nobs = (size_t)u->nobs * u->real;
    struct ff_energy value, energy;
    ff_sim_draw_latent(s, 3, FF_RNG_TEST, 0, a->z);
    if (u->real == sizeof(float))
        ff_rng_normals_f32(5, FF_RNG_TEST, 1, 0, u->nobs, a->obs_bar, 1);
    else
        ff_rng_normals_f64(5, FF_RNG_TEST, 1, 0, u->nobs, a->obs_bar, 1);
    ff_err err = ff_sim_forward(s, a->z, a->maps, a->obs, ctx);
    if (!err) err = ff_sim_cells(s, &out->cells, ctx);
    out->maps = cone_hash(cone_hash(1, a->maps, (size_t)u->nmap * u->real), a->obs, nobs);
    if (!err) err = ff_sim_energy(s, FF_WHITEN_NONE, a->z, &value, NULL, NULL, ctx);
    if (!err) err = ff_sim_energy(s, FF_WHITEN_NONE, a->z, &energy, a->z_bar, &bars, ctx);
    if (!err) FF_CLAIM(!memcmp(&value, &energy, sizeof value) && isfinite(energy.loglike));
    out->energy = cone_hash(1, &value, sizeof value);
    if (!err) err = cone_hash_latent(u, c, a->z_bar, cone_hash(1, a->bars, nbars), &out->gradient, ctx);
    if (!err) err = ff_sim_vjp(s, a->z, a->obs_bar, a->z_bar, &bars, ctx);
    if (!err) err = cone_hash_latent(u, c, a->z_bar, cone_hash(1, a->bars, nbars), &out->adjoint, ctx);
    return err;
}

static inline ff_err cone_bits_of(const struct cone_case *k, enum ff_precision precision, int threads,
                                  const struct ff_comm *comm, struct cone_bits *out, ff_ctx *ctx)
{
    struct cone c;
    struct cone_arrays a = {0};
    *out = (struct cone_bits){0};
    ff_err err = cone_make(&c, k, precision, threads, comm, ctx);
    if (!err && !cone_arrays_make(&a, &c)) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for latents");
    if (!err) err = cone_run(&c, comm, &a, out, ctx);
    cone_arrays_done(&a);
    cone_done(&c);
    return err;
}

/* ---- refusals ---- */

/* Latents of a cube of odd side n, for A = 1 and D1 = 1: all particles go to the node in the middle. One sawtooth along each
** axis: D phi/side^2 = q - c, mode by mode over the stencil's image. This rank's part. */
static inline void cone_collapse(const struct cone *u, const struct ff_comm *c, double *latent)
{
    const int n = u->config.lpt.mesh[0], y0 = ff_mesh_first(n, c->nranks, c->rank);
    const double *box = u->config.lpt.box_mpch;
    const double volume = box[0] / n * box[1] / n * box[2] / n;
    for (int axis = 0; axis < 3; axis++)
        for (int m = axis == 0 ? 1 : -(n / 2); m <= n / 2; m++) {
            const double w = 2 * M_PI * m / n, side = box[axis] / n, k = w / side;
            const double factor = -sqrt(2 * pow(n, 3) * volume) * k * k * side * side / (axis == 0 ? 1 : M_SQRT2);
            const int place = (m + n) % n, row = axis == 1 ? place - y0 : 0 - y0;
            double re = 0, im = 0; /* of the sawtooth */
            for (int q = 0; q < n; q++) re += (q - n / 2) * cos(w * q) / n, im -= (q - n / 2) * sin(w * q) / n;
            if (m == 0 || row < 0 || (row + 1) * (long)n * (n / 2 + 1) * 2 > u->nlatent) continue;
            double *to = latent + (((long)row * n + (axis == 2 ? place : 0)) * (n / 2 + 1) + (axis == 0 ? m : 0)) * 2;
            const double image = (8 * sin(w) - sin(2 * w)) / 6;
            to[0] += factor * im / image;
            to[1] -= factor * re / image;
        }
}

/* 3375 particles in one cell: more than a 32-bit counter holds, and nothing to one of 64 bits. *told: of the forward. */
static inline ff_err collapse_in(enum ff_precision precision, const struct ff_comm *c, ff_err *told, ff_ctx *ctx)
{
    const struct cone_case k = {"collapse", {15, 15, 15}, 1, FF_PAINT_CIC, 0, false, false, FF_CONVERGENCE, 1, 1};
    struct cone u;
    struct cone_arrays a = {0};
    ff_ctx quiet = {0};
    double *z = NULL;
    ff_err err = cone_make(&u, &k, precision, 1, c, ctx);
    if (!err) z = calloc((size_t)u.nlatent + 1, sizeof *z);
    if (!err && (!z || !cone_arrays_make(&a, &u))) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for latents");
    if (!err) {
        for (long i = 0; i < cone_first(&u.tables.light, CONE_D2); i++) u.tables.at[i] = 1;
        const struct ff_sim_tables view = cone_view(&u.tables);
        cone_collapse(&u, c, z);
        for (long i = 0; i < u.nlatent; i++)
            if (precision == FF_F32)
                ((float *)a.z)[i] = (float)z[i];
            else
                ((double *)a.z)[i] = z[i];
        err = ff_sim_set_tables(u.sim, &view, ctx);
    }
    if (!err) *told = ff_sim_forward(u.sim, a.z, a.maps, NULL, &quiet);
    free(z);
    cone_arrays_done(&a);
    cone_done(&u);
    return err;
}

static inline ff_err too_much_mass_is_refused(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    ff_err f32 = FF_OK, f64 = FF_OK;
    ff_err err = collapse_in(FF_F32, c, &f32, ctx);
    if (!err) err = collapse_in(FF_F64, c, &f64, ctx);
    if (!err) FF_CLAIM(f32 == FF_EOUTSIDE && f64 == FF_OK);
    return err;
}

/* A latent that is no number, on one rank only; tables that are not finite; displacements without end. */
static inline ff_err try_what_is_refused(struct cone *u, const struct ff_comm *c, struct cone_arrays *a, ff_err told[3],
                                         ff_ctx *ctx)
{
    const size_t bytes = (size_t)u->tables.n * sizeof(double);
    const struct ff_sim_tables view = cone_view(&u->tables);
    ff_ctx quiet = {0};
    double *good = malloc(bytes);
    if (!good) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for tables");
    memcpy(good, u->tables.at, bytes);
    if (c->rank == 0) ((float *)a->z)[u->config.lpt.mesh[2] * 9L] = NAN;
    told[0] = ff_sim_forward(u->sim, a->z, a->maps, NULL, &quiet);
    ff_sim_draw_latent(u->sim, 3, FF_RNG_TEST, 0, a->z);
    u->tables.at[100] = INFINITY;
    told[1] = ff_sim_set_tables(u->sim, &view, &quiet);
    u->tables.at[100] = good[100];
    for (int k = 0; k < u->tables.light.nk; k++) u->tables.at[k] *= 1e8;
    ff_err err = ff_sim_set_tables(u->sim, &view, ctx);
    if (!err) told[2] = ff_sim_forward(u->sim, a->z, a->maps, NULL, &quiet);
    memcpy(u->tables.at, good, bytes);
    free(good);
    return err ? err : ff_sim_set_tables(u->sim, &view, ctx);
}

/* All ranks are told, and what comes next has the bits it always had. */
static inline ff_err refusals_do_no_harm(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    for (int i = 0; i < 5; i += 4) { /* by stencils, and spectral */
        struct cone u;
        struct cone_arrays a = {0};
        struct cone_bits before, after;
        ff_err told[3] = {FF_OK, FF_OK, FF_OK};
        ff_err err = cone_make(&u, &cone_cases[i], FF_F32, 1, c, ctx);
        if (!err && !cone_arrays_make(&a, &u)) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for latents");
        if (!err) err = cone_run(&u, c, &a, &before, ctx);
        if (!err) err = try_what_is_refused(&u, c, &a, told, ctx);
        if (!err) err = cone_run(&u, c, &a, &after, ctx);
        cone_arrays_done(&a);
        cone_done(&u);
        if (err) return err;
        for (int t = 0; t < 3; t++) FF_CLAIM(told[t] == FF_EOUTSIDE);
        FF_CLAIM(!memcmp(&before, &after, sizeof before));
    }
    return FF_OK;
}

static const struct claim cone_claims[] = {
    {"too_much_mass_is_refused", too_much_mass_is_refused},
    {"refusals_do_no_harm", refusals_do_no_harm},
};
enum { CONE_CLAIMS = sizeof cone_claims / sizeof *cone_claims };

#endif
