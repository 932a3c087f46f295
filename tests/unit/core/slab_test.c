/* Transforms of a mesh against the definition of the DFT, in float and double, for even and odd sides; what the
** inverse takes of a spectrum without symmetry; and the same bits for any number of ranks and threads. comm_test.c
** asks the last over MPI. */
#include <complex.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/core/mesh_claims.h"
#include "worker/core/comm_threads.h"

static const struct ff_ops *const precisions[] = {&ff_ops_cpu_f64, &ff_ops_cpu_f32};
static const int small_meshes[][3] = {{4, 3, 5}, {5, 4, 3}, {9, 6, 10}, {8, 8, 8}, {3, 9, 2}, {15, 5, 4}, {2, 1, 1}};
enum { SMALL_MESHES = sizeof small_meshes / sizeof *small_meshes };

struct arrays { /* one rank's */
    struct ff_comm comm;
    struct ff_mesh m;
    const struct ff_ops *ops;
    ff_slab *slab;
    void *field, *spectrum;
    size_t bytes;
};

static struct arrays arrays_make(const struct ff_ops *ops, const int sides[3])
{
    struct arrays a = {.comm = ff_comm_self(), .ops = ops};
    ff_ctx ctx = {0};
    a.m = claim_mesh(&a.comm, sides[0], sides[1], sides[2], 1);
    a.bytes = (size_t)ff_mesh_room(&a.m) * (size_t)ops->size;
    a.field = claim_array(a.bytes), a.spectrum = claim_array(a.bytes);
    assert_int_equal(ff_slab_init(&a.slab, ops, &a.m, &ctx), FF_OK);
    return a;
}

static void arrays_done(struct arrays *a)
{
    ff_slab_free(a->slab);
    free(a->field), free(a->spectrum);
}

static void forward(struct arrays *a)
{
    ff_ctx ctx = {0};
    assert_int_equal(ff_slab_forward(a->slab, &a->comm, a->field, a->spectrum, NULL, &ctx), FF_OK);
}

static void inverse(struct arrays *a)
{
    ff_ctx ctx = {0};
    assert_int_equal(ff_slab_inverse(a->slab, &a->comm, a->spectrum, a->field, NULL, &ctx), FF_OK);
}

static void fill_field(const struct arrays *a, uint32_t stream)
{
    claim_rows(&a->m, a->ops, stream, 0, (long)a->m.nz * a->m.ny, a->m.nx, a->field);
}

static void fill_spectrum(const struct arrays *a, uint32_t stream)
{
    claim_rows(&a->m, a->ops, stream, 0, (long)a->m.nz * a->m.ny, 2 * (a->m.h + 1), a->spectrum);
}

static double get(const struct arrays *a, const void *p, long k)
{
    return a->ops->size == 4 ? (double)((const float *)p)[k] : ((const double *)p)[k];
}

static double field_at(const struct arrays *a, int x, int y, int z)
{
    return get(a, a->field, ((long)z * a->m.ny + y) * a->m.rp + x);
}

static complex double mode_at(const struct arrays *a, int kx, int ky, int kz)
{
    const long at = (((long)ky * a->m.nz + kz) * a->m.cp + kx) * 2;
    return get(a, a->spectrum, at) + I * get(a, a->spectrum, at + 1);
}

/* e^(2 pi i sign (kx x/nx + ky y/ny + kz z/nz)) */
static complex double wave(const struct ff_mesh *m, int sign, const int k[3], const int r[3])
{
    const double turns = (double)(k[0] * r[0] % m->nx) / m->nx + (double)(k[1] * r[1] % m->ny) / m->ny +
                         (double)(k[2] * r[2] % m->nz) / m->nz;
    return cexp(2 * M_PI * I * sign * turns);
}

#define FOR_EACH(i, nx_, ny_, nz_)                                                                                     \
    for ((i)[2] = 0; (i)[2] < (nz_); (i)[2]++)                                                                         \
        for ((i)[1] = 0; (i)[1] < (ny_); (i)[1]++)                                                                     \
            for ((i)[0] = 0; (i)[0] < (nx_); (i)[0]++)

