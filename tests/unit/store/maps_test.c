/* tests/unit/store/maps_test.c - maps of results and of running chains, in every format. */
#include "help.h"

#include "files/h5.h"

enum { NBINS = 3, NPIX = 16, N = NBINS * NPIX * NPIX };
#define RESULT "results/" JOB "/reduce.1.h5"

static float value_of(int bin, int i)
{
    return (float)bin - 1 + 0.001f * (float)i;
}

static void write_result(struct shop *shop)
{
    ff_ctx ctx = {0};
    ff_h5 *f;
    float mean[N], sd[N];
    for (int i = 0; i < N; i++) {
        mean[i] = value_of(i / (NPIX * NPIX), i % (NPIX * NPIX));
        sd[i] = 0.5f + mean[i] * mean[i];
    }
    make_folders(in(shop, RESULT));
    assert_ok(ff_h5_create(&f, in(shop, RESULT), &ctx), &ctx);
    assert_ok(ff_h5_group(f, "maps", &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "maps", "bin", NBINS, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "maps", "y", NPIX, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "maps", "x", NPIX, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "maps", "convergence_mean", FF_F32_T, "bin y x", mean, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "maps", "convergence_sd", FF_F32_T, "bin y x", sd, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "maps", "flat", FF_F32_T, "y x", mean, &ctx), &ctx);
    assert_ok(ff_h5_attr_number(f, "maps", "size_deg", 10, &ctx), &ctx);
    assert_ok(ff_h5_attr_number(f, "maps", "ra_deg", 30, &ctx), &ctx);
    assert_ok(ff_h5_attr_number(f, "maps", "dec_deg", -20, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
}

static void bins_of_a_result_come_as_npy(void **state)
{
    struct shop *shop = *state;
    write_result(shop);
    for (int bin = -1; bin < NBINS; bin++) {
        ff_ctx ctx = {0};
        const struct ff_map_request r = {
            .job = JOB, .result = RESULT, .name = "convergence_mean", .bin = bin, .format = "npy"};
        unsigned char *bytes;
        size_t size;
        struct array a;
        assert_ok(ff_storehouse_map(shop->s, &r, (void **)&bytes, &size, &ctx), &ctx);
        assert_ptr_equal(take_array(bytes, bytes + size, &a), bytes + size);
        assert_string_equal(a.descr, "<f4");
        assert_int_equal(a.rank, bin < 0 ? 3 : 2);
        const float *got = (const float *)(const void *)a.data;
        const int n = bin < 0 ? N : NPIX * NPIX, first = bin < 0 ? 0 : bin;
        for (int i = 0; i < n; i++) {
            assert_true(got[i] == value_of(first + i / (NPIX * NPIX), i % (NPIX * NPIX)));
        }
        free(bytes);
    }
}

static void fits_and_pictures_are_made(void **state)
{
    struct shop *shop = *state;
    write_result(shop);
    static const char *const formats[] = {"fits", "png"}, *const starts[] = {"SIMPLE  =", "\x89PNG\r\n\x1a\n"};
    for (int k = 0; k < 2; k++) {
        for (int bin = -1; bin < NBINS; bin++) {
            ff_ctx ctx = {0};
            const struct ff_map_request r = {
                .job = JOB, .result = RESULT, .name = "convergence_sd", .bin = bin, .format = formats[k]};
            void *bytes;
            size_t size;
            assert_ok(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), &ctx);
            assert_true(size > 1000);
            assert_memory_equal(bytes, starts[k], 8);
            if (k == 0) assert_int_equal(size % 2880, 0);
            free(bytes);
        }
    }
    assert_int_equal(count_entries(in(shop, "uploads")), 0);
}

/* The sum of the first image of a FITS file, whose numbers begin at its second block; big endian. */
static double sum_of_fits(const unsigned char *bytes, size_t size)
{
    double sum = 0;
    size_t head = 2880;
    while (head < size && !memmem(bytes + head - 2880, 2880, "END     ", 8)) head += 2880;
    assert_true(head + 4 * NPIX * NPIX <= size);
    for (int i = 0; i < NPIX * NPIX; i++) {
        const unsigned char *b = bytes + head + 4 * i;
        const uint32_t bits = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        float x;
        memcpy(&x, &bits, 4);
        sum += x;
    }
    return sum;
}

/* (bin, component, y, x): npy has what was not asked for by number; a picture and an image have one component. */
static void components_of_a_map_are_served(void **state)
{
    struct shop *shop = *state;
    enum { NPIXELS = NPIX * NPIX };
    ff_ctx ctx = {0};
    ff_h5 *f;
    static float shear[NBINS * 2 * NPIXELS];
    for (int i = 0; i < NBINS * 2 * NPIXELS; i++) shear[i] = value_of(i / NPIXELS, i % NPIXELS);
    make_folders(in(shop, RESULT));
    assert_ok(ff_h5_create(&f, in(shop, RESULT), &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "maps", "bin", NBINS, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "maps", "component", 2, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "maps", "y", NPIX, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "maps", "x", NPIX, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "maps", "shear_mean", FF_F32_T, "bin component y x", shear, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "maps", "flat", FF_F32_T, "bin y x", shear, &ctx), &ctx);
    assert_ok(ff_h5_attr_number(f, "maps", "size_deg", 10, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
    struct ff_map_request r = {.job = JOB, .result = RESULT, .name = "shear_mean"};
    void *bytes;
    size_t size;
    for (r.bin = -1; r.bin < NBINS; r.bin++) {
        for (r.component = -1; r.component < 2; r.component++) {
            struct array a;
            const int first_bin = r.bin < 0 ? 0 : r.bin, bins = r.bin < 0 ? NBINS : 1;
            const int first = r.component < 0 ? 0 : r.component, comps = r.component < 0 ? 2 : 1;
            r.format = "npy";
            assert_ok(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), &ctx);
            take_array(bytes, (unsigned char *)bytes + size, &a);
            assert_int_equal(a.rank, 2 + (r.bin < 0) + (r.component < 0));
            assert_int_equal(a.bytes, 4 * bins * comps * NPIXELS);
            for (int b = 0; b < bins; b++)
                assert_memory_equal(a.data + 4 * b * comps * NPIXELS, shear + (2 * (first_bin + b) + first) * NPIXELS,
                                    (size_t)(4 * comps * NPIXELS));
            free(bytes);
            r.format = "fits";
            assert_ok(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), &ctx);
            double sum = 0;
            for (int i = 0; i < NPIXELS; i++) sum += (double)shear[(2 * first_bin + first) * NPIXELS + i];
            assert_float_equal(sum_of_fits(bytes, size), first == 1 ? -sum : sum, 1e-3);
            free(bytes);
            r.format = "png";
            assert_ok(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), &ctx);
            free(bytes);
        }
    }
    r.bin = 0;
    r.component = 2;
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_EBADREQUEST, &ctx, "0 and 1");
    r.name = "flat";
    r.component = 1;
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_EBADREQUEST, &ctx, "no components");
    r.name = "none";
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND, &ctx, "shear_mean, flat");
}

