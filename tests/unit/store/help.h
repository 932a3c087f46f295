/* tests/unit/store/help.h - what the tests of this room share: a store in a scratch folder, .npy arrays. */
#ifndef FF_TESTS_STORE_HELP_H
#define FF_TESTS_STORE_HELP_H

#define _GNU_SOURCE /* nftw */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <time.h>

#include "common/hash.h"
#include "files/dataset.h"
#include "files/npy.h"
#include "server/store/store.h"
#include "tests/unit/files/help.h"

#define JOB "job_abcdefghijklmnopqrstuvwxyz"
#define JOB2 "job_0123456789abcdefghijklmnop"

struct shop {
    char dir[256];
    ff_storehouse *s;
};

static inline void shop_open(struct shop *shop)
{
    ff_ctx ctx = {0};
    const struct ff_storehouse_config config = {.dir = shop->dir, .reserve_bytes = 1 << 20, .keep_free_bytes = 1 << 20};
    assert_ok(ff_storehouse_open(&shop->s, &config, &ctx), &ctx);
}

static inline void shop_reopen(struct shop *shop)
{
    ff_storehouse_close(shop->s);
    shop_open(shop);
}

static inline int setup(void **state)
{
    const char *base = getenv("TMPDIR");
    struct shop *shop = calloc(1, sizeof *shop);
    if (!shop) return -1;
    snprintf(shop->dir, sizeof shop->dir, "%s/ff_store_XXXXXX", base && base[0] ? base : "/tmp");
    if (!mkdtemp(shop->dir)) return -1;
    shop_open(shop);
    *state = shop;
    return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

static inline int teardown(void **state)
{
    struct shop *shop = *state;
    ff_storehouse_close(shop->s);
    nftw(shop->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(shop);
    return 0;
}

/* dir/name in one of a few static buffers. */
static inline char *in(const struct shop *shop, const char *name)
{
    static char paths[8][1024];
    static int next;
    char *out = paths[next++ % 8];
    snprintf(out, sizeof paths[0], "%s/%s", shop->dir, name);
    return out;
}

/* Entries of a folder but . and .. */
static inline int count_entries(const char *path)
{
    char command[1200];
    int n = -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", path);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_int_equal(fscanf(out, "%d", &n), 1);
    pclose(out);
    return n;
}

/* Makes the file look as if it was last written `seconds` ago. */
static inline void make_old(const char *path, long seconds)
{
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static inline unsigned seed_of_test(unsigned usual)
{
    const unsigned seed = getenv("FF_TEST_SEED") ? (unsigned)atoi(getenv("FF_TEST_SEED")) : usual;
    print_message("# seed %u\n", seed);
    return seed;
}

/* A good dataset of maps at `path`: 2 bins of 8 x 8. */
static inline void write_maps(const char *path, enum ff_observable observable)
{
    ff_ctx ctx = {0};
    struct ff_maps m = {
        .observable = observable, .nbins = 2, .ncomp = observable == FF_SHEAR ? 2 : 1, .npix = 8, .size_deg = 5};
    const long n = ff_maps_len(&m);
    m.map = malloc((size_t)n * sizeof *m.map);
    m.noise_sd = malloc((size_t)n * sizeof *m.noise_sd);
    for (long i = 0; i < n; i++) {
        m.map[i] = (float)(i % 13) * 0.01f;
        m.noise_sd[i] = 0.3f;
    }
    make_folders(path);
    assert_ok(ff_maps_write(&m, path, &ctx), &ctx);
    ff_maps_done(&m);
}

/* One .npy array at the start of an answer; returns where the next one starts. */
struct array {
    char descr[8];
    int rank;
    long shape[6];
    const unsigned char *data;
    size_t bytes;
};
static inline const unsigned char *take_array(const unsigned char *at, const unsigned char *end, struct array *a)
{
    assert_true(end - at >= 10);
    assert_memory_equal(at, "\x93NUMPY\x01\x00", 8);
    const size_t size = at[8] | (size_t)at[9] << 8;
    assert_true((size_t)(end - at) >= 10 + size);
    assert_int_equal((10 + size) % 64, 0);
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)size, (const char *)at + 10);
    memset(a, 0, sizeof *a);
    assert_int_equal(sscanf(text, "{'descr': '%3[^']", a->descr), 1);
    char *p = strstr(text, "'shape': (");
    assert_non_null(p);
    size_t n = 1;
    for (p += 10; *p && *p != ')';) {
        a->shape[a->rank] = strtol(p, &p, 10);
        n *= (size_t)a->shape[a->rank++];
        p += strspn(p, ", ");
    }
    a->data = at + 10 + size;
    a->bytes = n * (size_t)(a->descr[2] - '0');
    assert_true((size_t)(end - a->data) >= a->bytes);
    return a->data + a->bytes;
}

#endif
