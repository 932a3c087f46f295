/* tests/unit/files/convert_test.c - .npy and text to datasets: axes in any order, columns, grids found from their
** values. */
#include "help.h"

#include "files/convert.h"
#include "files/dataset.h"
#include "files/npy.h"
#include "files/text.h"

static double value(int bin, int c, int y, int x)
{
    return 1000 * bin + 100 * c + 10 * y + x + 0.5;
}

enum { BINS = 3, N = 4 };

/* Writes the array value() with its axes in this order ('b', 'c', 'y', 'x'). */
static void write_permuted(const char *path, const char *order, int ncomp)
{
    static double data[BINS * 2 * N * N];
    const int rank = (int)strlen(order);
    long shape[4], index[4] = {0}, total = 1;
    for (int k = 0; k < rank; k++) {
        shape[k] = order[k] == 'b' ? BINS : order[k] == 'c' ? ncomp : N;
        total *= shape[k];
    }
    for (long i = 0; i < total; i++) {
        long at = i;
        int place[128] = {0};
        for (int k = rank - 1; k >= 0; k--) {
            index[k] = at % shape[k];
            at /= shape[k];
            place[(int)order[k]] = (int)index[k];
        }
        data[i] = value(place['b'], place['c'], place['y'], place['x']);
    }
    ff_ctx ctx = {0};
    assert_ok(ff_npy_write(path, FF_F64_T, rank, shape, data, &ctx), &ctx);
}

static void axes_of_maps_may_come_in_any_order(void **state)
{
    char in[1024], out[1024];
    ff_ctx ctx = {0};
    scratch(state, "in.npy", in);
    scratch(state, "out.h5", out);
    static const struct {
        const char *as, *order, *axes;
        int bins;
    } all[] = {{"convergence", "byx", NULL, BINS},
               {"convergence", "yxb", "y,x,bin", BINS},
               {"convergence", "xby", "x,bin,y", BINS},
               {"convergence", "yx", NULL, 1},
               {"shear", "bcyx", NULL, BINS},
               {"shear", "yxbc", "y,x,bin,component", BINS},
               {"shear", "cxyb", "component,x,y,bin", BINS},
               {"shear", "cyx", NULL, 1}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        const int ncomp = all[k].as[0] == 's' ? 2 : 1;
        write_permuted(in, all[k].order, ncomp);
        struct ff_convert_options o = {.as = all[k].as, .axes = all[k].axes, .size_deg = 10, .ra_deg = 1, .dec_deg = 2};
        o.noise_sd = all[k].bins == 1 ? "0.25" : "0.25,0.5,0.75";
        assert_ok(ff_convert(in, out, &o, &ctx), &ctx);
        struct ff_maps m;
        assert_ok(ff_maps_read(&m, out, &ctx), &ctx);
        assert_int_equal(m.nbins, all[k].bins);
        assert_int_equal(m.npix, N);
        assert_int_equal(m.ncomp, ncomp);
        assert_true(m.size_deg == 10 && m.ra_deg == 1 && m.dec_deg == 2);
        for (int b = 0, i = 0; b < m.nbins; b++) {
            for (int c = 0; c < ncomp; c++) {
                for (int y = 0; y < N; y++) {
                    for (int x = 0; x < N; x++, i++) {
                        assert_near(m.map[i], value(b, c, y, x), 0);
                        assert_near(m.noise_sd[i], 0.25 * (b + 1), 0);
                    }
                }
            }
        }
        ff_maps_done(&m);
    }
}

