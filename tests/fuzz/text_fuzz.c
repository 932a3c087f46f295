/* tests/fuzz/text_fuzz.c - any bytes as a table of numbers in a text file. */
#include "tests/fuzz/fuzz.h"

#include "files/text.h"

enum { MOST = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double *numbers, sum = 0;
    long rows;
    int columns;
    ff_ctx ctx = {0};
    const ff_err err = ff_text_table(file_of(data, size), MOST, &numbers, &rows, &columns, &ctx);
    if (err) {
        must(ctx.code == err && !numbers, "an error is in the context and there are no numbers");
        return 0;
    }
    must(rows >= 1 && columns >= 1 && rows * columns <= MOST, "a table within the bound");
    for (long i = 0; i < rows * columns; i++) sum += numbers[i];
    must(sum == sum || sum != sum, "every number can be read");
    free(numbers);
    return 0;
}
