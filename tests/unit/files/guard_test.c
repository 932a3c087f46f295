/* tests/unit/files/guard_test.c - the limited child process: what it returns, and how its deaths become errors. */
#include "help.h"

#include <hdf5.h>
#include <signal.h>

#include "files/guard.h"
#include "files/h5.h"

enum { MB = 1 << 20 };

static ff_err give_bytes(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    (void)ctx;
    *size = *(size_t *)arg;
    unsigned char *p = malloc(*size + 1);
    for (size_t i = 0; i < *size; i++) p[i] = (unsigned char)(i * 31 % 251);
    *bytes = p;
    return FF_OK;
}

static void bytes_come_back_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65536, 65537, 30 * MB};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        ff_ctx ctx = {0};
        unsigned char *bytes;
        size_t size, want = sizes[k];
        assert_ok(ff_guard("f", give_bytes, &want, 64 * MB, 10, (void **)&bytes, &size, &ctx), &ctx);
        assert_int_equal(size, want);
        for (size_t i = 0; i < size; i++) {
            if (bytes[i] != i * 31 % 251)
                fail_msg("byte %zu of %zu: expected %d, got %d", i, size, (int)(i * 31 % 251), bytes[i]);
        }
        free(bytes);
    }
}

static ff_err refuse(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    (void)bytes;
    (void)size;
    return ff_fail(ctx, FF_ENOFILE, FF_HERE, "%s: field /z is odd", (const char *)arg);
}

static void an_error_comes_back_as_it_was_said(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    void *bytes = &ctx;
    size_t size = 1;
    assert_fails(ff_guard("name.h5", refuse, "name.h5", MB, 10, &bytes, &size, &ctx), FF_ENOFILE, &ctx, "name.h5",
                 "field /z is odd");
    assert_null(bytes);
    assert_int_equal(size, 0);
}

/* The ways to die. Each writes through a volatile pointer or loops, so that the compiler keeps them. */
enum way { ABORT, SEGV, LOOP, MEMORY, KILLED, EXIT, WRITE_FILE, EXIT_EARLY, SLEEP };

static ff_err die(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    (void)bytes;
    (void)size;
    volatile int forever = 1;
    switch (*(enum way *)arg) {
    case ABORT:
        raise(SIGABRT);
        break;
    case SEGV:
        raise(SIGSEGV);
        break;
    case LOOP:
        while (forever) continue;
        break;
    case MEMORY:
        if (malloc((size_t)1 << 33)) return FF_OK;
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "bad.fits: no memory for it");
    case KILLED: /* as a machine does that is out of memory */
        raise(SIGKILL);
        break;
    case EXIT:
        _exit(0);
    case WRITE_FILE: {
        FILE *file = tmpfile();
        if (file) fputs("x", file);
        if (file) fclose(file);
        return FF_OK;
    }
    case EXIT_EARLY:
        _exit(7);
    case SLEEP:
        sleep(1000);
    }
    return FF_OK;
}

static void every_death_is_an_error_about_the_file_or_its_reader(void **state)
{
    (void)state;
    static const struct {
        enum way way;
        ff_err code;
        const char *says;
    } all[] = {{ABORT, FF_EBADFILE, "crashed"},
               {SEGV, FF_EBADFILE, "crashed"},
               {LOOP, FF_EBADFILE, "1 s"},
               {MEMORY, FF_ENOMEM, "for it; its reader may take 100 MB"},
               {KILLED, FF_ENOMEM, "100 MB"},
               {EXIT, FF_EBADFILE, "gave up"},
               {WRITE_FILE, FF_EBADFILE, "crashed"},
               {EXIT_EARLY, FF_EBADFILE, "exit 7"},
               {SLEEP, FF_EBADFILE, "not read within 5 s"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ff_ctx ctx = {0};
        void *bytes;
        size_t size;
        enum way way = all[i].way;
        ff_err got = ff_guard("bad.fits", die, &way, 100 * MB, 1, &bytes, &size, &ctx);
        if (got != all[i].code)
            fail_msg("way %d: expected %s, got %s: %s", way, ff_code_slug(all[i].code), ff_code_slug(got), ctx.message);
        assert_non_null(strstr(ctx.message, "bad.fits"));
        if (!strstr(ctx.message, all[i].says))
            fail_msg("way %d: expected \"%s\", got \"%s\"", way, all[i].says, ctx.message);
        assert_null(bytes);
    }
}

/* A file of one chunk of 64 MB, and HDF5 reading a row of it, for which it unpacks the whole chunk. */
static void write_large_chunk(const char *path)
{
    const hsize_t shape[] = {1 << 13, 1 << 11}, row[] = {1, 1 << 11};
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(plist, 2, shape) >= 0 && H5Pset_deflate(plist, 1) >= 0);
    const hid_t space = H5Screate_simple(2, shape, NULL), first = H5Screate_simple(2, row, NULL);
    const hid_t id = H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    float *values = calloc(row[1], sizeof *values);
    const hsize_t start[] = {0, 0};
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, row, NULL);
    assert_true(H5Dwrite(id, H5T_NATIVE_FLOAT, first, space, H5P_DEFAULT, values) >= 0);
    free(values);
    H5Dclose(id);
    H5Sclose(first);
    H5Sclose(space);
    H5Pclose(plist);
    assert_true(H5Fclose(file) >= 0);
}

