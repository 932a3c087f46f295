/* tests/unit/files/dataset_test.c - datasets come back as written; damaged, foreign and hostile files are errors that
** name the file and the field, and never crash the reader. */
#include "help.h"

#include <hdf5.h>

#include "files/dataset.h"
#include "files/h5.h"

static struct ff_maps make_maps(enum ff_observable observable, int nbins, int npix)
{
    struct ff_maps m = {
        .observable = observable, .nbins = nbins, .ncomp = observable == FF_SHEAR ? 2 : 1, .npix = npix};
    m.size_deg = 1.4;
    m.ra_deg = 150.1131;
    m.dec_deg = 2.2314;
    const long n = ff_maps_len(&m);
    m.map = malloc((size_t)n * sizeof *m.map);
    m.noise_sd = malloc((size_t)n * sizeof *m.noise_sd);
    for (long i = 0; i < n; i++) {
        m.map[i] = 0.001f * (float)i - 0.1f;
        m.noise_sd[i] = i % 7 == 3 ? INFINITY : 0.05f + 0.01f * (float)(i % 5);
    }
    return m;
}

static void maps_come_back_as_written(void **state)
{
    char path[1024];
    static const enum ff_observable kinds[] = {FF_CONVERGENCE, FF_SHEAR};
    for (int k = 0; k < 4; k++) {
        ff_ctx ctx = {0};
        struct ff_maps m = make_maps(kinds[k % 2], 3, 8), back;
        if (k >= 2) { /* without noise */
            free(m.noise_sd);
            m.noise_sd = NULL;
        }
        assert_ok(ff_maps_write(&m, scratch(state, "maps.h5", path), &ctx), &ctx);
        assert_ok(ff_maps_read(&back, path, &ctx), &ctx);
        assert_int_equal(back.observable, m.observable);
        assert_int_equal(back.nbins, 3);
        assert_int_equal(back.ncomp, m.ncomp);
        assert_int_equal(back.npix, 8);
        assert_true(back.size_deg == 1.4 && back.ra_deg == 150.1131 && back.dec_deg == 2.2314);
        const size_t bytes = (size_t)ff_maps_len(&m) * sizeof *m.map;
        assert_memory_equal(back.map, m.map, bytes);
        assert_true(!back.noise_sd == !m.noise_sd);
        if (m.noise_sd) assert_memory_equal(back.noise_sd, m.noise_sd, bytes);
        ff_maps_done(&m);
        ff_maps_done(&back);
    }
}

static void curves_and_shifts_come_back_as_written(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    double z[] = {0, 0.5, 1.25}, n[] = {0, 2, 1};
    struct ff_curve curve = {.n = 3, .x = z, .y = n}, curve_back;
    assert_ok(ff_curve_write(&curve, scratch(state, "nz.h5", path), &ctx), &ctx);
    assert_ok(ff_curve_read(&curve_back, path, &ctx), &ctx);
    assert_int_equal(curve_back.n, 3);
    assert_memory_equal(curve_back.x, z, sizeof z);
    assert_memory_equal(curve_back.y, n, sizeof n);
    ff_curve_done(&curve_back);
    double om[] = {0.1, 0.3}, s8[] = {0.6, 0.8, 1.0}, w0[] = {-1}, shift[12];
    for (int i = 0; i < 12; i++) shift[i] = 0.01 * (i + 1);
    struct ff_shift_table table = {2, 3, 1, 2, om, s8, w0, shift}, back;
    assert_ok(ff_shift_write(&table, scratch(state, "shift.h5", path), &ctx), &ctx);
    assert_ok(ff_shift_read(&back, path, &ctx), &ctx);
    assert_int_equal(back.nom, 2);
    assert_int_equal(back.ns8, 3);
    assert_int_equal(back.nw0, 1);
    assert_int_equal(back.nbins, 2);
    assert_memory_equal(back.sigma8, s8, sizeof s8);
    assert_memory_equal(back.shift, shift, sizeof shift);
    ff_shift_done(&back);
}

static void what_a_writer_is_given_is_checked(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    scratch(state, "refused.h5", path);
    struct ff_maps m = make_maps(FF_SHEAR, 2, 4);
    m.map[2 * 16 + 16 + 9] = NAN; /* bin 1, component 1 */
    assert_fails(ff_maps_write(&m, path, &ctx), FF_EBADFILE, &ctx, "/shear", "bin 1, component 1, y 2, x 1");
    m.map[2 * 16 + 16 + 9] = 0;
    m.noise_sd[5] = 0;
    assert_fails(ff_maps_write(&m, path, &ctx), FF_EBADFILE, &ctx, "/noise_sd", "bin 0, component 0, y 1, x 1");
    m.noise_sd[5] = 1;
    m.size_deg = -1;
    assert_fails(ff_maps_write(&m, path, &ctx), FF_EBADFILE, &ctx, "size_deg", "-1");
    ff_maps_done(&m);
    double z[] = {0, 0.5, 0.5}, n[] = {0, 2, 1};
    struct ff_curve curve = {.n = 3, .x = z, .y = n};
    assert_fails(ff_curve_write(&curve, path, &ctx), FF_EBADFILE, &ctx, "/z", "increase");
    z[2] = 1;
    n[1] = -2;
    assert_fails(ff_curve_write(&curve, path, &ctx), FF_EBADFILE, &ctx, "/n", "-2");
    assert_false(exists(path));
}

