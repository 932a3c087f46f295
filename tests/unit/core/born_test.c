/* Planes of mass to maps against their definition, the adjoints by dot products, boxes narrower than the light-cone,
** and bits that do not depend on threads or ranks. */
#include "tests/unit/core/box.h"

enum { NBINS = 3, MAX_PLANES = 16 };

static const struct ff_ops *const TABLES[2] = {&ff_ops_cpu_f64, &ff_ops_cpu_f32};

/* A box and a field of view. `wide` ones leave the box: rays wrap, up to twice on either side. */
struct setup {
    int cells[3], npix;
    double size_rad;
};
static const struct setup SETUPS[] = {
    {{12, 10, 7}, 9, 0.10}, {{6, 9, 16}, 21, 0.05}, {{7, 5, 8}, 16, 2.2}, {{1, 4, 3}, 5, 0.3}};
enum { NSETUPS = sizeof SETUPS / sizeof SETUPS[0] };

struct cone {
    struct ff_born b;
    double r[MAX_PLANES], weight[NBINS * MAX_PLANES];
    const struct ff_ops *ops;
};

static void cone_init(struct cone *c, const struct setup *s, const struct ff_ops *ops, int rank, int nranks,
                      int threads)
{
    const double box[3] = {300, 280, 100.0 * s->cells[2]};
    c->ops = ops;
    c->b = (struct ff_born){.mesh = ff_mesh_make(s->cells, box, rank, nranks, threads),
                            .nbins = NBINS,
                            .npix = s->npix,
                            .size_rad = s->size_rad,
                            .r = c->r,
                            .weight = c->weight};
    ff_rng_normals_f64(1, FF_RNG_TEST, 0, 0, NBINS * MAX_PLANES, c->weight, 1);
    for (int k = 0; k < s->cells[2]; k++) {
        c->r[k] = 100 * (k + 0.5);
        c->weight[0 * s->cells[2] + k] *= k < 4; /* sources in front of most planes */
        if (k == 5)
            for (int bin = 0; bin < NBINS; bin++) c->weight[bin * s->cells[2] + k] = 0;
    }
    c->b.scratch = box_array(&ff_ops_cpu_f64, threads * ff_born_scratch(&c->b) / 8);
}

static void cone_done(struct cone *c)
{
    free(c->b.scratch);
}

static long nplanes(const struct cone *c)
{
    return (long)c->b.mesh.nzl * ff_mesh_plane(&c->b.mesh);
}
static long nmaps(const struct cone *c)
{
    return (long)NBINS * c->b.npix * c->b.npix;
}

static void *random_reals(const struct ff_ops *ops, uint32_t stream, long n)
{
    double *x = box_array(&ff_ops_cpu_f64, n);
    void *out = box_array(ops, n);
    ff_rng_normals_f64(2, FF_RNG_TEST, stream, 0, n, x, 1);
    for (long i = 0; i < n; i++) box_put(ops, out, i, x[i]);
    free(x);
    return out;
}

/* Counts of a plausible mass; what they stand for is put in `planes`. */
static void *random_counts(const struct cone *c, void *planes)
{
    void *counts = box_array(c->ops, nplanes(c));
    double *x = box_array(&ff_ops_cpu_f64, nplanes(c));
    ff_rng_normals_f64(3, FF_RNG_TEST, 0, 0, nplanes(c), x, 1);
    for (long i = 0; i < nplanes(c); i++) {
        const double mass = floor(exp(x[i]) * 0x1p20);
        if (c->ops->size == 8)
            ((int64_t *)counts)[i] = (int64_t)(mass * 0x1p26);
        else
            ((int32_t *)counts)[i] = (int32_t)mass;
        if (planes) box_put(c->ops, planes, i, mass * 0x1p-20);
    }
    free(x);
    return counts;
}

/* Cell number i of n with the box repeated. */
static int wrapped(int i, int n)
{
    return ((i % n) + n) % n;
}

/* Mass over the mean of plane k where pixel (px, py) cuts it. */
static double bilinear(const struct cone *c, const void *planes, int k, int px, int py)
{
    const struct ff_mesh *m = &c->b.mesh;
    const double tx = ((px + 0.5) / c->b.npix - 0.5) * c->b.size_rad,
                 ty = ((py + 0.5) / c->b.npix - 0.5) * c->b.size_rad;
    const double u = (0.5 * m->nx * m->side[0] + c->r[k] * tx) / m->side[0] - 0.5;
    const double v = (0.5 * m->ny * m->side[1] + c->r[k] * ty) / m->side[1] - 0.5;
    const int x = (int)floor(u), y = (int)floor(v);
    double sum = 0;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            sum += (i ? u - x : 1 - u + x) * (j ? v - y : 1 - v + y) *
                   box_get(c->ops, planes, ((long)k * m->ny + wrapped(y + j, m->ny)) * m->rp + wrapped(x + i, m->nx));
    return sum;
}

