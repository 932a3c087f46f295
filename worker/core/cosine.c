/* worker/core/cosine.c - see cosine.h. Y = C (C Z)^T: one pass multiplies C from the left, the result is
** transposed, and the second pass computes only the rows that reach the upper triangle. */
#define FF_REAL_IS_DOUBLE
#pragma GCC optimize("fp-contract=fast") /* bits are promised for one build; a fused multiply-add is half the work */
#include "worker/core/real.h"

#include "worker/core/cosine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/grid.h"

enum { TILE = 8, ROWS = 4, COLS = 3, MAX_LEVELS = 16, DENSE_BELOW = 12 };

/* One product: `rows` outputs, number first, first + step, .. of C, from `terms` (folded) inputs. */
struct level {
    int rows, terms, first, step;
    int n;          /* inputs of this level are j = 0 .. n/2 */
    double *matrix; /* (ceil(rows/ROWS), terms, ROWS) cosines, zero rows at the end */
};

struct ff_cosine {
    int n, h, nlevels;
    long pitch;
    struct level level[MAX_LEVELS];
    double *matrices;
};

long ff_cosine_pitch(int n)
{
    return ff_round_up(n / 2 + 1, TILE);
}

long ff_cosine_size(int n)
{
    return ff_cosine_pitch(n) * ff_cosine_pitch(n);
}

long ff_cosine_scratch(int n)
{
    return 3 * ff_cosine_size(n) + 2 * TILE * ff_cosine_pitch(n);
}

/* Shapes of the levels; returns the doubles their matrices take. */
static size_t plan(int n, struct level *level, int *nlevels)
{
    size_t total = 0;
    int count = 0, step = 1;
    for (int m = n;; m /= 2, step *= 2) {
        const int h = m / 2;
        const int last = m % 2 != 0 || h < DENSE_BELOW || count == MAX_LEVELS - 1;
        /* odd outputs 1, 3, .. of C_m from inputs j < h/2 folded with a minus; the last level: all from all */
        level[count] = (struct level){.rows = last ? h + 1 : (h + 1) / 2,
                                      .terms = last ? h + 1 : (h + 1) / 2,
                                      .first = last ? 0 : step,
                                      .step = last ? step : 2 * step,
                                      .n = m};
        total += (size_t)((level[count].rows + ROWS - 1) / ROWS * ROWS) * (size_t)level[count].terms;
        count++;
        if (last) break;
    }
    *nlevels = count;
    return total;
}

size_t ff_cosine_bytes(int n)
{
    struct level level[MAX_LEVELS];
    int count;
    return sizeof(struct ff_cosine) + plan(n, level, &count) * sizeof(double);
}

static void fill(int n, const struct level *l)
{
    for (int k = 0; k < l->rows; k++)
        for (int j = 0; j < l->terms; j++) {
            /* the angle in whole units of 2 pi / n keeps the cosine exact to rounding for any k j */
            const long turn = ((long)l->first + (long)k * l->step) * j % n;
            double s, c;
            ff_sincospi_f64(2.0 * (double)turn / n, &s, &c);
            l->matrix[((long)(k / ROWS) * l->terms + j) * ROWS + k % ROWS] = c;
        }
}

ff_err ff_cosine_init(ff_cosine **out, int n, ff_ctx *ctx)
{
    *out = NULL;
    ff_cosine *c = calloc(1, sizeof *c);
    if (!c) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for cosine transforms of side %d", n);
    c->n = n, c->h = n / 2, c->pitch = ff_cosine_pitch(n);
    const size_t total = plan(n, c->level, &c->nlevels);
    c->matrices = calloc(total, sizeof(double));
    if (!c->matrices) {
        ff_cosine_free(c);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "cosine transforms of side %d need %zu bytes, which are not there", n,
                       total * sizeof(double));
    }
    double *at = c->matrices;
    for (int i = 0; i < c->nlevels; i++) {
        struct level *l = &c->level[i];
        l->matrix = at;
        at += (size_t)((l->rows + ROWS - 1) / ROWS * ROWS) * (size_t)l->terms;
        fill(n, l);
    }
    *out = c;
    return FF_OK;
}

void ff_cosine_free(ff_cosine *c)
{
    if (!c) return;
    free(c->matrices);
    free(c);
}

