/* Stencils: images of waves, adjoints by dot products, the second-order source against its definition, and bits that do not
** depend on threads or ranks. */
#include "tests/unit/core/box.h"

static const struct ff_ops *both[] = {&ff_ops_cpu_f32, &ff_ops_cpu_f64};

static double close_to(const struct ff_ops *ops)
{
    return ops->size == 4 ? 1e-5 : 1e-12;
}

/* A field of all planes with ghosts around them. */
struct field {
    void *base, *planes;
};

enum { GHOSTS = FF_STRAIN_GHOSTS };

static struct field field_make(const struct ff_ops *ops, const struct ff_mesh *m)
{
    const long plane = ff_mesh_plane(m);
    struct field f = {.base = box_array(ops, (m->nz + 2 * GHOSTS) * plane)};
    f.planes = box_at(ops, f.base, GHOSTS * plane);
    return f;
}

static void close_planes(const struct ff_ops *ops, const struct ff_mesh *m, const struct field *f)
{
    const long plane = ff_mesh_plane(m);
    const size_t bytes = (size_t)(plane * ops->size);
    for (int k = 0; k < GHOSTS; k++) {
        memcpy(box_at(ops, f->planes, (-1 - k) * plane), box_at(ops, f->planes, (m->nz - 1 - k) * plane), bytes);
        memcpy(box_at(ops, f->planes, (m->nz + k) * plane), box_at(ops, f->planes, k * plane), bytes);
    }
}

static struct field field_random(const struct ff_ops *ops, const struct ff_mesh *m, uint32_t stream)
{
    const struct field f = field_make(ops, m);
    box_normals(ops, m, stream, 1, true, f.planes);
    close_planes(ops, m, &f);
    return f;
}

/* += amplitude cos(w . x) with n[j] waves along axis j */
static void add_wave(const struct ff_ops *ops, const struct ff_mesh *m, const struct field *f, double amplitude,
                     const int n[3])
{
    for (int z = 0; z < m->nz; z++)
        for (int y = 0; y < m->ny; y++)
            for (int x = 0; x < m->nx; x++) {
                const long i = box_index(m, x, y, z);
                const double phase = (double)n[0] * x / m->nx + (double)n[1] * y / m->ny + (double)n[2] * z / m->nz;
                box_put(ops, f->planes, i, box_get(ops, f->planes, i) + amplitude * cos(2 * M_PI * phase));
            }
    close_planes(ops, m, f);
}

/* D cos(w x) = -image sin(w x) */
static double image(int n, int cells)
{
    const double w = 2 * M_PI * n / cells;
    return (8 * sin(w) - sin(2 * w)) / 6;
}

static double *growth_make(int nz, double phase)
{
    double *d = malloc((size_t)nz * sizeof *d);
    assert_non_null(d);
    for (int z = 0; z < nz; z++) d[z] = 1 + 0.5 * sin(phase + 7.0 * z);
    return d;
}

static void displacement_of_a_wave_has_the_image_of_the_stencil(void **state)
{
    (void)state;
    const struct ff_mesh m = box_mesh(12, 9, 10, 0, 1, 1);
    const int n[3] = {2, -1, 3}, n2[3] = {1, 2, -2}, cells[3] = {12, 9, 10};
    double *d1 = growth_make(10, 0), *d2 = growth_make(10, 1);
    for (int p = 0; p < 2; p++) {
        const struct ff_ops *ops = both[p];
        struct field phi = field_make(ops, &m), phi2 = field_make(ops, &m), s[3];
        for (int j = 0; j < 3; j++) s[j] = field_make(ops, &m);
        void *const out[3] = {s[0].planes, s[1].planes, s[2].planes};
        add_wave(ops, &m, &phi, 5, n), add_wave(ops, &m, &phi2, 2, n2);
        for (int second = 0; second < 2; second++) {
            ops->stencil_displace(&m, phi.planes, second ? phi2.planes : NULL, d1, second ? d2 : NULL, out);
            for (long i = 0; i < ff_mesh_cells(&m); i++) {
                const int x = (int)(i % 12), y = (int)(i / 12 % 9), z = (int)(i / 108);
                const double a = 2 * M_PI * (2.0 * x / 12 - 1.0 * y / 9 + 3.0 * z / 10);
                const double b = 2 * M_PI * (1.0 * x / 12 + 2.0 * y / 9 - 2.0 * z / 10);
                for (int j = 0; j < 3; j++) {
                    double truth = d1[z] * 5 * image(n[j], cells[j]) * sin(a);
                    if (second) truth -= d2[z] * 2 * image(n2[j], cells[j]) * sin(b);
                    truth /= m.side[j] * m.side[j];
                    assert_true(fabs(box_get(ops, s[j].planes, box_index(&m, x, y, z)) - truth) < close_to(ops));
                }
            }
        }
        for (int j = 0; j < 3; j++) free(s[j].base);
        free(phi.base), free(phi2.base);
    }
    free(d1), free(d2);
}

