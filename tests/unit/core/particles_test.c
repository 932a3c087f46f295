/* Particles: mass is exact, painting is the kernel up to its fixed point, bits do not depend on threads or ranks,
** gathering is the derivative of painting. */
#include "tests/unit/core/box.h"

struct cloud {
    const struct ff_ops *ops;
    struct ff_particles p; /* of one rank */
    void *s[3];
};

static struct cloud cloud_make(const struct ff_ops *ops, int nx, int ny, int nz, enum ff_paint_kernel kernel,
                               double rms)
{
    struct cloud c = {.ops = ops};
    c.p = (struct ff_particles){.mesh = box_mesh(nx, ny, nz, 0, 1, 1), .kernel = kernel, .offset = 0.5};
    for (uint32_t i = 0; i < 3; i++) {
        c.s[i] = box_array(ops, nz * ff_mesh_plane(&c.p.mesh));
        box_normals(ops, &c.p.mesh, i, rms, true, c.s[i]);
        c.p.s[i] = c.s[i];
    }
    return c;
}

static void cloud_done(struct cloud *c)
{
    for (int i = 0; i < 3; i++) free(c->s[i]);
}

/* The particles of one rank, in place. */
static struct ff_particles share(const struct cloud *c, int rank, int nranks)
{
    const struct ff_mesh *m = &c->p.mesh;
    struct ff_particles p = c->p;
    p.mesh = box_mesh(m->nx, m->ny, m->nz, rank, nranks, m->threads);
    for (int i = 0; i < 3; i++) p.s[i] = box_at(c->ops, c->s[i], p.mesh.z0 * ff_mesh_plane(m));
    return p;
}

static void *paint_all(const struct cloud *c)
{
    void *counts = box_array(c->ops, c->p.mesh.nz * ff_mesh_plane(&c->p.mesh));
    assert_int_equal(c->ops->particles_paint(&c->p, 0, c->p.mesh.nz, counts), 0);
    return counts;
}

static int64_t count_at(const struct ff_ops *ops, const void *counts, long i)
{
    return ops->size == 4 ? (int64_t)((const int32_t *)counts)[i] : ((const int64_t *)counts)[i];
}
static double unit_of(const struct ff_ops *ops)
{
    return ops->size == 4 ? 0x1p-20 : 0x1p-46;
}

static void mass_is(const struct cloud *c, const void *counts)
{
    const struct ff_mesh *m = &c->p.mesh;
    int64_t sum = 0; /* wraps for double, in the same way on both sides */
    for (long i = 0; i < m->nz * ff_mesh_plane(m); i++)
        sum = (int64_t)((uint64_t)sum + (uint64_t)count_at(c->ops, counts, i));
    assert_true((uint64_t)sum == (uint64_t)ff_mesh_cells(m) << (c->ops->size == 4 ? 20 : 46));
}

static const struct ff_ops *both[] = {&ff_ops_cpu_f32, &ff_ops_cpu_f64};
static const enum ff_paint_kernel kernels[] = {FF_PAINT_CIC, FF_PAINT_TSC};
static void for_each_case(void (*check)(const struct ff_ops *ops, enum ff_paint_kernel kernel))
{
    for (int i = 0; i < 4; i++) check(both[i / 2], kernels[i % 2]);
}

/* Weights of one axis, from the definition: nodes first .. first + 2 (w[2] = 0 for CIC). */
static long weights(enum ff_paint_kernel kernel, double t, double w[3])
{
    if (kernel == FF_PAINT_CIC) {
        const double whole = floor(t), u = t - whole;
        w[0] = 1 - u, w[1] = u, w[2] = 0;
        return (long)whole;
    }
    const double whole = floor(t + 0.5), d = t - whole;
    w[0] = 0.5 * (0.5 - d) * (0.5 - d), w[1] = 0.75 - d * d, w[2] = 0.5 * (0.5 + d) * (0.5 + d);
    return (long)whole - 1;
}

static long modulo(long i, long n)
{
    return (i % n + n) % n;
}

