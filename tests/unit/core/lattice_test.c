/* Modes of a mesh: normalisations, values against their definition, adjoints by dot products through transforms written
** out, and bits that do not depend on threads or ranks. */
#include <complex.h>

#include "tests/unit/core/box.h"
#include "worker/core/reduce.h"

enum { NK = 160 };
static const int SHAPES[][3] = {{6, 5, 4}, {5, 4, 6}, {8, 3, 5}, {2, 4, 3}, {7, 1, 2}};
enum { NSHAPES = sizeof SHAPES / sizeof SHAPES[0] };

static const struct ff_ops *const TABLES[2] = {&ff_ops_cpu_f64, &ff_ops_cpu_f32};
static double dot_tolerance(const struct ff_ops *ops)
{
    return ops->size == 8 ? 1e-12 : 1e-5;
}

static struct ff_mesh mesh_of(const int *cells, int rank, int nranks, int threads)
{
    const double box[3] = {90.0 * cells[0], 110.0 * cells[1], 70.0 * cells[2]};
    return ff_mesh_make(cells, box, rank, nranks, threads);
}

static double *room(long n)
{
    return box_array(&ff_ops_cpu_f64, n);
}

static double *normals(uint32_t stream, long n)
{
    double *x = room(n);
    ff_rng_normals_f64(5, FF_RNG_TEST, stream, 0, n, x, 1);
    return x;
}

static void *to_reals(const struct ff_ops *ops, const double *x, long n)
{
    void *out = box_array(ops, n);
    for (long i = 0; i < n; i++) box_put(ops, out, i, x[i]);
    return out;
}

static double *to_doubles(const struct ff_ops *ops, const void *x, long n)
{
    double *out = room(n);
    for (long i = 0; i < n; i++) out[i] = box_get(ops, x, i);
    return out;
}