/* <displace phi, s_bar> = <phi, phi_bar>; and d . d_bar is the same number, d being linear too. */
static void check_displace(const struct ff_ops *ops, const struct ff_mesh *m, double sign)
{
    struct field phi = field_random(ops, m, 0), none = field_make(ops, m), phi_bar = field_make(ops, m), s[3], s_bar[3];
    double *d = growth_make(m->nz, 0), *d_bar = growth_make(m->nz, 0);
    for (uint32_t j = 0; j < 3; j++) s[j] = field_make(ops, m), s_bar[j] = field_random(ops, m, j + 1);
    void *const out[3] = {s[0].planes, s[1].planes, s[2].planes};
    const void *const bar[3] = {s_bar[0].planes, s_bar[1].planes, s_bar[2].planes};
    if (sign < 0)
        ops->stencil_displace(m, phi.planes, NULL, d, NULL, out);
    else
        ops->stencil_displace(m, none.planes, phi.planes, d, d, out);
    ops->stencil_displace_adjoint(m, phi.planes, d, sign, bar, phi_bar.planes, d_bar);
    double left = 0, norm = 0, growth = 0;
    for (int j = 0; j < 3; j++) {
        left += box_dot(ops, m, out[j], bar[j]);
        norm += box_dot(ops, m, out[j], out[j]) + box_dot(ops, m, bar[j], bar[j]);
    }
    for (int z = 0; z < m->nz; z++) growth += d[z] * d_bar[z];
    const double right = box_dot(ops, m, phi.planes, phi_bar.planes);
    assert_true(fabs(left - right) < close_to(ops) * norm && fabs(left - growth) < close_to(ops) * norm);
    for (int j = 0; j < 3; j++) free(s[j].base), free(s_bar[j].base);
    free(phi.base), free(none.base), free(phi_bar.base), free(d), free(d_bar);
}

static void displacement_and_its_adjoint_agree(void **state)
{
    (void)state;
    const struct ff_mesh small = box_mesh(9, 10, 8, 0, 1, 1), more = box_mesh(300, 70, 9, 0, 1, 2);
    for (int p = 0; p < 2; p++)
        for (int sign = -1; sign <= 1; sign += 2) {
            check_displace(both[p], &small, sign);
            check_displace(both[p], &more, sign);
        }
}

static void *scratch_make(const struct ff_ops *ops, const struct ff_mesh *m)
{
    return box_array(ops, m->threads * ff_stencil_scratch(m));
}

static struct field source_of(const struct ff_ops *ops, const struct ff_mesh *m, const struct field *phi)
{
    const struct field source = field_make(ops, m);
    void *scratch = scratch_make(ops, m);
    ops->stencil_source(m, phi->planes, scratch, source.planes);
    free(scratch);
    return source;
}

