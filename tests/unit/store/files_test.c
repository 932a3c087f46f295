/* tests/unit/store/files_test.c - files of attempts: in chunks, listed, accepted, opened, thrown away. */
#include "help.h"

enum { SIZE = 100000, CHUNK = 30000 };
#define FILE_PATH "work/" JOB "/chain-0.3/chain-0.a"

struct bytes {
    unsigned char b[SIZE];
    char hash[65];
};

static void fill(struct bytes *x, unsigned start)
{
    for (int i = 0; i < SIZE; i++) x->b[i] = (unsigned char)((unsigned)i * 7u + start);
    ff_hash_bytes(x->b, SIZE, x->hash);
}

static int64_t put(struct shop *shop, const struct bytes *x, int64_t offset, int64_t n)
{
    ff_ctx ctx = {0};
    int64_t have = -1;
    assert_ok(ff_storehouse_put(shop->s, FILE_PATH, offset, SIZE, x->hash, x->b + offset, (size_t)n, &have, &ctx),
              &ctx);
    return have;
}

static void same_file(struct shop *shop, const char *path, const struct bytes *x)
{
    size_t n;
    unsigned char *bytes = read_bytes(in(shop, path), &n);
    assert_int_equal(n, SIZE);
    assert_memory_equal(bytes, x->b, SIZE);
    free(bytes);
}

static void a_file_in_chunks_appears_when_it_is_whole(void **state)
{
    struct shop *shop = *state;
    struct bytes x;
    fill(&x, 1);
    assert_int_equal(put(shop, &x, 0, CHUNK), CHUNK);
    assert_int_equal(put(shop, &x, CHUNK, CHUNK), 2 * CHUNK);
    assert_false(exists(in(shop, FILE_PATH)));
    assert_int_equal(put(shop, &x, 2 * CHUNK, SIZE - 2 * CHUNK), SIZE);
    same_file(shop, FILE_PATH, &x);
    assert_int_equal(count_entries(in(shop, "work/" JOB "/chain-0.3")), 1);
}

static void chunks_again_out_of_order_and_overlapping_do_no_harm(void **state)
{
    struct shop *shop = *state;
    struct bytes x;
    fill(&x, 2);
    assert_int_equal(put(shop, &x, CHUNK, CHUNK), 0); /* a gap: says where to go on */
    assert_int_equal(put(shop, &x, 0, CHUNK), CHUNK);
    assert_int_equal(put(shop, &x, 0, CHUNK), CHUNK);
    assert_int_equal(put(shop, &x, 3 * CHUNK, 10), CHUNK);
    assert_int_equal(put(shop, &x, CHUNK - 5, 100), CHUNK + 95);
    assert_int_equal(put(shop, &x, 10, 20), CHUNK + 95);
    assert_int_equal(put(shop, &x, CHUNK, SIZE - CHUNK), SIZE);
    same_file(shop, FILE_PATH, &x);
    assert_int_equal(put(shop, &x, SIZE - 10, 10), SIZE); /* the answer was lost: all is there */
    assert_int_equal(put(shop, &x, 0, CHUNK), SIZE);
    assert_int_equal(count_entries(in(shop, "work/" JOB "/chain-0.3")), 1);
}

static void a_server_that_starts_again_goes_on(void **state)
{
    struct shop *shop = *state;
    struct bytes x;
    fill(&x, 3);
    assert_int_equal(put(shop, &x, 0, 2 * CHUNK), 2 * CHUNK);
    shop_reopen(shop);
    assert_int_equal(put(shop, &x, 0, 0), 2 * CHUNK);
    assert_int_equal(put(shop, &x, 2 * CHUNK, SIZE - 2 * CHUNK), SIZE);
    same_file(shop, FILE_PATH, &x);
}