static double dot(const double *a, const double *b, long n)
{
    double sum = 0;
    for (long i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void same(const char *what, const struct ff_ops *ops, double a, double b, double scale)
{
    const double tolerance = dot_tolerance(ops) * scale;
    if (!(fabs(a - b) <= tolerance))
        print_message("%s f%d: %.17g and %.17g, tolerance %.3g\n", what, 8 * ops->size, a, b, tolerance);
    assert_true(fabs(a - b) <= tolerance);
}

static long spectrum_size(const struct ff_mesh *m)
{
    return (long)m->nyl * m->nz * m->rp;
}

static complex double wave(const struct ff_mesh *m, int kx, int ky, int kz, long cell)
{
    const long x = cell % m->nx, y = cell / m->nx % m->ny, z = cell / m->nx / m->ny;
    return cexp(
        2 * M_PI * I *
        ((double)(kx * x % m->nx) / m->nx + (double)(ky * y % m->ny) / m->ny + (double)(kz * z % m->nz) / m->nz));
}

static int is_plane(const struct ff_mesh *m, int kx)
{
    return kx == 0 || 2 * kx == m->nx;
}

/* Unnormalised: spectrum (ny, nz, cp, 2) to field (nz, ny, nx); of the planes the Hermitian part. */
static double *inverse(const struct ff_mesh *m, const double *spectrum)
{
    const long cells = ff_mesh_cells(m);
    double *field = room(cells);
    for (long c = 0; c < cells; c++)
        for (int ky = 0; ky < m->ny; ky++)
            for (int kz = 0; kz < m->nz; kz++)
                for (int kx = 0; kx <= m->h; kx++) {
                    const double *x = spectrum + ((long)ky * m->nz + kz) * m->rp + 2 * kx;
                    field[c] += (is_plane(m, kx) ? 1 : 2) * creal((x[0] + I * x[1]) * wave(m, kx, ky, kz, c));
                }
    return field;
}

static double *forward(const struct ff_mesh *m, const double *field)
{
    double *spectrum = room(spectrum_size(m));
    for (int ky = 0; ky < m->ny; ky++)
        for (int kz = 0; kz < m->nz; kz++)
            for (int kx = 0; kx <= m->h; kx++) {
                complex double sum = 0;
                for (long c = 0; c < ff_mesh_cells(m); c++) sum += field[c] * conj(wave(m, kx, ky, kz, c));
                double *x = spectrum + ((long)ky * m->nz + kz) * m->rp + 2 * kx;
                x[0] = creal(sum), x[1] = cimag(sum);
            }
    return spectrum;
}

/* A bumpy spectrum with the slopes of a real one. */
static double amplitude_at(double k)
{
    return sqrt(2e4 * k / 0.02 / pow(1 + k / 0.02, 3.5)) * (1 + 0.03 * sin(105 * k) * exp(-6 * k));
}

static struct ff_lattice lattice_of(const struct ff_mesh *m, double *table)
{
    const struct ff_lattice l = {.mesh = *m, .nk = NK, .lnk0 = -10, .dlnk = 0.07, .amplitude = table};
    for (int i = 0; i < NK; i++) table[i] = amplitude_at(exp(l.lnk0 + i * l.dlnk));
    return l;
}

/* Four nodes, beyond which most modes lie. */
static struct ff_lattice short_lattice_of(const struct ff_mesh *m, double *table)
{
    const struct ff_lattice l = {.mesh = *m, .nk = 4, .lnk0 = -4.5, .dlnk = 0.4, .amplitude = table};
    for (int i = 0; i < 4; i++) table[i] = 2 + 0.1 * i * i;
    return l;
}

static double wavenumber(const struct ff_mesh *m, int kx, int ky, int kz)
{
    const double x = kx / (m->nx * m->side[0]), y = ff_mesh_mode(m->ny, ky) / (m->ny * m->side[1]),
                 z = ff_mesh_mode(m->nz, kz) / (m->nz * m->side[2]);
    return 2 * M_PI * sqrt(x * x + y * y + z * z);
}

/* Covariance of cell 0 with all cells, by every unit latent in turn. */
static double *covariance(const struct ff_mesh *m, const struct ff_lattice *l)
{
    const long n = ff_mesh_nlatent(m), cells = ff_mesh_cells(m);
    double *u = room(n), *spectrum = room(spectrum_size(m)), *out = room(cells);
    for (long i = 0; i < n; i++) {
        u[i] = 1;
        if (l)
            ff_ops_cpu_f64.lattice_delta(l, u, spectrum);
        else
            ff_ops_cpu_f64.lattice_white(m, u, spectrum);
        double *field = inverse(m, spectrum);
        for (long c = 0; c < cells; c++) out[c] += field[0] * field[c];
        free(field);
        u[i] = 0;
    }
    free(u), free(spectrum);
    return out;
}

static void the_white_field_is_white_with_variance_one(void **state)
{
    (void)state;
    for (int s = 0; s < NSHAPES; s++) {
        const struct ff_mesh m = mesh_of(SHAPES[s], 0, 1, 1);
        double *cov = covariance(&m, NULL);
        for (long c = 0; c < ff_mesh_cells(&m); c++) assert_true(fabs(cov[c] - (c == 0)) < 1e-13);
        free(cov);
    }
}

/* <delta(0) delta(x)> = 1/(N V) sum over all modes of P(k) cos k x. */
static void the_density_has_the_power_of_the_table(void **state)
{
    (void)state;
    for (int s = 0; s < NSHAPES; s++) {
        const struct ff_mesh m = mesh_of(SHAPES[s], 0, 1, 1);
        double table[NK];
        const struct ff_lattice l = lattice_of(&m, table);
        double *cov = covariance(&m, &l), variance = cov[0];
        const double box = (double)ff_mesh_cells(&m) * m.side[0] * m.side[1] * m.side[2];
        for (long c = 0; c < ff_mesh_cells(&m); c++) {
            double want = 0;
            for (int ky = 0; ky < m.ny; ky++)
                for (int kz = 0; kz < m.nz; kz++)
                    for (int kx = 0; kx < m.nx; kx++) {
                        if (kx + ky + kz == 0) continue;
                        const double a = amplitude_at(wavenumber(&m, ff_mesh_mode(m.nx, kx), ky, kz));
                        want += a * a * creal(wave(&m, kx, ky, kz, c)) / box;
                    }
            assert_true(fabs(cov[c] - want) < 3e-5 * variance); /* what the cubic leaves of a bumpy spectrum */
        }
        free(cov);
    }
}

/* The cubic written out, long double. */
static double cubic_at(const struct ff_lattice *l, double k)
{
    const long double t = (logl(k) - l->lnk0) / l->dlnk;
    long j = (long)floorl(t);
    j = j < 1 ? 1 : j > l->nk - 3 ? l->nk - 3 : j;
    long double sum = 0;
    for (long a = j - 1; a <= j + 2; a++) {
        long double w = 1;
        for (long b = j - 1; b <= j + 2; b++)
            if (b != a) w *= (t - b) / (a - b);
        sum += w * l->amplitude[a];
    }
    return (double)sum;
}

static double gradient_factor(const struct ff_mesh *m, int axis, int kx, int ky, int kz)
{
    const int n[3] = {m->nx, m->ny, m->nz}, mode[3] = {kx, ff_mesh_mode(m->ny, ky), ff_mesh_mode(m->nz, kz)};
    return 2 * mode[axis] == n[axis] ? 0 : 2 * M_PI * mode[axis] / (n[axis] * m->side[axis]);
}

static double decic_factor(const struct ff_mesh *m, int nodes, int kx, int ky, int kz)
{
    const double w[3] = {M_PI * kx / m->nx, M_PI * ff_mesh_mode(m->ny, ky) / m->ny,
                         M_PI * ff_mesh_mode(m->nz, kz) / m->nz};
    double product = 1;
    for (int j = 0; j < 3; j++)
        if (w[j] != 0) product *= w[j] / sin(w[j]);
    return pow(product, nodes);
}

enum op {
    WHITE,
    DELTA,
    POTENTIAL,
    ADJOINT,
    LAPLACIAN,
    DECIC,
    DETSC,
    GRADIENT,
    GRADIENT_ADJOINT = GRADIENT + 3,
    NOPS = GRADIENT + 6
};

static double factor_at(const struct ff_lattice *l, enum op op, int kx, int ky, int kz)
{
    const struct ff_mesh *m = &l->mesh;
    const double k = wavenumber(m, kx, ky, kz), s = is_plane(m, kx) ? M_SQRT2 : 1;
    const double white = s / sqrt(2.0 * (double)ff_mesh_cells(m));
    const double volume = m->side[0] * m->side[1] * m->side[2];
    if (op == WHITE) return white;
    if (op == DECIC || op == DETSC) return 1.25 * decic_factor(m, op == DECIC ? 2 : 3, kx, ky, kz);
    if (op >= GRADIENT_ADJOINT) return -1.25 * gradient_factor(m, (int)op - GRADIENT_ADJOINT, kx, ky, kz);
    if (op >= GRADIENT) return 1.25 * gradient_factor(m, (int)op - GRADIENT, kx, ky, kz);
    if (k == 0) return 0;
    if (op == LAPLACIAN) return -1.25 / (k * k);
    if (op == DELTA) return white * cubic_at(l, k) / sqrt(volume);
    const double potential = -white * cubic_at(l, k) / sqrt(volume) / (k * k);
    return op == POTENTIAL ? potential : potential * (is_plane(m, kx) ? 1 : 2);
}

static int from_latent(enum op op)
{
    return op == WHITE || op == DELTA || op == POTENTIAL;
}

/* Row bytes of what an operation reads and writes. */
static size_t in_row(const struct ff_ops *ops, const struct ff_mesh *m, enum op op)
{
    return (size_t)(m->nz * (from_latent(op) ? 2L * (m->h + 1) : m->rp) * ops->size);
}
static size_t out_row(const struct ff_ops *ops, const struct ff_mesh *m, enum op op)
{
    return (size_t)(m->nz * (op == ADJOINT ? 2L * (m->h + 1) : m->rp) * ops->size);
}

struct bars {
    double *amplitude;
    int prior;
};

/* One operation on the rows of mesh m, which may be a rank's; arrays are those of all ranks. */
static void run(const struct ff_ops *ops, const struct ff_lattice *l, enum op op, const void *latent, const void *in,
                void *out, const struct bars *bars)
{
    const struct ff_mesh *m = &l->mesh;
    const char *from = (const char *)in + (size_t)m->y0 * in_row(ops, m, op);
    char *to = (char *)out + (size_t)m->y0 * out_row(ops, m, op);
    const size_t bytes = (size_t)m->nyl * out_row(ops, m, op);
    const struct ff_lattice_bar bar = {.amplitude = bars && bars->amplitude ? bars->amplitude + (long)m->y0 * NK : NULL,
                                       .prior = bars ? bars->prior : 0};
    switch ((int)op) {
    case WHITE:
        ops->lattice_white(m, from, to);
        break;
    case DELTA:
        ops->lattice_delta(l, from, to);
        break;
    case POTENTIAL:
        ops->lattice_potential(l, from, to);
        break;
    case ADJOINT:
        ops->lattice_potential_adjoint(l, (const char *)latent + (size_t)m->y0 * in_row(ops, m, POTENTIAL), from, to,
                                       &bar);
        break;
    case LAPLACIAN:
        memcpy(to, from, bytes), ops->lattice_inverse_laplacian(m, 1.25, to);
        break;
    case DECIC:
        memcpy(to, from, bytes), ops->lattice_decic(m, FF_PAINT_CIC, 1.25, to);
        break;
    case DETSC:
        memcpy(to, from, bytes), ops->lattice_decic(m, FF_PAINT_TSC, 1.25, to);
        break;
    default:
        if (op >= GRADIENT_ADJOINT)
            memset(to, 0, bytes), ops->lattice_gradient_adjoint(m, (int)op - GRADIENT_ADJOINT, 1.25, from, to);
        else
            ops->lattice_gradient(m, (int)op - GRADIENT, 1.25, from, to);
    }
}

/* Worst relative error over the modes of what an operation makes of x = 1 - 0.5 i everywhere. */
static double worst_error(const struct ff_ops *ops, const int *cells, bool beyond, enum op op)
{
    const struct ff_mesh m = mesh_of(cells, 0, 1, 2);
    double table[NK], worst = 0;
    const struct ff_lattice l = beyond ? short_lattice_of(&m, table) : lattice_of(&m, table);
    const long size = spectrum_size(&m);
    double *ones = room(size);
    for (long i = 0; i < size; i++) ones[i] = i % 2 ? -0.5 : 1;
    void *in = to_reals(ops, ones, size), *out = room(size);
    memset(out, 0xff, (size_t)size * 8); /* no number: what is not set is seen */
    run(ops, &l, op, in, in, out, NULL);
    double *got = to_doubles(ops, out, size);
    const long pitch = op == ADJOINT ? 2L * (m.h + 1) : m.rp;
    for (int ky = 0; ky < m.ny; ky++)
        for (int kz = 0; kz < m.nz; kz++)
            for (int kx = 0; kx < m.cp; kx++) {
                if (kx > m.h && (op == ADJOINT || op == LAPLACIAN || op == DECIC || op == DETSC)) continue;
                const double *x = got + ((long)ky * m.nz + kz) * pitch + 2 * kx;
                const double f = kx > m.h ? 0 : factor_at(&l, op, kx, ky, kz);
                const double re = op >= GRADIENT ? 0.5 * f : f, im = op >= GRADIENT ? f : -0.5 * f;
                const double error = hypot(x[0] - re, x[1] - im);
                worst = isnan(error) ? INFINITY : fmax(worst, f == 0 ? 1e9 * error : error / fabs(f));
            }
    free(ones), free(in), free(out), free(got);
    return worst;
}

static void factors_equal_their_definition(void **state)
{
    (void)state;
    const int large[][3] = {{600, 3, 4}, {513, 4, 2}, {64, 24, 48}};
    for (int t = 0; t < 2; t++)
        for (int op = 0; op < NOPS; op++)
            for (int s = 0; s < 2 * NSHAPES + 3; s++) {
                const bool beyond = s >= NSHAPES + 3;
                const int *cells = s < NSHAPES ? SHAPES[s] : beyond ? SHAPES[s - NSHAPES - 3] : large[s - NSHAPES];
                const double error = worst_error(TABLES[t], cells, beyond, (enum op)op), tolerance = t ? 1e-6 : 1e-13;
                if (!(error < tolerance))
                    print_message("operation %d on %dx%dx%d: error %.3g, tolerance %.3g\n", op, cells[0], cells[1],
                                  cells[2], error, tolerance);
                assert_true(error < tolerance);
            }
}

/* <phi(u), f> = <u, u_bar> = <A, A_bar>: through the transforms, which see the planes as they are. */
static void the_adjoint_of_the_potential_is_exact(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < NSHAPES; s++) {
            const struct ff_ops *ops = TABLES[t];
            const struct ff_mesh m = mesh_of(SHAPES[s], 0, 1, 1);
            const long n = ff_mesh_nlatent(&m), size = spectrum_size(&m), cells = ff_mesh_cells(&m);
            double table[NK], *rows = room((long)m.ny * NK);
            const struct ff_lattice l = lattice_of(&m, table);
            double *u = normals(1, n), *f = normals(2, cells), *f_modes = forward(&m, f);
            void *latent = to_reals(ops, u, n), *spectrum = room(size), *in = to_reals(ops, f_modes, size);
            void *latent_bar = room(n);
            const struct bars none = {.amplitude = rows}, all = {.prior = 1};
            run(ops, &l, POTENTIAL, NULL, latent, spectrum, NULL);
            double *phi_modes = to_doubles(ops, spectrum, size), *phi = inverse(&m, phi_modes);
            run(ops, &l, ADJOINT, latent, in, latent_bar, &none);
            double *bar = to_doubles(ops, latent_bar, n), from_table = 0, uu = dot(u, u, n);
            const double want = dot(phi, f, cells), scale = sqrt(dot(phi, phi, cells) * dot(f, f, cells));
            same("latent", ops, dot(u, bar, n), want, scale);
            for (int y = 0; y < m.ny; y++) from_table += dot(table, rows + (long)y * NK, NK);
            same("amplitude", ops, from_table, want, scale);
            run(ops, &l, ADJOINT, latent, in, latent_bar, &all);
            double *with_prior = to_doubles(ops, latent_bar, n);
            same("prior", ops, dot(u, with_prior, n), want - uu, scale + uu);
            free(u), free(f), free(f_modes), free(latent), free(spectrum), free(in), free(latent_bar), free(rows);
            free(phi_modes), free(phi), free(bar), free(with_prior);
        }
}

/* F op R/N of a field. */
static double *through(const struct ff_ops *ops, const struct ff_lattice *l, enum op op, const double *field)
{
    const long size = spectrum_size(&l->mesh);
    double *modes = forward(&l->mesh, field);
    void *in = to_reals(ops, modes, size), *out = room(size);
    run(ops, l, op, NULL, in, out, NULL);
    double *changed = to_doubles(ops, out, size), *result = inverse(&l->mesh, changed);
    for (long c = 0; c < ff_mesh_cells(&l->mesh); c++) result[c] /= (double)ff_mesh_cells(&l->mesh);
    free(modes), free(in), free(out), free(changed);
    return result;
}

static void filters_have_their_adjoints(void **state)
{
    (void)state;
    const enum op pairs[][2] = {{LAPLACIAN, LAPLACIAN},
                                {DECIC, DECIC},
                                {DETSC, DETSC},
                                {GRADIENT, GRADIENT_ADJOINT},
                                {GRADIENT + 1, GRADIENT_ADJOINT + 1},
                                {GRADIENT + 2, GRADIENT_ADJOINT + 2}};
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < NSHAPES; s++)
            for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
                const struct ff_mesh m = mesh_of(SHAPES[s], 0, 1, 1);
                double table[NK];
                const struct ff_lattice l = lattice_of(&m, table);
                const long cells = ff_mesh_cells(&m);
                double *f = normals(3, cells), *g = normals(4, cells);
                double *jf = through(TABLES[t], &l, pairs[i][0], f), *jg = through(TABLES[t], &l, pairs[i][1], g);
                same("filter", TABLES[t], dot(jf, g, cells), dot(f, jg, cells),
                     sqrt(dot(jf, jf, cells) * dot(g, g, cells)) + sqrt(dot(jg, jg, cells) * dot(f, f, cells)));
                free(f), free(g), free(jf), free(jg);
            }
}

