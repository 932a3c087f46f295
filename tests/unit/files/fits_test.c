/* tests/unit/files/fits_test.c - FITS maps: the sky that cfitsio's own WCS sees is ours, mirrored. FITS
** columns: every type, and damage. */
#include "help.h"

#include <fitsio.h>
#include <stdbool.h>

#include "files/fits.h"

enum { N = 8 };
static const double size_deg = 0.8, ra_deg = 150, dec_deg = 2;

static void make_map(float *map /* (2, N, N) */)
{
    for (int i = 0; i < 2 * N * N; i++) map[i] = (float)i + 1;
}

static fitsfile *open_map(const char *path, int hdu, float *image /* (N, N) */)
{
    fitsfile *f = NULL;
    int status = 0;
    fits_open_diskfile(&f, path, READONLY, &status);
    fits_movabs_hdu(f, hdu, NULL, &status);
    fits_read_img(f, TFLOAT, 1, N * N, NULL, image, NULL, &status);
    if (status) fail_msg("%s, HDU %d: cfitsio status %d", path, hdu, status);
    return f;
}

static void close_map(fitsfile *f)
{
    int status = 0;
    fits_close_file(f, &status);
    assert_int_equal(status, 0);
}

static void a_text_key(fitsfile *f, const char *key, const char *expected)
{
    char value[FLEN_VALUE] = "";
    int status = 0;
    fits_read_key(f, TSTRING, key, value, NULL, &status);
    if (status || strcmp(value, expected) != 0)
        fail_msg("%s: expected %s, got %s (status %d)", key, expected, value, status);
}

static void shear_is_mirrored_and_its_second_component_negated(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    float map[2 * N * N], image[N * N]; /* (component, y, x) */
    make_map(map);
    scratch(state, "shear[1](x).fits", path); /* brackets are part of a name, not cfitsio's selections */
    assert_ok(ff_fits_write_map(path, "shear", map, 2, N, size_deg, ra_deg, dec_deg, NULL, &ctx), &ctx);
    for (int c = 0; c < 2; c++) {
        fitsfile *f = open_map(path, c + 1, image);
        for (int y = 0; y < N; y++) {
            for (int x = 0; x < N; x++)
                assert_near(image[y * N + x], (c ? -1 : 1) * map[(c * N + y) * N + N - 1 - x], 0);
        }
        a_text_key(f, "EXTNAME", c ? "shear_2" : "shear_1");
        close_map(f);
    }
    scratch(state, "shear[1](x).fits.part", path);
    assert_false(exists(path));
}

static void pixels_lie_where_the_sky_says(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    float map[2 * N * N], image[N * N];
    make_map(map);
    const char *const history[] = {
        "job abc", "a line that is far longer than the seventy-two characters that fit on one card", NULL};
    scratch(state, "kappa.fits", path);
    assert_ok(ff_fits_write_map(path, "convergence", map, 1, N, size_deg, ra_deg - 360, dec_deg, history, &ctx), &ctx);
    assert_ok(ff_fits_write_map(path, "convergence", map, 1, N, size_deg, ra_deg - 360, dec_deg, history, &ctx), &ctx);
    fitsfile *f = open_map(path, 1, image);
    double ra0, dec0, px, py, dx, dy, turn;
    char type[8];
    int status = 0;
    fits_read_img_coord(f, &ra0, &dec0, &px, &py, &dx, &dy, &turn, type, &status);
    assert_int_equal(status, 0);
    assert_string_equal(type, "-TAN");
    assert_near(dx, -0.1, 1e-12);
    assert_near(dy, 0.1, 1e-12);
    const double degree = 3.14159265358979323846 / 180;
    for (int y = 0; y < N; y++) {
        for (int x = 0; x < N; x++) { /* ours: x to the East, y to the North */
            double ra, dec;
            fits_pix_to_world(N - x, y + 1, ra0, dec0, px, py, dx, dy, turn, type, &ra, &dec, &status);
            assert_int_equal(status, 0);
            assert_near((ra - ra_deg) * cos(dec_deg * degree), (x - 3.5) * 0.1, 1e-4); /* flat sky against gnomonic */
            assert_near(dec - dec_deg, (y - 3.5) * 0.1, 1e-4);
            assert_near(image[y * N + N - 1 - x], map[y * N + x], 0);
        }
    }
    a_text_key(f, "CUNIT1", "deg");
    a_text_key(f, "RADESYS", "ICRS");
    a_text_key(f, "EXTNAME", "convergence");
    int hdus = 0;
    fits_get_num_hdus(f, &hdus, &status);
    assert_int_equal(hdus, 1);
    char card[FLEN_CARD];
    const char *wanted[] = {"HISTORY"};
    fits_read_record(f, 0, card, &status);
    assert_int_equal(fits_find_nextkey(f, (char **)wanted, 1, NULL, 0, card, &status), 0);
    assert_non_null(strstr(card, "job abc"));
    close_map(f);
}

