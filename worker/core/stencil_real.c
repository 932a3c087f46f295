/* worker/core/stencil_real.c - potentials to displacements and back by the 4-point stencil (particles.h; docs: compute,
** section 4.4). One pass over the planes: rows around a row are still in cache when their turn comes, since a strip of
** rows goes through all planes before the next one. Sums over a plane are kept per strip and added in order. */
#include "worker/core/stencil_rows.h"

#include "worker/core/ops.h"

enum { SUMS = 256 }; /* strips whose sums are kept at a time */

enum { ENDS = 2 };               /* cells at each end of a row where the slope along it goes round */
static int end_of(int nx, int i) /* i = 0 .. 2 ENDS */
{
    return i < ENDS ? i : nx - 2 * ENDS + i;
}

/* Displacements of a row and two potentials: a D phi + b D phi2; b only with phi2. */
struct pull {
    const struct ff_mesh *m;
    const void *phi, *phi2;
    double a, b;
};

FF_HD void displace_x(const struct pull *p, int z, int y, ff_real scale_a, ff_real scale_b, ff_real *out)
{
    const int nx = p->m->nx;
    const ff_real *f = ff_row(p->m, p->phi, z, y), *g = p->phi2 ? ff_row(p->m, p->phi2, z, y) : NULL;
#pragma omp simd
    for (int x = ENDS; x < nx - ENDS; x++) out[x] = scale_a * ff_slope_x(f, x) + (g ? scale_b * ff_slope_x(g, x) : 0);
    for (int i = 0; i < 2 * ENDS; i++) {
        const int x = end_of(nx, i);
        out[x] = scale_a * ff_slope_end(f, x, nx) + (g ? scale_b * ff_slope_end(g, x, nx) : 0);
    }
}

FF_HD void displace_across(const struct pull *p, const struct ff_rows *f, const struct ff_rows *g, ff_real scale_a,
                           ff_real scale_b, ff_real *out)
{
#pragma omp simd
    for (int x = 0; x < p->m->nx; x++)
        out[x] = scale_a * ff_rows_slope(f, x) + (p->phi2 ? scale_b * ff_rows_slope(g, x) : 0);
}

FF_HD void displace_row(const struct pull *p, int z, int y, ff_real *const s[3])
{
    const struct ff_mesh *m = p->m;
    const long at = z * ff_mesh_plane(m) + y * m->rp;
    const void *phi2 = p->phi2 ? p->phi2 : p->phi;
    const struct ff_rows fy = ff_rows_y(m, p->phi, z, y, 2), fz = ff_rows_z(m, p->phi, z, y, 2);
    const struct ff_rows gy = ff_rows_y(m, phi2, z, y, 2), gz = ff_rows_z(m, phi2, z, y, 2);
    ff_real a[3], b[3];
    for (int j = 0; j < 3; j++) {
        a[j] = (ff_real)(p->a / (12 * m->side[j] * m->side[j]));
        b[j] = (ff_real)(p->b / (12 * m->side[j] * m->side[j]));
    }
    displace_x(p, z, y, a[0], b[0], s[0] + at);
    displace_across(p, &fy, &gy, a[1], b[1], s[1] + at);
    displace_across(p, &fz, &gz, a[2], b[2], s[2] + at);
}

void FF_NAME(ff_stencil_displace)(const struct ff_mesh *m, const void *phi, const void *phi2, const double *d1,
                                  const double *d2, void *const s[3])
{
    ff_real *const out[3] = {s[0], s[1], s[2]};
    const long tasks = (long)ff_strips(m) * m->nzl;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long t = 0; t < tasks; t++) {
        const int z = (int)(t % m->nzl), first = (int)(t / m->nzl) * FF_STRIP, end = ff_strip_end(m, first);
        const struct pull one = {m, phi, NULL, -d1[m->z0 + z], 0};
        const struct pull two = {m, phi, phi2, -d1[m->z0 + z], phi2 ? d2[m->z0 + z] : 0};
        for (int y = first; y < end; y++) {
            if (phi2)
                displace_row(&two, z, y, out);
            else
                displace_row(&one, z, y, out);
        }
    }
}