static void crossed_waves_have_the_product_of_their_curvatures_as_source(void **state)
{
    (void)state;
    const struct ff_mesh m = box_mesh(12, 15, 10, 0, 1, 1);
    const int nx[3] = {2, 0, 0}, ny[3] = {0, 3, 0}, oblique[3] = {2, -3, 1};
    for (int p = 0; p < 2; p++) {
        const struct ff_ops *ops = both[p];
        struct field crossed = field_make(ops, &m), plane = field_make(ops, &m);
        add_wave(ops, &m, &crossed, 3, nx), add_wave(ops, &m, &crossed, 4, ny), add_wave(ops, &m, &plane, 5, oblique);
        struct field source = source_of(ops, &m, &crossed), nothing = source_of(ops, &m, &plane);
        const double kx = image(2, 12) / m.side[0], ky = image(3, 15) / m.side[1];
        for (long i = 0; i < ff_mesh_cells(&m); i++) {
            const int x = (int)(i % 12), y = (int)(i / 12 % 15), z = (int)(i / 180);
            const double truth = 3 * kx * kx * cos(2 * M_PI * 2 * x / 12) * 4 * ky * ky * cos(2 * M_PI * 3 * y / 15);
            const double scale = 12 * kx * kx * ky * ky;
            assert_true(fabs(box_get(ops, source.planes, box_index(&m, x, y, z)) - truth) < close_to(ops) * scale);
            assert_true(fabs(box_get(ops, nothing.planes, box_index(&m, x, y, z))) < 2 * close_to(ops) * scale);
        }
        free(crossed.base), free(plane.base), free(source.base), free(nothing.base);
    }
}

/* D along an axis, from the definition, on all planes. */
static double *naive_slope(const struct ff_mesh *m, const double *f, int axis)
{
    const int n[3] = {m->nx, m->ny, m->nz};
    const long step[3] = {1, m->nx, (long)m->nx * m->ny};
    double *out = malloc((size_t)ff_mesh_cells(m) * sizeof *out);
    assert_non_null(out);
    for (long i = 0; i < ff_mesh_cells(m); i++) {
        const long at = i / step[axis] % n[axis], start = i - at * step[axis];
        double v[5];
        for (int k = -2; k <= 2; k++) v[k + 2] = f[start + (at + k + n[axis]) % n[axis] * step[axis]];
        out[i] = (8 * (v[3] - v[1]) - (v[4] - v[0])) / (12 * m->side[axis]);
    }
    return out;
}

static void source_is_its_definition(void **state)
{
    (void)state;
    const struct ff_mesh m = box_mesh(9, 40, 8, 0, 1, 2);
    const long cells = ff_mesh_cells(&m);
    for (int p = 0; p < 2; p++) {
        const struct ff_ops *ops = both[p];
        struct field phi = field_random(ops, &m, 5), source = source_of(ops, &m, &phi);
        double *f = malloc((size_t)cells * sizeof *f), *strain[3][3];
        for (long i = 0; i < cells; i++)
            f[i] = box_get(ops, phi.planes, box_index(&m, (int)(i % 9), (int)(i / 9 % 40), (int)(i / 360)));
        for (int a = 0; a < 3; a++) {
            double *slope = naive_slope(&m, f, a);
            for (int b = 0; b < 3; b++) strain[a][b] = naive_slope(&m, slope, b);
            free(slope);
        }
        double worst = 0, rms = 0;
        for (long i = 0; i < cells; i++) {
            double truth = 0;
            for (int a = 0; a < 3; a++)
                for (int b = a + 1; b < 3; b++)
                    truth += strain[a][a][i] * strain[b][b][i] - strain[a][b][i] * strain[a][b][i];
            const long at = box_index(&m, (int)(i % 9), (int)(i / 9 % 40), (int)(i / 360));
            worst = fmax(worst, fabs(box_get(ops, source.planes, at) - truth));
            rms += truth * truth / (double)cells;
        }
        assert_true(worst < close_to(ops) * sqrt(rms));
        for (int a = 0; a < 9; a++) free(strain[a / 3][a % 3]);
        free(f), free(phi.base), free(source.base);
    }
}