/* mass (nz ny nx), and how many particles touch a cell. */
static void paint_naive(const struct cloud *c, double *mass, int *touched)
{
    const struct ff_mesh *m = &c->p.mesh;
    const int nodes = c->p.kernel == FF_PAINT_CIC ? 2 : 3;
    for (int z = 0; z < m->nz; z++)
        for (int y = 0; y < m->ny; y++)
            for (int x = 0; x < m->nx; x++) {
                const long at[3] = {x, y, z};
                double w[3][3];
                long first[3];
                for (int j = 0; j < 3; j++) {
                    const double s = box_get(c->ops, c->s[j], box_index(m, x, y, z));
                    const double t = c->ops->size == 4 ? (double)((float)s + (float)c->p.offset) : s + c->p.offset;
                    first[j] = at[j] + weights(c->p.kernel, t, w[j]);
                }
                for (int k = 0; k < nodes; k++)
                    for (int j = 0; j < nodes; j++)
                        for (int i = 0; i < nodes; i++) {
                            const long to =
                                (modulo(first[2] + k, m->nz) * m->ny + modulo(first[1] + j, m->ny)) * m->nx +
                                modulo(first[0] + i, m->nx);
                            mass[to] += w[2][k] * w[1][j] * w[0][i];
                            touched[to]++;
                        }
            }
}

/* A part is rounded at every split: half a unit each, and the partner (TSC: the middle) takes what is left of the others;
** the rest is the arithmetic of reals. */
static void check_paint(const struct ff_ops *ops, enum ff_paint_kernel kernel, int nx, int ny, int nz, double rms)
{
    struct cloud c = cloud_make(ops, nx, ny, nz, kernel, rms);
    const long cells = ff_mesh_cells(&c.p.mesh);
    double *mass = calloc((size_t)cells, sizeof *mass), worst = 0;
    int *touched = calloc((size_t)cells, sizeof *touched);
    void *counts = paint_all(&c);
    mass_is(&c, counts);
    paint_naive(&c, mass, touched);
    const double units = kernel == FF_PAINT_CIC ? 1.75 : 3.5;
    for (long i = 0; i < cells; i++) {
        const long at = box_index(&c.p.mesh, (int)(i % nx), (int)(i / nx % ny), (int)(i / nx / ny));
        const double error = fabs((double)count_at(ops, counts, at) * unit_of(ops) - mass[i]) / unit_of(ops);
        if (touched[i] > 0) worst = fmax(worst, error / touched[i]);
        if (touched[i] == 0) assert_true(error == 0);
    }
    if (worst > units) print_message("f%d kernel %d: %g units a particle\n", 8 * ops->size, kernel, worst);
    assert_true(worst <= units);
    free(mass), free(touched), free(counts);
    cloud_done(&c);
}

static void paint_case(const struct ff_ops *ops, enum ff_paint_kernel kernel)
{
    check_paint(ops, kernel, 12, 10, 8, 0.01);
    check_paint(ops, kernel, 75, 9, 16, 2.0);
    check_paint(ops, kernel, 15, 16, 9, 40.0); /* several times around the box */
}
static void paint_is_the_kernel_and_mass_is_exact(void **state)
{
    (void)state;
    for_each_case(paint_case);
}

static void check_threads(const struct ff_ops *ops, enum ff_paint_kernel kernel, int ny, int nz, double rms)
{
    struct cloud c = cloud_make(ops, 20, ny, nz, kernel, rms);
    const size_t bytes = (size_t)(nz * ff_mesh_plane(&c.p.mesh) * ops->size);
    void *one = paint_all(&c);
    for (int threads = 2; threads <= 7; threads += threads == 2 ? 1 : 4) {
        c.p.mesh.threads = threads;
        void *many = paint_all(&c);
        assert_memory_equal(one, many, bytes);
        free(many);
    }
    free(one);
    cloud_done(&c);
}

static void threads_case(const struct ff_ops *ops, enum ff_paint_kernel kernel)
{
    check_threads(ops, kernel, 12, 48, 0.3); /* blocks of planes */
    check_threads(ops, kernel, 64, 2, 0.5);  /* of rows: fewer planes than threads */
    check_threads(ops, kernel, 300, 3, 2.0); /* more rows than are measured one by one */
    check_threads(ops, kernel, 24, 16, 6.0); /* none: displacements are wider than any block */
    check_threads(ops, kernel, 4, 3, 1.0);
}
static void paint_has_the_same_bits_for_any_threads(void **state)
{
    (void)state;
    for_each_case(threads_case);
}

/* Threads that add to the same counts at the same time lose some of it: here all particles fall on a few nodes. */
static void check_heap(enum ff_paint_kernel kernel, int ny, int nz)
{
    struct cloud c = cloud_make(&ff_ops_cpu_f64, 32, ny, nz, kernel, 0.1);
    const struct ff_mesh *m = &c.p.mesh;
    for (long i = 0; i < nz * ff_mesh_plane(m); i++) {
        ((double *)c.s[1])[i] -= (double)(i / m->rp % ny);
        ((double *)c.s[2])[i] -= (double)(i / m->rp / ny);
    }
    void *one = paint_all(&c);
    for (int threads = 2; threads <= 4; threads++) {
        c.p.mesh.threads = threads;
        void *many = paint_all(&c);
        mass_is(&c, many);
        box_same_bits(c.ops, m, one, many);
        free(many);
    }
    free(one);
    cloud_done(&c);
}

