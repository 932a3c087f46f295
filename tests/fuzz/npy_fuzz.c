/* tests/fuzz/npy_fuzz.c - any bytes as a .npy file. What is read has the numbers that its shape says. */
#include "tests/fuzz/fuzz.h"

#include "files/npy.h"

enum { MOST = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double *numbers, sum = 0;
    int rank;
    long shape[FF_MAX_RANK], n = 1;
    ff_ctx ctx = {0};
    const ff_err err = ff_npy_read(file_of(data, size), MOST, &numbers, &rank, shape, &ctx);
    if (err) {
        must(ctx.code == err && !numbers, "an error is in the context and there are no numbers");
        return 0;
    }
    must(rank >= 0 && rank <= FF_MAX_RANK, "a rank");
    for (int i = 0; i < rank; i++) n *= shape[i];
    must(n >= 0 && n <= MOST, "a shape within the bound");
    for (long i = 0; i < n; i++) sum += numbers[i];
    must(sum == sum || sum != sum, "every number can be read");
    free(numbers);
    return 0;
}
