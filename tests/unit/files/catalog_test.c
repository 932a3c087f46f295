/* tests/unit/files/catalog_test.c - galaxies to pixels: where they fall, what the pixels hold, and the null
** rotations. */
#include "help.h"

#include "files/catalog.h"
#include "files/dataset.h"

static const double degree = 3.14159265358979323846 / 180;

static struct ff_catalog_options plain(int npix, double size_deg)
{
    return (struct ff_catalog_options){.npix = npix, .size_deg = size_deg, .sigma_e = 0.3, .last = -1};
}

static void galaxies_fall_into_their_pixels(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    /* dec 60: a degree of RA is half a degree of sky. Field of 4 degrees, 4 pixels, centre (10, 60). */
    double ra[] = {10 - 3.5, 10 + 3.5, 10.5, 10.5, 10, 10}, dec[] = {58.5, 61.5, 60.5, 60.5, 57, 60.25};
    double e1[] = {0.1, 0.2, 0.3, -0.1, 0.5, 0.9}, e2[] = {0.01, 0.02, 0.03, 0.05, 0.5, 0.9}, w[] = {1, 2, 1, 3, 1, 0};
    const struct ff_catalog c = {6, ra, dec, e1, e2, w};
    struct ff_catalog_options o = plain(4, 4);
    o.centre_given = true;
    o.ra_deg = 10;
    o.dec_deg = 60;
    struct ff_maps m;
    struct ff_catalog_summary s;
    assert_ok(ff_catalog_bin(&m, &s, &c, &o, &ctx), &ctx);
    assert_int_equal(m.observable, FF_SHEAR);
    assert_int_equal(m.nbins, 1);
    assert_int_equal(m.ncomp, 2);
    assert_true(m.ra_deg == 10 && m.dec_deg == 60 && m.size_deg == 4);
    assert_int_equal(s.used, 4);    /* not the one of no weight */
    assert_int_equal(s.outside, 1); /* dec 57 */
    assert_int_equal(s.empty_pixels, 13);
    assert_near(s.weight_sum, 7, 0);
    assert_near(s.n_per_arcmin2, 4 / (3 * 3600.0), 1e-12);
    const int low = 0, high = 15, middle = 2 * 4 + 2; /* (y, x) = (0, 0), (3, 3), (2, 2) */
    assert_near(m.map[low], 0.1, 1e-7);
    assert_near(m.map[high], 0.2, 1e-7);
    assert_near(m.map[middle], (0.3 - 3 * 0.1) / 4, 1e-7);
    assert_near(m.map[16 + middle], (0.03 + 3 * 0.05) / 4, 1e-7);
    assert_near(m.noise_sd[low], 0.3, 1e-7);
    assert_near(m.noise_sd[high], 0.3, 1e-7);
    assert_near(m.noise_sd[middle], 0.3 * sqrt(10) / 4, 1e-7);
    assert_near(m.noise_sd[16 + middle], m.noise_sd[middle], 0);
    for (int i = 0; i < 32; i++) {
        const int p = i % 16, empty = p != low && p != high && p != middle;
        assert_int_equal(isinf(m.noise_sd[i]) != 0, empty);
        if (empty) assert_true(m.map[i] == 0);
    }
    ff_maps_done(&m);
}

static void edges_of_the_field_are_half_open(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    double ra[] = {-1, 1, 0}, dec[] = {0, 0, -1}, e[] = {0, 0, 0}, w[] = {1, 1, 1};
    const struct ff_catalog c = {3, ra, dec, e, e, w};
    struct ff_catalog_options o = plain(2, 2);
    o.centre_given = true;
    struct ff_maps m;
    struct ff_catalog_summary s;
    assert_ok(ff_catalog_bin(&m, &s, &c, &o, &ctx), &ctx);
    assert_int_equal(s.used, 2);
    assert_int_equal(s.outside, 1); /* x = +size/2 is the neighbour's */
    ff_maps_done(&m);
}