static void what_cannot_be_written_is_said(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    float map[2 * N * N] = {0};
    scratch(state, "no/such/map.fits", path);
    assert_fails(ff_fits_write_map(path, "k", map, 1, N, 1, 0, 0, NULL, &ctx), FF_EIO, &ctx, path, "cannot write");
    scratch(state, "odd.fits", path);
    assert_fails(ff_fits_write_map(path, "k", map, 3, N, 1, 0, 0, NULL, &ctx), FF_EBUG, &ctx, path, "3 components");
    assert_false(exists(path));
}

/* A one-dimensional image of this type, after an empty primary one or not. */
static void make_vector(const char *path, int bitpix, long n, const double *data, bool empty_first)
{
    fitsfile *f = NULL;
    int status = 0;
    unlink(path);
    fits_create_diskfile(&f, path, &status);
    if (empty_first) fits_create_img(f, BYTE_IMG, 0, NULL, &status);
    fits_create_img(f, bitpix, 1, &n, &status);
    fits_write_img(f, TDOUBLE, 1, n, (void *)(size_t)data, &status);
    fits_close_file(f, &status);
    assert_int_equal(status, 0);
}

static void vectors_of_every_type_are_read(void **state)
{
    char path[1024];
    static const double data[] = {1, 2, 3, 250, 0};
    static const int types[] = {BYTE_IMG, SHORT_IMG, LONG_IMG, LONGLONG_IMG, FLOAT_IMG, DOUBLE_IMG};
    for (int k = 0; k < 12; k++) {
        ff_ctx ctx = {0};
        make_vector(scratch(state, "v[2].fits", path), types[k % 6], 5, data, k >= 6);
        double *back;
        long n;
        assert_ok(ff_fits_vector(path, 0, -1, &back, &n, &ctx), &ctx);
        assert_int_equal(n, 5);
        for (int i = 0; i < 5; i++) assert_near(back[i], data[i], 0);
        free(back);
        assert_ok(ff_fits_vector(path, 1, 4, &back, &n, &ctx), &ctx);
        assert_int_equal(n, 3);
        assert_near(back[2], 250, 0);
        free(back);
        assert_fails(ff_fits_vector(path, 1, 6, &back, &n, &ctx), FF_EBADFILE, &ctx, path, "1:6");
        assert_fails(ff_fits_vector(path, 5, -1, &back, &n, &ctx), FF_EBADFILE, &ctx, path, "NAXIS1 = 5");
        assert_null(back);
    }
}