static double mean_of(const struct cone *c, const void *planes, int k)
{
    const struct ff_mesh *m = &c->b.mesh;
    double sum = 0;
    for (int y = 0; y < m->ny; y++)
        for (int x = 0; x < m->nx; x++) sum += box_get(c->ops, planes, ((long)k * m->ny + y) * m->rp + x);
    return sum / ((double)m->nx * m->ny);
}

static double *naive_maps(const struct cone *c, const void *planes)
{
    const int n = c->b.npix, nz = c->b.mesh.nz;
    double *maps = box_array(&ff_ops_cpu_f64, nmaps(c));
    for (int k = 0; k < nz; k++)
        for (int py = 0; py < n; py++)
            for (int px = 0; px < n; px++) {
                const double mass = bilinear(c, planes, k, px, py) - mean_of(c, planes, k);
                for (int bin = 0; bin < NBINS; bin++)
                    maps[((long)bin * n + py) * n + px] += c->weight[bin * nz + k] * mass;
            }
    return maps;
}

static void close_to(const char *what, const struct ff_ops *ops, double got, double want, double scale)
{
    const double tolerance = (ops->size == 8 ? 1e-12 : 1e-5) * scale;
    if (!(fabs(got - want) <= tolerance))
        print_message("%s f%d: %.17g, expected %.17g, tolerance %.3g\n", what, 8 * ops->size, got, want, tolerance);
    assert_true(fabs(got - want) <= tolerance);
}

static void maps_equal_their_definition(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < NSETUPS; s++) {
            struct cone c;
            cone_init(&c, &SETUPS[s], TABLES[t], 0, 1, 2);
            void *planes = box_array(c.ops, nplanes(&c)), *counts = random_counts(&c, planes),
                 *kappa = box_array(c.ops, nmaps(&c));
            int64_t *sums[2] = {box_array(&ff_ops_cpu_f64, nmaps(&c)), box_array(&ff_ops_cpu_f64, nmaps(&c))};
            double *want = naive_maps(&c, planes), most = 1;
            for (long p = 0; p < nmaps(&c); p++) most = fmax(most, fabs(want[p]));
            assert_int_equal(c.ops->born_forward(&c.b, counts, true, sums[0]), 0);
            assert_int_equal(c.ops->born_forward(&c.b, planes, false, sums[1]), 0);
            for (int i = 0; i < 2; i++) {
                c.ops->born_maps(&c.b, sums[i], kappa);
                for (long p = 0; p < nmaps(&c); p++) close_to("kappa", c.ops, box_get(c.ops, kappa, p), want[p], most);
            }
            /* a second call adds */
            c.ops->born_forward(&c.b, counts, true, sums[0]);
            c.ops->born_maps(&c.b, sums[0], kappa);
            for (long p = 0; p < nmaps(&c); p++)
                close_to("twice", c.ops, box_get(c.ops, kappa, p), 2 * want[p], 2 * most);
            free(planes), free(counts), free(kappa), free(sums[0]), free(sums[1]), free(want);
            cone_done(&c);
        }
}

static void an_even_plane_gives_nothing_at_all(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++) {
        struct cone c;
        cone_init(&c, &SETUPS[0], TABLES[t], 0, 1, 1);
        int64_t *sums = box_array(&ff_ops_cpu_f64, nmaps(&c));
        void *counts = box_array(c.ops, nplanes(&c));
        for (long i = 0; i < nplanes(&c); i++)
            if (c.ops->size == 8)
                ((int64_t *)counts)[i] = 1LL << 46;
            else
                ((int32_t *)counts)[i] = 1 << 20;
        assert_int_equal(c.ops->born_forward(&c.b, counts, true, sums), 0);
        for (long p = 0; p < nmaps(&c); p++) assert_true(sums[p] == 0);
        free(sums), free(counts);
        cone_done(&c);
    }
}

