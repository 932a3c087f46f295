/* tests/unit/store/faults_test.c - the store is killed at every crash point, the disk fails at every call, the disk
** is full: what was promised is there afterwards, what was not done can be done again, nothing is left over. The
** faults are asked for in the environment (common/fault.h), which a process reads once, so each is met by a child:
** this program again. */
#include "help.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { SIZE = 5000, CHUNK = 2000 };
#define CKPT "work/" JOB "/chain-0.1/chain-0.a"
#define OUT "work/" JOB "/reduce.1/out.h5"
#define RESULT "results/" JOB "/reduce.1.h5"

static void content(unsigned char out[SIZE], char hash[65])
{
    for (int i = 0; i < SIZE; i++) out[i] = (unsigned char)(i * 11);
    ff_hash_bytes(out, SIZE, hash);
}

/* A checkpoint and a result by chunks, the result accepted, a dataset uploaded. */
static ff_err do_all(ff_storehouse *s, const unsigned char *dataset, size_t n, ff_ctx *ctx)
{
    static const char *const files[] = {CKPT, OUT};
    unsigned char bytes[SIZE];
    char hash[65], path[512], kind[16];
    content(bytes, hash);
    ff_err err = FF_OK;
    for (int k = 0; k < 2 && !err; k++) {
        int64_t have = 0;
        while (!err && have < SIZE) {
            const int64_t left = SIZE - have;
            err = ff_storehouse_put(s, files[k], have, SIZE, hash, bytes + have, (size_t)(left < CHUNK ? left : CHUNK),
                                    &have, ctx);
        }
    }
    if (!err) err = ff_storehouse_accept(s, JOB, "reduce", 1, "out.h5", SIZE, hash, path, ctx);
    struct ff_upload *u;
    int64_t size;
    if (!err) err = ff_upload_begin(&u, s, ctx);
    if (err) return err;
    err = ff_upload_write(u, dataset, n, ctx);
    if (err) {
        ff_upload_abandon(u);
        return err;
    }
    return ff_upload_end(u, hash, kind, &size, ctx);
}

static void check_all(struct shop *shop, size_t dataset_size)
{
    unsigned char bytes[SIZE];
    char hash[65], path[512];
    ff_ctx ctx = {0};
    int fd;
    content(bytes, hash);
    size_t got;
    int64_t total;
    unsigned char back[SIZE];
    assert_ok(ff_storehouse_read(shop->s, CKPT, 0, back, SIZE, &got, &total, &ctx), &ctx);
    assert_int_equal(got, SIZE);
    assert_memory_equal(back, bytes, SIZE);
    assert_ok(ff_storehouse_open_result(shop->s, RESULT, SIZE, hash, &fd, &ctx), &ctx);
    close(fd);
    unsigned char *dataset = read_bytes(in(shop, "x.h5"), &got);
    ff_hash_bytes(dataset, got, hash);
    assert_int_equal(got, dataset_size);
    free(dataset);
    ff_storehouse_dataset_path(shop->s, hash, path, sizeof path);
    dataset = read_bytes(path, &got);
    assert_int_equal(got, dataset_size);
    free(dataset);
    assert_int_equal(count_entries(in(shop, "datasets")), 1);
    assert_int_equal(count_entries(in(shop, "uploads")), 0);
    assert_int_equal(count_entries(in(shop, "work/" JOB "/chain-0.1")), 1);
    assert_int_equal(count_entries(in(shop, "results/" JOB)), 1);
}

/* What the child does: opens the store, does all; once more after an error. Its exit status says how it went. */
enum { DONE = 0, DONE_AT_SECOND = 10, NOT_DONE = 11, OTHER_ERROR = 12 };
static int child_main(const char *dir)
{
    ff_ctx ctx = {0};
    ff_storehouse *s;
    char path[600];
    size_t n = 0;
    const struct ff_storehouse_config config = {.dir = dir};
    snprintf(path, sizeof path, "%s/x.h5", dir);
    unsigned char *dataset = read_bytes(path, &n);
    int status = DONE;
    for (int i = 0; i < 2; i++) {
        ff_err err = ff_storehouse_open(&s, &config, &ctx);
        if (!err) err = do_all(s, dataset, n, &ctx);
        ff_storehouse_close(s);
        if (!err) break;
        if (err != FF_EIO) fprintf(stderr, "# %s: %s\n", ff_code_slug(err), ctx.message);
        status = err != FF_EIO ? OTHER_ERROR : i ? NOT_DONE : DONE_AT_SECOND;
    }
    free(dataset);
    return status;
}

/* Runs this program as the child with NAME=VALUE; its exit status. */
static int run_child(struct shop *shop, const char *name, const char *value)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("FF_STORE_CHILD", shop->dir, 1);
        setenv(name, value, 1);
        execl("/proc/self/exe", "faults_test", (char *)NULL);
        _exit(99);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The store as it is before anything happened, with the dataset to upload beside it. */