/* Largest error in units of the rms of what is computed. */
static void check(const struct arrays *a, const char *what, double error, double f64, double f32)
{
    const double scaled = error / sqrt((double)ff_mesh_cells(&a->m)), tolerance = a->ops->size == 4 ? f32 : f64;
    if (!(scaled <= tolerance))
        fail_msg("%s, %d x %d x %d, %d bytes: error %.3g, tolerance %.3g", what, a->m.nx, a->m.ny, a->m.nz,
                 a->ops->size, scaled, tolerance);
}

static void forward_equals_the_definition(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * SMALL_MESHES; i++) {
        struct arrays a = arrays_make(precisions[i % 2], small_meshes[i / 2]), kept;
        const struct ff_mesh *m = &a.m;
        double worst = 0;
        int k[3], r[3];
        fill_field(&a, 0);
        kept = a;
        kept.field = claim_array(a.bytes);
        memcpy(kept.field, a.field, a.bytes);
        forward(&a);
        FOR_EACH(k, m->h + 1, m->ny, m->nz)
        {
            complex double sum = 0;
            FOR_EACH(r, m->nx, m->ny, m->nz) sum += field_at(&kept, r[0], r[1], r[2]) * wave(m, -1, k, r);
            worst = fmax(worst, cabs(sum - mode_at(&a, k[0], k[1], k[2])));
        }
        check(&a, "forward", worst, 1e-14, 1e-6);
        free(kept.field);
        arrays_done(&a);
    }
}

/* X_k of the whole spectrum of a real field: on the planes that are their own mirror the Hermitian part of what is
** stored. */
static complex double hermitian(const struct arrays *a, const int k[3])
{
    const struct ff_mesh *m = &a->m;
    const int mirror[3] = {(m->nx - k[0]) % m->nx, (m->ny - k[1]) % m->ny, (m->nz - k[2]) % m->nz};
    if (k[0] == mirror[0]) return (mode_at(a, k[0], k[1], k[2]) + conj(mode_at(a, k[0], mirror[1], mirror[2]))) / 2;
    return k[0] <= m->h ? mode_at(a, k[0], k[1], k[2]) : conj(mode_at(a, mirror[0], mirror[1], mirror[2]));
}

static void inverse_takes_the_hermitian_part(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * SMALL_MESHES; i++) {
        struct arrays a = arrays_make(precisions[i % 2], small_meshes[i / 2]), kept;
        const struct ff_mesh *m = &a.m;
        double worst = 0, imaginary = 0;
        int k[3], r[3];
        fill_spectrum(&a, 0);
        kept = a;
        kept.spectrum = claim_array(a.bytes);
        memcpy(kept.spectrum, a.spectrum, a.bytes);
        inverse(&a);
        FOR_EACH(r, m->nx, m->ny, m->nz)
        {
            complex double sum = 0;
            FOR_EACH(k, m->nx, m->ny, m->nz) sum += hermitian(&kept, k) * wave(m, +1, k, r);
            worst = fmax(worst, fabs(creal(sum) - field_at(&a, r[0], r[1], r[2])));
            imaginary = fmax(imaginary, fabs(cimag(sum)));
        }
        check(&a, "definition's imaginary part", imaginary, 1e-14, 1e-14);
        check(&a, "inverse", worst, 1e-14, 2e-6);
        free(kept.spectrum);
        arrays_done(&a);
    }
}

/* Not even the last bit, nor a NaN, of the imaginary parts of lines along x is seen. */
static void inverse_does_not_look_at_what_a_real_row_has_not(void **state)
{
    (void)state;
    const int sides[][3] = {{8, 1, 1}, {60, 1, 1}, {64, 1, 1}, {9, 1, 1}, {256, 1, 1}, {2, 1, 1}, {1, 1, 1}};
    for (size_t i = 0; i < 2 * sizeof sides / sizeof *sides; i++) {
        struct arrays a = arrays_make(precisions[i % 2], sides[i / 2]),
                      b = arrays_make(precisions[i % 2], sides[i / 2]);
        fill_spectrum(&a, 0);
        memcpy(b.spectrum, a.spectrum, a.bytes);
        for (int kx = 0; kx <= a.m.h; kx++)
            if ((2 * kx) % a.m.nx == 0) {
                if (a.ops->size == 4)
                    ((float *)b.spectrum)[2 * kx + 1] = -1e30f;
                else
                    ((double *)b.spectrum)[2 * kx + 1] = -1e300;
            }
        inverse(&a), inverse(&b);
        assert_memory_equal(a.field, b.field, (size_t)a.m.nx * (size_t)a.ops->size);
        arrays_done(&a), arrays_done(&b);
    }
}

