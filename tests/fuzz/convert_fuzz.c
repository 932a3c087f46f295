/* tests/fuzz/convert_fuzz.c - any bytes as a file that becomes a dataset (ffctl convert, upload); the first byte says which
** kind. What is accepted is a dataset that our own reader takes. */
#include "tests/fuzz/fuzz.h"

#include "files/convert.h"
#include "files/dataset.h"

static void check_dataset(const char *path, int kind)
{
    ff_ctx ctx = {0};
    struct ff_curve curve;
    struct ff_maps maps;
    struct ff_shift_table table;
    ff_err err = FF_OK;
    if (kind < 2) {
        err = ff_maps_read(&maps, path, &ctx);
        if (!err) ff_maps_done(&maps);
    } else if (kind == 2) {
        err = ff_curve_read(&curve, path, &ctx);
        if (!err) ff_curve_done(&curve);
    } else {
        err = ff_shift_read(&table, path, &ctx);
        if (!err) ff_shift_done(&table);
    }
    if (err) fprintf(stderr, "%s\n", ctx.message);
    must(!err, "a dataset that was made can be read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const kinds[] = {"convergence", "shear", "nz", "shift"};
    static const char *const axes[] = {NULL, "y,x,bin", "y,x", "y,x,bin,component"};
    char out[80];
    ff_ctx ctx = {0};
    if (size < 1) return 0;
    const int kind = data[0] & 3;
    const struct ff_convert_options options = {.as = kinds[kind],
                                               .axes = kind < 2 ? axes[data[0] >> 2 & 3] : NULL,
                                               .size_deg = kind < 2 ? 10 : 0,
                                               .noise_sd = kind < 2 && data[0] & 16 ? "0.05" : NULL,
                                               .column = kind == 2 ? data[0] >> 6 : 0};
    const char *in = file_of(data + 1, size - 1);
    snprintf(out, sizeof out, "/tmp/ff_fuzz_%ld.h5", (long)getpid());
    const ff_err err = ff_convert(in, out, &options, &ctx);
    must(ctx.code == err, "an error is in the context");
    if (!err) check_dataset(out, kind);
    unlink(out);
    return 0;
}