static size_t start_over(struct shop *shop)
{
    static const char *const names[] = {"work", "results", "datasets", "uploads", "token", "reserve"};
    ff_storehouse_close(shop->s);
    shop->s = NULL;
    for (int i = 0; i < 6; i++) nftw(in(shop, names[i]), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    struct stat st;
    if (stat(in(shop, "x.h5"), &st)) write_maps(in(shop, "x.h5"), FF_CONVERGENCE);
    assert_int_equal(stat(in(shop, "x.h5"), &st), 0);
    return (size_t)st.st_size;
}

static void a_kill_at_any_point_loses_nothing(void **state)
{
    struct shop *shop = *state;
    static const struct {
        const char *point;
        int passes; /* in one run */
    } points[] = {{"store_put", 6}, {"store_before_rename", 5}, {"store_after_rename", 5}};
    for (int p = 0; p < 3; p++) {
        for (int n = 1; n <= points[p].passes + 1; n++) {
            char value[64];
            ff_ctx ctx = {0};
            const size_t size = start_over(shop);
            snprintf(value, sizeof value, "%s:%d", points[p].point, n);
            const int status = run_child(shop, "FF_CRASH_AT", value);
            if (status != (n <= points[p].passes ? 137 : DONE)) fail_msg("%s: exit status %d", value, status);
            shop_open(shop);
            size_t length;
            unsigned char *dataset = read_bytes(in(shop, "x.h5"), &length);
            assert_ok(do_all(shop->s, dataset, length, &ctx), &ctx);
            free(dataset);
            check_all(shop, size);
        }
    }
}

static void a_failing_disk_is_an_error_and_the_next_try_succeeds(void **state)
{
    struct shop *shop = *state;
    int failed = 0;
    for (int n = 1; n < 100; n++) {
        char value[32];
        const size_t size = start_over(shop);
        snprintf(value, sizeof value, "%d", n);
        const int status = run_child(shop, "FF_FAIL_IO_AT", value);
        if (status != DONE && status != DONE_AT_SECOND) fail_msg("call %d: exit status %d", n, status);
        shop_open(shop);
        check_all(shop, size);
        if (status == DONE) break;
        failed++;
    }
    print_message("# %d calls can fail\n", failed);
    assert_true(failed >= 15 && failed < 99);
}

/* A limit on file sizes looks like a disk that is full in the middle of a file. */
static void a_full_disk_keeps_what_was_there_and_goes_on_later(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    unsigned char bytes[SIZE];
    char hash[65];
    int64_t have;
    struct rlimit usual, small;
    content(bytes, hash);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    small = usual;
    small.rlim_cur = 3000;
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_ok(ff_storehouse_put(shop->s, CKPT, 0, SIZE, hash, bytes, 2000, &have, &ctx), &ctx);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const ff_err err = ff_storehouse_put(shop->s, CKPT, 2000, SIZE, hash, bytes + 2000, 2000, &have, &ctx);
    struct ff_upload *u = NULL;
    ff_err upload = ff_upload_begin(&u, shop->s, &ctx);
    if (!upload) upload = ff_upload_write(u, bytes, SIZE, &ctx);
    ff_upload_abandon(u);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
    signal(SIGXFSZ, before);
    assert_int_equal(err, FF_EDISKFULL);
    assert_int_equal(upload, FF_EDISKFULL);
    assert_int_equal(have, 2000);
    assert_ok(ff_storehouse_put(shop->s, CKPT, have, SIZE, hash, bytes + have, (size_t)(SIZE - have), &have, &ctx),
              &ctx);
    assert_int_equal(have, SIZE);
    assert_int_equal(count_entries(in(shop, "uploads")), 0);
}

/* The same with a real disk of 4 MB, where this user may mount one. */
static void a_small_disk_fills_and_its_reserve_helps(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    char disk[300];
    snprintf(disk, sizeof disk, "%s", in(shop, "disk"));
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("none", disk, "tmpfs", 0, "size=4m")) {
        print_message("# no disk can be mounted here (%s): skipped\n", strerror(errno));
        skip();
    }
    ff_storehouse *s;
    const struct ff_storehouse_config config = {.dir = disk, .reserve_bytes = 1 << 20, .keep_free_bytes = 1 << 20};
    assert_ok(ff_storehouse_open(&s, &config, &ctx), &ctx);
    struct ff_upload *u;
    assert_ok(ff_upload_begin(&u, s, &ctx), &ctx);
    assert_fails(ff_upload_write(u, "x", 1, &ctx), FF_EDISKFULL, &ctx, "MB left"); /* steps of 16 MB do not fit */
    ff_upload_abandon(u);
    const size_t n = 8 << 20;
    char *bytes = calloc(1, n), hash[65];
    int64_t have;
    ff_hash_bytes(bytes, n, hash);
    assert_int_equal(ff_storehouse_put(s, CKPT, 0, (int64_t)n, hash, bytes, n, &have, &ctx), FF_EDISKFULL);
    assert_int_equal(have, 0);
    /* Fill what is left, as somebody else may. */
    char path[600];
    snprintf(path, sizeof path, "%s/filler", disk);
    FILE *filler = fopen(path, "wb");
    while (fwrite(bytes, 1, 4096, filler) == 4096 && !fflush(filler)) continue;
    fclose(filler);
    ff_hash_bytes(bytes, SIZE, hash);
    assert_int_equal(ff_storehouse_put(s, OUT, 0, SIZE, hash, bytes, SIZE, &have, &ctx), FF_EDISKFULL);
    ff_storehouse_release_reserve(s);
    assert_ok(ff_storehouse_put(s, OUT, 0, SIZE, hash, bytes, SIZE, &have, &ctx), &ctx);
    ff_storehouse_take_reserve(s); /* may not fit again: no harm */
    ff_storehouse_close(s);
    /* A full disk does not keep a server from starting. */
    filler = fopen(path, "ab");
    while (fwrite(bytes, 1, 4096, filler) == 4096 && !fflush(filler)) continue;
    fclose(filler);
    assert_ok(ff_storehouse_open(&s, &config, &ctx), &ctx);
    ff_storehouse_close(s);
    free(bytes);
    assert_int_equal(umount(disk), 0);
}

int main(void)
{
    const char *dir = getenv("FF_STORE_CHILD");
    if (dir) return child_main(dir);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_kill_at_any_point_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_disk_is_an_error_and_the_next_try_succeeds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_keeps_what_was_there_and_goes_on_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_small_disk_fills_and_its_reserve_helps, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
