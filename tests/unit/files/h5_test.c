/* tests/unit/files/h5_test.c - the HDF5 writer and reader: what is written comes back; a file appears whole or not at
** all. */
#define _GNU_SOURCE
#include "help.h"

#include <dlfcn.h>
#include <errno.h>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <limits.h>

#include "files/h5.h"

/* A full disk: while `room` >= 0, reservations and writes to named files that end beyond it fail as on a full disk. With
** `broken`, writes fail there as a disk does that is not full but broken, and so does fsync.
** (These definitions stand before the C library's for HDF5 too. A file without a name, nlink 0, is memory, not
** disk.) */
static long room = -1;
static int broken;
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    struct stat st;
    if (room >= 0 && fstat(fd, &st) == 0 && st.st_nlink > 0 && offset + (off_t)n > room) {
        errno = broken ? EIO : ENOSPC;
        return -1;
    }
    return real(fd, bytes, n, offset);
}

int fallocate(int fd, int mode, off_t offset, off_t n)
{
    static int (*real)(int, int, off_t, off_t);
    if (!real) real = (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate");
    if (room >= 0 && offset + n > room) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, mode, offset, n);
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (!broken) return real(fd);
    errno = EIO;
    return -1;
}

enum { CHAINS = 2, DRAWS = 5, BINS = 3, N = 4 };
static const char *const names[] = {"omega_m", "S8", "\xce\xa9"}; /* one is not ASCII */

static ff_err write_posterior(ff_h5 *f, ff_ctx *ctx)
{
    double sigma8[CHAINS * DRAWS]; /* (chain, draw) */
    int8_t diverging[CHAINS * DRAWS];
    float map[BINS * N * N]; /* (bin, y, x) */
    for (int i = 0; i < CHAINS * DRAWS; i++) {
        sigma8[i] = 0.8 + 0.01 * i;
        diverging[i] = i % 3 == 0;
    }
    for (int i = 0; i < BINS * N * N; i++) map[i] = (float)i;
    ff_err err = ff_h5_group(f, "posterior", ctx);
    if (!err) err = ff_h5_dim(f, "posterior", "draw", DRAWS, ctx);
    if (!err) err = ff_h5_dim(f, "posterior", "chain", CHAINS, ctx);
    if (!err) err = ff_h5_dim_labels(f, "posterior", "parameter", names, 3, ctx);
    if (!err) err = ff_h5_put(f, "posterior", "sigma8", FF_F64_T, "chain draw", sigma8, ctx);
    if (!err) err = ff_h5_put(f, "posterior", "diverging", FF_BOOL_T, "chain draw", diverging, ctx);
    if (!err) err = ff_h5_dim(f, "maps", "bin", BINS, ctx);
    if (!err) err = ff_h5_dim_plain(f, "maps", "y", N, ctx);
    if (!err) err = ff_h5_dim_plain(f, "maps", "x", N, ctx);
    if (!err) err = ff_h5_reserve(f, "maps", "mean", FF_F32_T, "bin y x", ctx);
    for (int b = BINS - 1; !err && b >= 0; b--)
        err = ff_h5_put_rows(f, "maps", "mean", FF_F32_T, b, 1, map + b * N * N, ctx);
    if (!err) err = ff_h5_attr_text(f, "", "name", "first", ctx);
    if (!err) err = ff_h5_attr_text(f, "", "name", "second", ctx);
    if (!err) err = ff_h5_attr_text(f, "", "empty", "", ctx);
    if (!err) err = ff_h5_attr_number(f, "posterior/sigma8", "rhat", 1.25, ctx);
    if (!err) err = ff_h5_attr_int(f, "", "seed", INT64_C(9007199254740993), ctx);
    return err;
}

static void make_posterior(const char *path, ff_ctx *ctx)
{
    ff_h5 *f;
    assert_ok(ff_h5_create(&f, path, ctx), ctx);
    assert_ok(write_posterior(f, ctx), ctx);
    assert_ok(ff_h5_close(f, ctx), ctx);
}