/* A dataset of a given shape and nothing in it: a few hundred bytes may declare petabytes. */
static void declare(hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape)
{
    const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(rank, shape, NULL);
    hsize_t chunk[] = {1, 1, 1, 1, 1, 1, 1, 1};
    H5Pset_chunk(dcpl, rank, chunk);
    H5Dclose(H5Dcreate2(file, name, type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(dcpl);
}

static void attribute(hid_t file, const char *name, double value)
{
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attr = H5Acreate2(file, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attr, H5T_NATIVE_DOUBLE, &value);
    H5Aclose(attr);
    H5Sclose(space);
}

struct declared {
    const char *name;
    int rank;
    hsize_t shape[8];
    const char *says, *also;
};

static void wrong_shapes_are_refused_with_their_numbers(void **state)
{
    char path[1024];
    static const struct declared all[] = {
        {"convergence", 3, {17, 8, 8}, "axis 0", "17"},
        {"convergence", 3, {1, 20000, 20000}, "axis 1", "20000"},
        {"convergence", 3, {16, 16384, 16384}, "/convergence", "4294967296"},
        {"convergence", 3, {UINT64_C(1) << 62, 16, 16}, "axis 0", "4611686018427387904"},
        {"convergence", 3, {1, 8, 9}, "/convergence", "8 and 9"},
        {"convergence", 2, {8, 8}, "/convergence", "2 dimensions"},
        {"convergence", 7, {1, 1, 1, 1, 1, 1, 1}, "/convergence", "rank 7"},
        {"convergence", 3, {0, 8, 8}, "axis 0", "length 0"},
        {"shear", 4, {1, 3, 8, 8}, "axis 1", "3"},
        {"shear", 4, {1, 1, 8, 8}, "/shear", "2"},
        {"kappa", 3, {1, 8, 8}, "none", "/convergence"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ff_ctx ctx = {0};
        const hid_t file = H5Fcreate(scratch(state, "shape.h5", path), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
        declare(file, all[i].name, H5T_IEEE_F32LE, all[i].rank, all[i].shape);
        attribute(file, "size_deg", 1);
        attribute(file, "ra_deg", 1);
        attribute(file, "dec_deg", 1);
        H5Fclose(file);
        struct ff_maps m;
        assert_fails(ff_maps_read(&m, path, &ctx), FF_EBADFILE, &ctx, all[i].says, all[i].also);
        assert_non_null(strstr(ctx.message, path));
        assert_null(m.map);
    }
}

static void a_missing_or_odd_field_is_named(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    struct ff_maps m;
    hid_t file = H5Fcreate(scratch(state, "field.h5", path), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    declare(file, "convergence", H5T_IEEE_F32LE, 3, (hsize_t[]){1, 4, 4});
    attribute(file, "size_deg", 1);
    attribute(file, "ra_deg", 1);
    H5Fclose(file);
    assert_fails(ff_maps_read(&m, path, &ctx), FF_EBADFILE, &ctx, path, "dec_deg");
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    attribute(file, "dec_deg", 91);
    H5Fclose(file);
    assert_fails(ff_maps_read(&m, path, &ctx), FF_EBADFILE, &ctx, path, "dec_deg is 91");
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    H5Adelete(file, "dec_deg");
    attribute(file, "dec_deg", 9);
    declare(file, "noise_sd", H5T_IEEE_F32LE, 3, (hsize_t[]){2, 4, 4});
    H5Fclose(file);
    assert_fails(ff_maps_read(&m, path, &ctx), FF_EBADFILE, &ctx, path, "/noise_sd");
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    H5Ldelete(file, "noise_sd", H5P_DEFAULT);
    declare(file, "shear", H5T_IEEE_F32LE, 4, (hsize_t[]){1, 2, 4, 4});
    H5Fclose(file);
    assert_fails(ff_maps_read(&m, path, &ctx), FF_EBADFILE, &ctx, path, "both");
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    declare(file, "z", H5T_IEEE_F64LE, 1, (hsize_t[]){4});
    struct ff_curve curve;
    H5Fclose(file);
    assert_fails(ff_curve_read(&curve, path, &ctx), FF_EBADFILE, &ctx, path, "/n ");
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    declare(file, "n", H5T_STD_I64LE, 1, (hsize_t[]){5});
    H5Fclose(file);
    assert_fails(ff_curve_read(&curve, path, &ctx), FF_EBADFILE, &ctx, path, "/n has 5 points, /z has 4");
    assert_null(curve.x);
}

static void what_is_no_dataset_is_said(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    struct ff_maps m;
    struct ff_shift_table table;
    assert_fails(ff_maps_read(&m, scratch(state, "absent.h5", path), &ctx), FF_ENOFILE, &ctx, path, "No such file");
    scratch(state, "other.h5", path);
    write_bytes(path, "", 0);
    assert_fails(ff_maps_read(&m, path, &ctx), FF_EBADFILE, &ctx, path, "0 bytes");
    write_bytes(path, "0.0 1.0\n0.5 2.0\n", 16);
    assert_fails(ff_shift_read(&table, path, &ctx), FF_EBADFILE, &ctx, path, "HDF5");
    assert_null(table.shift);
    assert_fails(ff_maps_read(&m, shared("arviz/centered_eight.nc", path), &ctx), FF_EBADFILE, &ctx, path,
                 "/convergence");
}

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Reads a damaged copy: fine, or FF_EBADFILE with the path in it. */
static int read_damaged(const char *path, const char *what, long where)
{
    ff_ctx ctx = {0};
    struct ff_maps m;
    const ff_err err = ff_maps_read(&m, path, &ctx);
    if (err && err != FF_EBADFILE)
        fail_msg("%s %ld: expected bad-file, got %s: %s", what, where, ff_code_slug(err), ctx.message);
    if (err && !strstr(ctx.message, path)) fail_msg("%s %ld: no file in \"%s\"", what, where, ctx.message);
    if (err) assert_null(m.map);
    ff_maps_done(&m);
    return err != FF_OK;
}

static void truncated_files_are_errors(void **state)
{
    char path[1024], cut[1024];
    ff_ctx ctx = {0};
    struct ff_maps m = make_maps(FF_SHEAR, 2, 8);
    assert_ok(ff_maps_write(&m, scratch(state, "whole.h5", path), &ctx), &ctx);
    ff_maps_done(&m);
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    scratch(state, "cut.h5", cut);
    const size_t step = size / 200 + 1;
    for (size_t n = 0; n < size; n += step) {
        write_bytes(cut, bytes, n);
        if (!read_damaged(cut, "cut at", (long)n))
            fail_msg("cut at %zu of %zu bytes: expected an error, got none", n, size);
    }
    free(bytes);
}

static void flipped_bits_never_crash(void **state)
{
    char path[1024], bad[1024];
    ff_ctx ctx = {0};
    const char *wanted = getenv("FF_TEST_SEED");
    uint64_t seed = wanted ? strtoull(wanted, NULL, 0) : 20240229, s = seed;
    print_message("# seed %llu\n", (unsigned long long)seed);
    struct ff_maps m = make_maps(FF_CONVERGENCE, 2, 8);
    assert_ok(ff_maps_write(&m, scratch(state, "good.h5", path), &ctx), &ctx);
    ff_maps_done(&m);
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    scratch(state, "flip.h5", bad);
    int errors = 0;
    for (int i = 0; i < 400; i++) {
        /* Every other time one bit, else up to eight: more of them die early. */
        const int flips = i % 2 ? 1 + (int)(next_random(&s) % 8) : 1;
        size_t at[8], bit[8];
        for (int k = 0; k < flips; k++) {
            at[k] = next_random(&s) % size;
            bit[k] = next_random(&s) % 8;
            bytes[at[k]] ^= (unsigned char)(1u << bit[k]);
        }
        write_bytes(bad, bytes, size);
        errors += read_damaged(bad, "flip", i);
        for (int k = 0; k < flips; k++) bytes[at[k]] ^= (unsigned char)(1u << bit[k]);
    }
    print_message("# %d of 400 damaged files were refused\n", errors);
    assert_in_range(errors, 20, 200); /* most bytes are pixels */
    free(bytes);
}

/* A file of some MB that deflate makes of 4 GiB of zeros: refused by its declared size or by the limit on memory. */
static void a_bomb_is_refused(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    const hid_t file = H5Fcreate(scratch(state, "bomb.h5", path), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hsize_t shape[] = {2, 16384, 16384}; /* as many as allowed for one, nothing stored: 2 GiB of fill values */
    declare(file, "convergence", H5T_IEEE_F32LE, 3, shape);
    attribute(file, "size_deg", 1);
    attribute(file, "ra_deg", 1);
    attribute(file, "dec_deg", 1);
    H5Fclose(file);
    struct ff_maps m;
    assert_fails(ff_maps_read(&m, path, &ctx), FF_EBADFILE, &ctx, path, "2048 MB");
    assert_null(m.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_come_back_as_written),
        cmocka_unit_test(curves_and_shifts_come_back_as_written),
        cmocka_unit_test(what_a_writer_is_given_is_checked),
        cmocka_unit_test(wrong_shapes_are_refused_with_their_numbers),
        cmocka_unit_test(a_missing_or_odd_field_is_named),
        cmocka_unit_test(what_is_no_dataset_is_said),
        cmocka_unit_test(truncated_files_are_errors),
        cmocka_unit_test(flipped_bits_never_crash),
        cmocka_unit_test(a_bomb_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