static void what_is_no_vector_is_said(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    double *back;
    long n;
    float map[2 * N * N];
    make_map(map);
    assert_fails(ff_fits_vector(scratch(state, "none.fits", path), 0, -1, &back, &n, &ctx), FF_ENOFILE, &ctx, path,
                 "No such");
    assert_fails(ff_fits_vector(*state, 0, -1, &back, &n, &ctx), FF_EBADFILE, &ctx, *state, "regular");
    write_bytes(path, "", 0);
    assert_fails(ff_fits_vector(path, 0, -1, &back, &n, &ctx), FF_EBADFILE, &ctx, path, "FITS");
    write_bytes(path, "1 2 3\n", 6);
    assert_fails(ff_fits_vector(path, 0, -1, &back, &n, &ctx), FF_EBADFILE, &ctx, path, "FITS");
    assert_ok(ff_fits_write_map(path, "k", map, 1, N, 1, 0, 0, NULL, &ctx), &ctx);
    assert_fails(ff_fits_vector(path, 0, -1, &back, &n, &ctx), FF_EBADFILE, &ctx, path, "NAXIS is 2");
    assert_null(back);
}

/* A small file whose header says 2^40 rows. */
static void declared_lengths_are_not_believed(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    static const double data[] = {1, 2, 3};
    make_vector(scratch(state, "huge.fits", path), DOUBLE_IMG, 3, data, false);
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    char *at = strstr((char *)bytes, "NAXIS1  =                    3");
    assert_non_null(at);
    memcpy(at, "NAXIS1  =        1099511627776", 30);
    write_bytes(path, bytes, size);
    free(bytes);
    double *back;
    long n;
    assert_fails(ff_fits_vector(path, 0, -1, &back, &n, &ctx), FF_EBADFILE, &ctx, path, "1099511627776");
    assert_null(back);
}

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void damaged_files_never_crash(void **state)
{
    char path[1024], bad[1024];
    const char *wanted = getenv("FF_TEST_SEED");
    uint64_t seed = wanted ? strtoull(wanted, NULL, 0) : 20240301, s = seed;
    print_message("# seed %llu\n", (unsigned long long)seed);
    static const double data[] = {1, 2, 3, 4};
    make_vector(scratch(state, "good.fits", path), DOUBLE_IMG, 4, data, false);
    scratch(state, "bad.fits", bad);
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    int errors = 0;
    for (int i = 0; i < 300; i++) {
        size_t length = size, at = next_random(&s) % 480,
               bit = next_random(&s) % 7; /* in the cards that say something */
        if (i % 3 == 2) length = next_random(&s) % size;
        bytes[at] ^= (unsigned char)(1u << bit);
        write_bytes(bad, bytes, length);
        bytes[at] ^= (unsigned char)(1u << bit);
        ff_ctx ctx = {0};
        double *back;
        long n;
        const ff_err err = ff_fits_vector(bad, 0, -1, &back, &n, &ctx);
        if (err && (err != FF_EBADFILE || !strstr(ctx.message, bad))) {
            fail_msg("file %d: expected bad-file and its name, got %s: %s", i, ff_code_slug(err), ctx.message);
        }
        if (err) assert_null(back);
        errors += err != FF_OK;
        free(back);
    }
    print_message("# %d of 300 damaged files were refused\n", errors);
    assert_in_range(errors, 100, 299);
    free(bytes);
}

static void a_published_column_is_read(void **state)
{
    (void)state;
    char path[1024];
    ff_ctx ctx = {0};
    double *ra;
    long n;
    assert_ok(ff_fits_vector(shared("cosmos/ra.fits", path), 165159, -1, &ra, &n, &ctx), &ctx);
    assert_int_equal(n, 251958);
    double low = ra[0], high = ra[0];
    for (long i = 0; i < n; i++) {
        low = fmin(low, ra[i]);
        high = fmax(high, ra[i]);
    }
    assert_near(0.5 * (low + high), 150.1131, 0.001); /* docs: physics 9 */
    assert_near(high - low, 1.36, 0.02);
    free(ra);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shear_is_mirrored_and_its_second_component_negated),
        cmocka_unit_test(pixels_lie_where_the_sky_says),
        cmocka_unit_test(what_cannot_be_written_is_said),
        cmocka_unit_test(vectors_of_every_type_are_read),
        cmocka_unit_test(what_is_no_vector_is_said),
        cmocka_unit_test(declared_lengths_are_not_believed),
        cmocka_unit_test(damaged_files_never_crash),
        cmocka_unit_test(a_published_column_is_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
