/* tests/unit/store/threads_test.c - many threads at once, as a server has: children that read files are started
** while other threads are in the middle of malloc, stdio, hashing and writing; each must come back with what it was
** asked for. */
#include "help.h"

#include <pthread.h>
#include <stdatomic.h>

#include "files/h5.h"

enum { READERS = 4, WRITERS = 3, ROUNDS = 25, NPIX = 16 };
#define RESULT "results/" JOB "/reduce.1.h5"

struct work {
    struct shop *shop;
    int number;
    atomic_int *stop;
    const unsigned char *dataset;
    size_t dataset_size;
    char failure[900]; /* "": none */
};

static void write_result(struct shop *shop)
{
    ff_ctx ctx = {0};
    ff_h5 *f;
    float mean[NPIX * NPIX];
    for (int i = 0; i < NPIX * NPIX; i++) mean[i] = (float)i;
    make_folders(in(shop, RESULT));
    assert_ok(ff_h5_create(&f, in(shop, RESULT), &ctx), &ctx);
    assert_ok(ff_h5_group(f, "maps", &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "maps", "bin", 1, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "maps", "y", NPIX, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "maps", "x", NPIX, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "maps", "convergence_mean", FF_F32_T, "bin y x", mean, &ctx), &ctx);
    assert_ok(ff_h5_attr_number(f, "maps", "size_deg", 10, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
}

/* cmocka's assertions are for its own thread. */
static void failed(struct work *w, const char *what, const char *message)
{
    if (!w->failure[0]) snprintf(w->failure, sizeof w->failure, "%s: %s", what, message);
}

static void ask_for_map(struct work *w, const char *format, const char *start)
{
    ff_ctx ctx = {0};
    const struct ff_map_request r = {
        .job = JOB, .result = RESULT, .name = "convergence_mean", .bin = 0, .format = format};
    void *bytes;
    size_t size;
    if (ff_storehouse_map(w->shop->s, &r, &bytes, &size, &ctx)) return failed(w, format, ctx.message);
    if (size < 8 || memcmp(bytes, start, 4) != 0) failed(w, format, "other bytes");
    if (!strcmp(format, "npy")) {
        float last;
        memcpy(&last, (char *)bytes + size - 4, 4);
        if (last != NPIX * NPIX - 1) failed(w, format, "other numbers");
    }
    free(bytes);
}

static void send_dataset(struct work *w)
{
    ff_ctx ctx = {0};
    struct ff_upload *u;
    char sha[65], kind[16] = "";
    int64_t size;
    ff_err err = ff_upload_begin(&u, w->shop->s, &ctx);
    if (err) return failed(w, "begin", ctx.message);
    err = ff_upload_write(u, w->dataset, w->dataset_size, &ctx);
    if (err) {
        ff_upload_abandon(u);
        return failed(w, "write", ctx.message);
    }
    err = ff_upload_end(u, sha, kind, &size, &ctx);
    if (err || strcmp(kind, "shear") != 0) failed(w, "end", ctx.message);
}

static void *read_all(void *arg)
{
    struct work *w = arg;
    for (int i = 0; i < ROUNDS; i++) {
        ask_for_map(w, "npy", "\x93NUM");
        if (i % 5 == 0) ask_for_map(w, "png", "\x89PNG");
        if (i % 5 == 2) ask_for_map(w, "fits", "SIMP");
        if (i % 5 == 4) send_dataset(w);
    }
    return NULL;
}

/* Never long without a lock of the C library. */
static void *churn(void *arg)
{
    struct work *w = arg;
    unsigned seed = (unsigned)w->number;
    while (!atomic_load(w->stop)) {
        ff_ctx ctx = {0};
        char path[128], hash[65];
        void *p[50];
        for (int i = 0; i < 50; i++) p[i] = malloc((size_t)(rand_r(&seed) % 100000));
        FILE *file = fopen("/dev/null", "w");
        if (file) fprintf(file, "%d %s\n", w->number, w->shop->dir);
        if (file) fclose(file);
        for (int i = 0; i < 50; i++) free(p[i]);
        snprintf(path, sizeof path, "work/" JOB "/chain-%d.1/f%d", w->number, rand_r(&seed) % 4);
        int64_t have;
        ff_hash_bytes(path, sizeof path, hash);
        if (ff_storehouse_put(w->shop->s, path, 0, sizeof path, hash, path, sizeof path, &have, &ctx) ||
            have != sizeof path)
            failed(w, "put", ctx.message);
    }
    return NULL;
}

static void files_are_read_while_threads_are_busy(void **state)
{
    struct shop *shop = *state;
#ifdef __SANITIZE_ADDRESS__
    print_message("# the sanitizer's own heap does not survive such a fork: skipped\n");
    skip();
#endif
    pthread_t threads[READERS + WRITERS];
    struct work work[READERS + WRITERS] = {0};
    atomic_int stop = 0;
    size_t n;
    write_result(shop);
    write_maps(in(shop, "x.h5"), FF_SHEAR);
    unsigned char *dataset = read_bytes(in(shop, "x.h5"), &n);
    for (int i = 0; i < READERS + WRITERS; i++) {
        work[i] = (struct work){.shop = shop, .number = i, .stop = &stop, .dataset = dataset, .dataset_size = n};
        assert_int_equal(pthread_create(&threads[i], NULL, i < READERS ? read_all : churn, &work[i]), 0);
    }
    for (int i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
    atomic_store(&stop, 1);
    for (int i = READERS; i < READERS + WRITERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < READERS + WRITERS; i++) {
        if (work[i].failure[0]) fail_msg("thread %d: %s", i, work[i].failure);
    }
    assert_int_equal(count_entries(in(shop, "uploads")), 0);
    free(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_read_while_threads_are_busy, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
