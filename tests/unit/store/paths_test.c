/* tests/unit/store/paths_test.c - no name and no link leads out of the store. */
#include "help.h"

/* What an outsider may try as a path or as a part of one. */
static const char *const bad_parts[] = {
    "..",
    ".",
    "",
    "../x",
    "x/../y",
    "/etc/passwd",
    "%2e%2e",
    "%2e%2e%2fx",
    "..%2f",
    "a b",
    "a\\b",
    "a\nb",
    "a:b",
    ".hidden",
    ".part",
    "x/",
    "/x",
    "\xc0\xae\xc0\xae",
    "~root",
    "$HOME",
    "a*",
    "a;b",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaa"};
enum { NBAD = sizeof bad_parts / sizeof *bad_parts };
static const char zeros[65] = "0000000000000000000000000000000000000000000000000000000000000000";

static void bad_parts_of_ids_are_refused(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    char path[512];
    json_t *list;
    for (int i = 0; i < NBAD; i++) {
        const char *bad = bad_parts[i];
        assert_int_equal(ff_storehouse_work_path(path, sizeof path, bad, "chain-0", 1, "x", &ctx), FF_EBADFILE);
        assert_int_equal(ff_storehouse_work_path(path, sizeof path, JOB, bad, 1, "x", &ctx), FF_EBADFILE);
        assert_int_equal(ff_storehouse_work_path(path, sizeof path, JOB, "chain-0", 1, bad, &ctx), FF_EBADFILE);
        assert_string_equal(path, "");
        assert_int_equal(ff_storehouse_list(shop->s, bad, "chain-0", 1, &list, &ctx), FF_EBADFILE);
        assert_int_equal(ff_storehouse_list(shop->s, JOB, bad, 1, &list, &ctx), FF_EBADFILE);
        assert_null(list);
        assert_int_equal(ff_storehouse_accept(shop->s, JOB, "chain-0", 1, bad, 1, zeros, path, &ctx), FF_EBADFILE);
        assert_int_equal(ff_storehouse_accept(shop->s, bad, "chain-0", 1, "x", 1, zeros, path, &ctx), FF_EBADFILE);
    }
    assert_int_equal(ff_storehouse_work_path(path, sizeof path, JOB, "chain-0", 0, "x", &ctx), FF_EBADFILE);
    assert_int_equal(ff_storehouse_work_path(path, sizeof path, JOB, "chain-0", -1, "x", &ctx), FF_EBADFILE);
    assert_int_equal(ff_storehouse_work_path(path, sizeof path, "job_short", "a", 1, "x", &ctx), FF_EBADFILE);
    assert_int_equal(ff_storehouse_work_path(path, 20, JOB, "a", 1, "x", &ctx), FF_EBUG);
    assert_ok(ff_storehouse_work_path(path, sizeof path, JOB, "chain-0", 12, "chain-0.a", &ctx), &ctx);
    assert_string_equal(path, "work/" JOB "/chain-0.12/chain-0.a");
    assert_ok(ff_storehouse_work_path(path, sizeof path, JOB, "chain-0", 12, NULL, &ctx), &ctx);
    assert_string_equal(path, "work/" JOB "/chain-0.12");
}

/* Every call that takes a path, with this one. */
static void refuse_everywhere(struct shop *shop, const char *path)
{
    ff_ctx ctx = {0};
    char byte = 'x';
    int64_t have, total;
    size_t got, size;
    int fd = 0;
    void *bytes;
    const struct ff_map_request map = {.job = JOB, .result = path, .name = "convergence_mean", .format = "npy"};
    const struct ff_draws_request draws = {.job = JOB, .result = path, .count = 1};
    if (ff_storehouse_put(shop->s, path, 0, 1, zeros, &byte, 1, &have, &ctx) != FF_EBADFILE ||
        ff_storehouse_read(shop->s, path, 0, &byte, 1, &got, &total, &ctx) != FF_EBADFILE ||
        ff_storehouse_open_result(shop->s, path, 1, zeros, &fd, &ctx) != FF_EBADFILE ||
        ff_storehouse_map(shop->s, &map, &bytes, &size, &ctx) != FF_EBADFILE ||
        ff_storehouse_draws(shop->s, &draws, &bytes, &size, &ctx) != FF_EBADFILE) {
        fail_msg("expected bad-file everywhere for \"%s\", got %s", path, ctx.message);
    }
    assert_int_equal(fd, -1);
    assert_null(bytes);
}

static void bad_paths_are_refused(void **state)
{
    struct shop *shop = *state;
    char path[1024];
    static const char *const whole[] = {"token",
                                        "reserve",
                                        "work",
                                        "work/" JOB,
                                        "work/" JOB "/a.1",
                                        "results/" JOB,
                                        "uploads/x",
                                        "results/" JOB "/x/y",
                                        "queue.db",
                                        "work/" JOB "/a.1/x/y",
                                        "../results/a/b",
                                        "datasets/a/../../token",
                                        "results//x",
                                        "server.key"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) refuse_everywhere(shop, whole[i]);
    for (int i = 0; i < NBAD; i++) {
        refuse_everywhere(shop, bad_parts[i]);
        snprintf(path, sizeof path, "work/%s/a.1/x", bad_parts[i]);
        refuse_everywhere(shop, path);
        snprintf(path, sizeof path, "work/" JOB "/%s/x", bad_parts[i]);
        refuse_everywhere(shop, path);
        snprintf(path, sizeof path, "work/" JOB "/a.1/%s", bad_parts[i]);
        refuse_everywhere(shop, path);
        snprintf(path, sizeof path, "results/" JOB "/%s", bad_parts[i]);
        refuse_everywhere(shop, path);
        snprintf(path, sizeof path, "datasets/%s", bad_parts[i]);
        refuse_everywhere(shop, path);
    }
}

/* A folder or file of the store replaced by a link to the same thing outside: nothing is read or written through it. */
static void links_are_not_followed(void **state)
{
    struct shop *shop = *state;
    static const char *const links[] = {"work", "work/" JOB, "work/" JOB "/a.1", "work/" JOB "/a.1/f"};
    char outside[300], target[600], hash[65];
    snprintf(outside, sizeof outside, "%s.outside", shop->dir);
    ff_hash_bytes("secret", 6, hash);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        ff_ctx ctx = {0};
        char bytes[8];
        size_t got;
        int64_t total, have;
        char path[512];
        snprintf(target, sizeof target, "%s/work/" JOB "/a.1/f", outside);
        write_bytes(target, "secret", 6);
        write_bytes(in(shop, "work/" JOB "/a.1/f"), "public", 6);
        char aside[1100];
        snprintf(aside, sizeof aside, "%s.aside", in(shop, links[i]));
        assert_int_equal(rename(in(shop, links[i]), aside), 0);
        snprintf(target, sizeof target, "%s/%s", outside, links[i]);
        assert_int_equal(symlink(target, in(shop, links[i])), 0);

        assert_fails(ff_storehouse_read(shop->s, "work/" JOB "/a.1/f", 0, bytes, 6, &got, &total, &ctx), FF_ESTORAGE,
                     &ctx, "");
        assert_int_equal(got, 0);
        assert_int_not_equal(ff_storehouse_accept(shop->s, JOB, "a", 1, "f", 6, hash, path, &ctx), FF_OK);
        if (i < 3) {
            char fresh[65];
            ff_hash_bytes("new", 3, fresh);
            assert_fails(ff_storehouse_put(shop->s, "work/" JOB "/a.1/g", 0, 3, fresh, "new", 3, &have, &ctx),
                         FF_ESTORAGE, &ctx, "");
            snprintf(target, sizeof target, "%s/work/" JOB "/a.1/g", outside);
            assert_false(exists(target));
        }
        /* Throwing away removes the link, not what it leads to. */
        ff_storehouse_drop_attempts(shop->s, JOB, "a", 0);
        ff_storehouse_drop_work(shop->s, JOB);
        snprintf(target, sizeof target, "%s/work/" JOB "/a.1/f", outside);
        assert_true(exists(target));

        nftw(in(shop, "work"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
        nftw(in(shop, "work.aside"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
        assert_int_equal(mkdir(in(shop, "work"), 0750), 0);
    }
    nftw(outside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void linked_results_datasets_and_uploads_are_not_followed(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    char outside[300], target[600], hash[65], kind[16], sha[65], path[512];
    int fd;
    int64_t size;
    snprintf(outside, sizeof outside, "%s.outside", shop->dir);
    snprintf(target, sizeof target, "%s/f", outside);
    write_bytes(target, "secret", 6);
    ff_hash_bytes("secret", 6, hash);
    make_folders(in(shop, "results/" JOB "/x"));
    assert_int_equal(symlink(target, in(shop, "results/" JOB "/reduce.1.h5")), 0);
    assert_fails(ff_storehouse_open_result(shop->s, "results/" JOB "/reduce.1.h5", 6, hash, &fd, &ctx), FF_ESTORAGE,
                 &ctx, "link");
    /* The result of an attempt does not go through a link either. */
    write_bytes(in(shop, "work/" JOB "/reduce.1/out.h5"), "secret", 6);
    assert_int_not_equal(ff_storehouse_accept(shop->s, JOB, "reduce", 1, "out.h5", 6, hash, path, &ctx), FF_OK);
    assert_string_equal(path, "");
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "uploads" : "datasets";
        struct ff_upload *u;
        size_t n;
        write_maps(in(shop, "good.h5"), FF_CONVERGENCE);
        unsigned char *bytes = read_bytes(in(shop, "good.h5"), &n);
        assert_int_equal(rmdir(in(shop, name)), 0);
        assert_int_equal(symlink(outside, in(shop, name)), 0);
        ff_err err = ff_upload_begin(&u, shop->s, &ctx);
        if (!err)
            err = ff_upload_write(u, bytes, n, &ctx);
        else
            assert_null(u);
        if (!err) err = ff_upload_end(u, sha, kind, &size, &ctx);
        assert_int_equal(err, FF_ESTORAGE);
        unlink(in(shop, name));
        mkdir(in(shop, name), 0750);
        free(bytes);
    }
    assert_int_equal(count_entries(outside), 1);
    nftw(outside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A folder, a pipe or a device where a file should be is refused at once. */
static void what_is_no_file_is_refused(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    char byte;
    size_t got;
    int64_t total;
    make_folders(in(shop, "work/" JOB "/a.1/d/x"));
    assert_int_equal(mkfifo(in(shop, "work/" JOB "/a.1/p"), 0600), 0);
    assert_fails(ff_storehouse_read(shop->s, "work/" JOB "/a.1/d", 0, &byte, 1, &got, &total, &ctx), FF_ESTORAGE, &ctx,
                 "regular");
    assert_fails(ff_storehouse_read(shop->s, "work/" JOB "/a.1/p", 0, &byte, 1, &got, &total, &ctx), FF_ESTORAGE, &ctx,
                 "regular");
    assert_fails(ff_storehouse_read(shop->s, "work/" JOB "/a.1/none", 0, &byte, 1, &got, &total, &ctx), FF_ENOTFOUND,
                 &ctx, "");
}

static void the_folders_are_for_their_owner(void **state)
{
    struct shop *shop = *state;
    static const char *const names[] = {"datasets", "work", "results", "uploads"};
    struct stat st;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(stat(in(shop, names[i]), &st), 0);
        assert_int_equal(st.st_mode & 0067, 0);
    }
    assert_int_equal(stat(in(shop, "token"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in(shop, "reserve"), &st), 0);
    assert_int_equal(st.st_size, 1 << 20);
    assert_true(st.st_blocks * 512 >= 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_parts_of_ids_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_paths_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(linked_results_datasets_and_uploads_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_folders_are_for_their_owner, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