static void what_is_not_there_is_said_with_what_is(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    void *bytes;
    size_t size;
    write_result(shop);
    struct ff_map_request r = {.job = JOB, .result = RESULT, .name = "shear_mean", .format = "npy"};
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND, &ctx,
                 "it has convergence_mean, convergence_sd");
    assert_null(strstr(ctx.message, "flat"));
    assert_null(bytes);
    r.name = "flat";
    assert_int_equal(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND);
    r.name = "../posterior/lp";
    assert_int_equal(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND);
    r.name = "convergence_mean";
    r.bin = NBINS;
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_EBADREQUEST, &ctx, "0 to 2");
    r.bin = 0;
    r.format = "jpeg";
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_EBADREQUEST, &ctx, "npy, fits or png");
    r.format = "npy";
    r.result = "results/" JOB "/reduce.2.h5";
    assert_int_equal(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND);
    write_bytes(in(shop, RESULT), "no HDF5", 7);
    r.result = RESULT;
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ECORRUPT, &ctx, "the result");
    assert_null(strstr(ctx.message, "/proc"));
}

/* Draws of a pixel of a chain: enough to compute what pooling must give. */
enum { CHAINS = 3 };
static const int ndraws[CHAINS] = {2, 5, 9};

static double draw_of(int chain, int draw, int i)
{
    return sin(1.3 * i + 2.1 * draw + 0.7 * chain) + 0.01 * i;
}