/* `used` rows of the product from one block of ROWS rows of the matrix, over nv vectors of columns. */
static inline __attribute__((always_inline)) void block(int nv, const double *matrix, int terms, const double *in,
                                                        long pitch, int used, double *out, long out_step)
{
    ff_vec acc[ROWS][COLS];
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < nv; v++) acc[r][v] = (ff_vec){0};
    for (int j = 0; j < terms; j++) {
        const double *row = in + j * pitch, *factor = matrix + (long)j * ROWS;
        for (int v = 0; v < nv; v++) {
            const ff_vec x = *(const ff_vec *)(row + v * FF_LANES);
            for (int r = 0; r < ROWS; r++) acc[r][v] += factor[r] * x;
        }
    }
    for (int r = 0; r < used; r++)
        for (int v = 0; v < nv; v++) *(ff_vec *)(out + r * out_step + v * FF_LANES) = acc[r][v];
}

/* One level's product for columns [0, columns); with upper, only entries with row <= column are needed. */
static void multiply(const struct level *l, const double *in, double *out, long pitch, long columns, bool upper)
{
    for (long c = 0; c < columns; c += COLS * FF_LANES) {
        const long left = (columns - c) / FF_LANES, last = c + (left < COLS ? left : COLS) * FF_LANES - 1;
        for (int r = 0; r < l->rows; r += ROWS) {
            const long row = l->first + (long)r * l->step, out_step = l->step * pitch;
            if (upper && row > last) break;
            const double *matrix = l->matrix + (long)r * l->terms;
            const int used = l->rows - r < ROWS ? l->rows - r : ROWS;
            double *to = out + row * pitch + c;
            if (left >= 3)
                block(3, matrix, l->terms, in + c, pitch, used, to, out_step);
            else if (left == 2)
                block(2, matrix, l->terms, in + c, pitch, used, to, out_step);
            else
                block(1, matrix, l->terms, in + c, pitch, used, to, out_step);
        }
    }
}

/* even_j = in_j + in_(h-j), odd_j = in_j - in_(h-j); the middle one stands alone. */
static void fold(int h, const double *in, double *even, double *odd, long pitch)
{
    for (int j = 0; 2 * j <= h; j++) {
        const double *a = in + j * pitch, *b = in + (h - j) * pitch;
        double *e = even + j * pitch, *o = odd + j * pitch;
        if (2 * j == h) {
            memcpy(e, a, (size_t)pitch * sizeof *e);
            continue;
        }
#pragma omp simd
        for (long x = 0; x < pitch; x++) {
            const double p = a[x], q = b[x];
            e[x] = p + q;
            o[x] = p - q;
        }
    }
}

/* out = C in. Scratch: one and a half matrices. */
static void pass(const ff_cosine *c, const double *in, double *out, double *scratch, bool upper)
{
    const long half = (c->pitch / 2 + 2) * c->pitch;
    double *odd = scratch, *even = scratch + half;
    const double *from = in;
    for (int i = 0; i < c->nlevels; i++) {
        const struct level *l = &c->level[i];
        if (i == c->nlevels - 1) {
            multiply(l, from, out, c->pitch, c->pitch, upper);
            break;
        }
        fold(l->n / 2, from, even, odd, c->pitch); /* row j of `even` is written after its last reading */
        multiply(l, odd, out, c->pitch, c->pitch, upper);
        from = even;
    }
}

static void transpose_tile(const double *in, double *out, long pitch)
{
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j < TILE; j++) out[j * pitch + i] = in[i * pitch + j];
}

void ff_cosine_mirror(const ff_cosine *c, double *y)
{
    const long p = c->pitch;
    for (long i = 0; i < p; i += TILE) {
        for (long a = i; a < i + TILE; a++)
            for (long b = i; b < a; b++) y[a * p + b] = y[b * p + a];
        for (long j = i + TILE; j < p; j += TILE) transpose_tile(y + i * p + j, y + j * p + i, p);
    }
    for (long i = 0; i < p; i++)
        for (long j = i <= c->h ? c->h + 1 : 0; j < p; j++) y[i * p + j] = 0;
}

void ff_cosine_apply(const ff_cosine *c, const double *z, double *y, double *scratch)
{
    const long p = c->pitch, size = p * p;
    double *left = scratch, *turned = scratch + size, *folded = scratch; /* `left` is free once it is turned */
    pass(c, z, left, scratch + size, false);
    for (long i = c->h + 1; i < p; i++) memset(left + i * p, 0, (size_t)p * sizeof *left);
    for (long i = 0; i < p; i += TILE)
        for (long j = 0; j < p; j += TILE) transpose_tile(left + i * p + j, turned + j * p + i, p);
    pass(c, turned, y, folded, true);
}