static void a_heap_of_particles_loses_no_mass_to_threads(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        check_heap(kernels[k], 32, 64);
        check_heap(kernels[k], 1024, 2);
    }
}

/* Adds a rank's window to whole counts. */
static void add_window(const struct ff_ops *ops, const struct ff_mesh *m, const void *window, int lo, int hi,
                       void *counts)
{
    const long plane = ff_mesh_plane(m);
    for (int z = lo; z < hi; z++)
        for (long i = 0; i < plane; i++) {
            const long to = modulo(z, m->nz) * plane + i, from = (z - lo) * plane + i;
            if (ops->size == 4)
                ((int32_t *)counts)[to] += ((const int32_t *)window)[from];
            else
                ((int64_t *)counts)[to] += ((const int64_t *)window)[from];
        }
}

static void check_ranks(const struct ff_ops *ops, enum ff_paint_kernel kernel, double rms)
{
    struct cloud c = cloud_make(ops, 10, 12, 24, kernel, rms);
    const long reals = 24 * ff_mesh_plane(&c.p.mesh);
    void *one = paint_all(&c), *window = box_array(ops, reals);
    for (int nranks = 1; nranks <= 5; nranks++) {
        void *sum = box_array(ops, reals);
        for (int rank = 0; rank < nranks; rank++) {
            const struct ff_particles p = share(&c, rank, nranks);
            int lo, hi;
            ops->particles_extent(&p, &lo, &hi);
            if (hi - lo > 24) lo = rank, hi = lo + 24; /* any whole window */
            assert_int_equal(ops->particles_paint(&p, lo, hi, window), 0);
            add_window(ops, &c.p.mesh, window, lo, hi, sum);
        }
        assert_memory_equal(one, sum, (size_t)(reals * ops->size));
        free(sum);
    }
    free(one), free(window);
    cloud_done(&c);
}

static void ranks_case(const struct ff_ops *ops, enum ff_paint_kernel kernel)
{
    check_ranks(ops, kernel, 0.4);
    check_ranks(ops, kernel, 2.0);
    check_ranks(ops, kernel, 60.0);
}
static void windows_of_ranks_add_up_to_the_whole(void **state)
{
    (void)state;
    for_each_case(ranks_case);
}

static void extent_case(const struct ff_ops *ops, enum ff_paint_kernel kernel)
{
    struct cloud c = cloud_make(ops, 9, 10, 12, kernel, 1.5);
    c.p.mesh.threads = 3;
    for (int rank = 0; rank < 13; rank++) { /* the last has no planes */
        const struct ff_particles p = share(&c, rank, 13);
        long least = INT32_MAX, most = INT32_MIN;
        for (int y = 0; y < 10; y++)
            for (int x = 0; x < 9 && p.mesh.nzl > 0; x++) {
                double w[3];
                const double t = box_get(ops, p.s[2], box_index(&p.mesh, x, y, 0)) + 0.5;
                const long first = rank + weights(p.kernel, ops->size == 4 ? (double)(float)t : t, w);
                least = first < least ? first : least;
                most = first > most ? first : most;
            }
        int lo, hi;
        ops->particles_extent(&p, &lo, &hi);
        assert_int_equal(lo, p.mesh.nzl > 0 ? least : 12);
        assert_int_equal(hi, p.mesh.nzl > 0 ? most + (p.kernel == FF_PAINT_CIC ? 2 : 3) : 12);
    }
    cloud_done(&c);
}
static void extent_is_the_planes_touched(void **state)
{
    (void)state;
    for_each_case(extent_case);
}

static void lost_case(const struct ff_ops *ops, enum ff_paint_kernel kernel)
{
    struct cloud c = cloud_make(ops, 8, 9, 10, kernel, 1.0);
    c.p.mesh.threads = 2;
    const double bad[4] = {(double)NAN, (double)INFINITY, -1e30, 2e6};
    for (int i = 0; i < 4; i++) box_put(ops, c.s[i % 3], box_index(&c.p.mesh, i, 2 * i, 3 * i), bad[i]);
    void *counts = box_array(ops, 10 * ff_mesh_plane(&c.p.mesh));
    assert_int_equal(ops->particles_paint(&c.p, 0, 10, counts), 4);
    mass_is(&c, counts);
    int lo, hi;
    box_put(ops, c.s[2], box_index(&c.p.mesh, 7, 8, 9), (double)NAN);
    ops->particles_extent(&c.p, &lo, &hi);
    assert_true(hi - lo > 10);
    free(counts);
    cloud_done(&c);
}
static void particles_that_are_lost_are_counted_and_weighed(void **state)
{
    (void)state;
    for_each_case(lost_case);
}