static void the_next_file_of_a_name_replaces_the_last(void **state)
{
    struct shop *shop = *state;
    struct bytes x, y;
    fill(&x, 4);
    fill(&y, 5);
    assert_int_equal(put(shop, &x, 0, SIZE), SIZE);
    assert_int_equal(put(shop, &y, 0, CHUNK), CHUNK);
    same_file(shop, FILE_PATH, &x); /* until the new one is whole */
    assert_int_equal(put(shop, &y, CHUNK, SIZE - CHUNK), SIZE);
    same_file(shop, FILE_PATH, &y);
    /* A part that was given up goes when the next begins. */
    struct bytes z;
    fill(&z, 6);
    assert_int_equal(put(shop, &x, 0, CHUNK), CHUNK);
    assert_int_equal(put(shop, &z, 0, SIZE), SIZE);
    assert_int_equal(count_entries(in(shop, "work/" JOB "/chain-0.3")), 1);
}

static void wrong_bytes_are_noticed_and_thrown_away(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct bytes x;
    int64_t have = -1;
    fill(&x, 7);
    x.b[500] ^= 1;
    assert_fails(ff_storehouse_put(shop->s, FILE_PATH, 0, SIZE, x.hash, x.b, SIZE, &have, &ctx), FF_ECORRUPT, &ctx,
                 x.hash);
    assert_int_equal(have, 0);
    assert_int_equal(count_entries(in(shop, "work/" JOB "/chain-0.3")), 0);
    x.b[500] ^= 1;
    assert_int_equal(put(shop, &x, 0, SIZE), SIZE);
}

static void chunks_outside_their_file_are_refused(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct bytes x;
    int64_t have;
    fill(&x, 8);
    static const struct {
        int64_t offset, size;
        size_t n;
        ff_err code;
    } bad[] = {{-1, SIZE, 1, FF_EBADFILE},
               {0, -1, 0, FF_EBADFILE},
               {SIZE + 1, SIZE, 0, FF_EBADFILE},
               {SIZE, SIZE, 1, FF_EBADFILE},
               {0, 10, 11, FF_EBADFILE},
               {INT64_MAX, INT64_MAX, 1, FF_ETOOLARGE},
               {0, ((int64_t)64 << 30) + 1, 1, FF_ETOOLARGE}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const ff_err got =
            ff_storehouse_put(shop->s, FILE_PATH, bad[i].offset, bad[i].size, x.hash, x.b, bad[i].n, &have, &ctx);
        if (got != bad[i].code && !(bad[i].size < 0 && got == FF_ETOOLARGE))
            fail_msg("case %zu: expected %s, got %s", i, ff_code_slug(bad[i].code), ff_code_slug(got));
    }
    assert_int_equal(ff_storehouse_put(shop->s, FILE_PATH, 0, 1, "abc", x.b, 1, &have, &ctx), FF_EBADFILE);
    assert_int_equal(ff_storehouse_put(shop->s, "work/" JOB "/a.1/x.part", 0, 1, x.hash, x.b, 1, &have, &ctx),
                     FF_EBADFILE);
    assert_int_equal(ff_storehouse_put(shop->s, "datasets/x.h5", 0, 1, x.hash, x.b, 1, &have, &ctx), FF_EBADFILE);
    assert_int_equal(ff_storehouse_put(shop->s, "results/" JOB "/x.h5", 0, 1, x.hash, x.b, 1, &have, &ctx),
                     FF_EBADFILE);
}

static void an_empty_file_is_a_file(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    char hash[65];
    int64_t have = -1;
    ff_hash_bytes("", 0, hash);
    assert_ok(ff_storehouse_put(shop->s, FILE_PATH, 0, 0, hash, "", 0, &have, &ctx), &ctx);
    assert_int_equal(have, 0);
    assert_true(exists(in(shop, FILE_PATH)));
}

static void files_are_read_by_position(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct bytes x;
    unsigned char out[CHUNK];
    size_t got;
    int64_t total;
    fill(&x, 9);
    put(shop, &x, 0, SIZE);
    for (int64_t at = 0; at <= SIZE; at += CHUNK) {
        assert_ok(ff_storehouse_read(shop->s, FILE_PATH, at, out, CHUNK, &got, &total, &ctx), &ctx);
        assert_int_equal(total, SIZE);
        assert_int_equal(got, SIZE - at < CHUNK ? SIZE - at : CHUNK);
        assert_memory_equal(out, x.b + at, got);
    }
    assert_ok(ff_storehouse_read(shop->s, FILE_PATH, 2 * SIZE, out, CHUNK, &got, &total, &ctx), &ctx);
    assert_int_equal(got, 0);
    assert_int_equal(ff_storehouse_read(shop->s, FILE_PATH, -1, out, CHUNK, &got, &total, &ctx), FF_EBADFILE);
}