static void what_is_written_comes_back(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    make_posterior(scratch(state, "post.h5", path), &ctx);
    ff_h5r *f;
    assert_ok(ff_h5r_open(&f, path, &ctx), &ctx);
    int rank;
    long shape[FF_MAX_RANK];
    double *sigma8;
    assert_ok(ff_h5r_get(f, "posterior/sigma8", FF_F64_T, 10, (void **)&sigma8, &rank, shape, &ctx), &ctx);
    assert_int_equal(rank, 2);
    assert_int_equal(shape[0], CHAINS);
    assert_int_equal(shape[1], DRAWS);
    for (int i = 0; i < CHAINS * DRAWS; i++) assert_true(sigma8[i] == 0.8 + 0.01 * i);
    free(sigma8);
    int64_t *draw;
    assert_ok(ff_h5r_get(f, "/posterior/draw", FF_I64_T, 100, (void **)&draw, &rank, shape, &ctx), &ctx);
    for (int i = 0; i < DRAWS; i++) assert_int_equal(draw[i], i);
    free(draw);
    float *map;
    assert_ok(ff_h5r_get(f, "maps/mean", FF_F32_T, BINS * N * N, (void **)&map, &rank, shape, &ctx), &ctx);
    assert_int_equal(rank, 3);
    for (int i = 0; i < BINS * N * N; i++) assert_true(map[i] == (float)i);
    free(map);
    char **labels;
    int n;
    assert_ok(ff_h5r_labels(f, "posterior/parameter", &labels, &n, &ctx), &ctx);
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(labels[i], names[i]);
    ff_names_free(labels, n);
    char *text;
    assert_ok(ff_h5r_attr_text(f, "", "name", 100, &text, &ctx), &ctx);
    assert_string_equal(text, "second"); /* the later one replaced the first */
    free(text);
    assert_ok(ff_h5r_attr_text(f, "", "empty", 100, &text, &ctx), &ctx);
    assert_string_equal(text, "");
    free(text);
    assert_ok(ff_h5r_attr_text(f, "posterior/diverging", "dtype", 100, &text, &ctx), &ctx);
    assert_string_equal(text, "bool");
    free(text);
    double value;
    assert_ok(ff_h5r_attr_number(f, "posterior/sigma8", "rhat", &value, &ctx), &ctx);
    assert_true(value == 1.25);
    ff_h5r_close(f);
}

static void groups_list_in_creation_order(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    make_posterior(scratch(state, "order.h5", path), &ctx);
    ff_h5r *f;
    assert_ok(ff_h5r_open(&f, path, &ctx), &ctx);
    char **list;
    int n;
    static const char *const expected[] = {"draw", "chain", "parameter", "sigma8", "diverging"};
    assert_ok(ff_h5r_list(f, "posterior", &list, &n, &ctx), &ctx);
    assert_int_equal(n, 5);
    for (int i = 0; i < 5; i++) assert_string_equal(list[i], expected[i]);
    ff_names_free(list, n);
    assert_ok(ff_h5r_list(f, "", &list, &n, &ctx), &ctx);
    assert_int_equal(n, 2);
    assert_string_equal(list[0], "posterior");
    ff_names_free(list, n);
    ff_h5r_close(f);
}