/* sum_n bar_n counts_n in units of a cell's mean. */
static double weighed(const struct cloud *c, const void *bar)
{
    const struct ff_mesh *m = &c->p.mesh;
    void *counts = paint_all(c);
    double sum = 0;
    for (int z = 0; z < m->nz; z++)
        for (int y = 0; y < m->ny; y++)
            for (int x = 0; x < m->nx; x++) {
                const long i = box_index(m, x, y, z);
                sum += box_get(c->ops, bar, i) * (double)count_at(c->ops, counts, i) * unit_of(c->ops);
            }
    free(counts);
    return sum;
}

/* Along one axis a kernel is a polynomial of degree one (CIC) or two (TSC) within a cell, so that a central difference
** there is exact for any step; what is left is the fixed point, a few units over the step. */
static void gather_is_the_derivative_of_paint(void **state)
{
    (void)state;
    const struct ff_ops *ops = &ff_ops_cpu_f64;
    const double step = 0.1;
    for (int k = 0; k < 2; k++) {
        struct cloud c = cloud_make(ops, 6, 5, 4, kernels[k], 2.0);
        const struct ff_mesh *m = &c.p.mesh;
        const long reals = 4 * ff_mesh_plane(m);
        void *bar = box_array(ops, reals), *s_bar[3];
        box_normals(ops, m, 9, 1, false, bar);
        for (int j = 0; j < 3; j++) { /* at least 0.15 from the faces */
            s_bar[j] = box_array(ops, reals);
            for (long i = 0; i < reals; i++) {
                double *s = (double *)c.s[j] + i, middle = k == 0 ? floor(*s) : round(*s) + 0.5;
                *s = k == 0 ? middle + 0.35 * sin((double)i) : middle + 0.35 * cos((double)i);
            }
        }
        ops->particles_gather(&c.p, 0, 4, bar, s_bar);
        for (int j = 0; j < 3; j++)
            for (long i = 0; i < reals; i++) {
                if (i % m->rp >= m->nx) continue;
                double *s = (double *)c.s[j] + i, at = *s;
                *s = at + step;
                const double above = weighed(&c, bar);
                *s = at - step;
                const double below = weighed(&c, bar), slope = (above - below) / (2 * step);
                *s = at;
                assert_true(fabs(slope - ((const double *)s_bar[j])[i]) < 1e-11);
            }
        for (int j = 0; j < 3; j++) free(s_bar[j]);
        free(bar);
        cloud_done(&c);
    }
}

static void check_gather(const struct ff_ops *ops, enum ff_paint_kernel kernel, double rms)
{
    struct cloud c = cloud_make(ops, 75, 10, 12, kernel, rms);
    const struct ff_mesh m = c.p.mesh;
    const long plane = ff_mesh_plane(&m), reals = 12 * plane;
    void *bar = box_array(ops, reals), *window = box_array(ops, reals), *whole[3], *parts[3];
    box_normals(ops, &m, 9, 1, true, bar);
    for (int j = 0; j < 3; j++) whole[j] = box_array(ops, reals), parts[j] = box_array(ops, reals);
    ops->particles_gather(&c.p, 0, 12, bar, whole);
    for (int rank = 0; rank < 5; rank++) {
        struct ff_particles p = share(&c, rank, 5);
        p.mesh.threads = rank + 1;
        int lo, hi;
        ops->particles_extent(&p, &lo, &hi);
        if (hi - lo > 12) lo = -rank, hi = lo + 12;
        for (int z = lo; z < hi; z++)
            memcpy(box_at(ops, window, (z - lo) * plane), box_at(ops, bar, modulo(z, 12) * plane),
                   (size_t)(plane * ops->size));
        void *out[3];
        for (int j = 0; j < 3; j++) out[j] = box_at(ops, parts[j], p.mesh.z0 * plane);
        ops->particles_gather(&p, lo, hi, window, out);
    }
    c.p.mesh.threads = 2;
    ops->particles_gather(&c.p, 0, 12, bar, c.s); /* over what it reads */
    for (int j = 0; j < 3; j++) {
        box_same_bits(ops, &m, whole[j], parts[j]);
        box_same_bits(ops, &m, whole[j], c.s[j]);
        free(whole[j]), free(parts[j]);
    }
    free(bar), free(window);
    cloud_done(&c);
}