/* maps.npy and maps.json of a chain, as its gang leaves them. */
static void write_preview(struct shop *shop, int chain, int draws)
{
    ff_ctx ctx = {0};
    static float maps[2 * N];
    char path[256], text[256];
    for (int i = 0; i < N; i++) {
        double mean = 0, m2 = 0;
        for (int d = 0; d < draws; d++) mean += draw_of(chain, d, i) / draws;
        for (int d = 0; d < draws; d++) m2 += pow(draw_of(chain, d, i) - mean, 2);
        maps[i] = (float)mean;
        maps[N + i] = draws > 1 ? (float)sqrt(m2 / (draws - 1)) : 0;
    }
    const long shape[4] = {2, NBINS, NPIX, NPIX};
    snprintf(path, sizeof path, "work/" JOB "/chain-%d.%d/maps.npy", chain, chain + 1);
    make_folders(in(shop, path));
    assert_ok(ff_npy_write(in(shop, path), FF_F32_T, 4, shape, maps, &ctx), &ctx);
    snprintf(path, sizeof path, "work/" JOB "/chain-%d.%d/maps.json", chain, chain + 1);
    snprintf(text, sizeof text,
             "{\"names\": [\"convergence_mean\", \"convergence_sd\"], \"draws\": %d, \"size_deg\": 10, \"ra_deg\": 3, "
             "\"dec_deg\": 4, \"npix\": %d}",
             draws, NPIX);
    write_bytes(in(shop, path), text, strlen(text));
}

/* Over all draws of the first `chains` chains, at element i. */
static void pooled(int chains, int i, double *mean, double *sd)
{
    double sum = 0, m2 = 0;
    int n = 0;
    for (int c = 0; c < chains; c++) {
        for (int d = 0; d < ndraws[c]; d++, n++) sum += draw_of(c, d, i);
    }
    *mean = sum / n;
    for (int c = 0; c < chains; c++) {
        for (int d = 0; d < ndraws[c]; d++) m2 += pow(draw_of(c, d, i) - *mean, 2);
    }
    *sd = sqrt(m2 / (n - 1));
}

static void chains_are_pooled(void **state)
{
    struct shop *shop = *state;
    json_t *attempts = json_pack("{s:i,s:i,s:i,s:i}", "chain-0", 1, "chain-1", 2, "chain-2", 3, "chain-7", 1);
    for (int c = 0; c < CHAINS; c++) {
        write_preview(shop, c, ndraws[c]);
        for (int k = 0; k < 2; k++) {
            for (int bin = -1; bin < NBINS; bin++) {
                ff_ctx ctx = {0};
                const struct ff_map_request r = {.job = JOB,
                                                 .attempts = attempts,
                                                 .name = k ? "convergence_sd" : "convergence_mean",
                                                 .bin = bin,
                                                 .format = "npy"};
                unsigned char *bytes;
                size_t size;
                struct array a;
                assert_ok(ff_storehouse_map(shop->s, &r, (void **)&bytes, &size, &ctx), &ctx);
                take_array(bytes, bytes + size, &a);
                const float *got = (const float *)(const void *)a.data;
                const int first = bin < 0 ? 0 : bin * NPIX * NPIX, n = bin < 0 ? N : NPIX * NPIX;
                for (int i = 0; i < n; i++) {
                    double mean, sd;
                    pooled(c + 1, first + i, &mean, &sd);
                    const double wanted = k ? sd : mean;
                    if (!(fabs((double)got[i] - wanted) <= 1e-6))
                        fail_msg("%d chains, %s, element %d: expected %.9g, got %.9g, tolerance 1e-6", c + 1, r.name, i,
                                 wanted, (double)got[i]);
                }
                free(bytes);
            }
        }
    }
    ff_ctx ctx = {0};
    void *bytes;
    size_t size;
    struct ff_map_request r = {.job = JOB, .attempts = attempts, .name = "convergence_sd", .format = "png"};
    assert_ok(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), &ctx);
    assert_memory_equal(bytes, "\x89PNG", 4);
    free(bytes);
    r.name = "initial_mean";
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND, &ctx,
                 "convergence_mean, convergence_sd");
    r.name = "convergence_sd";
    r.bin = 3;
    assert_int_equal(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_EBADREQUEST);
    json_decref(attempts);
}

