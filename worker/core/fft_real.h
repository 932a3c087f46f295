/* worker/core/fft_real.h - inside the FFT leaf, for operations that fuse work between the row and column passes, and
** what it shares with the other leaf on FFTW (lines_real.c). */
#ifndef FF_WORKER_CORE_FFT_REAL_H
#define FF_WORKER_CORE_FFT_REAL_H

#include <fftw3.h>
#include <stdlib.h>

#include "worker/core/real.h"

struct ff_fft {
    int n;
    long rp, cp;
    FF_FFTW(plan) row_forward, row_inverse, columns[2]; /* columns: [0] forward, [1] backward */
    uint64_t hash;
};

/* FNV-1a over a plan's text, from FF_PLAN_HASH on; with the planning lock held (lock.h). */
#define FF_PLAN_HASH 0xcbf29ce484222325u
static inline uint64_t ff_plan_hash(uint64_t hash, FF_FFTW(plan) plan)
{
    char *text = FF_FFTW(sprint_plan)(plan);
    for (const char *c = text; c && *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    free(text);
    return hash;
}

/* One row: n reals (kept) to h+1 complex numbers, and back (the spectrum is destroyed). */
static inline void ff_fft_row_forward(const struct ff_fft *f, ff_real *row, ff_real *spectrum)
{
    FF_FFTW(execute_dft_r2c)(f->row_forward, row, (FF_FFTW(complex) *)spectrum);
}
static inline void ff_fft_row_inverse(const struct ff_fft *f, ff_real *spectrum, ff_real *row)
{
    FF_FFTW(execute_dft_c2r)(f->row_inverse, (FF_FFTW(complex) *)spectrum, row);
}

#endif
