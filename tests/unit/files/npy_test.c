/* tests/unit/files/npy_test.c - .npy: NumPy's own bytes, every type, both orders, and hostile headers. */
#include "help.h"

#include "files/npy.h"

enum { LIMIT = 1 << 20 };

/* A file with this header text (padded as NumPy does) and these bytes of data. */
static void make_npy(const char *path, int version, const char *dict, const void *data, size_t size)
{
    unsigned char out[8192] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0};
    const size_t start = version == 1 ? 10 : 12, length = strlen(dict);
    size_t n = start + length;
    memcpy(out + start, dict, length);
    while ((n + 1) % 64) out[n++] = ' ';
    out[n++] = '\n';
    out[8] = (unsigned char)((n - start) & 0xff);
    out[9] = (unsigned char)((n - start) >> 8);
    if (size) memcpy(out + n, data, size);
    write_bytes(path, out, n + size);
}

static void the_bytes_are_numpys(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    const float data[] = {1, 2, 3, 4, 5, 6};
    assert_ok(ff_npy_write(scratch(state, "a.npy", path), FF_F32_T, 2, (long[]){2, 3}, data, &ctx), &ctx);
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    static const char head[] = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    assert_int_equal(size, 128 + 24);
    assert_memory_equal(bytes, head, sizeof head - 1);
    for (size_t i = sizeof head - 1; i < 127; i++) assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, data, 24);
    free(bytes);
}

static void every_type_and_rank_comes_back(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    scratch(state, "t.npy", path);
    const float f32[] = {1.5f, -2};
    const double f64[] = {0.1, 1e300};
    const int64_t i64[] = {-3, INT64_C(1) << 40};
    const uint8_t u8[] = {0, 255};
    const int8_t flag[] = {0, 1};
    const struct {
        enum ff_type type;
        const void *data;
        double expected[2];
    } all[] = {{FF_F32_T, f32, {1.5, -2}},
               {FF_F64_T, f64, {0.1, 1e300}},
               {FF_I64_T, i64, {-3, 1099511627776}},
               {FF_U8_T, u8, {0, 255}},
               {FF_BOOL_T, flag, {0, 1}}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        for (int rank = 0; rank <= FF_MAX_RANK; rank++) {
            long shape[FF_MAX_RANK] = {1, 1, 1, 1, 1, 1}, back_shape[FF_MAX_RANK];
            if (rank) shape[rank - 1] = 2;
            double *back;
            int back_rank;
            assert_ok(ff_npy_write(path, all[k].type, rank, shape, all[k].data, &ctx), &ctx);
            assert_ok(ff_npy_read(path, LIMIT, &back, &back_rank, back_shape, &ctx), &ctx);
            assert_int_equal(back_rank, rank);
            assert_memory_equal(back_shape, shape, (size_t)rank * sizeof *shape);
            for (int i = 0; i < (rank ? 2 : 1); i++) assert_near(back[i], all[k].expected[i], 0);
            free(back);
        }
    }
}

static void big_endian_small_and_fortran_are_understood(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    scratch(state, "f.npy", path);
    static const struct {
        const char *dict;
        unsigned char data[12];
        size_t size;
        double expected[6];
        int n;
    } all[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", {0xc0, 0x20, 0, 0}, 4, {-2.5}, 1},
        {"{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", {0xff, 0xfe, 1, 0}, 4, {-2, 256}, 2},
        {"{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }", {0xff, 0xfe, 1, 0}, 4, {65279, 1}, 2},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }",
         {0, 0x3c, 0, 0xc0, 1, 0},
         6,
         {1, -2, 5.9604644775390625e-08},
         3},
        {"{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3), }", {1, 4, 2, 5, 3, 6}, 6, {1, 2, 3, 4, 5, 6}, 6},
        {"{\"shape\": (3L,), 'fortran_order': False, 'descr': '|b1'}", {0, 1, 7}, 3, {0, 1, 1}, 3},
    };
    for (int version = 1; version <= 2; version++) {
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            double *back;
            int rank;
            long shape[FF_MAX_RANK];
            make_npy(path, version, all[k].dict, all[k].data, all[k].size);
            assert_ok(ff_npy_read(path, LIMIT, &back, &rank, shape, &ctx), &ctx);
            for (int i = 0; i < all[k].n; i++) assert_near(back[i], all[k].expected[i], 0);
            free(back);
        }
    }
}

