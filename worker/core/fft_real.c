/* worker/core/fft_real.c - the FFT leaf on FFTW: 2-D transforms of many n x n maps as our own passes of 1-D plans,
** a row at a time and COLUMNS columns (one cache line of floats) at a time. Each plan runs in one thread inside a
** loop over rows or chunks, so the bits never depend on the number of threads. Plans are FFTW_ESTIMATE: for lines
** this short they are within 1.3 of measured ones, and they are the same in every process, which a bitwise resume
** needs. */
#include "worker/core/fft_real.h"

#include <stdlib.h>
#include <string.h>

#include "worker/core/lock.h"
#include "worker/core/ops.h"

enum { COLUMNS = 8 };

static void make_plans(struct ff_fft *f, ff_real *row, FF_FFTW(complex) * spectrum)
{
    const unsigned flags = FFTW_ESTIMATE;
    const int n = f->n, cp = (int)f->cp;
    ff_planning_lock();
    f->row_forward = FF_FFTW(plan_dft_r2c_1d)(n, row, spectrum, flags);
    f->row_inverse = FF_FFTW(plan_dft_c2r_1d)(n, spectrum, row, flags);
    for (int d = 0; d < 2; d++)
        f->columns[d] = FF_FFTW(plan_many_dft)(1, &n, COLUMNS, spectrum, NULL, cp, 1, spectrum, NULL, cp, 1,
                                               d == 0 ? FFTW_FORWARD : FFTW_BACKWARD, flags);
    f->hash = FF_PLAN_HASH;
    if (f->row_forward) f->hash = ff_plan_hash(f->hash, f->row_forward);
    if (f->row_inverse) f->hash = ff_plan_hash(f->hash, f->row_inverse);
    for (int d = 0; d < 2; d++)
        if (f->columns[d]) f->hash = ff_plan_hash(f->hash, f->columns[d]);
    ff_planning_unlock();
}

ff_err FF_NAME(ff_fft_init)(struct ff_fft **out, int n, ff_ctx *ctx)
{
    *out = NULL;
    const struct ff_grid g = ff_grid_make(1, 1, n, n, 1);
    const size_t row_bytes = (size_t)g.rp * sizeof(ff_real), bytes = (size_t)n * (size_t)g.cp * 2 * sizeof(ff_real);
    struct ff_fft *f = calloc(1, sizeof *f);
    ff_real *row = FF_FFTW(malloc)(row_bytes);
    FF_FFTW(complex) *spectrum = FF_FFTW(malloc)(bytes);
    ff_err err = FF_OK;
    if (!f || !row || !spectrum) {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to plan transforms of side %d (%zu bytes)", n, bytes);
        goto done;
    }
    f->n = n, f->rp = g.rp, f->cp = g.cp;
    make_plans(f, row, spectrum);
    if (!f->row_forward || !f->row_inverse || !f->columns[0] || !f->columns[1]) {
        err = ff_fail(ctx, FF_ENUMERIC, FF_HERE, "FFTW has no plan for transforms of side %d", n);
        goto done;
    }
    *out = f;
    f = NULL;
done:
    FF_FFTW(free)(row);
    FF_FFTW(free)(spectrum);
    FF_NAME(ff_fft_free)(f);
    return err;
}

void FF_NAME(ff_fft_free)(struct ff_fft *f)
{
    if (!f) return;
    ff_planning_lock();
    FF_FFTW(destroy_plan)(f->row_forward);
    FF_FFTW(destroy_plan)(f->row_inverse);
    for (int d = 0; d < 2; d++) FF_FFTW(destroy_plan)(f->columns[d]);
    ff_planning_unlock();
    free(f);
}

uint64_t FF_NAME(ff_fft_hash)(const struct ff_fft *f)
{
    return f->hash;
}

void FF_NAME(ff_fft_columns)(const struct ff_fft *f, void *spectra, int nmaps, int sign, int threads)
{
    const long chunks = f->cp / COLUMNS;
    const FF_FFTW(plan) plan = f->columns[sign > 0];
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long c = 0; c < nmaps * chunks; c++) {
        const long map = c / chunks, column = c % chunks * COLUMNS;
        FF_FFTW(complex) *at = (FF_FFTW(complex) *)spectra + map * f->n * f->cp + column;
        FF_FFTW(execute_dft)(plan, at, at);
    }
}

void FF_NAME(ff_fft_forward)(const struct ff_fft *f, const void *maps, void *spectra, int nmaps, int threads)
{
    /* FFTW takes a non-const input; an out-of-place r2c plan made without FFTW_DESTROY_INPUT leaves it as it is. */
    ff_real *in = (ff_real *)(uintptr_t)maps, *out = spectra;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long r = 0; r < (long)nmaps * f->n; r++) ff_fft_row_forward(f, in + r * f->rp, out + r * f->cp * 2);
    FF_NAME(ff_fft_columns)(f, spectra, nmaps, -1, threads);
}

void FF_NAME(ff_fft_inverse)(const struct ff_fft *f, void *spectra, void *maps, int nmaps, int threads)
{
    ff_real *in = spectra, *out = maps;
    FF_NAME(ff_fft_columns)(f, spectra, nmaps, +1, threads);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long r = 0; r < (long)nmaps * f->n; r++) ff_fft_row_inverse(f, in + r * f->cp * 2, out + r * f->rp);
}
