/* Bench of particles and stencils (core/particles.h): `name value unit threads` lines, float, best of some passes, one thread
** and two. Per operation: milliseconds, and million cells (particles) a second. Displacements are waves of many sizes, down to
** eight cells, with an rms of two cells and half a cell between neighbours, as matter's in boxes of a few Mpc/h a cell.
** Usage: particles_bench [nx ny nz [passes]]; 256 256 256 5 and 64 64 128 50 by default. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker/core/ops.h"
#include "worker/core/rng.h"

enum { GHOSTS = FF_STRAIN_GHOSTS, WAVES = 12 };

struct bench {
    const struct ff_ops *ops;
    struct ff_mesh m;
    struct ff_particles p;
    float *phi, *phi_bar, *flux, *bar, *s[3], *scratch;
    int32_t *counts;
    double *d, *d_bar;
    int passes;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *take(size_t bytes)
{
    void *p = aligned_alloc(256, bytes / 256 * 256 + 256);
    if (p) memset(p, 0, bytes / 256 * 256 + 256);
    return p;
}

/* A field with ghosts; its first plane. */
static float *take_field(const struct ff_mesh *m)
{
    float *base = take(sizeof *base * (size_t)((m->nz + 2 * GHOSTS) * ff_mesh_plane(m)));
    return base ? base + GHOSTS * ff_mesh_plane(m) : NULL;
}

static void release_field(const struct ff_mesh *m, float *field)
{
    if (field) free(field - GHOSTS * ff_mesh_plane(m));
}

/* A potential whose slopes are such displacements. */
static void fill(struct bench *b)
{
    const struct ff_mesh *m = &b->m;
    for (int z = -GHOSTS; z < m->nz + GHOSTS; z++)
        for (int y = 0; y < m->ny; y++) {
            float *row = b->phi + z * ff_mesh_plane(m) + y * m->rp;
            for (int w = 0; w < WAVES; w++) {
                const int n = 1 + w * (m->nx / 8 - 1) / (WAVES - 1);
                const double k = 2 * M_PI * n, phase = k * ((double)z / m->nz + 0.7 * (double)y / m->ny) + w;
                const double amplitude = 1.6 * m->nx / (k * sqrt(n));
                for (int x = 0; x < m->nx; x++) row[x] += (float)(amplitude * cos(k * x / m->nx + phase));
            }
        }
    for (int z = 0; z < m->nz; z++) b->d[z] = 1 - 0.3 * z / m->nz;
    for (int z = 0; z < m->nz; z++)
        for (int y = 0; y < m->ny; y++)
            ff_rng_normals_f32(1, FF_RNG_TEST, 0, (uint64_t)((long)z * m->ny + y) * (uint64_t)m->nx, m->nx,
                               b->bar + z * ff_mesh_plane(m) + y * m->rp, 1);
}

static void displace(struct bench *b)
{
    b->ops->stencil_displace(&b->m, b->phi, NULL, b->d, NULL, (void *const[3]){b->s[0], b->s[1], b->s[2]});
}
static void displace_two(struct bench *b)
{
    b->ops->stencil_displace(&b->m, b->phi, b->bar, b->d, b->d, (void *const[3]){b->s[0], b->s[1], b->s[2]});
}
static void displace_adjoint(struct bench *b)
{
    b->ops->stencil_displace_adjoint(&b->m, b->phi, b->d, -1, (const void *const[3]){b->s[0], b->s[1], b->s[2]},
                                     b->phi_bar, b->d_bar);
}
static void source(struct bench *b)
{
    b->ops->stencil_source(&b->m, b->phi, b->scratch, b->flux);
}
static void source_flux(struct bench *b)
{
    b->ops->stencil_source_flux(&b->m, b->phi, b->bar, b->scratch, b->phi_bar, b->flux);
}
static void source_adjoint(struct bench *b)
{
    b->ops->stencil_source_adjoint(&b->m, b->flux, b->phi_bar);
}
static void extent(struct bench *b)
{
    int lo, hi;
    b->ops->particles_extent(&b->p, &lo, &hi);
}
static void paint_cic(struct bench *b)
{
    b->p.kernel = FF_PAINT_CIC;
    (void)b->ops->particles_paint(&b->p, 0, b->m.nz, b->counts);
}
static void paint_tsc(struct bench *b)
{
    b->p.kernel = FF_PAINT_TSC;
    (void)b->ops->particles_paint(&b->p, 0, b->m.nz, b->counts);
}
static void gather(struct bench *b)
{
    b->p.kernel = FF_PAINT_CIC;
    b->ops->particles_gather(&b->p, 0, b->m.nz, b->bar, (void *const[3]){b->phi_bar, b->flux, b->counts});
}
static void gather_tsc(struct bench *b)
{
    b->p.kernel = FF_PAINT_TSC;
    b->ops->particles_gather(&b->p, 0, b->m.nz, b->bar, (void *const[3]){b->phi_bar, b->flux, b->counts});
}
static void contrast(struct bench *b)
{
    (void)b->ops->particles_contrast(&b->m, b->counts, b->flux);
}

