/* tests/bench/slab_bench.c - transforms of a mesh (worker/core/slab.h), float: `name value unit threads` lines,
** medians, on one thread and two, and over two ranks that are threads. _rate counts the bytes that have to move:
** planes read and written, columns read and written. Usage: slab_bench [nx ny nz [repeats]]; without, 256^3 and 64 x
** 64 x 128. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/core/comm_threads.h"
#include "worker/core/slab.h"

enum { MAX_REPEATS = 1000, PASSES = 4 };

struct bench {
    int cells[3], threads, repeats;
    double forward[MAX_REPEATS], inverse[MAX_REPEATS]; /* seconds on rank 0 */
};

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nothing but the ranks' setting out together. */
static ff_err together(const struct ff_comm *c, ff_ctx *ctx)
{
    double x = 0;
    return c->allreduce_f64(c, &x, 1, ctx);
}

static ff_err transform(struct bench *b, const struct ff_comm *c, ff_slab *slab, void *const array[3], ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int i = -1; i < b->repeats && !err; i++) { /* the first is not counted */
        err = together(c, ctx);
        const double start = ff_clock_s();
        if (!err) err = ff_slab_forward(slab, c, array[0], array[1], array[2], ctx);
        if (!err) err = together(c, ctx);
        const double middle = ff_clock_s();
        if (!err) err = ff_slab_inverse(slab, c, array[1], array[0], array[2], ctx);
        if (!err) err = together(c, ctx);
        if (c->rank || i < 0) continue;
        b->forward[i] = middle - start, b->inverse[i] = ff_clock_s() - middle;
    }
    return err;
}

static ff_err run_rank(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    struct bench *b = self;
    const double box[3] = {1000, 1000, 1000};
    const struct ff_mesh m = ff_mesh_make(b->cells, box, c->rank, c->nranks, b->threads);
    const size_t bytes = ((size_t)ff_mesh_room(&m) * sizeof(float) + 255) / 256 * 256;
    void *array[3] = {aligned_alloc(256, bytes), aligned_alloc(256, bytes), aligned_alloc(256, bytes)};
    ff_slab *slab = NULL;
    ff_err err = FF_OK;
    if (!array[0] || !array[1] || !array[2])
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for 3 x %zu bytes", bytes);
    for (int i = 0; i < 3 && !err; i++) memset(array[i], 0, bytes); /* zero stays zero: no overflow after many rounds */
    if (!err) err = ff_slab_init(&slab, &ff_ops_cpu_f32, &m, ctx);
    if (!err) err = transform(b, c, slab, array, ctx);
    ff_slab_free(slab);
    free(array[0]), free(array[1]), free(array[2]);
    return err;
}

static void report(const struct bench *b, const char *what, const double *seconds, int ranks)
{
    const int *n = b->cells;
    const double median = seconds[b->repeats / 2], reals = (double)n[0] * n[1] * n[2];
    char name[80];
    snprintf(name, sizeof name, "slab_%s%s_%dx%dx%d_f32", what, ranks > 1 ? "_ranks" : "", n[0], n[1], n[2]);
    printf("%s %.4g ms %d\n", name, 1e3 * median, ranks * b->threads);
    printf("%s_rate %.4g GB/s %d\n", name, 1e-9 * PASSES * sizeof(float) * reals / median, ranks * b->threads);
}

static ff_err measure(const int cells[3], int ranks, int threads, int repeats, ff_ctx *ctx)
{
    struct bench *b = calloc(1, sizeof *b);
    if (!b) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the times");
    memcpy(b->cells, cells, sizeof b->cells);
    b->threads = threads, b->repeats = repeats;
    const ff_err err = ff_comm_threads_run(ranks, run_rank, b, ctx);
    if (!err) {
        qsort(b->forward, (size_t)repeats, sizeof(double), ascending);
        qsort(b->inverse, (size_t)repeats, sizeof(double), ascending);
        report(b, "forward", b->forward, ranks);
        report(b, "inverse", b->inverse, ranks);
    }
    free(b);
    return err;
}

static ff_err measure_mesh(const int cells[3], int repeats, ff_ctx *ctx)
{
    ff_err err = measure(cells, 1, 1, repeats, ctx);
    if (!err) err = measure(cells, 1, 2, repeats, ctx);
    if (!err) err = measure(cells, 2, 1, repeats, ctx);
    return err;
}

int main(int argc, char **argv)
{
    const int usual[][3] = {{256, 256, 256}, {64, 64, 128}};
    const int asked[] = {argc > 3 ? atoi(argv[1]) : 1, argc > 3 ? atoi(argv[2]) : 1, argc > 3 ? atoi(argv[3]) : 1};
    const int repeats = argc > 4 ? atoi(argv[4]) : 21;
    ff_ctx ctx = {0};
    ff_err err = FF_OK;
    if (repeats < 1 || repeats > MAX_REPEATS || asked[0] < 1 || asked[1] < 1 || asked[2] < 1) {
        fprintf(stderr, "usage: slab_bench [nx ny nz [repeats, 1 to %d]]\n", MAX_REPEATS);
        return 2;
    }
    if (argc > 3)
        err = measure_mesh(asked, repeats, &ctx);
    else
        for (int i = 0; i < 2 && !err; i++) err = measure_mesh(usual[i], repeats * (i ? 10 : 1), &ctx);
    if (err) fprintf(stderr, "slab_bench: %s\n", ctx.message);
    return err ? 1 : 0;
}