/* What they do to a wave that is known. */
static void the_gradient_undoes_the_inverse_laplacian(void **state)
{
    (void)state;
    const struct ff_mesh m = mesh_of(SHAPES[1], 0, 1, 1);
    double table[NK];
    const struct ff_lattice l = lattice_of(&m, table);
    const long cells = ff_mesh_cells(&m);
    double *f = room(cells);
    const double k[3] = {2 * M_PI / (m.nx * m.side[0]), 2 * M_PI / (m.ny * m.side[1]),
                         2 * M_PI * -2 / (m.nz * m.side[2])};
    for (long c = 0; c < cells; c++) f[c] = creal(wave(&m, 1, 1, m.nz - 2, c));
    double *phi = through(&ff_ops_cpu_f64, &l, LAPLACIAN, f);
    for (int axis = 0; axis < 3; axis++) {
        double *slope = through(&ff_ops_cpu_f64, &l, GRADIENT + (enum op)axis, phi);
        const double factor = 1.25 * 1.25 * k[axis] / (k[0] * k[0] + k[1] * k[1] + k[2] * k[2]);
        for (long c = 0; c < cells; c++)
            assert_true(fabs(slope[c] - factor * cimag(wave(&m, 1, 1, m.nz - 2, c))) < 1e-13 * 1e3);
        free(slope);
    }
    free(f), free(phi);
}