/* The adjoint of the inverse F in the stored reals is W F^T, the forward transform R weighted by 2 inside and 1 on
** the planes kx = 0 and (nx even) kx = h: <F X, y> = <X, W R y>. */
static void adjoint_of_the_inverse_is_the_weighted_forward(void **state)
{
    (void)state;
    const int sides[][3] = {{12, 10, 9}, {15, 6, 8}, {40, 12, 30}};
    for (size_t i = 0; i < 2 * sizeof sides / sizeof *sides; i++) {
        struct arrays a = arrays_make(precisions[i % 2], sides[i / 2]), x = a, y = a;
        const struct ff_mesh *m = &a.m;
        double left = 0, right = 0, size = 0;
        int k[3], r[3];
        x.spectrum = claim_array(a.bytes), y.field = claim_array(a.bytes);
        fill_spectrum(&a, 0);
        memcpy(x.spectrum, a.spectrum, a.bytes);
        inverse(&a);
        fill_field(&y, 1);
        FOR_EACH(r, m->nx, m->ny, m->nz) left += field_at(&a, r[0], r[1], r[2]) * field_at(&y, r[0], r[1], r[2]);
        forward(&y);
        FOR_EACH(k, m->h + 1, m->ny, m->nz)
        {
            const double weight = (2 * k[0]) % m->nx == 0 ? 1 : 2;
            const double term = weight * creal(conj(mode_at(&x, k[0], k[1], k[2])) * mode_at(&y, k[0], k[1], k[2]));
            right += term;
            size += fabs(term);
        }
        if (!(fabs(left - right) <= (a.ops->size == 4 ? 1e-5 : 1e-12) * fabs(left) && fabs(left) > 1e-4 * size))
            fail_msg("<Fx,y> = %.15g, <x,F^T y> = %.15g", left, right);
        free(x.spectrum), free(y.field);
        arrays_done(&a);
    }
}

static void there_and_back_multiplies_by_the_cells(void **state)
{
    (void)state;
    const int sides[][3] = {{40, 12, 9}, {64, 32, 48}, {75, 45, 27}, {30, 50, 128}};
    for (size_t i = 0; i < 2 * sizeof sides / sizeof *sides; i++) {
        struct arrays a = arrays_make(precisions[i % 2], sides[i / 2]), kept = a;
        const double cells = (double)ff_mesh_cells(&a.m);
        double worst = 0;
        int r[3];
        fill_field(&a, 0);
        kept.field = claim_array(a.bytes);
        memcpy(kept.field, a.field, a.bytes);
        forward(&a), inverse(&a);
        FOR_EACH(r, a.m.nx, a.m.ny, a.m.nz)
        worst = fmax(worst, fabs(field_at(&a, r[0], r[1], r[2]) / cells - field_at(&kept, r[0], r[1], r[2])));
        check(&a, "there and back", worst * sqrt(cells), 3e-15, 2e-6);
        free(kept.field);
        arrays_done(&a);
    }
}

/* ---- bits ---- */

struct wanted { /* transforms with `threads` a rank on mesh number `mesh`; each rank fills its place */
    const struct ff_ops *ops;
    int mesh, threads;
    struct bits bits[64];
};

static ff_err rank_bits(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    struct wanted *w = self;
    const int *sides = bit_meshes[w->mesh];
    const struct ff_mesh m = claim_mesh(c, sides[0], sides[1], sides[2], w->threads);
    return transform_bits(c, &m, w->ops, &w->bits[c->rank], ctx);
}