static void the_default_centre_is_the_middle_even_across_ra_0(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    double ra[] = {359.5, 0.7, 0.1, 250}, dec[] = {-1, 3, 0, 80}, e[] = {0.1, 0.1, 0.1, 0.1}, w[] = {1, 1, 1, 1};
    const struct ff_catalog c = {4, ra, dec, e, e, w};
    struct ff_catalog_options o = plain(8, 5);
    o.last = 3; /* the fourth row is not asked for */
    struct ff_maps m;
    struct ff_catalog_summary s;
    assert_ok(ff_catalog_bin(&m, &s, &c, &o, &ctx), &ctx);
    assert_near(remainder(m.ra_deg - 0.1, 360), 0, 1e-12);
    assert_near(m.dec_deg, 1, 1e-12);
    assert_int_equal(s.used, 3);
    ff_maps_done(&m);
}

enum { MANY = 20000 };
struct many {
    double ra[MANY], dec[MANY], e1[MANY], e2[MANY], w[MANY];
};

static struct ff_catalog make_many(struct many *m)
{
    uint64_t s = 12345;
    for (int i = 0; i < MANY; i++) {
        double u[2];
        for (int k = 0; k < 2; k++) {
            s = s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            u[k] = (double)(s >> 11) * 0x1p-53 - 0.5;
        }
        m->ra[i] = 10 + u[0];
        m->dec[i] = u[1];
        m->e1[i] = 0.2;
        m->e2[i] = 0.1;
        m->w[i] = 1;
    }
    return (struct ff_catalog){MANY, m->ra, m->dec, m->e1, m->e2, m->w};
}

static void bin(struct ff_maps *m, const struct ff_catalog *c, struct ff_catalog_options o)
{
    ff_ctx ctx = {0};
    struct ff_catalog_summary s;
    assert_ok(ff_catalog_bin(m, &s, c, &o, &ctx), &ctx);
}

static void flips_and_45_degrees_turn_every_galaxy(void **state)
{
    (void)state;
    static struct many many;
    const struct ff_catalog c = make_many(&many);
    struct ff_catalog_options o = plain(4, 1);
    struct ff_maps as_is, flipped, turned;
    bin(&as_is, &c, o);
    o.flip_e2 = true;
    bin(&flipped, &c, o);
    o.rotate = FF_ROTATE_45;
    bin(&turned, &c, o);
    for (int i = 0; i < 16; i++) {
        assert_near(as_is.map[i], 0.2, 1e-6);
        assert_near(as_is.map[16 + i], 0.1, 1e-6);
        assert_near(flipped.map[i], 0.2, 1e-6);
        assert_near(flipped.map[16 + i], -0.1, 1e-6);
        assert_near(turned.map[i], -flipped.map[16 + i], 0); /* e -> ie in the frame of the map */
        assert_near(turned.map[16 + i], flipped.map[i], 0);
        assert_near(turned.noise_sd[i], as_is.noise_sd[i], 0);
    }
    ff_maps_done(&as_is);
    ff_maps_done(&flipped);
    ff_maps_done(&turned);
}