/* Sum over a row of s_bar times D phi / side^2 */
static double growth_row(const struct ff_mesh *m, const void *phi, const void *const s_bar[3], int z, int y)
{
    const struct ff_rows ry = ff_rows_y(m, phi, z, y, 2), rz = ff_rows_z(m, phi, z, y, 2);
    const ff_real *f = ff_row(m, phi, z, y), *bx = ff_row(m, s_bar[0], z, y);
    const ff_real *by = ff_row(m, s_bar[1], z, y), *bz = ff_row(m, s_bar[2], z, y);
    const ff_real sx = (ff_real)(1 / (12 * m->side[0] * m->side[0])),
                  sy = (ff_real)(1 / (12 * m->side[1] * m->side[1]));
    const ff_real sz = (ff_real)(1 / (12 * m->side[2] * m->side[2]));
    ff_real along = 0, across = 0, ends = 0;
#pragma omp simd reduction(+ : along)
    for (int x = ENDS; x < m->nx - ENDS; x++) along += bx[x] * ff_slope_x(f, x);
    for (int i = 0; i < 2 * ENDS; i++) {
        const int x = end_of(m->nx, i);
        ends += bx[x] * ff_slope_end(f, x, m->nx);
    }
#pragma omp simd reduction(+ : across)
    for (int x = 0; x < m->nx; x++)
        across += by[x] * (sy * ff_rows_slope(&ry, x)) + bz[x] * (sz * ff_rows_slope(&rz, x));
    return (double)(sx * (along + ends)) + (double)across;
}

/* Slope of rows, each times its own factor: along z the growth differs from plane to plane. */
FF_HD ff_real slope_of_products(const struct ff_rows *r, const ff_real d[5], int x)
{
    return ff_slope(d[0] * r->from[2][x], d[1] * r->from[3][x], d[3] * r->from[5][x], d[4] * r->from[6][x]);
}

/* phi_bar = -sign sum_j D_j (d s_bar_j) / side_j^2 on row y of plane z */
static void potential_row(const struct ff_mesh *m, const double *d, double sign, const void *const s_bar[3], int z,
                          int y, ff_real *phi_bar)
{
    const struct ff_rows ry = ff_rows_y(m, s_bar[1], z, y, 2), rz = ff_rows_z(m, s_bar[2], z, y, 2);
    const ff_real *bx = ff_row(m, s_bar[0], z, y);
    ff_real scale[3], dz[5];
    for (int j = 0; j < 3; j++) scale[j] = (ff_real)(-sign * d[m->z0 + z] / (12 * m->side[j] * m->side[j]));
    for (int k = -2; k <= 2; k++)
        dz[k + 2] = (ff_real)(-sign * d[ff_wrap(m->z0 + z + k, m->nz)] / (12 * m->side[2] * m->side[2]));
#pragma omp simd
    for (int x = ENDS; x < m->nx - ENDS; x++) phi_bar[x] = scale[0] * ff_slope_x(bx, x);
    for (int i = 0; i < 2 * ENDS; i++) {
        const int x = end_of(m->nx, i);
        phi_bar[x] = scale[0] * ff_slope_end(bx, x, m->nx);
    }
#pragma omp simd
    for (int x = 0; x < m->nx; x++) phi_bar[x] += scale[1] * ff_rows_slope(&ry, x) + slope_of_products(&rz, dz, x);
}

void FF_NAME(ff_stencil_displace_adjoint)(const struct ff_mesh *m, const void *phi, const double *d, double sign,
                                          const void *const s_bar[3], void *phi_bar, double *d_bar)
{
    const long tasks = (long)ff_strips(m) * m->nzl;
    double sum[SUMS];
    for (int z = 0; z < m->nzl; z++) d_bar[z] = 0;
    for (long base = 0; base < tasks; base += SUMS) {
        const int count = (int)(tasks - base < SUMS ? tasks - base : SUMS);
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
        for (int t = 0; t < count; t++) {
            const int z = (int)((base + t) % m->nzl), first = (int)((base + t) / m->nzl) * FF_STRIP;
            sum[t] = 0;
            for (int y = first; y < ff_strip_end(m, first); y++) {
                potential_row(m, d, sign, s_bar, z, y, (ff_real *)phi_bar + z * ff_mesh_plane(m) + y * m->rp);
                sum[t] += growth_row(m, phi, s_bar, z, y);
            }
        }
        for (int t = 0; t < count; t++) d_bar[(base + t) % m->nzl] += sign * sum[t];
    }
}