static void gather_case(const struct ff_ops *ops, enum ff_paint_kernel kernel)
{
    check_gather(ops, kernel, 0.5);
    check_gather(ops, kernel, 30);
}
static void gather_has_the_same_bits_for_any_threads_and_ranks_and_in_place(void **state)
{
    (void)state;
    for_each_case(gather_case);
}

static void float_gathers_what_double_does(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct cloud c[2];
        void *s_bar[2][3];
        const long reals = 12 * ff_mesh_plane(&(struct ff_mesh){.ny = 9, .rp = 32});
        for (int i = 0; i < 2; i++) {
            c[i] = cloud_make(both[i], 20, 9, 12, kernels[k], 1.0);
            assert_int_equal(c[i].p.mesh.rp, 32);
            void *bar = box_array(both[i], reals);
            box_normals(both[i], &c[i].p.mesh, 9, 1, true, bar);
            for (int j = 0; j < 3; j++) s_bar[i][j] = box_array(both[i], reals);
            both[i]->particles_gather(&c[i].p, 0, 12, bar, s_bar[i]);
            free(bar);
        }
        double difference = 0, square = 0;
        for (int j = 0; j < 3; j++)
            for (long i = 0; i < reals; i++) {
                const double f = box_get(both[0], s_bar[0][j], i), d = box_get(both[1], s_bar[1][j], i);
                difference += (f - d) * (f - d), square += d * d;
            }
        assert_true(square > 1 && sqrt(difference / square) < 1e-6);
        for (int i = 0; i < 2; i++) {
            for (int j = 0; j < 3; j++) free(s_bar[i][j]);
            cloud_done(&c[i]);
        }
    }
}

static void contrast_case(const struct ff_ops *ops, enum ff_paint_kernel kernel)
{
    struct cloud c = cloud_make(ops, 10, 9, 8, kernel, 1.0);
    struct ff_mesh *m = &c.p.mesh;
    m->threads = 2;
    void *counts = paint_all(&c), *field = box_array(ops, 8 * ff_mesh_plane(m));
    assert_int_equal(ops->particles_contrast(m, counts, field), 0);
    double sum = 0;
    for (int z = 0; z < 8; z++)
        for (int y = 0; y < 9; y++)
            for (int x = 0; x < 10; x++) {
                const long i = box_index(m, x, y, z);
                const double mass = (double)count_at(ops, counts, i) * unit_of(ops);
                assert_true(fabs(box_get(ops, field, i) - mass) <= 1e-7 * mass);
                sum += box_get(ops, field, i);
            }
    assert_true(fabs(sum / (10 * 9 * 8) - 1) < 1e-6);
    const long over = box_index(m, 3, 2, 1);
    if (ops->size == 4)
        ((int32_t *)counts)[over] = -7, ((int32_t *)counts)[over + 1] = INT32_MIN;
    else
        ((int64_t *)counts)[over] = -7, ((int64_t *)counts)[over + 1] = INT64_MIN;
    box_put(ops, field, over, -7 * unit_of(ops)), box_put(ops, field, over + 1, ops->size == 4 ? -2048 : -131072);
    assert_int_equal(ops->particles_contrast(m, counts, counts), 2);
    box_same_bits(ops, m, field, counts);
    free(counts), free(field);
    cloud_done(&c);
}
static void contrast_is_mass_over_the_mean_and_sees_overflow(void **state)
{
    (void)state;
    for_each_case(contrast_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paint_is_the_kernel_and_mass_is_exact),
        cmocka_unit_test(paint_has_the_same_bits_for_any_threads),
        cmocka_unit_test(a_heap_of_particles_loses_no_mass_to_threads),
        cmocka_unit_test(windows_of_ranks_add_up_to_the_whole),
        cmocka_unit_test(extent_is_the_planes_touched),
        cmocka_unit_test(particles_that_are_lost_are_counted_and_weighed),
        cmocka_unit_test(gather_is_the_derivative_of_paint),
        cmocka_unit_test(gather_has_the_same_bits_for_any_threads_and_ranks_and_in_place),
        cmocka_unit_test(float_gathers_what_double_does),
        cmocka_unit_test(contrast_is_mass_over_the_mean_and_sees_overflow),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
