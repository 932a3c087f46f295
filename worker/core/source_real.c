/* worker/core/source_real.c - the source of the second-order potential and its adjoint (particles.h; docs: compute,
** section 4.5). Second derivatives are D_i D_j to the last digit: nine points along an axis, or the slope of a row of
** slopes, so that the adjoint is exact. No array but the fields themselves: slopes along y and z live in rows of a
** thread's scratch, in rings of eight rows or five planes of a strip, and are made once for a strip of rows. */
#include "worker/core/stencil_rows.h"

#include <omp.h>
#include <string.h>

#include "worker/core/ops.h"

enum { RING = 8, PLANES = 5, BEYOND = 4 };

/* Scratch of a thread; a row starts FF_STENCIL_MARGIN after its place. */
struct scratch {
    long pitch;
    ff_real *trace;                                   /* (PLANES, FF_STRIP): P_zz of plane z at z mod PLANES */
    ff_real *slope_z, *across_yy, *flux_y, *shear_yz; /* (RING): row y at y mod RING */
    ff_real *field, *slope_y, *across_xx, *shear_xy, *shear_xz;
};

static struct scratch scratch_of(const struct ff_mesh *m, void *all)
{
    ff_real *base = (ff_real *)all + omp_get_thread_num() * ff_stencil_scratch(m) + FF_STENCIL_MARGIN;
    const long pitch = ff_stencil_pitch(m);
    struct scratch s = {.pitch = pitch, .trace = base};
    base += PLANES * FF_STRIP * pitch;
    ff_real **rings[] = {&s.slope_z, &s.across_yy, &s.flux_y, &s.shear_yz};
    for (int i = 0; i < 4; i++, base += RING * pitch) *rings[i] = base;
    ff_real **rows[] = {&s.field, &s.slope_y, &s.across_xx, &s.shear_xy, &s.shear_xz};
    for (int i = 0; i < 5; i++, base += pitch) *rows[i] = base;
    return s;
}

static ff_real *ring_row(const struct scratch *s, ff_real *ring, int y)
{
    return ring + (y & (RING - 1)) * s->pitch;
}
static struct ff_rows ring_rows(const struct scratch *s, ff_real *ring, int y)
{
    struct ff_rows r;
    for (int k = -2; k <= 2; k++) r.from[k + 4] = ring_row(s, ring, y + k);
    return r;
}
static ff_real *trace_row(const struct scratch *s, int z, int row) /* z >= -PLANES */
{
    return s->trace + ((z + PLANES) % PLANES * FF_STRIP + row) * s->pitch;
}

/* What is beyond both ends of a periodic row. */
static void close_row(int nx, ff_real *row)
{
    memcpy(row - BEYOND, row + nx - BEYOND, BEYOND * sizeof *row);
    memcpy(row + nx, row, BEYOND * sizeof *row);
}

/* 1/(144 side_i side_j): of the strain, and of the same stencil on its cotangent. */
struct factors {
    ff_real xx, yy, zz, xy, xz, yz;
};
static struct factors factors_of(const struct ff_mesh *m)
{
    const double *h = m->side;
    return (struct factors){.xx = (ff_real)(1 / (144 * h[0] * h[0])),
                            .yy = (ff_real)(1 / (144 * h[1] * h[1])),
                            .zz = (ff_real)(1 / (144 * h[2] * h[2])),
                            .xy = (ff_real)(1 / (144 * h[0] * h[1])),
                            .xz = (ff_real)(1 / (144 * h[0] * h[2])),
                            .yz = (ff_real)(1 / (144 * h[1] * h[2]))};
}

static void slopes(int nx, const struct ff_rows *r, ff_real *out)
{
#pragma omp simd
    for (int x = 0; x < nx; x++) out[x] = ff_rows_slope(r, x);
    close_row(nx, out);
}

static void make_slope_z(const struct ff_mesh *m, const void *phi, int z, int y, const struct scratch *s)
{
    const struct ff_rows r = ff_rows_z(m, phi, z, y, 2);
    slopes(m->nx, &r, ring_row(s, s->slope_z, y));
}
static void make_slope_y(const struct ff_mesh *m, const void *phi, int z, int y, const struct scratch *s)
{
    const struct ff_rows r = ff_rows_y(m, phi, z, y, 2);
    slopes(m->nx, &r, s->slope_y);
}
static void make_field(const struct ff_mesh *m, const void *phi, int z, int y, const struct scratch *s)
{
    memcpy(s->field, ff_row(m, phi, z, y), (size_t)m->nx * sizeof *s->field);
    close_row(m->nx, s->field);
}

