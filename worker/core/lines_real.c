/* worker/core/lines_real.c - see lines.h; on FFTW, complex transforms of FF_LINES lines at a time. Plans are
** FFTW_ESTIMATE, for what fft_real.c says; for lines one after the other it finds the fastest, which it does not for
** columns. Real rows of odd length are left to FFTW. */
#include "worker/core/lines_inner.h"

#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>

#include "worker/core/fft_real.h"
#include "worker/core/lock.h"
#include "worker/core/ops.h"

struct ff_lines {
    struct ff_mesh mesh;
    FF_FFTW(plan) x[2], y[2], z[2]; /* [0] forward, [1] inverse; from lines to lines */
    ff_real *same, *cross;          /* (rp) each: lines_inner.h */
    ff_real *scratch;               /* (threads, 2, ff_lines_room(), 2) */
    uint64_t hash;
};

/* ---- plans ---- */

static bool real_by_halves(const struct ff_mesh *m)
{
    return m->nx % 2 == 0;
}

static FF_FFTW(plan) plan_lines(int n, long in_pitch, long out_pitch, ff_real *in, ff_real *out, int sign)
{
    return FF_FFTW(plan_many_dft)(1, &n, FF_LINES, (FF_FFTW(complex) *)in, NULL, 1, (int)in_pitch,
                                  (FF_FFTW(complex) *)out, NULL, 1, (int)out_pitch, sign, FFTW_ESTIMATE);
}

static FF_FFTW(plan) plan_rows(const struct ff_mesh *m, ff_real *rows, ff_real *lines, int sign)
{
    const int n = m->nx, cp = (int)m->cp, rp = (int)m->rp, pitch = (int)ff_lines_pitch(m->h);
    if (real_by_halves(m))
        return sign < 0 ? plan_lines(m->h, cp, pitch, rows, lines, sign)
                        : plan_lines(m->h, pitch, cp, lines, rows, sign);
    FF_FFTW(complex) *half = (FF_FFTW(complex) *)lines;
    if (sign < 0)
        return FF_FFTW(plan_many_dft_r2c)(1, &n, FF_LINES, rows, NULL, 1, rp, half, NULL, 1, cp, FFTW_ESTIMATE);
    return FF_FFTW(plan_many_dft_c2r)(1, &n, FF_LINES, half, NULL, 1, cp, rows, NULL, 1, rp, FFTW_ESTIMATE);
}

static bool make_plans(struct ff_lines *l)
{
    const struct ff_mesh *m = &l->mesh;
    ff_real *in = l->scratch, *out = in + 2 * ff_lines_room(m);
    const long py = ff_lines_pitch(m->ny), pz = ff_lines_pitch(m->nz);
    bool all = true;
    ff_planning_lock();
    l->hash = FF_PLAN_HASH;
    for (int d = 0; d < 2; d++) {
        const int sign = d == 0 ? FFTW_FORWARD : FFTW_BACKWARD;
        l->x[d] = plan_rows(m, in, out, sign);
        l->y[d] = plan_lines(m->ny, py, py, in, out, sign);
        l->z[d] = plan_lines(m->nz, pz, pz, in, out, sign);
        all = all && l->x[d] && l->y[d] && l->z[d];
        if (all) l->hash = ff_plan_hash(ff_plan_hash(ff_plan_hash(l->hash, l->x[d]), l->y[d]), l->z[d]);
    }
    ff_planning_unlock();
    return all;
}

ff_err FF_NAME(ff_lines_init)(struct ff_lines **out, const struct ff_mesh *m, ff_ctx *ctx)
{
    *out = NULL;
    const size_t bytes = (ff_lines_bytes(m, (int)sizeof(ff_real)) + 255) / 256 * 256;
    struct ff_lines *l = calloc(1, sizeof *l);
    ff_real *scratch = aligned_alloc(256, bytes);
    if (!l || !scratch) {
        free(l), free(scratch);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for transforms of %d x %d x %d cells (%zu bytes)", m->nx,
                       m->ny, m->nz, bytes);
    }
    memset(scratch, 0, bytes);
    *l = (struct ff_lines){.mesh = *m, .scratch = scratch};
    l->same = scratch + m->threads * 4 * ff_lines_room(m);
    l->cross = l->same + m->rp;
    ff_half_tables(m->nx, l->same, l->cross);
    if (!make_plans(l)) {
        FF_NAME(ff_lines_free)(l);
        return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "FFTW has no plan for %d x %d x %d cells", m->nx, m->ny, m->nz);
    }
    *out = l;
    return FF_OK;
}