static void impossible_masses_raise_the_alarm(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++) {
        struct cone c;
        cone_init(&c, &SETUPS[0], TABLES[t], 0, 1, 2);
        int64_t *sums = box_array(&ff_ops_cpu_f64, nmaps(&c));
        void *planes = box_array(c.ops, nplanes(&c)), *counts = random_counts(&c, planes);
        const long at[3] = {0, ff_mesh_plane(&c.b.mesh) + c.b.mesh.rp + 3, 3 * ff_mesh_plane(&c.b.mesh)};
        for (int i = 0; i < 3; i++) {
            if (c.ops->size == 8)
                ((int64_t *)counts)[at[i]] = -1;
            else
                ((int32_t *)counts)[at[i]] = -1;
            box_put(c.ops, planes, at[i], i == 0 ? NAN : i == 1 ? INFINITY : -INFINITY);
        }
        assert_int_equal(c.ops->born_forward(&c.b, counts, true, sums), 3);
        assert_int_equal(c.ops->born_forward(&c.b, planes, false, sums), 3);
        free(sums), free(planes), free(counts);
        cone_done(&c);
    }
}

/* <kappa(rho), k> = <rho, rho_bar> = <weight, weight_bar>. */
static void adjoints_are_exact(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < NSETUPS; s++) {
            struct cone c;
            cone_init(&c, &SETUPS[s], TABLES[t], 0, 1, 2);
            const struct ff_mesh *m = &c.b.mesh;
            void *planes = box_array(c.ops, nplanes(&c)), *counts = random_counts(&c, planes);
            void *kappa = box_array(c.ops, nmaps(&c)), *bar = random_reals(c.ops, 7, nmaps(&c)),
                 *planes_bar = box_array(c.ops, nplanes(&c));
            int64_t *sums = box_array(&ff_ops_cpu_f64, nmaps(&c));
            double *weight_bar[2] = {box_array(&ff_ops_cpu_f64, NBINS * m->nz),
                                     box_array(&ff_ops_cpu_f64, NBINS * m->nz)};
            c.ops->born_forward(&c.b, counts, true, sums);
            c.ops->born_maps(&c.b, sums, kappa);
            memset(planes_bar, 0xff, (size_t)(nplanes(&c) * c.ops->size)); /* no number: what is not set is seen */
            c.ops->born_adjoint(&c.b, bar, 0, m->nz, planes_bar);
            c.ops->born_weight_adjoint(&c.b, bar, counts, true, weight_bar[0]);
            c.ops->born_weight_adjoint(&c.b, bar, planes, false, weight_bar[1]);
            double want = 0, kappa2 = 0, bar2 = 0, mass = 0, weights[2] = {0};
            for (long p = 0; p < nmaps(&c); p++) {
                const double k = box_get(c.ops, kappa, p), b = box_get(c.ops, bar, p);
                want += k * b, kappa2 += k * k, bar2 += b * b;
            }
            for (long i = 0; i < nplanes(&c); i++) {
                const double b = box_get(c.ops, planes_bar, i);
                if (i % m->rp >= m->nx) assert_true(b == 0);
                mass += box_get(c.ops, planes, i) * b;
            }
            for (int i = 0; i < NBINS * m->nz; i++)
                for (int j = 0; j < 2; j++) weights[j] += c.weight[i] * weight_bar[j][i];
            const double scale = sqrt(kappa2 * bar2);
            close_to("mass", c.ops, mass, want, scale);
            close_to("weights of counts", c.ops, weights[0], want, scale);
            close_to("weights of reals", c.ops, weights[1], want, scale);
            free(planes), free(counts), free(kappa), free(bar), free(planes_bar), free(sums);
            free(weight_bar[0]), free(weight_bar[1]);
            cone_done(&c);
        }
}

/* Every cell's cotangent, not only their sum with a mass: the maps of one cell alone. */
static void cotangents_of_cells_equal_their_definition(void **state)
{
    (void)state;
    struct cone c;
    cone_init(&c, &SETUPS[2], &ff_ops_cpu_f64, 0, 1, 1);
    const struct ff_mesh *m = &c.b.mesh;
    double *planes = box_array(c.ops, nplanes(&c)), *planes_bar = box_array(c.ops, nplanes(&c)),
           *bar = random_reals(c.ops, 8, nmaps(&c));
    c.ops->born_adjoint(&c.b, bar, 0, m->nz, planes_bar);
    for (int k = 0; k < m->nz; k += 3)
        for (int y = 0; y < m->ny; y++)
            for (int x = 0; x < m->nx; x += 2) {
                const long at = ((long)k * m->ny + y) * m->rp + x;
                planes[at] = 1;
                double *maps = naive_maps(&c, planes), want = 0;
                for (long p = 0; p < nmaps(&c); p++) want += maps[p] * bar[p];
                close_to("cell", c.ops, planes_bar[at], want, 1);
                planes[at] = 0;
                free(maps);
            }
    free(planes), free(planes_bar), free(bar);
    cone_done(&c);
}