static void source_row(const struct ff_mesh *m, const void *phi, int z, int y, const struct scratch *s, ff_real *out)
{
    const struct factors c = factors_of(m);
    const struct ff_rows ry = ff_rows_y(m, phi, z, y, 4), rz = ff_rows_z(m, phi, z, y, 4);
    const struct ff_rows rs = ring_rows(s, s->slope_z, y);
    make_field(m, phi, z, y, s);
    make_slope_y(m, phi, z, y, s);
    const ff_real *field = s->field, *slope_y = s->slope_y, *slope_z = ring_row(s, s->slope_z, y);
#pragma omp simd
    for (int x = 0; x < m->nx; x++) {
        const ff_real xx = c.xx * ff_curve_x(field, x), yy = c.yy * ff_rows_curve(&ry, x);
        const ff_real zz = c.zz * ff_rows_curve(&rz, x), xy = c.xy * ff_slope_x(slope_y, x);
        const ff_real xz = c.xz * ff_slope_x(slope_z, x), yz = c.yz * ff_rows_slope(&rs, x);
        out[x] = xx * yy + (xx + yy) * zz - (xy * xy + xz * xz + yz * yz);
    }
}

void FF_NAME(ff_stencil_source)(const struct ff_mesh *m, const void *phi, void *scratch, void *source)
{
    const long tasks = (long)ff_strips(m) * m->nzl;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long t = 0; t < tasks; t++) {
        const struct scratch s = scratch_of(m, scratch);
        const int z = (int)(t % m->nzl), first = (int)(t / m->nzl) * FF_STRIP;
        for (int y = first - 2; y < first + 2; y++) make_slope_z(m, phi, z, y, &s);
        for (int y = first; y < ff_strip_end(m, first); y++) {
            make_slope_z(m, phi, z, y + 2, &s);
            source_row(m, phi, z, y, &s, (ff_real *)source + z * ff_mesh_plane(m) + y * m->rp);
        }
    }
}

/* Adjoint. A strip of rows goes through planes; within a plane, row by row, everything is made as soon as the rows it
** needs are there: front row y, middle row y - 2, last row y - 4. */
struct adjoint {
    const struct ff_mesh *m;
    const void *phi, *source_bar;
    ff_real *phi_bar, *flux;
    struct factors c;
    int first, end; /* rows of the strip */
};

/* P_zz = S_bar (phi_xx + phi_yy) of a plane's strip. */
static void trace_plane(const struct adjoint *a, const struct scratch *s, int z)
{
    const int nx = a->m->nx;
    for (int y = a->first; y < a->end; y++) {
        const struct ff_rows ry = ff_rows_y(a->m, a->phi, z, y, 4);
        const ff_real *bar = ff_row(a->m, a->source_bar, z, y), *field = s->field;
        ff_real *out = trace_row(s, z, y - a->first);
        make_field(a->m, a->phi, z, y, s);
#pragma omp simd
        for (int x = 0; x < nx; x++)
            out[x] = bar[x] * (a->c.xx * ff_curve_x(field, x) + a->c.yy * ff_rows_curve(&ry, x));
    }
}

/* Slope along z, P_yy; and P_xx with what comes of it in the strip's own rows. */
static void front_row(const struct adjoint *a, const struct scratch *s, int z, int y)
{
    const struct ff_mesh *m = a->m;
    const int nx = m->nx;
    const bool own = y >= a->first && y < a->end;
    const struct ff_rows ry = ff_rows_y(m, a->phi, z, y, 4), rz = ff_rows_z(m, a->phi, z, y, 4);
    const ff_real *bar = ff_row(m, a->source_bar, z, y), *field = s->field;
    ff_real *yy = ring_row(s, s->across_yy, y), *xx = s->across_xx;
    make_slope_z(m, a->phi, z, y, s);
    make_field(m, a->phi, z, y, s);
#pragma omp simd
    for (int x = 0; x < nx; x++) {
        const ff_real pz = a->c.zz * ff_rows_curve(&rz, x);
        yy[x] = bar[x] * (a->c.xx * ff_curve_x(field, x) + pz);
        xx[x] = bar[x] * pz;
    }
    if (!own) return;
    ff_real *phi_bar = a->phi_bar + z * ff_mesh_plane(m) + y * m->rp;
#pragma omp simd
    for (int x = 0; x < nx; x++) xx[x] += bar[x] * (a->c.yy * ff_rows_curve(&ry, x));
    close_row(nx, xx);
#pragma omp simd
    for (int x = 0; x < nx; x++) phi_bar[x] += a->c.xx * ff_curve_x(xx, x);
}

