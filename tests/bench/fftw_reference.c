/* tests/bench/fftw_reference.c - plain FFTW on the maps of the reference model, the limit our transforms are compared with:
** 5 maps of 256 x 256, r2c and c2r, single precision, best plan FFTW_MEASURE finds; with more threads the maps are
** shared out. Prints `name value unit threads`. */
#include <fftw3.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { BINS = 5, NPIX = 256, HALF = NPIX / 2 + 1, PASSES = 41 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ms(fftwf_plan forward, fftwf_plan backward, float *map, fftwf_complex *modes, int threads)
{
    double seconds[PASSES];
    for (int pass = 0; pass < PASSES; pass++) {
        double start = omp_get_wtime();
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
        for (int bin = 0; bin < BINS; bin++) {
            float *m = map + (long)bin * NPIX * NPIX;
            fftwf_complex *k = modes + (long)bin * NPIX * HALF;
            fftwf_execute_dft_r2c(forward, m, k);
            fftwf_execute_dft_c2r(backward, k, m);
            for (long i = 0; i < NPIX * NPIX; i++) m[i] *= 1.0f / (NPIX * NPIX);
        }
        seconds[pass] = omp_get_wtime() - start;
    }
    qsort(seconds, PASSES, sizeof *seconds, ascending);
    return 1e3 * seconds[PASSES / 2];
}

int main(void)
{
    float *map = fftwf_alloc_real(BINS * NPIX * NPIX);              /* (BINS, NPIX, NPIX) */
    fftwf_complex *modes = fftwf_alloc_complex(BINS * NPIX * HALF); /* (BINS, NPIX, HALF) */
    if (!map || !modes) {
        fprintf(stderr, "fftw_reference: no memory\n");
        fftwf_free(map);
        fftwf_free(modes);
        return 1;
    }
    fftwf_plan forward = fftwf_plan_dft_r2c_2d(NPIX, NPIX, map, modes, FFTW_MEASURE);
    fftwf_plan backward = fftwf_plan_dft_c2r_2d(NPIX, NPIX, modes, map, FFTW_MEASURE);
    for (long i = 0; i < BINS * NPIX * NPIX; i++) map[i] = (float)((i * 2654435761L >> 7) & 1023) / 1024.0f - 0.5f;
    printf("fftw_pair_256x256x5 %.4g ms 1\n", median_ms(forward, backward, map, modes, 1));
    int most = omp_get_max_threads();
    if (most > 1) printf("fftw_pair_256x256x5 %.4g ms %d\n", median_ms(forward, backward, map, modes, most), most);
    fftwf_destroy_plan(forward);
    fftwf_destroy_plan(backward);
    fftwf_free(map);
    fftwf_free(modes);
    return 0;
}