static void random_rotation_leaves_only_noise_and_depends_on_seed_and_row(void **state)
{
    (void)state;
    static struct many many;
    struct ff_catalog c = make_many(&many);
    struct ff_catalog_options o = plain(1, 2);
    o.centre_given = true;
    o.ra_deg = 10;
    o.rotate = FF_ROTATE_RANDOM;
    double sum2 = 0;
    enum { SEEDS = 50 };
    for (o.seed = 1; o.seed <= SEEDS; o.seed++) {
        struct ff_maps m;
        bin(&m, &c, o);
        sum2 += m.map[0] * m.map[0] + m.map[1] * m.map[1];
        ff_maps_done(&m);
    }
    /* mean of MANY vectors of length |e|: variance |e|^2 / MANY in all; scatter over the seeds 1 / sqrt(SEEDS) of it */
    const double expected = 0.05 / MANY;
    assert_near(sum2 / SEEDS, expected, 4 * expected / sqrt(SEEDS));
    struct ff_maps one, again, rest;
    o = plain(1, 2);
    o.rotate = FF_ROTATE_RANDOM;
    o.centre_given = true;
    o.ra_deg = 10;
    o.seed = 7;
    o.first = 5;
    o.last = 6;
    bin(&one, &c, o);
    bin(&again, &c, o);
    assert_memory_equal(one.map, again.map, 2 * sizeof(float));
    assert_near(hypot(one.map[0], one.map[1]), hypot(0.2, 0.1), 1e-7); /* turned, not shrunk */
    o.first = 6;
    o.last = 7;
    bin(&rest, &c, o);
    assert_true(fabs(rest.map[0] - one.map[0]) > 1e-6);
    ff_maps_done(&one);
    ff_maps_done(&again);
    ff_maps_done(&rest);
}