static void check_bits(struct wanted *w, int ranks, const struct bits *first)
{
    ff_ctx ctx = {0};
    if (ff_comm_threads_run(ranks, rank_bits, w, &ctx)) fail_msg("%d ranks: %s", ranks, ctx.message);
    for (int r = 0; r < ranks; r++)
        if (memcmp(&w->bits[r], first, sizeof *first) != 0)
            fail_msg("mesh %d, %d bytes: %d ranks with %d threads have other bits than one alone", w->mesh,
                     w->ops->size, ranks, w->threads);
}

static void bits_depend_on_no_ranks_and_no_threads(void **state)
{
    (void)state;
    const int ranks[] = {1, 2, 3, 4, 8};
    for (int i = 0; i < 2 * BIT_MESHES; i++) {
        struct wanted w = {.ops = precisions[i % 2], .mesh = i / 2, .threads = 1};
        const struct ff_comm self = ff_comm_self();
        ff_ctx ctx = {0};
        assert_int_equal(rank_bits(&w, &self, &ctx), FF_OK);
        const struct bits alone = w.bits[0];
        assert_true(alone.spectrum && alone.field && alone.plans);
        for (w.threads = 1; w.threads <= 3; w.threads++)
            for (size_t r = 0; r < sizeof ranks / sizeof *ranks; r++) check_bits(&w, ranks[r], &alone);
    }
}

/* ---- errors and facts ---- */

static ff_err transform_without_work(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    const struct ff_mesh m = claim_mesh(c, 4, 4, 4, 1);
    double array[4 * 4 * 16];
    ff_slab *slab;
    (void)self;
    ff_err err = ff_slab_init(&slab, &ff_ops_cpu_f64, &m, ctx);
    if (!err) err = ff_slab_forward(slab, c, array, array, NULL, ctx);
    ff_slab_free(slab);
    return err;
}

static void misuse_is_an_error(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    assert_int_equal(ff_comm_threads_run(2, transform_without_work, NULL, &ctx), FF_EBUG);
    struct arrays a = arrays_make(&ff_ops_cpu_f32, small_meshes[0]);
    struct ff_comm other = a.comm;
    other.nranks = 2;
    assert_int_equal(ff_slab_inverse(a.slab, &other, a.spectrum, a.field, a.field, &ctx), FF_EBUG);
    struct ff_mesh wrong = a.m;
    wrong.threads = 0;
    ff_slab *none;
    assert_int_equal(ff_slab_init(&none, &ff_ops_cpu_f32, &wrong, &ctx), FF_EBUG);
    assert_null(none);
    arrays_done(&a);
}

static void plans_are_named_by_their_hash(void **state)
{
    (void)state;
    const int sides[] = {40, 12, 9}, turned[] = {40, 9, 12};
    struct arrays a = arrays_make(&ff_ops_cpu_f32, sides), b = arrays_make(&ff_ops_cpu_f32, sides);
    struct arrays c = arrays_make(&ff_ops_cpu_f32, turned), d = arrays_make(&ff_ops_cpu_f64, sides);
    assert_true(ff_slab_hash(a.slab) == ff_slab_hash(b.slab));
    assert_true(ff_slab_hash(a.slab) != ff_slab_hash(c.slab) && ff_slab_hash(a.slab) != ff_slab_hash(d.slab));
    assert_true(ff_slab_bytes(&a.m, 4) >= 2 * 8 * 24 * 8 && ff_slab_bytes(&a.m, 4) < 100000);
    arrays_done(&a), arrays_done(&b), arrays_done(&c), arrays_done(&d);
    ff_slab_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_equals_the_definition),
        cmocka_unit_test(inverse_takes_the_hermitian_part),
        cmocka_unit_test(inverse_does_not_look_at_what_a_real_row_has_not),
        cmocka_unit_test(adjoint_of_the_inverse_is_the_weighted_forward),
        cmocka_unit_test(there_and_back_multiplies_by_the_cells),
        cmocka_unit_test(bits_depend_on_no_ranks_and_no_threads),
        cmocka_unit_test(misuse_is_an_error),
        cmocka_unit_test(plans_are_named_by_their_hash),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