/* P_yz, and what goes along y within the plane: D_y P_yy + D_x P_xy. */
static void middle_row(const struct adjoint *a, const struct scratch *s, int z, int y)
{
    const int nx = a->m->nx;
    const struct ff_rows rs = ring_rows(s, s->slope_z, y), ra = ring_rows(s, s->across_yy, y);
    const ff_real *bar = ff_row(a->m, a->source_bar, z, y), *slope_y = s->slope_y;
    ff_real *yz = ring_row(s, s->shear_yz, y), *xy = s->shear_xy, *flux_y = ring_row(s, s->flux_y, y);
    make_slope_y(a->m, a->phi, z, y, s);
#pragma omp simd
    for (int x = 0; x < nx; x++) {
        yz[x] = -2 * a->c.yz * bar[x] * ff_rows_slope(&rs, x);
        xy[x] = -2 * a->c.xy * bar[x] * ff_slope_x(slope_y, x);
    }
    close_row(nx, xy);
#pragma omp simd
    for (int x = 0; x < nx; x++) flux_y[x] = a->c.yy * ff_rows_slope(&ra, x) + a->c.xy * ff_slope_x(xy, x);
}

/* phi_bar += D_y of that; flux = D_z P_zz + D_x P_xz + D_y P_yz. */
static void last_row(const struct adjoint *a, const struct scratch *s, int z, int y)
{
    const struct ff_mesh *m = a->m;
    const int nx = m->nx;
    const long at = z * ff_mesh_plane(m) + y * m->rp;
    const struct ff_rows rf = ring_rows(s, s->flux_y, y), ryz = ring_rows(s, s->shear_yz, y);
    const ff_real *bar = ff_row(m, a->source_bar, z, y), *slope_z = ring_row(s, s->slope_z, y);
    ff_real *xz = s->shear_xz, *phi_bar = a->phi_bar + at, *flux = a->flux + at;
    struct ff_rows rt;
    for (int k = -2; k <= 2; k++) rt.from[k + 4] = trace_row(s, z + k, y - a->first);
#pragma omp simd
    for (int x = 0; x < nx; x++) {
        phi_bar[x] += ff_rows_slope(&rf, x);
        xz[x] = -2 * a->c.xz * bar[x] * ff_slope_x(slope_z, x);
    }
    close_row(nx, xz);
#pragma omp simd
    for (int x = 0; x < nx; x++)
        flux[x] = a->c.zz * ff_rows_slope(&rt, x) + a->c.xz * ff_slope_x(xz, x) + a->c.yz * ff_rows_slope(&ryz, x);
}

/* Planes z .. end of a strip. */
static void flux_strip(const struct adjoint *a, const struct scratch *s, int z, int end)
{
    for (int k = -2; k < 2; k++) trace_plane(a, s, z + k);
    for (; z < end; z++) {
        trace_plane(a, s, z + 2);
        for (int y = a->first - 4; y < a->end + 4; y++) {
            front_row(a, s, z, y);
            if (y >= a->first) middle_row(a, s, z, y - 2);
            if (y >= a->first + 4) last_row(a, s, z, y - 4);
        }
    }
}

void FF_NAME(ff_stencil_source_flux)(const struct ff_mesh *m, const void *phi, const void *source_bar, void *scratch,
                                     void *phi_bar, void *flux)
{
    /* Planes are cut so that no thread is without work; a cut costs the traces of four planes more. */
    const int strips = ff_strips(m), least = (4 * m->threads + strips - 1) / strips;
    const int cuts = m->threads == 1 ? 1 : (least < m->nzl ? least : m->nzl);
#pragma omp parallel for num_threads(m->threads) schedule(dynamic) if (m->threads > 1)
    for (int t = 0; t < strips * cuts; t++) {
        const struct scratch s = scratch_of(m, scratch);
        const int first = t / cuts * FF_STRIP, cut = t % cuts;
        const struct adjoint a = {m, phi, source_bar, phi_bar, flux, factors_of(m), first, ff_strip_end(m, first)};
        flux_strip(&a, &s, (int)((long)m->nzl * cut / cuts), (int)((long)m->nzl * (cut + 1) / cuts));
    }
}

void FF_NAME(ff_stencil_source_adjoint)(const struct ff_mesh *m, const void *flux, void *phi_bar)
{
#pragma omp parallel for num_threads(m->threads) schedule(static) collapse(2) if (m->threads > 1)
    for (int z = 0; z < m->nzl; z++)
        for (int y = 0; y < m->ny; y++) {
            const struct ff_rows r = ff_rows_z(m, flux, z, y, 2);
            ff_real *out = (ff_real *)phi_bar + z * ff_mesh_plane(m) + y * m->rp;
#pragma omp simd
            for (int x = 0; x < m->nx; x++) out[x] += ff_rows_slope(&r, x);
        }
}
