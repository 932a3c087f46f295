/* worker/sim/classes.c - see classes.h. */
#include "worker/sim/classes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NODE_STEP = 0.075; /* in ln l: six-point interpolation of l^2 C_l is then right to a few 1e-6 */

/* Calls of this loop agree on what a class with signal is. Returns their number; fills `keys` (if not NULL) with
** (i^2 + j^2) 2^32 + i, whose order is the order of the classes. */
static long list_classes(const struct ff_classes *c, int64_t *keys)
{
    long count = 0;
    for (int64_t j = 0; j <= c->h; j++)
        for (int64_t i = 0; i <= j; i++) {
            const int64_t square = i * i + j * j;
            if (square == 0 || (double)square > c->top) continue;
            if (keys) keys[count] = square << 32 | i;
            count++;
        }
    return count;
}

void ff_classes_layout(struct ff_classes *c, const struct ff_grid *g, double size_rad, double l_max, struct ff_arena *a)
{
    c->n = g->n, c->h = g->h;
    c->fundamental = 2 * M_PI / size_rad;
    c->top = 2.0 * g->h * g->h;
    if (l_max > 0) c->top = fmin(c->top, pow(l_max / c->fundamental, 2) * (1 + 1e-12));
    const double range = c->top > 1 ? 0.5 * log(c->top) : 0;
    c->nell = (int)fmax(ceil(range / NODE_STEP) + 1, FF_STENCIL);
    c->step = range > 0 ? range / (c->nell - 1) : NODE_STEP;
    c->count = list_classes(c, NULL);
    c->pitch = ff_round_up(c->count + 1, FF_BLOCK);
    c->l = ff_arena_take(a, c->pitch, sizeof *c->l);
    c->modes = ff_arena_take(a, c->pitch, sizeof *c->modes);
    c->i = ff_arena_take(a, c->pitch, sizeof *c->i);
    c->j = ff_arena_take(a, c->pitch, sizeof *c->j);
    c->index = ff_arena_take(a, (g->h + 1) * g->qp, sizeof *c->index);
    c->at = ff_arena_take(a, c->pitch, sizeof *c->at);
    c->mirror = ff_arena_take(a, c->pitch, sizeof *c->mirror);
    c->twice = ff_arena_take(a, c->pitch, sizeof *c->twice);
    c->ell = ff_arena_take(a, c->nell, sizeof *c->ell);
    c->first = ff_arena_take(a, c->pitch, sizeof *c->first);
    c->weight = ff_arena_take(a, FF_STENCIL * c->pitch, sizeof *c->weight);
}

static int by_key(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* How many of +i, -i are different frequencies. */
static double signs(const struct ff_classes *c, int i)
{
    return i == 0 || (c->n % 2 == 0 && i == c->h) ? 1 : 2;
}

static void fill_places(struct ff_classes *c, const struct ff_grid *g)
{
    const long matrix = (long)g->npairs * g->qp;
    int64_t *keys = c->at; /* room that is filled below, class by class */
    list_classes(c, keys);
    qsort(keys, (size_t)c->count, sizeof *keys, by_key);
    for (long k = 0; k < (c->h + 1) * g->qp; k++) c->index[k] = (int32_t)c->count;
    for (long k = 0; k < c->pitch; k++) {
        const bool signal = k < c->count;
        const int64_t square = signal ? keys[k] >> 32 : 0;
        const int i = signal ? (int)(keys[k] & 0x7fffffff) : 0,
                  j = (int)lround(sqrt((double)(square - (int64_t)i * i)));
        c->i[k] = i, c->j[k] = j;
        c->l[k] = c->fundamental * sqrt((double)square);
        c->modes[k] = signal ? signs(c, i) * signs(c, j) * (i == j ? 1 : 2) : 0;
        c->at[k] = i * matrix + j;
        c->mirror[k] = j * matrix + i;
        c->twice[k] = i == j ? 0 : 1;
        if (signal) c->index[i * g->qp + j] = c->index[j * g->qp + i] = (int32_t)k;
    }
}

/* Stencil and weights at l: Lagrange in t = (ln l - ln l_0)/step for the values l^2 C_l; zero without signal. */
static void fill_weights(struct ff_classes *c)
{
    const int last = c->nell - FF_STENCIL;
    for (long k = 0; k < c->pitch; k++) {
        const double l = k < c->count ? c->l[k] : c->ell[c->nell - 1];
        const double t = log(l / c->ell[0]) / c->step;
        int first = (int)floor(t) - (FF_STENCIL / 2 - 1);
        first = first < 0 ? 0 : first > last ? last : first;
        c->first[k] = first;
        for (int a = 0; a < FF_STENCIL; a++) {
            double w = 1;
            for (int b = 0; b < FF_STENCIL; b++)
                if (b != a) w *= (t - first - b) / (a - b);
            const double ratio = c->ell[first + a] / l;
            c->weight[a * c->pitch + k] = k < c->count ? w * ratio * ratio : 0;
        }
    }
}

void ff_classes_fill(struct ff_classes *c, const struct ff_grid *g)
{
    for (int k = 0; k < c->nell; k++) c->ell[k] = c->fundamental * exp(c->step * k);
    fill_places(c, g);
    fill_weights(c);
}

static double sinc(double x)
{
    return x == 0 ? 1 : sin(x) / x;
}

void ff_classes_average_pixels(struct ff_classes *c)
{
    for (long k = 0; k < c->count; k++) {
        const double window = sinc(M_PI * c->i[k] / c->n) * sinc(M_PI * c->j[k] / c->n);
        for (int a = 0; a < FF_STENCIL; a++) c->weight[a * c->pitch + k] *= window * window;
    }
}

void ff_classes_interpolate(const struct ff_classes *c, const double *table, double factor, long lo, double *values)
{
    long k = lo;
    while (k < lo + FF_BLOCK) { /* runs of classes with the same stencil: its values are constants of the loop */
        const int first = c->first[k];
        long end = k + 1;
        while (end < lo + FF_BLOCK && c->first[end] == first) end++;
        double t[FF_STENCIL];
        for (int a = 0; a < FF_STENCIL; a++) t[a] = factor * table[first + a];
#pragma omp simd
        for (long x = k; x < end; x++) {
            double sum = 0;
            for (int a = 0; a < FF_STENCIL; a++) sum += t[a] * c->weight[a * c->pitch + x];
            values[x - lo] = sum;
        }
        k = end;
    }
}

void ff_classes_interpolate_adjoint(const struct ff_classes *c, const double *values_bar, double factor,
                                    double *table_bar)
{
    memset(table_bar, 0, (size_t)c->nell * sizeof *table_bar);
    long k = 0;
    while (k < c->count) {
        const int first = c->first[k];
        long end = k + 1;
        while (end < c->count && c->first[end] == first) end++;
        for (int a = 0; a < FF_STENCIL; a++) {
            const double *w = c->weight + a * c->pitch;
            double sum = 0;
#pragma omp simd reduction(+ : sum)
            for (long x = k; x < end; x++) sum += w[x] * values_bar[x];
            table_bar[first + a] += factor * sum;
        }
        k = end;
    }
}