static void wrong_options_for_maps_are_said(void **state)
{
    char in[1024], out[1024];
    ff_ctx ctx = {0};
    scratch(state, "in2.npy", in);
    scratch(state, "out2.h5", out);
    write_permuted(in, "byx", 1);
    static const struct {
        struct ff_convert_options o;
        ff_err code;
        const char *says;
    } all[] = {
        {{.as = "density", .size_deg = 1}, FF_EUSAGE, "density"},
        {{.as = "convergence"}, FF_EUSAGE, "size_deg"},
        {{.as = "convergence", .size_deg = 1, .axes = "bin,y"}, FF_EUSAGE, "lack"},
        {{.as = "convergence", .size_deg = 1, .axes = "bin,y,y"}, FF_EUSAGE, "\"y\" is not expected"},
        {{.as = "convergence", .size_deg = 1, .axes = "bin,component,y,x"}, FF_EUSAGE, "component"},
        {{.as = "convergence", .size_deg = 1, .axes = "y,x"}, FF_EBADFILE, "3 dimensions"},
        {{.as = "convergence", .size_deg = 1, .axes = "y,x,bin"}, FF_EBADFILE, "4 bins"},
        {{.as = "shear", .size_deg = 1}, FF_EBADFILE, "components"},
        {{.as = "convergence", .size_deg = 1, .noise_sd = "0.1,0.2"}, FF_EUSAGE, "2 numbers"},
        {{.as = "convergence", .size_deg = 1, .noise_sd = "0.1,0.2,0.3,0.4"}, FF_EUSAGE, "3 (one a bin)"},
        {{.as = "convergence", .size_deg = 1, .noise_sd = "-1"}, FF_EUSAGE, "positive"},
        {{.as = "convergence", .size_deg = 1, .noise_sd = "0.1x"}, FF_EUSAGE, "0.1x"},
        {{.as = "nz"}, FF_EBADFILE, "3 dimensions"},
        {{.as = "shift"}, FF_EBADFILE, "last axis"},
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        assert_fails(ff_convert(in, out, &all[k].o, &ctx), all[k].code, &ctx, all[k].says);
        assert_false(exists(out));
    }
    const struct ff_convert_options o = {.as = "convergence", .size_deg = 1};
    write_bytes(in, "PK\3\4.......", 11);
    assert_fails(ff_convert(in, out, &o, &ctx), FF_EBADFILE, &ctx, in, "npz");
    write_bytes(in, "1 2 3\n", 6);
    assert_fails(ff_convert(in, out, &o, &ctx), FF_EBADFILE, &ctx, in, ".npy");
}

