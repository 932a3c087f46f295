/* worker/core/lines_inner.h - inside lines_real.c: columns to lines and back, and real rows by complex transforms of
** half their length. Lines are in scratch, `pitch` reals from one to the next. */
#ifndef FF_WORKER_CORE_LINES_INNER_H
#define FF_WORKER_CORE_LINES_INNER_H

#include "worker/core/lines.h"
#include "worker/core/real.h"

/* ---- columns to lines ---- */

FF_HD void ff_copy_complex(ff_real *to, const ff_real *from)
{
    memcpy(to, from, 2 * sizeof *to);
}

#if defined(FF_REAL_IS_FLOAT)
/* One complex number is one lane: 8 x 8 of them are transposed in three rounds, which exchange neighbours, pairs and
** fours. */
typedef int64_t ff_tile_row __attribute__((vector_size(64)));

FF_HD void ff_tile_transpose(ff_tile_row r[FF_LINES])
{
    const ff_tile_row low[3] = {{0, 8, 2, 10, 4, 12, 6, 14}, {0, 1, 8, 9, 4, 5, 12, 13}, {0, 1, 2, 3, 8, 9, 10, 11}};
    const ff_tile_row high[3] = {
        {1, 9, 3, 11, 5, 13, 7, 15}, {2, 3, 10, 11, 6, 7, 14, 15}, {4, 5, 6, 7, 12, 13, 14, 15}};
#pragma GCC unroll 3
    for (int round = 0; round < 3; round++)
#pragma GCC unroll 8
        for (int i = 0; i < FF_LINES; i++)
            if (!(i & 1 << round)) {
                const ff_tile_row a = r[i], b = r[i + (1 << round)];
                r[i] = __builtin_shuffle(a, b, low[round]);
                r[i + (1 << round)] = __builtin_shuffle(a, b, high[round]);
            }
}

FF_HD void ff_tile_copy(ff_real *to, long to_stride, const ff_real *from, long from_stride)
{
    ff_tile_row r[FF_LINES];
#pragma GCC unroll 8
    for (int i = 0; i < FF_LINES; i++) memcpy(&r[i], from + i * from_stride, sizeof r[i]);
    ff_tile_transpose(r);
#pragma GCC unroll 8
    for (int i = 0; i < FF_LINES; i++) memcpy(to + i * to_stride, &r[i], sizeof r[i]);
}
#else
FF_HD void ff_tile_copy(ff_real *to, long to_stride, const ff_real *from, long from_stride)
{
    for (int i = 0; i < FF_LINES; i++)
        for (int j = 0; j < FF_LINES; j++) ff_copy_complex(to + j * to_stride + 2 * i, from + i * from_stride + 2 * j);
}
#endif

/* n pieces of FF_LINES complex numbers, `stride` reals apart, to lines. */
FF_HD void ff_lines_take(ff_real *lines, long pitch, const ff_real *from, long stride, int n)
{
    int i = 0;
    for (; i + FF_LINES <= n; i += FF_LINES) ff_tile_copy(lines + 2L * i, pitch, from + i * stride, stride);
    for (; i < n; i++)
        for (int j = 0; j < FF_LINES; j++) ff_copy_complex(lines + j * pitch + 2L * i, from + i * stride + 2 * j);
}

/* And back. */
FF_HD void ff_lines_put(const ff_real *lines, long pitch, ff_real *to, long stride, int n)
{
    int i = 0;
    for (; i + FF_LINES <= n; i += FF_LINES) ff_tile_copy(to + i * stride, stride, lines + 2L * i, pitch);
    for (; i < n; i++)
        for (int j = 0; j < FF_LINES; j++) ff_copy_complex(to + i * stride + 2 * j, lines + j * pitch + 2L * i);
}

/* ---- real rows ----
** A row of n = 2h reals is taken as h complex numbers x_2j + i x_2j+1 with transform Z (Cooley, Lewis & Welch 1970,
** J. Sound Vib. 12, 315). With w = e^(-2 pi i k/n):
**   forward  X_k = (Z_k + conj Z_h-k)/2 - i w (Z_k - conj Z_h-k)/2,   k = 0 .. h, Z_h = Z_0
**   inverse  Z_k = (X_k + conj X_h-k) + i conj w (X_k - conj X_h-k),  k = 0 .. h-1, and no factor is missing
** Both are e + m o with m = (-sin, -+cos)(2 pi k/n). The tables have every number twice, as complex arithmetic in lanes
** wants it: `same` -sin, -sin, and `cross` cos, -cos. */

#if defined(FF_REAL_IS_FLOAT)
typedef int32_t ff_lane_mask __attribute__((vector_size(FF_VEC_BYTES)));
#else
typedef int64_t ff_lane_mask __attribute__((vector_size(FF_VEC_BYTES)));
#endif

FF_HD void ff_half_tables(int nx, ff_real *same, ff_real *cross)
{
    for (int k = 0; k <= nx / 2; k++) {
        double s, c;
        ff_sincospi_f64(2.0 * k / nx, &s, &c);
        same[2 * k] = same[2 * k + 1] = (ff_real)-s;
        cross[2 * k] = (ff_real)c, cross[2 * k + 1] = (ff_real)-c;
    }
}

/* to_k, k = 0 .. n-1, from from_k and from_h-k; `turn` is 1 forward and -1 inverse. */
FF_HD void ff_half_combine(int h, int n, const ff_real *from, ff_real scale, ff_real turn, const ff_real *same,
                           const ff_real *cross, ff_real *to)
{
    ff_lane_mask reversed, swapped;
    ff_vec conjugate;
    int k = 0;
    for (int l = 0; l < FF_LANES; l++) {
        reversed[l] = FF_LANES - 2 - (l & ~1) + (l & 1);
        swapped[l] = l ^ 1;
        conjugate[l] = l & 1 ? -1 : 1;
    }
    for (; k + FF_LANES / 2 <= n; k += FF_LANES / 2) {
        ff_vec a, b, s, c;
        memcpy(&a, from + 2L * k, sizeof a);
        memcpy(&b, from + 2L * (h - k) - (FF_LANES - 2), sizeof b);
        memcpy(&s, same + 2L * k, sizeof s);
        memcpy(&c, cross + 2L * k, sizeof c);
        b = __builtin_shuffle(b, reversed) * conjugate;
        const ff_vec o = a - b, x = ((a + b) + (o * s + __builtin_shuffle(o, swapped) * (turn * c))) * scale;
        memcpy(to + 2L * k, &x, sizeof x);
    }
    for (; k < n; k++) {
        const ff_real *a = from + 2L * k, *b = from + 2L * (h - k);
        const ff_real o[2] = {a[0] - b[0], a[1] + b[1]}, *c = cross + 2L * k;
        to[2 * k] = ((a[0] + b[0]) + (o[0] * same[2 * k] + o[1] * (turn * c[0]))) * scale;
        to[2 * k + 1] = ((a[1] - b[1]) + (o[1] * same[2 * k] + o[0] * (turn * c[1]))) * scale;
    }
}

#endif