void FF_NAME(ff_lines_free)(struct ff_lines *l)
{
    if (!l) return;
    ff_planning_lock();
    for (int d = 0; d < 2; d++) {
        FF_FFTW(destroy_plan)(l->x[d]);
        FF_FFTW(destroy_plan)(l->y[d]);
        FF_FFTW(destroy_plan)(l->z[d]);
    }
    ff_planning_unlock();
    free(l->scratch);
    free(l);
}

uint64_t FF_NAME(ff_lines_hash)(const struct ff_lines *l)
{
    return l->hash;
}

static ff_real *scratch_of(const struct ff_lines *l)
{
    return l->scratch + omp_get_thread_num() * 4 * ff_lines_room(&l->mesh);
}

static void execute(FF_FFTW(plan) plan, ff_real *in, ff_real *out)
{
    FF_FFTW(execute_dft)(plan, (FF_FFTW(complex) *)in, (FF_FFTW(complex) *)out);
}

/* ---- rows ---- */

/* FF_LINES rows that stand one after the other, in place. */
static void rows_forward(const struct ff_lines *l, ff_real *rows, ff_real *lines)
{
    const struct ff_mesh *m = &l->mesh;
    const long pitch = 2 * ff_lines_pitch(m->h);
    if (!real_by_halves(m)) {
        FF_FFTW(execute_dft_r2c)(l->x[0], rows, (FF_FFTW(complex) *)lines);
        memcpy(rows, lines, (size_t)(FF_LINES * m->rp) * sizeof *rows);
        return;
    }
    execute(l->x[0], rows, lines);
    for (int i = 0; i < FF_LINES; i++) {
        ff_copy_complex(lines + i * pitch + 2 * m->h, lines + i * pitch);
        ff_half_combine(m->h, m->h + 1, lines + i * pitch, (ff_real)0.5, 1, l->same, l->cross, rows + i * m->rp);
    }
}

static void rows_inverse(const struct ff_lines *l, ff_real *rows, ff_real *lines)
{
    const struct ff_mesh *m = &l->mesh;
    const long pitch = 2 * ff_lines_pitch(m->h);
    for (int i = 0; i < FF_LINES; i++) {
        ff_real *row = rows + i * m->rp;
        row[1] = 0;
        if (!real_by_halves(m)) continue;
        row[2 * m->h + 1] = 0;
        ff_half_combine(m->h, m->h, row, 1, -1, l->same, l->cross, lines + i * pitch);
    }
    if (real_by_halves(m)) {
        execute(l->x[1], lines, rows);
        return;
    }
    memcpy(lines, rows, (size_t)(FF_LINES * m->rp) * sizeof *rows);
    FF_FFTW(execute_dft_c2r)(l->x[1], (FF_FFTW(complex) *)lines, rows);
}

/* Rows `first` and following, FF_LINES or as many as a plane has left. */
static void transform_rows(const struct ff_lines *l, ff_real *plane, int first, int sign)
{
    const struct ff_mesh *m = &l->mesh;
    const int count = m->ny - first < FF_LINES ? m->ny - first : FF_LINES;
    const size_t bytes = (size_t)(count * m->rp) * sizeof *plane;
    ff_real *rows = plane + first * m->rp, *spare = scratch_of(l), *lines = spare + 2 * ff_lines_room(m);
    ff_real *at = count < FF_LINES ? spare : rows;
    if (at == spare) memcpy(spare, rows, bytes);
    if (sign < 0)
        rows_forward(l, at, lines);
    else
        rows_inverse(l, at, lines);
    if (at == spare) memcpy(rows, spare, bytes);
}

/* ---- columns ---- */