static void hostile_headers_are_errors(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    scratch(state, "bad.npy", path);
    static const struct {
        const char *dict, *says;
    } all[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }", "cut off"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "allowed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4), }", "allowed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2, 2, 2, 2, 2), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", "shape"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "descr"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "descr"},
        {"{'descr': '<f9', 'fortran_order': False, 'shape': (1,), }", "descr"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "descr"},
        {"{'descr': '<f4', 'fortran_order': maybe, 'shape': (1,), }", "fortran_order"},
        {"{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", "descr"},
        {"{'descr': '<f4', 'shape': (1,), }", "lacks fortran_order"},
        {"{'evil': __import__('os'), 'descr': '<f4'}", "evil"},
        {"{'descr", "damaged"},
        {"", "dictionary"},
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        double *back = (double *)path;
        int rank;
        long shape[FF_MAX_RANK];
        make_npy(path, 1, all[k].dict, "\0\0\0\0", 4);
        assert_fails(ff_npy_read(path, LIMIT, &back, &rank, shape, &ctx), FF_EBADFILE, &ctx, path, all[k].says);
        assert_null(back);
    }
}

static void limits_and_other_files_are_said(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    double *back;
    int rank;
    long shape[FF_MAX_RANK];
    assert_fails(ff_npy_read(scratch(state, "none.npy", path), LIMIT, &back, &rank, shape, &ctx), FF_ENOFILE, &ctx,
                 path, "");
    write_bytes(path, "PK\3\4 this is a zip", 18);
    assert_fails(ff_npy_read(path, LIMIT, &back, &rank, shape, &ctx), FF_EBADFILE, &ctx, path, ".npy");
    write_bytes(path, "\x93NUMPY\x02\x00\xff\xff\xff\xff", 12);
    assert_fails(ff_npy_read(path, LIMIT, &back, &rank, shape, &ctx), FF_EBADFILE, &ctx, path, "4294967295");
    write_bytes(path, "\x93NUMPY\x09\x00\x10\x00", 10);
    assert_fails(ff_npy_read(path, LIMIT, &back, &rank, shape, &ctx), FF_EBADFILE, &ctx, path, "version 9");
    make_npy(path, 1, "{'descr': '|i1', 'fortran_order': False, 'shape': (4,), }", "\0\0\0\0", 4);
    assert_fails(ff_npy_read(path, 3, &back, &rank, shape, &ctx), FF_EBADFILE, &ctx, path, "3 numbers");
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    for (size_t n = 0; n < size; n++) { /* cut anywhere */
        write_bytes(path, bytes, n);
        assert_fails(ff_npy_read(path, LIMIT, &back, &rank, shape, &ctx), FF_EBADFILE, &ctx, path, "");
    }
    free(bytes);
}

static void what_cannot_be_written_is_said(void **state)
{
    char path[1024], part[1024];
    ff_ctx ctx = {0};
    const double data[] = {1, 2};
    scratch(state, "no/such/x.npy", path);
    assert_fails(ff_npy_write(path, FF_F64_T, 1, (long[]){2}, data, &ctx), FF_EIO, &ctx, path, "No such file");
    scratch(state, "full.npy", path);
    scratch(state, "full.npy.part", part);
    assert_int_equal(symlink("/dev/full", part), 0); /* a disk that is always full */
    assert_fails(ff_npy_write(path, FF_F64_T, 1, (long[]){2}, data, &ctx), FF_EDISKFULL, &ctx, path, "No space left");
    assert_false(exists(path));
    assert_false(exists(part));
}

static void a_real_map_is_read(void **state)
{
    (void)state;
    char path[1024];
    ff_ctx ctx = {0};
    double *map;
    int rank;
    long shape[FF_MAX_RANK];
    assert_ok(ff_npy_read(shared("lsst_y10_mock/convergence_256x256x5.npy", path), LIMIT, &map, &rank, shape, &ctx),
              &ctx);
    assert_int_equal(rank, 3);
    assert_int_equal(shape[2], 5);
    double square = 0;
    for (long i = 0; i < 256 * 256; i++) square += map[i * 5] * map[i * 5];
    /* noise .0472 of bin 0 and signal .0046 (docs: physics 5) */
    assert_near(sqrt(square / (256 * 256)), 0.0474, 0.0003);
    free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_numpys),
        cmocka_unit_test(every_type_and_rank_comes_back),
        cmocka_unit_test(big_endian_small_and_fortran_are_understood),
        cmocka_unit_test(hostile_headers_are_errors),
        cmocka_unit_test(limits_and_other_files_are_said),
        cmocka_unit_test(what_cannot_be_written_is_said),
        cmocka_unit_test(a_real_map_is_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