static ff_err read_row(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    ff_h5r *f;
    int rank;
    long shape[FF_MAX_RANK];
    ff_err err = ff_h5r_open(&f, arg, ctx);
    if (err) return err;
    err = ff_h5r_rows(f, "x", FF_F32_T, 0, 1, 1 << 11, bytes, &rank, shape, ctx);
    ff_h5r_close(f);
    *size = err ? 0 : sizeof(float) << 11;
    return err;
}

static void a_library_without_memory_says_nothing_about_the_file(void **state)
{
    char path[1024];
    ff_ctx ctx = {0};
    void *bytes;
    size_t size;
#ifdef __SANITIZE_ADDRESS__
    print_message("# the sanitizer's own heap knows no such limit: skipped\n");
    skip();
#endif
    write_large_chunk(scratch(state, "chunk.h5", path));
    assert_ok(ff_guard(path, read_row, path, 300 * MB, 10, &bytes, &size, &ctx), &ctx);
    free(bytes);
    assert_fails(ff_guard(path, read_row, path, 40 * MB, 10, &bytes, &size, &ctx), FF_ENOMEM, &ctx, path,
                 "its reader may take 40 MB");
}

/* How many descriptors are open beyond the three standard ones, the pipe and the folder that is read to see them. */
static ff_err count_descriptors(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    (void)arg;
    (void)ctx;
    int *n = calloc(1, sizeof *n);
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *e; dir && n && (e = readdir(dir));) *n += e->d_name[0] != '.';
    if (n) *n -= 5;
    *bytes = n;
    *size = sizeof *n;
    return FF_OK;
}

static void descriptors_of_the_parent_are_closed(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    int fds[20], *left;
    size_t size;
    for (int i = 0; i < 20; i++) assert_true((fds[i] = dup(STDIN_FILENO)) >= 0);
    close(fds[3]); /* the pipe takes this place and another: open ones lie on both sides of it */
    assert_ok(ff_guard("f", count_descriptors, NULL, 64 * MB, 10, (void **)&left, &size, &ctx), &ctx);
    assert_int_equal(*left, 0);
    free(left);
    for (int i = 0; i < 20; i++) {
        if (i != 3) assert_int_equal(close(fds[i]), 0);
    }
}

static ff_err give_too_much(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    (void)arg;
    (void)ctx;
    *bytes = calloc(3 * MB, 1);
    *size = 3 * MB;
    return FF_OK;
}

static void more_than_the_limit_is_not_taken(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    void *bytes;
    size_t size;
    /* What was free of the parent's heap lies outside the limit on address space, so this can pass there. */
    assert_fails(ff_guard("big.h5", give_too_much, NULL, 2 * MB, 10, &bytes, &size, &ctx), FF_EBADFILE, &ctx, "big.h5");
    assert_null(bytes);
}

/* Other threads hold the C library's heap lock at the moment of the fork: the child must still be able to allocate. */
static void a_parent_with_busy_threads_is_fine(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("# the sanitizer's own heap does not survive such a fork: skipped\n");
    skip();
#endif
    int failures = 0;
#pragma omp parallel num_threads(2) reduction(+ : failures)
    for (int i = 0; i < 50; i++) {
        ff_ctx ctx = {0};
        unsigned char *bytes;
        size_t size, want = 1000;
        if (ff_guard("f", give_bytes, &want, 64 * MB, 10, (void **)&bytes, &size, &ctx)) failures++;
        free(bytes);
        for (int k = 0; k < 100; k++) free(malloc(100 + (size_t)k));
    }
    assert_int_equal(failures, 0);
}

static int is_default(int number)
{
    struct sigaction now;
    sigaction(number, NULL, &now);
    return now.sa_handler == SIG_DFL;
}

static ff_err look_at_signals(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    (void)arg;
    (void)bytes;
    *size = 0;
    if (!is_default(SIGTERM) || !is_default(SIGSEGV)) return ff_fail(ctx, FF_EBUG, FF_HERE, "a handler was inherited");
    return FF_OK;
}

static void on_term(int number)
{
    (void)number;
}

static void handlers_of_the_parent_do_not_run_in_the_child(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    void *bytes;
    size_t size;
    struct sigaction before;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, &before);
    assert_ok(ff_guard("f", look_at_signals, NULL, 64 * MB, 10, &bytes, &size, &ctx), &ctx);
    free(bytes);
    sigaction(SIGTERM, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_whole),
        cmocka_unit_test(an_error_comes_back_as_it_was_said),
        cmocka_unit_test(every_death_is_an_error_about_the_file_or_its_reader),
        cmocka_unit_test(a_library_without_memory_says_nothing_about_the_file),
        cmocka_unit_test(descriptors_of_the_parent_are_closed),
        cmocka_unit_test(more_than_the_limit_is_not_taken),
        cmocka_unit_test(a_parent_with_busy_threads_is_fine),
        cmocka_unit_test(handlers_of_the_parent_do_not_run_in_the_child),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