static void chains_without_draws_have_no_maps(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    void *bytes;
    size_t size;
    json_t *attempts = json_pack("{s:i,s:i}", "chain-0", 1, "../../chain-1", 2);
    struct ff_map_request r = {.job = JOB, .attempts = attempts, .name = "convergence_mean", .format = "npy"};
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND, &ctx, "none");
    write_preview(shop, 0, 1);
    static const char text[] = "{\"names\":[\"convergence_mean\",\"b\"],\"draws\":0}";
    write_bytes(in(shop, "work/" JOB "/chain-0.1/maps.json"), text, strlen(text));
    assert_fails(ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND, &ctx, "convergence_mean");
    json_decref(attempts);
}

/* Previews come from a gang: nothing in them is believed. */
static void broken_previews_are_errors(void **state)
{
    struct shop *shop = *state;
    static const char *const texts[] = {"",     "{",  "[]", "{\"draws\": 3}", "{\"names\": \"a\", \"draws\": 3}",
                                        "null", "1e9"};
    json_t *attempts = json_pack("{s:i}", "chain-0", 1);
    struct ff_map_request r = {.job = JOB, .attempts = attempts, .name = "convergence_mean", .format = "npy"};
    void *bytes;
    size_t size;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ff_ctx ctx = {0};
        write_preview(shop, 0, 3);
        write_bytes(in(shop, "work/" JOB "/chain-0.1/maps.json"), texts[i], strlen(texts[i]));
        const ff_err err = ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx);
        if (err != FF_ECORRUPT) fail_msg("maps.json %s: expected result-corrupt, got %s", texts[i], ff_code_slug(err));
        assert_null(bytes);
    }
    unsigned seed = seed_of_test(5);
    write_preview(shop, 0, 3);
    size_t n;
    unsigned char *good = read_bytes(in(shop, "work/" JOB "/chain-0.1/maps.npy"), &n), *bad = malloc(n);
    int refused = 0;
    for (int i = 0; i < 300; i++) {
        ff_ctx ctx = {0};
        memcpy(bad, good, n);
        for (int k = 0; k < 3; k++) bad[rand_r(&seed) % 128] = (unsigned char)rand_r(&seed);
        write_bytes(in(shop, "work/" JOB "/chain-0.1/maps.npy"), bad, i % 7 ? n : (size_t)rand_r(&seed) % n);
        const ff_err err = ff_storehouse_map(shop->s, &r, &bytes, &size, &ctx);
        if (err)
            refused++;
        else
            free(bytes);
    }
    print_message("# %d of 300 refused\n", refused);
    assert_true(refused > 100);
    free(good);
    free(bad);
    json_decref(attempts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bins_of_a_result_come_as_npy, setup, teardown),
        cmocka_unit_test_setup_teardown(fits_and_pictures_are_made, setup, teardown),
        cmocka_unit_test_setup_teardown(components_of_a_map_are_served, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_said_with_what_is, setup, teardown),
        cmocka_unit_test_setup_teardown(chains_are_pooled, setup, teardown),
        cmocka_unit_test_setup_teardown(chains_without_draws_have_no_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_previews_are_errors, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
