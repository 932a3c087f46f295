/* tests/bench/lattice_bench.c - what it costs to turn latents into spectra and planes of mass into maps, and back
** (core/lattice.h, born.h): medians in ms, one thread and two, float. Prints `name value unit threads`. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/ops.h"
#include "worker/core/rng.h"

enum { NBINS = 4, NPIX = 64, NODES = 512, REPEATS = 9, MAX_PLANES = 512 };

struct bench {
    const struct ff_ops *ops;
    struct ff_mesh mesh;
    struct ff_lattice lattice;
    struct ff_born born;
    double amplitude[NODES], r[MAX_PLANES], weight[NBINS * MAX_PLANES], weight_bar[NBINS * MAX_PLANES];
    double *rows; /* (ny, NODES) */
    void *latent, *spectrum, *out, *planes;
    float kappa[NBINS * NPIX * NPIX];
    int64_t maps[NBINS * NPIX * NPIX];
};

typedef void work(struct bench *b);

static void draw(struct bench *b)
{
    b->ops->lattice_draw(&b->mesh, 1, FF_RNG_TEST, 0, b->latent);
}
static void white(struct bench *b)
{
    b->ops->lattice_white(&b->mesh, b->latent, b->spectrum);
}
static void potential(struct bench *b)
{
    b->ops->lattice_potential(&b->lattice, b->latent, b->spectrum);
}
static void adjoint(struct bench *b)
{
    const struct ff_lattice_bar bar = {.prior = 1};
    b->ops->lattice_potential_adjoint(&b->lattice, b->latent, b->spectrum, b->out, &bar);
}
static void adjoint_and_table(struct bench *b)
{
    const struct ff_lattice_bar bar = {.amplitude = b->rows, .prior = 1};
    b->ops->lattice_potential_adjoint(&b->lattice, b->latent, b->spectrum, b->out, &bar);
}
static void laplacian(struct bench *b)
{
    b->ops->lattice_inverse_laplacian(&b->mesh, 1, b->spectrum);
}
static void decic(struct bench *b)
{
    b->ops->lattice_decic(&b->mesh, FF_PAINT_CIC, 1, b->spectrum);
}
static void gradient(struct bench *b)
{
    b->ops->lattice_gradient(&b->mesh, 2, 1, b->spectrum, b->out);
}
static void born(struct bench *b)
{
    if (b->ops->born_forward(&b->born, b->planes, true, b->maps)) fprintf(stderr, "lattice_bench: negative mass\n");
}
static void born_adjoint(struct bench *b)
{
    b->ops->born_adjoint(&b->born, b->kappa, 0, b->mesh.nz, b->out);
}
static void born_weights(struct bench *b)
{
    b->ops->born_weight_adjoint(&b->born, b->kappa, b->planes, true, b->weight_bar);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void time_of(struct bench *b, const char *name, work *w)
{
    double t[REPEATS];
    w(b);
    for (int i = 0; i < REPEATS; i++) {
        const double start = omp_get_wtime();
        w(b);
        t[i] = omp_get_wtime() - start;
    }
    qsort(t, REPEATS, sizeof *t, ascending);
    printf("%s_%dx%dx%d_f32 %.4g ms %d\n", name, b->mesh.nx, b->mesh.ny, b->mesh.nz, 1e3 * t[REPEATS / 2],
           b->mesh.threads);
}

/* A field of view that fills the box at its far end, as in the presets. */
static int make(struct bench *b, const int *cells, const double *box, double size_rad, int threads)
{
    *b = (struct bench){.ops = &ff_ops_cpu_f32, .mesh = ff_mesh_make(cells, box, 0, 1, threads)};
    b->lattice =
        (struct ff_lattice){.mesh = b->mesh, .nk = NODES, .lnk0 = -8, .dlnk = 12.0 / NODES, .amplitude = b->amplitude};
    b->born = (struct ff_born){
        .mesh = b->mesh, .nbins = NBINS, .npix = NPIX, .size_rad = size_rad, .r = b->r, .weight = b->weight};
    for (int i = 0; i < NODES; i++) b->amplitude[i] = 1 + 0.01 * i;
    for (int k = 0; k < cells[2]; k++) b->r[k] = (k + 0.5) * b->mesh.side[2];
    for (int i = 0; i < NBINS * cells[2]; i++) b->weight[i] = 1e-3;
    for (int i = 0; i < NBINS * NPIX * NPIX; i++) b->kappa[i] = 0.01f;
    const size_t bytes = (size_t)ff_mesh_room(&b->mesh) * sizeof(float);
    void **const arrays[] = {&b->latent, &b->spectrum, &b->out, &b->planes};
    for (int i = 0; i < 4; i++) {
        *arrays[i] = aligned_alloc(256, (bytes + 255) / 256 * 256);
        if (!*arrays[i]) return -1;
        memset(*arrays[i], 0, bytes);
    }
    for (long i = 0; i < ff_mesh_room(&b->mesh); i++) ((int32_t *)b->planes)[i] = 1 << 20;
    b->rows = calloc((size_t)cells[1] * NODES, sizeof(double));
    b->born.scratch = calloc((size_t)threads, (size_t)ff_born_scratch(&b->born));
    return b->rows && b->born.scratch ? 0 : -1;
}

static void done(struct bench *b)
{
    free(b->latent), free(b->spectrum), free(b->out), free(b->planes), free(b->rows), free(b->born.scratch);
    free(b);
}

static int run(const int *cells, const double *box, double size_rad, int threads)
{
    const struct {
        const char *name;
        work *work;
    } list[] = {{"lattice_draw", draw},
                {"lattice_white", white},
                {"lattice_potential", potential},
                {"lattice_adjoint", adjoint},
                {"lattice_adjoint_and_table", adjoint_and_table},
                {"lattice_inverse_laplacian", laplacian},
                {"lattice_decic", decic},
                {"lattice_gradient", gradient},
                {"born_forward", born},
                {"born_adjoint", born_adjoint},
                {"born_weights", born_weights}};
    struct bench *b = malloc(sizeof *b);
    if (!b) return -1;
    const int err = make(b, cells, box, size_rad, threads);
    for (size_t i = 0; i < sizeof list / sizeof list[0] && !err; i++) time_of(b, list[i].name, list[i].work);
    done(b);
    return err;
}

int main(void)
{
    const int cells[2][3] = {{256, 256, 256}, {64, 64, 128}};
    const double box[2][3] = {{1000, 1000, 4500}, {1000, 1000, 4500}}, size_rad = 16 * 3.14159265358979323846 / 180;
    for (int i = 0; i < 2; i++)
        for (int threads = 1; threads <= 2; threads++)
            if (run(cells[i], box[i], size_rad, threads)) {
                fprintf(stderr, "lattice_bench: no memory\n");
                return 1;
            }
    return 0;
}
