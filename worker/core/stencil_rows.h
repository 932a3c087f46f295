/* worker/core/stencil_rows.h - rows of a field and the 4-point stencil along them (particles.h): what stencil_real.c and
** source_real.c share. slope is 12 D f; curve is 144 D D f, D applied twice to the last digit of its coefficients. */
#ifndef FF_WORKER_CORE_STENCIL_ROWS_H
#define FF_WORKER_CORE_STENCIL_ROWS_H

#include <stdbool.h>

#include "worker/core/real.h"

#include "worker/core/particles.h"

/* i is at most n beyond either end. */
FF_HD int ff_wrap(int i, int n)
{
    return i < 0 ? i + n : (i >= n ? i - n : i);
}

/* Row y (periodic) of plane z (this rank's, or a ghost). */
FF_HD const ff_real *ff_row(const struct ff_mesh *m, const void *field, int z, int y)
{
    return (const ff_real *)field + z * ff_mesh_plane(m) + ff_wrap(y, m->ny) * m->rp;
}

FF_HD ff_real ff_slope(ff_real m2, ff_real m1, ff_real p1, ff_real p2)
{
    return 8 * (p1 - m1) - (p2 - m2);
}

/* (8 (E - 1/E) - (E^2 - 1/E^2))^2, E the step to the next node; e[k] = f(+k) + f(-k), f the middle. */
FF_HD ff_real ff_curve(ff_real f, ff_real e1, ff_real e2, ff_real e3, ff_real e4)
{
    return e4 - 16 * e3 + 64 * e2 + 16 * e1 - 130 * f;
}

/* Rows around one: r[k] is k steps on, -2 .. 2 or -4 .. 4. */
struct ff_rows {
    const ff_real *from[9];
};
FF_HD const ff_real *ff_rows_at(const struct ff_rows *r, int k)
{
    return r->from[k + 4];
}
FF_HD struct ff_rows ff_rows_y(const struct ff_mesh *m, const void *field, int z, int y, int reach)
{
    struct ff_rows r;
    for (int k = -reach; k <= reach; k++) r.from[k + 4] = ff_row(m, field, z, y + k);
    return r;
}
FF_HD struct ff_rows ff_rows_z(const struct ff_mesh *m, const void *field, int z, int y, int reach)
{
    struct ff_rows r;
    for (int k = -reach; k <= reach; k++) r.from[k + 4] = ff_row(m, field, z + k, y);
    return r;
}

/* Slope at x of the four rows around one. */
FF_HD ff_real ff_rows_slope(const struct ff_rows *r, int x)
{
    return ff_slope(r->from[2][x], r->from[3][x], r->from[5][x], r->from[6][x]);
}
FF_HD ff_real ff_rows_curve(const struct ff_rows *r, int x)
{
    return ff_curve(r->from[4][x], r->from[5][x] + r->from[3][x], r->from[6][x] + r->from[2][x],
                    r->from[7][x] + r->from[1][x], r->from[8][x] + r->from[0][x]);
}

/* Within a row; the row must go on where x is near an end. */
FF_HD ff_real ff_slope_x(const ff_real *f, int x)
{
    return ff_slope(f[x - 2], f[x - 1], f[x + 1], f[x + 2]);
}
FF_HD ff_real ff_curve_x(const ff_real *f, int x)
{
    return ff_curve(f[x], f[x + 1] + f[x - 1], f[x + 2] + f[x - 2], f[x + 3] + f[x - 3], f[x + 4] + f[x - 4]);
}
/* The same where the row ends: periodic. */
FF_HD ff_real ff_slope_end(const ff_real *f, int x, int nx)
{
    return ff_slope(f[ff_wrap(x - 2, nx)], f[ff_wrap(x - 1, nx)], f[ff_wrap(x + 1, nx)], f[ff_wrap(x + 2, nx)]);
}

#endif