static void the_files_of_an_attempt_are_listed(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    json_t *list;
    char hash[65];
    assert_ok(ff_storehouse_list(shop->s, JOB, "chain-0", 3, &list, &ctx), &ctx);
    assert_int_equal(json_array_size(list), 0); /* none yet */
    json_decref(list);
    write_bytes(in(shop, "work/" JOB "/chain-0.3/b"), "bb", 2);
    write_bytes(in(shop, "work/" JOB "/chain-0.3/a"), "a", 1);
    write_bytes(in(shop, "work/" JOB "/chain-0.3/c.part"), "c", 1);
    write_bytes(in(shop, "work/" JOB "/chain-0.3/.hidden"), "c", 1);
    write_bytes(in(shop, "work/" JOB "/chain-0.3/folder/x"), "c", 1);
    assert_int_equal(symlink("a", in(shop, "work/" JOB "/chain-0.3/link")), 0);
    assert_int_equal(mkfifo(in(shop, "work/" JOB "/chain-0.3/pipe"), 0600), 0);
    assert_ok(ff_storehouse_list(shop->s, JOB, "chain-0", 3, &list, &ctx), &ctx);
    assert_int_equal(json_array_size(list), 2);
    const json_t *first = json_array_get(list, 0), *second = json_array_get(list, 1);
    ff_hash_bytes("a", 1, hash);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "a");
    assert_string_equal(json_string_value(json_object_get(first, "sha256")), hash);
    assert_string_equal(json_string_value(json_object_get(second, "name")), "b");
    assert_int_equal(json_integer_value(json_object_get(second, "size")), 2);
    json_decref(list);
}

static ff_err accept(struct shop *shop, const struct bytes *x, char path[512], ff_ctx *ctx)
{
    return ff_storehouse_accept(shop->s, JOB, "reduce", 2, "out.h5", SIZE, x->hash, path, ctx);
}