static void measure(struct bench *b, const char *name, void (*run)(struct bench *b))
{
    double best = 1e30;
    for (int i = 0; i < b->passes; i++) {
        const double start = now();
        run(b);
        const double t = now() - start;
        if (t < best) best = t;
    }
    const struct ff_mesh *m = &b->m;
    printf("%s_%dx%dx%d_f32 %.4g ms %d\n", name, m->nx, m->ny, m->nz, 1e3 * best, m->threads);
    printf("%s_%dx%dx%d_f32_rate %.4g M/s %d\n", name, m->nx, m->ny, m->nz, 1e-6 * (double)ff_mesh_cells(m) / best,
           m->threads);
}

static void measure_all(struct bench *b, int threads)
{
    static const struct {
        const char *name;
        void (*run)(struct bench *b);
    } table[] = {{"displace_second", displace_two},
                 {"displace", displace},
                 {"extent", extent},
                 {"paint_cic", paint_cic},
                 {"paint_tsc", paint_tsc},
                 {"contrast", contrast},
                 {"gather_cic", gather},
                 {"gather_tsc", gather_tsc},
                 {"displace_adjoint", displace_adjoint},
                 {"source", source},
                 {"source_flux", source_flux},
                 {"source_adjoint", source_adjoint}};
    b->m.threads = b->p.mesh.threads = threads;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) measure(b, table[i].name, table[i].run);
}

static int bench(const int cells[3], int passes)
{
    struct bench b = {.ops = &ff_ops_cpu_f32, .passes = passes};
    b.m = ff_mesh_make(cells, (const double[3]){cells[0], cells[1], cells[2]}, 0, 1, 2);
    const size_t reals = (size_t)(b.m.nz * ff_mesh_plane(&b.m));
    b.phi = take_field(&b.m), b.flux = take_field(&b.m), b.bar = take_field(&b.m);
    b.s[0] = take(reals * 4), b.s[1] = take(reals * 4), b.s[2] = take_field(&b.m);
    b.phi_bar = take(reals * 4), b.counts = take(reals * 4);
    b.scratch = take((size_t)(2 * ff_stencil_scratch(&b.m)) * 4);
    b.d = take((size_t)b.m.nz * sizeof *b.d), b.d_bar = take((size_t)b.m.nz * sizeof *b.d_bar);
    const bool room =
        b.phi && b.flux && b.bar && b.s[0] && b.s[1] && b.s[2] && b.phi_bar && b.counts && b.scratch && b.d && b.d_bar;
    if (room) {
        b.p = (struct ff_particles){.mesh = b.m, .offset = 0.5, .s = {b.s[0], b.s[1], b.s[2]}};
        fill(&b);
        for (int threads = 1; threads <= 2; threads++) measure_all(&b, threads);
    } else {
        fprintf(stderr, "particles_bench: no memory for 8 arrays of %zu bytes\n", reals * 4);
    }
    release_field(&b.m, b.phi), release_field(&b.m, b.flux), release_field(&b.m, b.bar), release_field(&b.m, b.s[2]);
    free(b.s[0]), free(b.s[1]), free(b.phi_bar), free(b.counts), free(b.scratch), free(b.d), free(b.d_bar);
    return room ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 3) {
        const int cells[3] = {atoi(argv[1]), atoi(argv[2]), atoi(argv[3])};
        return bench(cells, argc > 4 ? atoi(argv[4]) : 5);
    }
    if (bench((const int[3]){64, 64, 128}, 50)) return 1;
    return bench((const int[3]){256, 256, 256}, 5);
}