static void bits_do_not_depend_on_threads_or_ranks(void **state)
{
    (void)state;
    const int cells[3] = {20, 15, 12};
    for (int t = 0; t < 2; t++)
        for (int op = 0; op < NOPS; op++) {
            const struct ff_ops *ops = TABLES[t];
            const struct ff_mesh whole = mesh_of(cells, 0, 1, 1);
            double table[NK], *rows[2] = {room(15L * NK), room(15L * NK)};
            const long size = spectrum_size(&whole);
            double *x = normals(6, size);
            void *in = to_reals(ops, x, size), *out[2] = {room(size), room(size)};
            for (int nranks = 1; nranks <= 20; nranks += nranks < 4 ? 1 : 8)
                for (int threads = 1; threads <= 3; threads++) {
                    const int other = nranks > 1 || threads > 1;
                    const struct bars bars = {rows[other], 1};
                    memset(out[other], 0, (size_t)size * 8);
                    for (int rank = 0; rank < nranks; rank++) {
                        const struct ff_mesh m = mesh_of(cells, rank, nranks, threads);
                        const struct ff_lattice l = lattice_of(&m, table);
                        run(ops, &l, (enum op)op, in, in, out[other], &bars);
                    }
                    if (!other) continue;
                    assert_memory_equal(out[0], out[1], (size_t)size * 8);
                    assert_memory_equal(rows[0], rows[1], sizeof(double) * 15 * NK);
                }
            free(x), free(in), free(out[0]), free(out[1]);
            free(rows[0]), free(rows[1]);
        }
}