static void bad_rows_and_options_are_named(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    double ra[] = {1, 1, 1}, dec[] = {0, 0, 0}, e1[] = {0, 0, 0}, e2[] = {0, 0, 0}, w[] = {1, 1, 1};
    const struct ff_catalog c = {3, ra, dec, e1, e2, w};
    struct ff_maps m;
    struct ff_catalog_summary s;
    struct ff_catalog_options o = plain(2, 1);
    e2[1] = NAN;
    assert_fails(ff_catalog_bin(&m, &s, &c, &o, &ctx), FF_EBADFILE, &ctx, "row 1", "e2 is");
    assert_null(m.map);
    o.first = 2; /* a bad row that is not asked for is no error */
    assert_ok(ff_catalog_bin(&m, &s, &c, &o, &ctx), &ctx);
    ff_maps_done(&m);
    o.first = 0;
    e2[1] = 0;
    w[2] = -0.5;
    assert_fails(ff_catalog_bin(&m, &s, &c, &o, &ctx), FF_EBADFILE, &ctx, "row 2", "weight is -0.5");
    w[2] = 1;
    dec[0] = 91;
    assert_fails(ff_catalog_bin(&m, &s, &c, &o, &ctx), FF_EBADFILE, &ctx, "row 0", "sky");
    dec[0] = 0;
    w[0] = w[1] = w[2] = 0;
    assert_fails(ff_catalog_bin(&m, &s, &c, &o, &ctx), FF_EBADFILE, &ctx, "none of the 3");
    const struct {
        struct ff_catalog_options o;
        const char *says;
    } bad[] = {{{.npix = 0, .size_deg = 1, .sigma_e = 1, .last = -1}, "npix"},
               {{.npix = 4, .size_deg = 0, .sigma_e = 1, .last = -1}, "size_deg"},
               {{.npix = 4, .size_deg = 1, .sigma_e = NAN, .last = -1}, "sigma_e"},
               {{.npix = 4, .size_deg = 1, .sigma_e = 1, .first = 2, .last = 9}, "2:9"},
               {{.npix = 4, .size_deg = 1, .sigma_e = 1, .first = 3, .last = -1}, "3:3"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_fails(ff_catalog_bin(&m, &s, &c, &bad[k].o, &ctx), FF_EUSAGE, &ctx, bad[k].says);
    }
}

/* A published vector: one primary image of big-endian doubles after 2880 bytes of header. Read here without the
** product's reader, so that the check of the numbers does not lean on it. */
static double *read_vector(const char *name, long *n)
{
    char path[1024];
    size_t size;
    unsigned char *bytes = read_bytes(shared(name, path), &size);
    const char *length = strstr((char *)bytes, "NAXIS1  =");
    assert_non_null(length);
    *n = strtol(length + 9, NULL, 10);
    assert_true(2880 + 8 * (size_t)*n <= size);
    double *data = malloc((size_t)*n * sizeof *data);
    for (long i = 0; i < *n; i++) {
        uint64_t bits = 0;
        for (int k = 0; k < 8; k++) bits = bits << 8 | bytes[2880 + 8 * i + k];
        memcpy(&data[i], &bits, 8);
    }
    free(bytes);
    return data;
}

static void cosmos_becomes_a_shear_map(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    static const char *const names[] = {"cosmos/ra.fits", "cosmos/dec.fits", "cosmos/e1.fits", "cosmos/e2.fits",
                                        "cosmos/nhweight_int.fits"};
    double *column[5];
    long n = 0;
    for (int k = 0; k < 5; k++) column[k] = read_vector(names[k], &n);
    assert_int_equal(n, 417117);
    const struct ff_catalog c = {n, column[0], column[1], column[2], column[3], column[4]};
    struct ff_catalog_options o = plain(64, 1.4);
    o.sigma_e = 0.3095;
    o.first = 165159;
    o.flip_e2 = true;
    struct ff_maps m;
    struct ff_catalog_summary s;
    assert_ok(ff_catalog_bin(&m, &s, &c, &o, &ctx), &ctx);
    assert_int_equal(s.used + s.outside, 251958);
    assert_int_equal(s.outside, 0);
    assert_near(m.ra_deg, 150.1131, 0.002);
    assert_near(m.dec_deg, 2.2314, 0.002);
    print_message("# centre (%.5f, %.5f), %ld empty pixels, %.2f galaxies per arcmin^2, weight %.6g\n", m.ra_deg,
                  m.dec_deg, s.empty_pixels, s.n_per_arcmin2, s.weight_sum);
    /* what is in the pixels has the scatter that the noise says, the signal (0.01 or so) aside */
    double chi2 = 0;
    long pixels = 0;
    for (int i = 0; i < 2 * 64 * 64; i++) {
        if (isinf(m.noise_sd[i])) continue;
        chi2 += m.map[i] * m.map[i] / m.noise_sd[i] / m.noise_sd[i];
        pixels++;
    }
    assert_int_equal(pixels, 2 * (64 * 64 - s.empty_pixels));
    print_message("# chi2 per pixel and component %.4f of %ld\n", chi2 / (double)pixels, pixels);
    assert_near(chi2 / (double)pixels, 1.06, 0.12);
    /* the same pixel by hand */
    const double pixel = 1.4 / 64;
    double w = 0, w2 = 0, we2 = 0;
    for (long i = o.first; i < n; i++) {
        const double x = (c.ra_deg[i] - m.ra_deg) * cos(m.dec_deg * degree), y = c.dec_deg[i] - m.dec_deg;
        if (floor((x + 0.7) / pixel) != 30 || floor((y + 0.7) / pixel) != 20) continue;
        w += c.weight[i];
        w2 += c.weight[i] * c.weight[i];
        we2 -= c.weight[i] * c.e2[i];
    }
    assert_near(m.map[64 * 64 + 20 * 64 + 30], we2 / w, 1e-7);
    assert_near(m.noise_sd[20 * 64 + 30], 0.3095 * sqrt(w2) / w, 1e-7);
    assert_ok(ff_maps_write(&m, scratch(state, "cosmos.h5", path), &ctx), &ctx);
    ff_maps_done(&m);
    assert_ok(ff_maps_read(&m, path, &ctx), &ctx);
    ff_maps_done(&m);
    for (int k = 0; k < 5; k++) free(column[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(galaxies_fall_into_their_pixels),
        cmocka_unit_test(edges_of_the_field_are_half_open),
        cmocka_unit_test(the_default_centre_is_the_middle_even_across_ra_0),
        cmocka_unit_test(flips_and_45_degrees_turn_every_galaxy),
        cmocka_unit_test(random_rotation_leaves_only_noise_and_depends_on_seed_and_row),
        cmocka_unit_test(bad_rows_and_options_are_named),
        cmocka_unit_test(cosmos_becomes_a_shear_map),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