/* The recipe that ArviZ, xarray and netCDF4 read: by the library itself, not by our reader. */
static void scales_are_named_and_attached(void **state)
{
    char path[1024], text[128];
    ff_ctx ctx = {0};
    make_posterior(scratch(state, "scales.h5", path), &ctx);
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    static const struct {
        const char *variable, *scale;
        unsigned axis;
    } all[] = {{"posterior/sigma8", "posterior/chain", 0},
               {"posterior/sigma8", "posterior/draw", 1},
               {"maps/mean", "maps/bin", 0},
               {"maps/mean", "maps/y", 1},
               {"maps/mean", "maps/x", 2}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const hid_t variable = H5Dopen2(file, all[i].variable, H5P_DEFAULT),
                    scale = H5Dopen2(file, all[i].scale, H5P_DEFAULT);
        assert_int_equal(H5DSis_scale(scale), 1);
        assert_int_equal(H5DSis_attached(variable, scale, all[i].axis), 1);
        H5DSget_scale_name(scale, text, sizeof text);
        if (i < 3) assert_string_equal(text, strchr(all[i].scale, '/') + 1);
        if (i >= 3) assert_string_equal(text, "This is a netCDF dimension but not a netCDF variable.         4");
        H5Dclose(variable);
        H5Dclose(scale);
    }
    const hid_t attr = H5Aopen(file, "seed", H5P_DEFAULT);
    int64_t seed = 0;
    H5Aread(attr, H5T_NATIVE_INT64, &seed);
    assert_true(seed == INT64_C(9007199254740993)); /* not a double */
    H5Aclose(attr);
    H5F_info2_t info;
    H5Fget_info2(file, &info);
    assert_true(info.super.version <= 2); /* HDF5 1.8 and older open it */
    H5Fclose(file);
}