static void *draw(const struct ff_ops *ops, const int *cells, int nranks, int threads, uint32_t stream)
{
    const struct ff_mesh whole = mesh_of(cells, 0, 1, 1);
    void *out = room(ff_mesh_nlatent(&whole));
    for (int rank = 0; rank < nranks; rank++) {
        const struct ff_mesh m = mesh_of(cells, rank, nranks, threads);
        ops->lattice_draw(&m, 11, FF_RNG_LATENT, stream, (char *)out + (size_t)m.y0 * in_row(ops, &m, POTENTIAL));
    }
    return out;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void draws_are_normal_and_all_different(void **state)
{
    (void)state;
    const int cells[3] = {30, 16, 17};
    const struct ff_mesh m = mesh_of(cells, 0, 1, 1);
    const long n = ff_mesh_nlatent(&m);
    double *a = draw(&ff_ops_cpu_f64, cells, 1, 1, 0), *b = draw(&ff_ops_cpu_f64, cells, 1, 1, 1), kurtosis = 0;
    for (long i = 0; i < n; i++) kurtosis += a[i] * a[i] * a[i] * a[i];
    const double sigma = 1 / sqrt((double)n);
    assert_true(fabs(ff_sum_f64(a, n, 1) / (double)n) < 4 * sigma);
    assert_true(fabs(dot(a, a, n) / (double)n - 1) < 4 * M_SQRT2 * sigma);
    assert_true(fabs(kurtosis / (double)n - 3) < 4 * sqrt(96.0) * sigma);
    assert_true(fabs(dot(a, b, n) / (double)n) < 4 * sigma);
    assert_true(fabs(dot(a, a + 1, n - 1) / (double)n) < 4 * sigma);
    qsort(a, (size_t)n, sizeof *a, ascending);
    for (long i = 1; i < n; i++) assert_true(a[i] != a[i - 1]);
    free(a), free(b);
}

static void draws_depend_on_the_mode_alone(void **state)
{
    (void)state;
    const int small[3] = {9, 8, 10}, large[3] = {24, 15, 16};
    const struct ff_mesh s = mesh_of(small, 0, 1, 1), b = mesh_of(large, 0, 1, 1);
    double *coarse = draw(&ff_ops_cpu_f64, small, 1, 1, 3), *fine = draw(&ff_ops_cpu_f64, large, 1, 1, 3);
    float *single = draw(&ff_ops_cpu_f32, large, 1, 1, 3);
    for (int ky = 0; ky < s.ny; ky++)
        for (int kz = 0; kz < s.nz; kz++)
            for (int c = 0; c < 2 * (s.h + 1); c++) {
                const int y = (ff_mesh_mode(s.ny, ky) + b.ny) % b.ny, z = (ff_mesh_mode(s.nz, kz) + b.nz) % b.nz;
                assert_true(coarse[((long)ky * s.nz + kz) * 2 * (s.h + 1) + c] ==
                            fine[((long)y * b.nz + z) * 2 * (b.h + 1) + c]);
            }
    for (long i = 0; i < ff_mesh_nlatent(&b); i++) assert_true(single[i] == (float)fine[i]);
    for (int nranks = 1; nranks < 5; nranks++)
        for (int threads = 1; threads < 4; threads++) {
            double *same_bits = draw(&ff_ops_cpu_f64, large, nranks, threads, 3);
            assert_memory_equal(same_bits, fine, (size_t)ff_mesh_nlatent(&b) * 8);
            free(same_bits);
        }
    free(coarse), free(fine), free(single);
}

/* The address is that of the normals of core/rng.h: 21 bits each for kz and ky, then kx, then re | im. */
static void draws_have_the_address_of_the_flat_maps(void **state)
{
    (void)state;
    const int cells[3] = {12, 5, 3};
    double *u = draw(&ff_ops_cpu_f64, cells, 1, 1, 2), row[14];
    const uint64_t kz = (1u << 20) - 1, ky = (1u << 20) + 2;
    ff_rng_normals_f64(11, FF_RNG_LATENT, 2, ((kz << 21 | ky) << 21) * 2, 14, row, 1);
    assert_memory_equal(u + (2 * 3 + 2) * 14, row, sizeof row);
    free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_white_field_is_white_with_variance_one),
                                       cmocka_unit_test(the_density_has_the_power_of_the_table),
                                       cmocka_unit_test(factors_equal_their_definition),
                                       cmocka_unit_test(the_adjoint_of_the_potential_is_exact),
                                       cmocka_unit_test(filters_have_their_adjoints),
                                       cmocka_unit_test(the_gradient_undoes_the_inverse_laplacian),
                                       cmocka_unit_test(bits_do_not_depend_on_threads_or_ranks),
                                       cmocka_unit_test(draws_are_normal_and_all_different),
                                       cmocka_unit_test(draws_depend_on_the_mode_alone),
                                       cmocka_unit_test(draws_have_the_address_of_the_flat_maps)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
