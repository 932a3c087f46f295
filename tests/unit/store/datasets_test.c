/* tests/unit/store/datasets_test.c - uploads: what is taken, under which name, and what strangers may send instead. */
#include "help.h"

#include "files/h5.h"

static ff_err upload(struct shop *shop, const void *bytes, size_t n, size_t piece, char sha[65], char kind[16],
                     ff_ctx *ctx)
{
    struct ff_upload *u;
    int64_t size = -1;
    ff_err err = ff_upload_begin(&u, shop->s, ctx);
    if (err) return err;
    for (size_t at = 0; at < n; at += piece) {
        err = ff_upload_write(u, (const char *)bytes + at, n - at < piece ? n - at : piece, ctx);
        if (err) {
            ff_upload_abandon(u);
            return err;
        }
    }
    err = ff_upload_end(u, sha, kind, &size, ctx);
    assert_int_equal(size, n);
    return err;
}

static void write_nz(const char *path)
{
    ff_ctx ctx = {0};
    double z[] = {0, 1, 2}, n[] = {0, 1, 0};
    const struct ff_curve curve = {3, z, n};
    assert_ok(ff_curve_write(&curve, path, &ctx), &ctx);
}

static void write_shift(const char *path)
{
    ff_ctx ctx = {0};
    double a[] = {0.2, 0.4}, b[] = {0.7, 0.9}, w[] = {-1}, shift[] = {1, 2, 3, 4};
    const struct ff_shift_table table = {2, 2, 1, 1, a, b, w, shift};
    assert_ok(ff_shift_write(&table, path, &ctx), &ctx);
}

static void every_kind_is_known_by_what_is_in_it(void **state)
{
    struct shop *shop = *state;
    static const char *const kinds[] = {"convergence", "shear", "nz", "shift"};
    for (int k = 0; k < 4; k++) {
        ff_ctx ctx = {0};
        char *path = in(shop, "x.h5"), sha[65], kind[16], hash[65], name[1024];
        if (k == 2)
            write_nz(path);
        else if (k == 3)
            write_shift(path);
        else
            write_maps(path, k ? FF_SHEAR : FF_CONVERGENCE);
        size_t n, kept;
        unsigned char *bytes = read_bytes(path, &n);
        assert_ok(upload(shop, bytes, n, 1000, sha, kind, &ctx), &ctx);
        assert_string_equal(kind, kinds[k]);
        ff_hash_bytes(bytes, n, hash);
        assert_string_equal(sha, hash);
        ff_storehouse_dataset_path(shop->s, sha, name, sizeof name);
        char wanted[128];
        snprintf(wanted, sizeof wanted, "datasets/%s.h5", sha);
        assert_string_equal(name, in(shop, wanted));
        unsigned char *stored = read_bytes(name, &kept);
        assert_int_equal(kept, n);
        assert_memory_equal(stored, bytes, n);
        free(stored);
        free(bytes);
    }
    assert_int_equal(count_entries(in(shop, "datasets")), 4);
    assert_int_equal(count_entries(in(shop, "uploads")), 0);
}

static void the_same_bytes_are_kept_once_and_a_damaged_copy_is_replaced(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    char sha[65], kind[16], name[1024];
    size_t n, kept;
    write_maps(in(shop, "x.h5"), FF_CONVERGENCE);
    unsigned char *bytes = read_bytes(in(shop, "x.h5"), &n);
    for (int i = 0; i < 3; i++) {
        assert_ok(upload(shop, bytes, n, n, sha, kind, &ctx), &ctx);
        assert_int_equal(count_entries(in(shop, "datasets")), 1);
        ff_storehouse_dataset_path(shop->s, sha, name, sizeof name);
        unsigned char *stored = read_bytes(name, &kept);
        assert_memory_equal(stored, bytes, n);
        free(stored);
        if (i == 1) {
            FILE *file = fopen(name, "r+b");
            fputc('?', file);
            fclose(file);
        }
    }
    /* A gang without a shared store reads it by its relative path. */
    char path[512];
    unsigned char *out = malloc(n);
    size_t got;
    int64_t total;
    snprintf(path, sizeof path, "datasets/%s.h5", sha);
    assert_ok(ff_storehouse_read(shop->s, path, 0, out, n, &got, &total, &ctx), &ctx);
    assert_int_equal(total, n);
    assert_memory_equal(out, bytes, n);
    ff_storehouse_drop_dataset(shop->s, sha);
    ff_storehouse_drop_dataset(shop->s, "../token");
    assert_int_equal(count_entries(in(shop, "datasets")), 0);
    assert_true(exists(in(shop, "token")));
    free(out);
    free(bytes);
}