static void a_long_text_attribute_survives(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    enum { LONG = 300000 }; /* more than an attribute holds by itself */
    char *spec = malloc(LONG + 1), *back;
    memset(spec, 'x', LONG);
    spec[LONG] = '\0';
    ff_h5 *f;
    assert_ok(ff_h5_create(&f, scratch(state, "long.h5", path), &ctx), &ctx);
    assert_ok(ff_h5_attr_text(f, "", "spec", spec, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
    ff_h5r *r;
    assert_ok(ff_h5r_open(&r, path, &ctx), &ctx);
    assert_ok(ff_h5r_attr_text(r, "", "spec", LONG, &back, &ctx), &ctx);
    assert_string_equal(back, spec);
    free(back);
    assert_fails(ff_h5r_attr_text(r, "", "spec", LONG - 1, &back, &ctx), FF_EBADFILE, &ctx, path, "spec");
    assert_null(back);
    ff_h5r_close(r);
    free(spec);
}

static H5D_layout_t layout_of(const char *path, const char *name, int *filters)
{
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), id = H5Dopen2(file, name, H5P_DEFAULT);
    const hid_t dcpl = H5Dget_create_plist(id);
    const H5D_layout_t layout = H5Pget_layout(dcpl);
    *filters = H5Pget_nfilters(dcpl);
    H5Pclose(dcpl);
    H5Dclose(id);
    H5Fclose(file);
    return layout;
}

static void only_what_shrinks_is_compressed(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    enum { SIDE = 600 };
    float *noise = malloc(SIDE * SIDE * sizeof *noise), *flat = malloc(SIDE * SIDE * sizeof *flat);
    uint64_t s = 1;
    for (int i = 0; i < SIDE * SIDE; i++) {
        s = s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        noise[i] = (float)(s >> 40) / 16777216.0f - 0.5f;
        flat[i] = i < SIDE ? INFINITY : 0.05f;
    }
    ff_h5 *f;
    assert_ok(ff_h5_create(&f, scratch(state, "pack.h5", path), &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "", "y", SIDE, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "", "x", SIDE, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "", "noise", FF_F32_T, "y x", noise, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "", "noise_sd", FF_F32_T, "y x", flat, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
    int filters;
    assert_int_equal(layout_of(path, "noise", &filters), H5D_CONTIGUOUS);
    assert_int_equal(layout_of(path, "noise_sd", &filters), H5D_CHUNKED);
    assert_int_equal(filters, 2);
    ff_h5r *r;
    assert_ok(ff_h5r_open(&r, path, &ctx), &ctx);
    int rank;
    long shape[FF_MAX_RANK];
    float *back;
    assert_ok(ff_h5r_get(r, "noise_sd", FF_F32_T, SIDE * SIDE, (void **)&back, &rank, shape, &ctx), &ctx);
    assert_memory_equal(back, flat, SIDE * SIDE * sizeof *flat);
    free(back);
    ff_h5r_close(r);
    struct stat st;
    stat(path, &st);
    assert_in_range(st.st_size, SIDE * SIDE * 4, SIDE * SIDE * 4 + 100000);
    free(noise);
    free(flat);
}

static void a_file_appears_only_when_closed(void **state)
{
    char path[1024], part[1024];
    ff_ctx ctx = {0};
    scratch(state, "whole.h5", path);
    scratch(state, "whole.h5.part", part);
    ff_h5 *f;
    assert_ok(ff_h5_create(&f, path, &ctx), &ctx);
    assert_ok(write_posterior(f, &ctx), &ctx);
    assert_false(exists(path));
    assert_true(exists(part));
    ff_h5_abandon(f);
    assert_false(exists(path));
    assert_false(exists(part));
    make_posterior(path, &ctx);
    assert_true(exists(path));
    assert_false(exists(part));
    ff_h5_abandon(NULL);
    ff_h5r_close(NULL);
}

static void a_full_disk_is_said_and_leaves_nothing(void **state)
{
    char path[1024], part[1024];
    ff_ctx ctx = {0};
    scratch(state, "full.h5", path);
    scratch(state, "full.h5.part", part);
    static const long rooms[] = {3000, 100000}; /* when the file is closed; while data are written */
    enum { BIG = 100000 };
    double *data = calloc(BIG, sizeof *data);
    for (int i = 0; i < 2; i++) {
        ff_h5 *f;
        ff_ctx_clear(&ctx);
        assert_ok(ff_h5_create(&f, path, &ctx), &ctx);
        assert_ok(ff_h5_dim_plain(f, "", "x", BIG, &ctx), &ctx);
        room = rooms[i];
        ff_err err = i ? ff_h5_put(f, "", "big", FF_F64_T, "x", data, &ctx) : write_posterior(f, &ctx);
        if (err) ff_h5_abandon(f);
        if (!err) err = ff_h5_close(f, &ctx);
        room = -1;
        if (err != FF_EDISKFULL)
            fail_msg("room %ld: expected disk-full, got %s: %s", rooms[i], ff_code_slug(err), ctx.message);
        assert_non_null(strstr(ctx.message, "No space left"));
        assert_non_null(strstr(ctx.message, path));
        assert_false(exists(path));
        assert_false(exists(part));
    }
    free(data);
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0); /* HDF5 keeps nothing open */
    make_posterior(path, &ctx);
}

static void what_a_broken_disk_has_of_a_file_is_kept(void **state)
{
    enum { BIG = 100000 };
    char path[1024], part[1024];
    ff_ctx ctx = {0};
    ff_h5 *f;
    struct stat st;
    double *data = calloc(BIG, sizeof *data);
    scratch(state, "broken.h5", path);
    scratch(state, "broken.h5.part", part);
    for (int i = 0; i < BIG; i++) data[i] = sin(i); /* does not pack: written at once */
    assert_ok(ff_h5_create(&f, path, &ctx), &ctx);
    assert_ok(write_posterior(f, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "", "x", BIG, &ctx), &ctx);
    broken = 1;
    room = 100000;
    ff_err err = ff_h5_end(f, ff_h5_put(f, "", "big", FF_F64_T, "x", data, &ctx), &ctx);
    room = -1;
    assert_int_equal(err, FF_EIO);
    assert_non_null(strstr(ctx.message, "Input/output error"));
    assert_true(stat(part, &st) == 0 && st.st_size > 0);
    assert_ok(ff_h5_create(&f, path, &ctx), &ctx); /* the next attempt takes its place */
    assert_ok(write_posterior(f, &ctx), &ctx);
    err = ff_h5_close(f, &ctx);
    broken = 0;
    assert_int_equal(err, FF_EIO);
    assert_non_null(strstr(ctx.message, part));
    assert_false(exists(path));
    ff_h5r *r;
    assert_ok(ff_h5r_open(&r, part, &ctx), &ctx); /* whole, as far as anyone can tell */
    ff_h5r_close(r);
    make_posterior(path, &ctx);
    assert_false(exists(part));
    free(data);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    ff_h5 *f;
    scratch(state, "no/such/x.h5", path);
    assert_fails(ff_h5_create(&f, path, &ctx), FF_EIO, &ctx, path, "No such file");
    assert_null(f);
}

static void misuse_of_the_writer_is_refused(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    double data[4] = {0};
    ff_h5 *f;
    assert_ok(ff_h5_create(&f, scratch(state, "misuse.h5", path), &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "g", "x", 4, &ctx), &ctx);
    assert_fails(ff_h5_put(f, "g", "v", FF_F64_T, "y", data, &ctx), FF_EBUG, &ctx, "g/v", "\"y\"");
    assert_ok(ff_h5_reserve(f, "g", "rows", FF_F64_T, "x", &ctx), &ctx);
    assert_fails(ff_h5_put_rows(f, "g", "rows", FF_F64_T, 2, 3, data, &ctx), FF_EBUG, &ctx, "g/rows", "of 4");
    assert_fails(ff_h5_put_rows(f, "g", "rows", FF_F32_T, 0, 1, data, &ctx), FF_EBUG, &ctx, "g/rows", "type");
    assert_fails(ff_h5_put_rows(f, "g", "none", FF_F64_T, 0, 1, data, &ctx), FF_EBUG, &ctx, "g/none", "reserved");
    assert_fails(ff_h5_put(f, "g", "a/b", FF_F64_T, "x", data, &ctx), FF_EBUG, &ctx, "a/b", "name");
    ff_h5_abandon(f);
}

static void numbers_that_are_none_are_refused_by_their_index(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    double good[6] = {0}, bad[6] = {0, 1, 2, 3, NAN, NAN}, masked[6] = {1, INFINITY, 1, 1, 1, 1};
    const float infinite[6] = {0, 0, -INFINITY, 0, 0, 0};
    ff_h5 *f;
    assert_ok(ff_h5_create(&f, scratch(state, "numbers.h5", path), &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "g", "y", 2, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "g", "x", 3, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "diagnostics", "x", 6, &ctx), &ctx);
    assert_fails(ff_h5_put(f, "g", "a", FF_F64_T, "y x", bad, &ctx), FF_ENUMERIC, &ctx, "/g/a", "element 4");
    assert_fails(ff_h5_put(f, "g", "b", FF_F32_T, "y x", infinite, &ctx), FF_ENUMERIC, &ctx, "/g/b", "element 2");
    assert_ok(ff_h5_reserve(f, "g", "c", FF_F64_T, "y x", &ctx), &ctx);
    assert_ok(ff_h5_put_rows(f, "g", "c", FF_F64_T, 0, 2, good, &ctx), &ctx);
    assert_fails(ff_h5_put_rows(f, "g", "c", FF_F64_T, 1, 1, bad + 3, &ctx), FF_ENUMERIC, &ctx, "/g/c", "element 4");
    assert_ok(ff_h5_put(f, "g", "noise_sd", FF_F64_T, "y x", masked, &ctx), &ctx);
    masked[1] = -INFINITY;
    assert_fails(ff_h5_put(f, "h", "noise_sd", FF_F64_T, "", masked + 1, &ctx), FF_ENUMERIC, &ctx, "noise_sd",
                 "element 0");
    assert_ok(ff_h5_put(f, "diagnostics", "rhat", FF_F64_T, "x", bad, &ctx), &ctx);
    ff_h5_abandon(f);
}

static void limits_of_the_reader_hold(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    make_posterior(scratch(state, "limits.h5", path), &ctx);
    ff_h5r *f;
    assert_ok(ff_h5r_open(&f, path, &ctx), &ctx);
    int rank, n;
    long shape[FF_MAX_RANK];
    void *data = path;
    char **list;
    double value;
    assert_fails(ff_h5r_get(f, "posterior/sigma8", FF_F64_T, 9, &data, &rank, shape, &ctx), FF_EBADFILE, &ctx, path,
                 "sigma8");
    assert_null(data);
    assert_fails(ff_h5r_get(f, "posterior/none", FF_F64_T, 9, &data, &rank, shape, &ctx), FF_EBADFILE, &ctx, path,
                 "/posterior/none");
    assert_fails(ff_h5r_get(f, "posterior", FF_F64_T, 9, &data, &rank, shape, &ctx), FF_EBADFILE, &ctx, path,
                 "not a dataset");
    assert_fails(ff_h5r_get(f, "posterior/parameter", FF_F64_T, 9, &data, &rank, shape, &ctx), FF_EBADFILE, &ctx, path,
                 "numbers");
    assert_fails(ff_h5r_labels(f, "posterior/sigma8", &list, &n, &ctx), FF_EBADFILE, &ctx, path, "texts");
    assert_fails(ff_h5r_list(f, "posterior/sigma8", &list, &n, &ctx), FF_EBADFILE, &ctx, path, "group");
    assert_fails(ff_h5r_attr_number(f, "", "none", &value, &ctx), FF_EBADFILE, &ctx, path, "none");
    assert_fails(ff_h5r_attr_number(f, "", "name", &value, &ctx), FF_EBADFILE, &ctx, path, "not a number");
    assert_true(ff_h5r_has(f, "posterior/sigma8"));
    assert_false(ff_h5r_has(f, "posterior/sigma8/below"));
    assert_false(ff_h5r_has(f, "nothing"));
    ff_h5r_close(f);
}

/* Links and storage that lead out of a file would let a dataset read any file of a server. */
static void rows_are_read_alone(void **state)
{
    ff_ctx ctx = {0};
    char path[1024];
    ff_h5r *f;
    int rank;
    long shape[FF_MAX_RANK];
    float *map;
    scratch(state, "rows.h5", path);
    make_posterior(path, &ctx);
    assert_ok(ff_h5r_open(&f, path, &ctx), &ctx);
    for (long first = 0; first <= BINS; first++) {
        for (long count = 0; first + count <= BINS; count++) {
            assert_ok(ff_h5r_rows(f, "maps/mean", FF_F32_T, first, count, 1000, (void **)&map, &rank, shape, &ctx),
                      &ctx);
            assert_int_equal(rank, 3);
            assert_int_equal(shape[0], count);
            assert_int_equal(shape[2], N);
            for (long i = 0; i < count * N * N; i++) assert_true(map[i] == (float)(first * N * N + i));
            free(map);
        }
    }
    static const long beyond[][2] = {{0, BINS + 1}, {BINS, 1},     {BINS + 1, 0}, {-1, 1},
                                     {1, -1},       {LONG_MAX, 1}, {1, LONG_MAX}};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        assert_fails(
            ff_h5r_rows(f, "maps/mean", FF_F32_T, beyond[i][0], beyond[i][1], 1000, (void **)&map, &rank, shape, &ctx),
            FF_ERANGE, &ctx, "rows.h5", "/maps/mean");
        assert_null(map);
    }
    assert_fails(ff_h5r_rows(f, "maps/mean", FF_F32_T, 0, 2, N * N, (void **)&map, &rank, shape, &ctx), FF_EBADFILE,
                 &ctx, "rows.h5", "numbers allowed");
    ff_h5r_close(f);
}

static void other_files_are_not_followed(void **state)
{
    char path[1024], other[1024];
    ff_ctx ctx = {0};
    make_posterior(scratch(state, "target.h5", other), &ctx);
    const hid_t file = H5Fcreate(scratch(state, "links.h5", path), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external(other, "/posterior/sigma8", file, "z", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/z", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(dcpl, other, 0, 80);
    const hid_t space = H5Screate_simple(1, (hsize_t[]){10}, NULL);
    H5Dclose(H5Dcreate2(file, "raw", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, dcpl, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(dcpl);
    H5Fclose(file);
    ff_h5r *f;
    assert_ok(ff_h5r_open(&f, path, &ctx), &ctx);
    int rank;
    long shape[FF_MAX_RANK];
    void *data;
    assert_fails(ff_h5r_get(f, "z", FF_F64_T, 99, &data, &rank, shape, &ctx), FF_EBADFILE, &ctx, path, "/z");
    assert_fails(ff_h5r_get(f, "soft", FF_F64_T, 99, &data, &rank, shape, &ctx), FF_EBADFILE, &ctx, path, "/soft");
    assert_fails(ff_h5r_get(f, "raw", FF_F64_T, 99, &data, &rank, shape, &ctx), FF_EBADFILE, &ctx, path,
                 "another file");
    ff_h5r_close(f);
}

static void what_is_not_hdf5_is_said(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    ff_h5r *f;
    assert_fails(ff_h5r_open(&f, scratch(state, "absent.h5", path), &ctx), FF_ENOFILE, &ctx, path, "No such file");
    assert_fails(ff_h5r_open(&f, (char *)*state, &ctx), FF_EBADFILE, &ctx, (char *)*state, "regular");
    scratch(state, "text.h5", path);
    write_bytes(path, "z n\n0 1\n", 8);
    assert_fails(ff_h5r_open(&f, path, &ctx), FF_EBADFILE, &ctx, path, "signature");
    assert_null(f);
    mkfifo(scratch(state, "pipe.h5", path), 0600);
    assert_fails(ff_h5r_open(&f, path, &ctx), FF_EBADFILE, &ctx, path, "regular");
}

static void a_foreign_netcdf_file_is_read(void **state)
{
    (void)state;
    char path[1024];
    ff_ctx ctx = {0};
    ff_h5r *f;
    assert_ok(ff_h5r_open(&f, shared("arviz/centered_eight.nc", path), &ctx), &ctx);
    int rank;
    long shape[FF_MAX_RANK];
    double *mu;
    assert_ok(ff_h5r_get(f, "posterior/mu", FF_F64_T, 1 << 20, (void **)&mu, &rank, shape, &ctx), &ctx);
    assert_int_equal(rank, 2);
    assert_int_equal(shape[0], 4);
    assert_int_equal(shape[1], 500);
    double sum = 0;
    for (int i = 0; i < 2000; i++) sum += mu[i];
    assert_near(sum / 2000, 4.4, 0.5); /* the eight schools' mean */
    free(mu);
    char **labels;
    int n;
    assert_ok(ff_h5r_labels(f, "posterior/school", &labels, &n, &ctx), &ctx);
    assert_int_equal(n, 8);
    assert_string_equal(labels[0], "Choate");
    ff_names_free(labels, n);
    ff_h5r_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(groups_list_in_creation_order),
        cmocka_unit_test(scales_are_named_and_attached),
        cmocka_unit_test(a_long_text_attribute_survives),
        cmocka_unit_test(only_what_shrinks_is_compressed),
        cmocka_unit_test(a_file_appears_only_when_closed),
        cmocka_unit_test(a_full_disk_is_said_and_leaves_nothing),
        cmocka_unit_test(what_a_broken_disk_has_of_a_file_is_kept),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
        cmocka_unit_test(misuse_of_the_writer_is_refused),
        cmocka_unit_test(numbers_that_are_none_are_refused_by_their_index),
        cmocka_unit_test(limits_of_the_reader_hold),
        cmocka_unit_test(rows_are_read_alone),
        cmocka_unit_test(other_files_are_not_followed),
        cmocka_unit_test(what_is_not_hdf5_is_said),
        cmocka_unit_test(a_foreign_netcdf_file_is_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