static void a_result_is_accepted_once_and_for_good(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct bytes x, y;
    struct stat st;
    char path[512];
    fill(&x, 10);
    fill(&y, 11);
    assert_fails(accept(shop, &x, path, &ctx), FF_ENOTFOUND, &ctx, "out.h5");
    write_bytes(in(shop, "work/" JOB "/reduce.2/out.h5"), x.b, SIZE);
    assert_fails(accept(shop, &y, path, &ctx), FF_ECORRUPT, &ctx, y.hash);
    assert_fails(ff_storehouse_accept(shop->s, JOB, "reduce", 2, "out.h5", SIZE - 1, x.hash, path, &ctx), FF_ECORRUPT,
                 &ctx, "bytes");
    assert_true(exists(in(shop, "work/" JOB "/reduce.2/out.h5"))); /* kept to be looked at */
    assert_ok(accept(shop, &x, path, &ctx), &ctx);
    assert_string_equal(path, "results/" JOB "/reduce.2.h5");
    assert_false(exists(in(shop, "work/" JOB "/reduce.2/out.h5")));
    same_file(shop, path, &x);
    assert_int_equal(stat(in(shop, path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_ok(accept(shop, &x, path, &ctx), &ctx); /* said again */
    assert_string_equal(path, "results/" JOB "/reduce.2.h5");
    /* Another file for the same attempt does not replace it. */
    write_bytes(in(shop, "work/" JOB "/reduce.2/out.h5"), y.b, SIZE);
    assert_fails(accept(shop, &y, path, &ctx), FF_ECORRUPT, &ctx, "");
    same_file(shop, "results/" JOB "/reduce.2.h5", &x);
}

static void a_flipped_bit_is_noticed(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct bytes x;
    char path[512];
    int fd = -1;
    fill(&x, 12);
    write_bytes(in(shop, "work/" JOB "/reduce.2/out.h5"), x.b, SIZE);
    assert_ok(accept(shop, &x, path, &ctx), &ctx);
    for (int old = 0; old < 2; old++) { /* not remembered as good, and remembered as good */
        if (old) make_old(in(shop, path), 60);
        for (int again = 0; again < 2; again++) {
            assert_ok(ff_storehouse_open_result(shop->s, path, SIZE, x.hash, &fd, &ctx), &ctx);
            char byte;
            assert_int_equal(pread(fd, &byte, 1, 77), 1);
            assert_int_equal((unsigned char)byte, x.b[77]);
            close(fd);
        }
        unsigned char wrong = x.b[50000] ^ 1;
        int file = open(in(shop, path), O_WRONLY);
        assert_int_equal(pwrite(file, &wrong, 1, 50000), 1);
        assert_fails(ff_storehouse_open_result(shop->s, path, SIZE, x.hash, &fd, &ctx), FF_ECORRUPT, &ctx, x.hash);
        assert_int_equal(fd, -1);
        assert_int_equal(pwrite(file, &x.b[50000], 1, 50000), 1);
        close(file);
        assert_ok(ff_storehouse_open_result(shop->s, path, SIZE, x.hash, &fd, &ctx), &ctx);
        close(fd);
    }
    assert_int_equal(truncate(in(shop, path), SIZE - 1), 0);
    assert_fails(ff_storehouse_open_result(shop->s, path, SIZE, x.hash, &fd, &ctx), FF_ECORRUPT, &ctx, "bytes");
    unlink(in(shop, path));
    assert_fails(ff_storehouse_open_result(shop->s, path, SIZE, x.hash, &fd, &ctx), FF_ECORRUPT, &ctx, "not there");
}

static void a_missing_folder_of_results_is_the_storages_fault(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct bytes x;
    char path[512];
    int fd;
    fill(&x, 13);
    write_bytes(in(shop, "work/" JOB "/reduce.2/out.h5"), x.b, SIZE);
    assert_int_equal(rename(in(shop, "results"), in(shop, "elsewhere")), 0);
    assert_fails(accept(shop, &x, path, &ctx), FF_ESTORAGE, &ctx, "results/");
    assert_fails(ff_storehouse_open_result(shop->s, "results/" JOB "/reduce.2.h5", SIZE, x.hash, &fd, &ctx),
                 FF_ESTORAGE, &ctx, "results/");
    assert_true(exists(in(shop, "work/" JOB "/reduce.2/out.h5")));
    assert_int_equal(rename(in(shop, "elsewhere"), in(shop, "results")), 0);
    assert_ok(accept(shop, &x, path, &ctx), &ctx);
}

static void attempts_work_and_results_are_thrown_away(void **state)
{
    struct shop *shop = *state;
    static const char *const files[] = {"work/" JOB "/chain-1.1/f",  "work/" JOB "/chain-1.2/f",
                                        "work/" JOB "/chain-1.12/f", "work/" JOB "/chain-10.1/f",
                                        "work/" JOB "/chain-1.x/f",  "work/" JOB2 "/chain-1.1/f"};
    for (int i = 0; i < 6; i++) write_bytes(in(shop, files[i]), "x", 1);
    ff_storehouse_drop_attempts(shop->s, JOB, "chain-1", 2);
    static const bool left[] = {false, true, false, true, true, true};
    for (int i = 0; i < 6; i++) assert_int_equal(exists(in(shop, files[i])), left[i]);
    ff_storehouse_drop_attempts(shop->s, "../" JOB, "chain-1", 2);
    ff_storehouse_drop_attempts(shop->s, JOB, "..", 2);
    write_bytes(in(shop, "results/" JOB "/reduce.1.h5"), "x", 1);
    ff_storehouse_drop_work(shop->s, JOB);
    assert_false(exists(in(shop, "work/" JOB)));
    assert_true(exists(in(shop, "work/" JOB2 "/chain-1.1/f")));
    assert_true(exists(in(shop, "results/" JOB "/reduce.1.h5")));
    ff_storehouse_drop_result(shop->s, JOB);
    assert_false(exists(in(shop, "results/" JOB)));
    ff_storehouse_drop_work(shop->s, "..");
    ff_storehouse_drop_work(shop->s, "");
    ff_storehouse_drop_result(shop->s, "../work");
    assert_true(exists(in(shop, "work/" JOB2 "/chain-1.1/f")));
}

/* Knows what contains "known". */
static bool knows(void *self, const char *path)
{
    ++*(int *)self;
    return strstr(path, "known") != NULL;
}

static void orphans_are_listed_and_left(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    static const char *const files[] = {"datasets/known.h5",        "datasets/old.h5",          "datasets/new.h5",
                                        "results/" JOB "/known.h5", "results/" JOB "/old.1.h5", "work/" JOB "/a.1/f",
                                        "work/" JOB "/known.1/f",   "uploads/old.part"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_bytes(in(shop, files[i]), "x", 1);
        if (!strstr(files[i], "new")) make_old(in(shop, files[i]), 25 * 3600);
    }
    make_old(in(shop, "work/" JOB "/a.1"), 25 * 3600);
    make_old(in(shop, "work/" JOB "/known.1"), 25 * 3600);
    int asked = 0;
    json_t *list;
    assert_ok(ff_storehouse_orphans(shop->s, knows, &asked, &list, &ctx), &ctx);
    static const char *const wanted[] = {"datasets/old.h5", "results/" JOB "/old.1.h5", "work/" JOB "/a.1",
                                         "uploads/old.part"};
    assert_int_equal(json_array_size(list), 4);
    assert_int_equal(asked, 7);
    for (size_t k = 0; k < 4; k++) {
        bool found = false;
        for (size_t i = 0; i < 4; i++) found |= !strcmp(json_string_value(json_array_get(list, i)), wanted[k]);
        if (!found) fail_msg("expected %s among the orphans", wanted[k]);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) assert_true(exists(in(shop, files[i])));
    json_decref(list);
}

static void the_token_stays_and_must_be_one(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    char token[65];
    assert_int_equal(strlen(ff_storehouse_token(shop->s)), 64);
    snprintf(token, sizeof token, "%s", ff_storehouse_token(shop->s));
    shop_reopen(shop);
    assert_string_equal(ff_storehouse_token(shop->s), token);
    size_t n;
    char *text = (char *)read_bytes(in(shop, "token"), &n);
    assert_int_equal(n, 65);
    assert_memory_equal(text, token, 64);
    free(text);
    write_bytes(in(shop, "token"), "short\n", 6);
    ff_storehouse *s;
    const struct ff_storehouse_config config = {.dir = shop->dir};
    assert_fails(ff_storehouse_open(&s, &config, &ctx), FF_ESTORAGE, &ctx, "token");
    assert_null(s);
}

static void no_store_where_none_can_be(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    ff_storehouse *s;
    write_bytes(in(shop, "file"), "x", 1);
    const struct ff_storehouse_config file = {.dir = in(shop, "file")}, none = {.dir = in(shop, "no/such")};
    assert_int_equal(ff_storehouse_open(&s, &file, &ctx), FF_ESTORAGE);
    assert_int_equal(ff_storehouse_open(&s, &none, &ctx), FF_ESTORAGE);
    assert_null(s);
    ff_storehouse_close(NULL);
    ff_upload_abandon(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_in_chunks_appears_when_it_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_again_out_of_order_and_overlapping_do_no_harm, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_starts_again_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(the_next_file_of_a_name_replaces_the_last, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_bytes_are_noticed_and_thrown_away, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_outside_their_file_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_file_is_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(files_are_read_by_position, setup, teardown),
        cmocka_unit_test_setup_teardown(the_files_of_an_attempt_are_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_result_is_accepted_once_and_for_good, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flipped_bit_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_folder_of_results_is_the_storages_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(attempts_work_and_results_are_thrown_away, setup, teardown),
        cmocka_unit_test_setup_teardown(orphans_are_listed_and_left, setup, teardown),
        cmocka_unit_test_setup_teardown(the_token_stays_and_must_be_one, setup, teardown),
        cmocka_unit_test_setup_teardown(no_store_where_none_can_be, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
