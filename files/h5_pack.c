/* files/h5_pack.c - how a variable is stored. Small or incompressible data lie contiguous (one read, no filter); data
** over 1 MiB that deflate would shrink are chunked, shuffled and deflated. Maps of noise do not shrink (their
** mantissas are random) and take long to find out, so a sample is asked first: deflate after shuffle works on one byte
** of the numbers at a time, and cannot beat the entropy of those bytes' histogram by much. */
#include "files/h5_write.h"

#include <math.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20, SAMPLE = 1 << 14, LEVEL = 4 };

/* Bits per byte of byte `plane` over a regular sample of the numbers. */
static double plane_entropy(const unsigned char *data, size_t size, size_t n, size_t plane)
{
    long count[256] = {0};
    const size_t step = n > SAMPLE ? n / SAMPLE : 1;
    long total = 0;
    for (size_t i = 0; i < n; i += step) {
        count[data[i * size + plane]]++;
        total++;
    }
    double bits = 0;
    for (int v = 0; v < 256; v++) {
        const double p = (double)count[v] / (double)total;
        if (p > 0) bits -= p * log2(p);
    }
    return bits;
}

/* Would at least a quarter of the bytes go? */
static bool shrinks(const void *data, size_t size, size_t n)
{
    double bits = 0;
    for (size_t plane = 0; plane < size; plane++) bits += plane_entropy(data, size, n, plane);
    return bits < 6.0 * (double)size;
}

hid_t ff_h5_storage(enum ff_type type, int rank, const hsize_t *shape, const void *data)
{
    const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
    const size_t size = ff_h5_type_size(type);
    hsize_t n = 1, chunk[FF_MAX_RANK];
    for (int i = 0; i < rank; i++) n *= shape[i];
    if (dcpl < 0 || !data || n * size <= CHUNK_BYTES || !shrinks(data, size, (size_t)n)) return dcpl;
    memcpy(chunk, shape, (size_t)rank * sizeof *chunk);
    for (int i = 0; i < rank; i++) {
        while (chunk[i] > 1 && n * size > CHUNK_BYTES) {
            n = n / chunk[i] * ((chunk[i] + 1) / 2);
            chunk[i] = (chunk[i] + 1) / 2;
        }
    }
    if (H5Pset_chunk(dcpl, rank, chunk) < 0 || H5Pset_shuffle(dcpl) < 0 || H5Pset_deflate(dcpl, LEVEL) < 0) {
        H5Pclose(dcpl);
        return H5I_INVALID_HID;
    }
    return dcpl;
}