static void what_is_no_dataset_is_refused_without_a_path_of_ours(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    char sha[65], kind[16];
    ff_h5 *f;
    size_t n;
    assert_fails(upload(shop, "", 0, 1, sha, kind, &ctx), FF_EBADFILE, &ctx, "the file");
    assert_fails(upload(shop, "hello", 5, 5, sha, kind, &ctx), FF_EBADFILE, &ctx, "HDF5");
    assert_ok(ff_h5_create(&f, in(shop, "y.h5"), &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "", "bin", 3, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
    unsigned char *bytes = read_bytes(in(shop, "y.h5"), &n);
    assert_fails(upload(shop, bytes, n, n, sha, kind, &ctx), FF_EBADFILE, &ctx, "/convergence");
    assert_null(strstr(ctx.message, "/proc"));
    assert_null(strstr(ctx.message, shop->dir));
    free(bytes);
    write_maps(in(shop, "x.h5"), FF_CONVERGENCE);
    bytes = read_bytes(in(shop, "x.h5"), &n);
    assert_fails(upload(shop, bytes, n / 2, n, sha, kind, &ctx), FF_EBADFILE, &ctx, "the file");
    assert_null(strstr(ctx.message, "/proc"));
    free(bytes);
    assert_int_equal(count_entries(in(shop, "datasets")), 0);
    assert_int_equal(count_entries(in(shop, "uploads")), 0);
}

/* Every mutation ends in a kind or in an error about the file; the process that asks lives on. */
static void mutated_files_never_end_the_server(void **state)
{
    struct shop *shop = *state;
    unsigned seed = seed_of_test(31);
    size_t n;
    int taken = 0, refused = 0;
    write_maps(in(shop, "x.h5"), FF_CONVERGENCE);
    unsigned char *good = read_bytes(in(shop, "x.h5"), &n), *bytes = malloc(n);
    for (int i = 0; i < 200; i++) {
        ff_ctx ctx = {0};
        char sha[65], kind[16];
        memcpy(bytes, good, n);
        size_t length = n;
        const int flips = 1 + rand_r(&seed) % 8;
        for (int k = 0; k < flips; k++) bytes[(size_t)rand_r(&seed) % n] = (unsigned char)rand_r(&seed);
        if (i % 10 == 0) length = (size_t)rand_r(&seed) % n;
        const ff_err err = upload(shop, bytes, length, n, sha, kind, &ctx);
        if (err && err != FF_EBADFILE && err != FF_ENOMEM)
            fail_msg("mutation %d: expected success or bad-file, got %s: %s", i, ff_code_slug(err), ctx.message);
        if (err)
            refused++;
        else
            taken++;
        if (strstr(ctx.message, "/proc")) fail_msg("mutation %d: a path in \"%s\"", i, ctx.message);
    }
    print_message("# %d taken, %d refused\n", taken, refused);
    assert_int_not_equal(refused, 0);
    assert_int_equal(count_entries(in(shop, "uploads")), 0);
    ff_ctx ctx = {0};
    char sha[65], kind[16];
    assert_ok(upload(shop, good, n, n, sha, kind, &ctx), &ctx);
    free(good);
    free(bytes);
}

static void what_was_half_received_goes_when_the_server_starts(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct ff_upload *u;
    assert_ok(ff_upload_begin(&u, shop->s, &ctx), &ctx);
    assert_ok(ff_upload_write(u, "half", 4, &ctx), &ctx);
    assert_int_equal(count_entries(in(shop, "uploads")), 1);
    write_bytes(in(shop, "uploads/mine.txt"), "x", 1);
    char copy[64];
    snprintf(copy, sizeof copy, "uploads/%s.part", "0123456789abcdef0123456789abcdef");
    write_bytes(in(shop, copy), "x", 1);
    ff_upload_abandon(u);
    assert_int_equal(count_entries(in(shop, "uploads")), 2);
    shop_reopen(shop);
    assert_int_equal(count_entries(in(shop, "uploads")), 1);
}

static void no_room_is_said_with_its_numbers(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct ff_upload *u;
    assert_ok(ff_storehouse_room(shop->s, 1 << 20, &ctx), &ctx);
    assert_fails(ff_storehouse_room(shop->s, (int64_t)1 << 60, &ctx), FF_EDISKFULL, &ctx, "1099511627776 MB more");
    assert_int_equal(ff_storehouse_room(shop->s, INT64_MAX, &ctx), FF_EDISKFULL);
    assert_int_equal(ff_storehouse_room(shop->s, -1, &ctx), FF_EDISKFULL);
    ff_storehouse *tight;
    const struct ff_storehouse_config config = {.dir = shop->dir, .keep_free_bytes = (int64_t)1 << 60};
    assert_ok(ff_storehouse_open(&tight, &config, &ctx), &ctx);
    assert_fails(ff_upload_begin(&u, tight, &ctx), FF_EDISKFULL, &ctx, "MB left");
    assert_null(u);
    ff_storehouse_close(tight);
}

static void the_reserve_is_released_and_taken(void **state)
{
    struct shop *shop = *state;
    struct stat st;
    ff_storehouse_release_reserve(shop->s);
    assert_false(exists(in(shop, "reserve")) && stat(in(shop, "reserve"), &st) == 0 && st.st_blocks > 0);
    ff_storehouse_release_reserve(shop->s);
    ff_storehouse_take_reserve(shop->s);
    assert_int_equal(stat(in(shop, "reserve"), &st), 0);
    assert_true(st.st_blocks * 512 >= 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_is_known_by_what_is_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_bytes_are_kept_once_and_a_damaged_copy_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_dataset_is_refused_without_a_path_of_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(mutated_files_never_end_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_half_received_goes_when_the_server_starts, setup, teardown),
        cmocka_unit_test_setup_teardown(no_room_is_said_with_its_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(the_reserve_is_released_and_taken, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