/* FF_LINES columns of plane z, from number `column` on. */
static void transform_y(const struct ff_lines *l, ff_real *field, ff_real *blocks, int z, long column, int sign)
{
    const struct ff_mesh *m = &l->mesh;
    const long pitch = 2 * ff_lines_pitch(m->ny);
    ff_real *in = scratch_of(l), *out = in + 2 * ff_lines_room(m);
    ff_real *plane = field + z * ff_mesh_plane(m) + 2 * column;
    if (sign < 0) {
        ff_lines_take(in, pitch, plane, m->rp, m->ny);
        execute(l->y[0], in, out);
    }
    for (int q = 0; q < m->nranks; q++) {
        const int y0 = ff_mesh_first(m->ny, m->nranks, q), n = ff_mesh_first(m->ny, m->nranks, q + 1) - y0;
        ff_real *block = blocks + ((long)m->nzl * y0 + (long)z * n) * m->rp + 2 * column;
        if (sign < 0)
            ff_lines_put(out + 2L * y0, pitch, block, m->rp, n);
        else
            ff_lines_take(in + 2L * y0, pitch, block, m->rp, n);
    }
    if (sign > 0) {
        execute(l->y[1], in, out);
        ff_lines_put(out, pitch, plane, m->rp, m->ny);
    }
}

/* FF_LINES columns of row y of the spectrum. */
static void transform_z(const struct ff_lines *l, ff_real *arrived, ff_real *spectrum, int y, long column, int sign)
{
    const struct ff_mesh *m = &l->mesh;
    const long apart = m->nyl * m->rp, pitch = 2 * ff_lines_pitch(m->nz);
    ff_real *in = scratch_of(l), *out = in + 2 * ff_lines_room(m);
    ff_real *across = arrived + y * m->rp + 2 * column, *along = spectrum + (long)y * m->nz * m->rp + 2 * column;
    ff_lines_take(in, pitch, sign < 0 ? across : along, sign < 0 ? apart : m->rp, m->nz);
    execute(l->z[sign > 0], in, out);
    ff_lines_put(out, pitch, sign < 0 ? along : across, sign < 0 ? m->rp : apart, m->nz);
}

/* ---- passes ---- */

/* A plane stays in the cache of one thread from its first line to its last. */
static void transform_plane(const struct ff_lines *l, ff_real *field, ff_real *blocks, int z, int sign)
{
    const struct ff_mesh *m = &l->mesh;
    ff_real *plane = field + z * ff_mesh_plane(m);
    for (int y = 0; y < m->ny && sign < 0; y += FF_LINES) transform_rows(l, plane, y, sign);
    for (long column = 0; column < m->cp; column += FF_LINES) transform_y(l, field, blocks, z, column, sign);
    for (int y = 0; y < m->ny && sign > 0; y += FF_LINES) transform_rows(l, plane, y, sign);
}

static void transform_all_rows(const struct ff_lines *l, ff_real *field, int sign)
{
    const struct ff_mesh *m = &l->mesh;
    const long groups = (m->ny + FF_LINES - 1) / FF_LINES;
#pragma omp parallel for num_threads(m->threads) schedule(static)
    for (long i = 0; i < m->nzl * groups; i++)
        transform_rows(l, field + i / groups * ff_mesh_plane(m), (int)(i % groups) * FF_LINES, sign);
}

/* Planes too few for the threads: all share all rows, then all columns. */
static void transform_few_planes(const struct ff_lines *l, ff_real *field, ff_real *blocks, int sign)
{
    const struct ff_mesh *m = &l->mesh;
    const long groups = m->cp / FF_LINES;
    if (sign < 0) transform_all_rows(l, field, sign);
#pragma omp parallel for num_threads(m->threads) schedule(static)
    for (long i = 0; i < m->nzl * groups; i++)
        transform_y(l, field, blocks, (int)(i / groups), i % groups * FF_LINES, sign);
    if (sign > 0) transform_all_rows(l, field, sign);
}

void FF_NAME(ff_lines_planes)(const struct ff_lines *l, void *field, void *blocks, int sign)
{
    const struct ff_mesh *m = &l->mesh;
    if (m->nzl % m->threads != 0 && m->nzl < 8 * m->threads) {
        transform_few_planes(l, field, blocks, sign);
        return;
    }
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (int z = 0; z < m->nzl; z++) transform_plane(l, field, blocks, z, sign);
}

void FF_NAME(ff_lines_columns)(const struct ff_lines *l, void *arrived, void *spectrum, int sign)
{
    const struct ff_mesh *m = &l->mesh;
    const long groups = m->cp / FF_LINES;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (m->threads > 1)
    for (long i = 0; i < m->nyl * groups; i++)
        transform_z(l, arrived, spectrum, (int)(i / groups), i % groups * FF_LINES, sign);
}