static void text_tables_are_read(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    double *data;
    long rows;
    int columns;
    static const char good[] = "# z, n\n0.0 1e-3\t7\n\n  0.5,2.5,8 # half\r\n1 3 9";
    write_bytes(scratch(state, "t.txt", path), good, sizeof good - 1);
    assert_ok(ff_text_table(path, 100, &data, &rows, &columns, &ctx), &ctx);
    assert_int_equal(rows, 3);
    assert_int_equal(columns, 3);
    static const double expected[] = {0, 1e-3, 7, 0.5, 2.5, 8, 1, 3, 9};
    for (int i = 0; i < 9; i++) assert_near(data[i], expected[i], 0);
    free(data);
    static const struct {
        const char *text, *says;
    } bad[] = {{"1 2\n1 2 3\n", "line 2 has 3 columns"}, {"1 2\n1 z\n", "line 2, column 2"}, {"# only\n", "no numbers"},
               {"1 2x\n", "line 1, column 2"},           {"1 2\n3 4\n5 6\n", "5 numbers"},   {"", "no numbers"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        write_bytes(path, bad[k].text, strlen(bad[k].text));
        assert_fails(ff_text_table(path, 5, &data, &rows, &columns, &ctx), FF_EBADFILE, &ctx, path, bad[k].says);
        assert_null(data);
    }
    write_bytes(path, "1 \0002\n", 5);
    assert_fails(ff_text_table(path, 4, &data, &rows, &columns, &ctx), FF_EBADFILE, &ctx, path, "not text");
}

static void columns_of_nz_are_chosen(void **state)
{
    char in[1024], out[1024];
    ff_ctx ctx = {0};
    static const char text[] = "0 1 5\n0.5 2 6\n1 0 7\n";
    write_bytes(scratch(state, "nz.txt", in), text, sizeof text - 1);
    scratch(state, "nz.h5", out);
    struct ff_convert_options o = {.as = "nz"};
    for (o.column = 0; o.column <= 4; o.column++) {
        if (o.column == 1 || o.column == 4) {
            assert_fails(ff_convert(in, out, &o, &ctx), FF_EUSAGE, &ctx, in, "3 columns");
            continue;
        }
        assert_ok(ff_convert(in, out, &o, &ctx), &ctx);
        struct ff_curve c;
        assert_ok(ff_curve_read(&c, out, &ctx), &ctx);
        assert_int_equal(c.n, 3);
        assert_near(c.x[1], 0.5, 0);
        assert_near(c.y[1], o.column == 3 ? 6 : 2, 0);
        ff_curve_done(&c);
    }
    o.column = 0;
    static const char noisy[] = "0 1\n0.5 -0.0005\n1 1\n";
    write_bytes(in, noisy, sizeof noisy - 1);
    assert_ok(ff_convert(in, out, &o, &ctx), &ctx);
    struct ff_curve clipped;
    assert_ok(ff_curve_read(&clipped, out, &ctx), &ctx);
    assert_near(clipped.y[1], 0, 0);
    ff_curve_done(&clipped);
    write_bytes(in, "0 1\n0.5 -1\n", 11);
    assert_fails(ff_convert(in, out, &o, &ctx), FF_EBADFILE, &ctx, "/n", "-1");
}

/* A grid (2 om, 3 s8, 2 w0, 2 bins) as rows, in an order that a permutation of the axes gives. */
enum { ROWS = 2 * 3 * 2 * 2 };
static void write_grid(const char *path, double rows[ROWS][5], const int order[4])
{
    static const int length[4] = {2, 3, 2, 2};
    static const double start[4] = {0.1, 0.6, -2, 0}, step[4] = {0.2, 0.1, 1, 1};
    for (int i = 0; i < ROWS; i++) {
        int at = i, index[4];
        for (int k = 3; k >= 0; k--) {
            index[order[k]] = at % length[order[k]];
            at /= length[order[k]];
        }
        for (int k = 0; k < 4; k++) rows[i][k] = start[k] + step[k] * index[k];
        rows[i][4] = 1 + index[0] + 10 * index[1] + 100 * index[2] + 1000 * index[3];
    }
    ff_ctx ctx = {0};
    long shape[5] = {length[order[0]], length[order[1]], length[order[2]], length[order[3]], 5};
    assert_ok(ff_npy_write(path, FF_F64_T, 5, shape, rows, &ctx), &ctx);
}

static void shift_axes_are_found_from_their_values(void **state)
{
    char in[1024], out[1024];
    ff_ctx ctx = {0};
    double rows[ROWS][5];
    scratch(state, "grid.npy", in);
    scratch(state, "grid.h5", out);
    static const int orders[][4] = {{0, 1, 2, 3}, {1, 0, 2, 3}, {3, 2, 1, 0}, {2, 3, 0, 1}};
    const struct ff_convert_options o = {.as = "shift"};
    for (int k = 0; k < 4; k++) {
        write_grid(in, rows, orders[k]);
        assert_ok(ff_convert(in, out, &o, &ctx), &ctx);
        struct ff_shift_table t;
        assert_ok(ff_shift_read(&t, out, &ctx), &ctx);
        assert_int_equal(t.nom, 2);
        assert_int_equal(t.ns8, 3);
        assert_int_equal(t.nw0, 2);
        assert_int_equal(t.nbins, 2);
        assert_near(t.sigma8[2], 0.8, 1e-15);
        for (int i = 0; i < ROWS; i++) {
            const int b = i % 2, w = i / 2 % 2, s = i / 4 % 3, m = i / 12;
            assert_near(t.shift[i], 1 + m + 10 * s + 100 * w + 1000 * b, 0);
        }
        ff_shift_done(&t);
    }
    const struct {
        int row, column;
        double value;
        const char *says;
    } bad[] = {{5, 0, 0.7, "do not fill a grid"},
               {5, 3, 0, "is there twice"},
               {5, 4, NAN, "is not a number"},
               {5, 1, INFINITY, "sigma8 of row 5"},
               {5, 4, -1, "/shift is -1"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        write_grid(in, rows, orders[0]);
        rows[bad[k].row][bad[k].column] = bad[k].value;
        assert_ok(ff_npy_write(in, FF_F64_T, 2, (long[]){ROWS, 5}, rows, &ctx), &ctx);
        assert_fails(ff_convert(in, out, &o, &ctx), FF_EBADFILE, &ctx, bad[k].says);
    }
}

static void the_published_shift_table_is_understood(void **state)
{
    char in[1024], out[1024];
    ff_ctx ctx = {0};
    const struct ff_convert_options o = {.as = "shift"};
    assert_ok(ff_convert(shared("lsst_y10_mock/shift_table.npy", in), scratch(state, "s.h5", out), &o, &ctx), &ctx);
    struct ff_shift_table t;
    assert_ok(ff_shift_read(&t, out, &ctx), &ctx);
    assert_int_equal(t.nom, 8);
    assert_int_equal(t.ns8, 8);
    assert_int_equal(t.nw0, 8);
    assert_int_equal(t.nbins, 5);
    double *raw; /* (s8, om, w0, bin, 5): docs physics 5 */
    int rank;
    long shape[FF_MAX_RANK];
    assert_ok(ff_npy_read(in, 1 << 20, &raw, &rank, shape, &ctx), &ctx);
    for (int om = 0; om < 8; om++) {
        for (int s8 = 0; s8 < 8; s8++) {
            for (int w0 = 0; w0 < 8; w0++) {
                for (int bin = 0; bin < 5; bin++) {
                    const double *row = raw + 5 * (((s8 * 8 + om) * 8 + w0) * 5 + bin);
                    assert_near(t.omega_m[om], row[0], 0);
                    assert_near(t.sigma8[s8], row[1], 0);
                    assert_near(t.w0[w0], row[2], 0);
                    assert_near(t.shift[((om * 8 + s8) * 8 + w0) * 5 + bin], row[4], 0);
                }
            }
        }
    }
    free(raw);
    ff_shift_done(&t);
}

/* Mean z of a converted n(z). */
static double mean_z(const char *path)
{
    ff_ctx ctx = {0};
    struct ff_curve c;
    assert_ok(ff_curve_read(&c, path, &ctx), &ctx);
    double sum = 0, weight = 0;
    for (long i = 0; i < c.n; i++) {
        sum += c.x[i] * c.y[i];
        weight += c.y[i];
    }
    ff_curve_done(&c);
    return sum / weight;
}

static void published_source_distributions_are_read(void **state)
{
    char in[1024], out[1024];
    ff_ctx ctx = {0};
    scratch(state, "n.h5", out);
    struct ff_convert_options o = {.as = "nz"};
    double last = 0;
    for (o.column = 2; o.column <= 5; o.column++) {
        assert_ok(ff_convert(shared("nz/nz_desy3_metacal.npy", in), out, &o, &ctx), &ctx);
        const double z = mean_z(out);
        if (!(z > last && z < 1.2)) fail_msg("DES column %d: mean z %g after %g", o.column, z, last);
        last = z;
    }
    o.column = 0;
    assert_ok(ff_convert(shared("nz/kids1000_bin1.asc", in), out, &o, &ctx), &ctx);
    assert_in_range((long)(1000 * mean_z(out)), 150, 350);
    assert_ok(ff_convert(shared("cosmos/cosmos_zdist_faint_w0.asc", in), out, &o, &ctx), &ctx);
    assert_in_range((long)(1000 * mean_z(out)), 1200, 1700);
}

static void the_published_mock_is_converted(void **state)
{
    char in[1024], out[1024];
    ff_ctx ctx = {0};
    const struct ff_convert_options o = {
        .as = "convergence", .axes = "y,x,bin", .size_deg = 10, .noise_sd = "0.0477381"};
    assert_ok(ff_convert(shared("lsst_y10_mock/convergence_256x256x5.npy", in), scratch(state, "m.h5", out), &o, &ctx),
              &ctx);
    struct ff_maps m;
    assert_ok(ff_maps_read(&m, out, &ctx), &ctx);
    assert_int_equal(m.nbins, 5);
    assert_int_equal(m.npix, 256);
    double *raw; /* (y, x, bin) */
    int rank;
    long shape[FF_MAX_RANK];
    assert_ok(ff_npy_read(in, 1 << 20, &raw, &rank, shape, &ctx), &ctx);
    for (int i = 0; i < 256 * 256; i++) {
        for (int b = 0; b < 5; b++) assert_true(m.map[b * 256 * 256 + i] == (float)raw[i * 5 + b]);
    }
    free(raw);
    ff_maps_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_of_maps_may_come_in_any_order),
        cmocka_unit_test(wrong_options_for_maps_are_said),
        cmocka_unit_test(text_tables_are_read),
        cmocka_unit_test(columns_of_nz_are_chosen),
        cmocka_unit_test(shift_axes_are_found_from_their_values),
        cmocka_unit_test(the_published_shift_table_is_understood),
        cmocka_unit_test(published_source_distributions_are_read),
        cmocka_unit_test(the_published_mock_is_converted),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