/* Planes by their unwrapped numbers, below 0 and beyond nz. */
static void windows_hold_the_planes_of_the_periodic_box(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++) {
        struct cone c;
        cone_init(&c, &SETUPS[1], TABLES[t], 0, 1, 2);
        const int nz = c.b.mesh.nz,
                  windows[][2] = {{-3, 2}, {nz - 2, nz + 4}, {5, 6}, {-nz - 1, -nz + 1}, {-4, nz - 4}};
        const size_t plane = (size_t)(ff_mesh_plane(&c.b.mesh) * c.ops->size);
        void *bar = random_reals(c.ops, 9, nmaps(&c));
        char *whole = box_array(c.ops, nplanes(&c)), *window = box_array(c.ops, nplanes(&c));
        c.ops->born_adjoint(&c.b, bar, 0, nz, whole);
        for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
            c.ops->born_adjoint(&c.b, bar, windows[w][0], windows[w][1], window);
            for (int k = windows[w][0]; k < windows[w][1]; k++)
                assert_memory_equal(window + (size_t)(k - windows[w][0]) * plane,
                                    whole + (size_t)wrapped(k, nz) * plane, plane);
        }
        free(bar), free(whole), free(window);
        cone_done(&c);
    }
}

struct results {
    int64_t *maps;
    void *planes_bar;
    double *weight_bar;
};

static struct results all_ranks(const struct setup *s, const struct ff_ops *ops, const void *planes, bool counts,
                                int nranks, int threads)
{
    struct results out = {0};
    for (int rank = 0; rank < nranks; rank++) {
        struct cone c;
        cone_init(&c, s, ops, rank, nranks, threads);
        const struct ff_mesh *m = &c.b.mesh;
        const size_t at = (size_t)(m->z0 * ff_mesh_plane(m) * ops->size);
        if (rank == 0) {
            out.maps = box_array(&ff_ops_cpu_f64, nmaps(&c));
            out.planes_bar = box_array(ops, m->nz * ff_mesh_plane(m));
            out.weight_bar = box_array(&ff_ops_cpu_f64, NBINS * m->nz);
        }
        void *bar = random_reals(ops, 10, nmaps(&c));
        ops->born_forward(&c.b, (const char *)planes + at, counts, out.maps);
        ops->born_adjoint(&c.b, bar, m->z0, m->z0 + m->nzl, (char *)out.planes_bar + at);
        ops->born_weight_adjoint(&c.b, bar, (const char *)planes + at, counts, out.weight_bar + m->z0);
        free(bar);
        cone_done(&c);
    }
    return out;
}

static void results_done(struct results *r)
{
    free(r->maps), free(r->planes_bar), free(r->weight_bar);
}

static void bits_do_not_depend_on_threads_or_ranks(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < NSETUPS; s++)
            for (int counts = 0; counts < 2; counts++) {
                struct cone c;
                cone_init(&c, &SETUPS[s], TABLES[t], 0, 1, 1);
                void *reals = box_array(c.ops, nplanes(&c)), *integers = random_counts(&c, reals);
                const void *planes = counts ? integers : reals;
                struct results one = all_ranks(&SETUPS[s], c.ops, planes, counts, 1, 1);
                for (int nranks = 1; nranks <= 5; nranks++)
                    for (int threads = 1; threads <= 3; threads++) {
                        struct results r = all_ranks(&SETUPS[s], c.ops, planes, counts, nranks, threads);
                        assert_memory_equal(one.maps, r.maps, (size_t)nmaps(&c) * sizeof *r.maps);
                        assert_memory_equal(one.planes_bar, r.planes_bar, (size_t)(nplanes(&c) * c.ops->size));
                        assert_memory_equal(one.weight_bar, r.weight_bar,
                                            (size_t)(NBINS * c.b.mesh.nz) * sizeof *r.weight_bar);
                        results_done(&r);
                    }
                results_done(&one);
                free(reals), free(integers);
                cone_done(&c);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(maps_equal_their_definition),
                                       cmocka_unit_test(an_even_plane_gives_nothing_at_all),
                                       cmocka_unit_test(impossible_masses_raise_the_alarm),
                                       cmocka_unit_test(adjoints_are_exact),
                                       cmocka_unit_test(cotangents_of_cells_equal_their_definition),
                                       cmocka_unit_test(windows_hold_the_planes_of_the_periodic_box),
                                       cmocka_unit_test(bits_do_not_depend_on_threads_or_ranks)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