/* phi_bar of a source's cotangent, added to what is there. */
static void source_adjoint(const struct ff_ops *ops, const struct ff_mesh *m, const struct field *phi,
                           const struct field *bar, void *phi_bar)
{
    struct field flux = field_make(ops, m);
    void *scratch = scratch_make(ops, m);
    ops->stencil_source_flux(m, phi->planes, bar->planes, scratch, phi_bar, flux.planes);
    close_planes(ops, m, &flux);
    ops->stencil_source_adjoint(m, flux.planes, phi_bar);
    free(scratch), free(flux.base);
}

/* The source is quadratic in phi: (S(phi + e) - S(phi - e))/2 is its derivative along e to the last digit. */
static void source_adjoint_is_the_transpose_of_its_derivative(void **state)
{
    (void)state;
    const struct ff_ops *ops = &ff_ops_cpu_f64;
    const struct ff_mesh meshes[3] = {box_mesh(9, 10, 8, 0, 1, 1), box_mesh(20, 75, 10, 0, 1, 1),
                                      box_mesh(8, 33, 12, 0, 1, 3)};
    for (int k = 0; k < 3; k++) {
        const struct ff_mesh *m = &meshes[k];
        struct field phi = field_random(ops, m, 1), e = field_random(ops, m, 2), y = field_random(ops, m, 3);
        struct field phi_bar = field_random(ops, m, 4), before = field_random(ops, m, 4);
        struct field shifted[2] = {field_make(ops, m), field_make(ops, m)}, source[2];
        for (int i = 0; i < 2; i++) {
            for (long at = 0; at < m->nz * ff_mesh_plane(m); at++)
                box_put(ops, shifted[i].planes, at,
                        box_get(ops, phi.planes, at) + (i ? -1 : 1) * box_get(ops, e.planes, at));
            close_planes(ops, m, &shifted[i]);
            source[i] = source_of(ops, m, &shifted[i]);
        }
        source_adjoint(ops, m, &phi, &y, phi_bar.planes);
        const double left =
            (box_dot(ops, m, source[0].planes, y.planes) - box_dot(ops, m, source[1].planes, y.planes)) / 2;
        const double right = box_dot(ops, m, phi_bar.planes, e.planes) - box_dot(ops, m, before.planes, e.planes);
        const double norm = sqrt(box_dot(ops, m, phi_bar.planes, phi_bar.planes) * box_dot(ops, m, e.planes, e.planes));
        assert_true(norm > 1 && fabs(left - right) < 1e-12 * norm);
        for (int i = 0; i < 2; i++) free(shifted[i].base), free(source[i].base);
        free(phi.base), free(e.base), free(y.base), free(phi_bar.base), free(before.base);
    }
}

static void float_source_adjoint_is_that_of_double(void **state)
{
    (void)state;
    const struct ff_mesh m = box_mesh(20, 37, 10, 0, 1, 2);
    struct field phi_bar[2];
    for (int p = 0; p < 2; p++) {
        struct field phi = field_random(both[p], &m, 1), y = field_random(both[p], &m, 3);
        phi_bar[p] = field_make(both[p], &m);
        source_adjoint(both[p], &m, &phi, &y, phi_bar[p].planes);
        free(phi.base), free(y.base);
    }
    double difference = 0, square = 0;
    for (long i = 0; i < m.nz * ff_mesh_plane(&m); i++) {
        const double f = box_get(both[0], phi_bar[0].planes, i), d = box_get(both[1], phi_bar[1].planes, i);
        difference += (f - d) * (f - d), square += d * d;
    }
    assert_true(square > 0 && sqrt(difference / square) < 1e-6);
    free(phi_bar[0].base), free(phi_bar[1].base);
}

/* Everything that the operations make of one set of fields, by ranks one after the other in the places of whole arrays. */
struct made {
    struct field s[3], phi_bar, source, flux;
    double d_bar[11];
};

static struct made make_all(const struct ff_ops *ops, int nranks, int threads)
{
    const struct ff_mesh all = box_mesh(20, 70, 11, 0, 1, threads);
    struct made r = {.phi_bar = field_make(ops, &all), .source = field_make(ops, &all), .flux = field_make(ops, &all)};
    struct field phi = field_random(ops, &all, 1), phi2 = field_random(ops, &all, 2), bar[3];
    double *d1 = growth_make(11, 0), *d2 = growth_make(11, 1);
    void *scratch = scratch_make(ops, &all);
    for (uint32_t j = 0; j < 3; j++) r.s[j] = field_make(ops, &all), bar[j] = field_random(ops, &all, 3 + j);
    for (int rank = 0; rank < nranks; rank++) {
        const struct ff_mesh m = box_mesh(20, 70, 11, rank, nranks, threads);
        const long at = m.z0 * ff_mesh_plane(&m);
        void *s[3];
        const void *s_bar[3];
        for (int j = 0; j < 3; j++) s[j] = box_at(ops, r.s[j].planes, at), s_bar[j] = box_at(ops, bar[j].planes, at);
        void *mine = box_at(ops, phi.planes, at), *mine2 = box_at(ops, phi2.planes, at);
        void *phi_bar = box_at(ops, r.phi_bar.planes, at);
        ops->stencil_displace(&m, mine, mine2, d1, d2, s);
        ops->stencil_displace_adjoint(&m, mine, d1, -1, s_bar, phi_bar, r.d_bar + m.z0);
        ops->stencil_source(&m, mine, scratch, box_at(ops, r.source.planes, at));
        ops->stencil_source_flux(&m, mine, mine2, scratch, phi_bar, box_at(ops, r.flux.planes, at));
    }
    close_planes(ops, &all, &r.flux);
    for (int rank = 0; rank < nranks; rank++) {
        const struct ff_mesh m = box_mesh(20, 70, 11, rank, nranks, threads);
        const long at = m.z0 * ff_mesh_plane(&m);
        ops->stencil_source_adjoint(&m, box_at(ops, r.flux.planes, at), box_at(ops, r.phi_bar.planes, at));
    }
    for (int j = 0; j < 3; j++) free(bar[j].base);
    free(phi.base), free(phi2.base), free(d1), free(d2), free(scratch);
    return r;
}

static void made_done(struct made *r)
{
    for (int j = 0; j < 3; j++) free(r->s[j].base);
    free(r->phi_bar.base), free(r->source.base), free(r->flux.base);
}

static void bits_do_not_depend_on_threads_or_ranks(void **state)
{
    (void)state;
    const int cases[][2] = {{1, 2}, {1, 3}, {1, 7}, {2, 1}, {3, 2}, {5, 7}, {13, 1}}; /* ranks, threads */
    const struct ff_mesh m = box_mesh(20, 70, 11, 0, 1, 1);
    for (int p = 0; p < 2; p++) {
        struct made one = make_all(both[p], 1, 1);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct made other = make_all(both[p], cases[i][0], cases[i][1]);
            for (int j = 0; j < 3; j++) box_same_bits(both[p], &m, one.s[j].planes, other.s[j].planes);
            box_same_bits(both[p], &m, one.phi_bar.planes, other.phi_bar.planes);
            box_same_bits(both[p], &m, one.source.planes, other.source.planes);
            box_same_bits(both[p], &m, one.flux.planes, other.flux.planes);
            assert_memory_equal(one.d_bar, other.d_bar, sizeof one.d_bar);
            made_done(&other);
        }
        made_done(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(displacement_of_a_wave_has_the_image_of_the_stencil),
        cmocka_unit_test(displacement_and_its_adjoint_agree),
        cmocka_unit_test(crossed_waves_have_the_product_of_their_curvatures_as_source),
        cmocka_unit_test(source_is_its_definition),
        cmocka_unit_test(source_adjoint_is_the_transpose_of_its_derivative),
        cmocka_unit_test(float_source_adjoint_is_that_of_double),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_ranks),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
