/* tests/unit/store/help.h - what the tests of this room share: a store in a scratch folder, raw files in it, .npy
** arrays. */
#ifndef FF_TESTS_STORE_HELP_H
#define FF_TESTS_STORE_HELP_H

#define _GNU_SOURCE /* nftw */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/hash.h"
#include "files/dataset.h"
#include "files/npy.h"
#include "server/store/store.h"

#define JOB "job_abcdefghijklmnopqrstuvwxyz"
#define JOB2 "job_0123456789abcdefghijklmnop"

struct shop {
    char dir[256];
    ff_storehouse *s;
};

#define assert_ok(call, ctx)                                                                                           \
    do {                                                                                                               \
        const ff_err got_ = (call);                                                                                    \
        if (got_) fail_msg("%s: expected success, got %s: %s", #call, ff_code_slug(got_), (ctx)->message);             \
    } while (0)

/* The call fails with this code, and its message has this text. */
#define assert_fails(call, code, ctx, text)                                                                            \
    do {                                                                                                               \
        ff_ctx_clear(ctx);                                                                                             \
        const ff_err got_ = (call);                                                                                    \
        if (got_ != (code)) {                                                                                          \
            fail_msg("%s: expected %s, got %s: %s", #call, ff_code_slug(code), ff_code_slug(got_), (ctx)->message);    \
        }                                                                                                              \
        if (!strstr((ctx)->message, (text))) {                                                                         \
            fail_msg("%s: expected \"%s\" in the message, got: %s", #call, (text), (ctx)->message);                    \
        }                                                                                                              \
    } while (0)

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

/* Makes the folders of a path (but not its last part). */
static inline void make_folders(const char *path)
{
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0750);
        *slash = '/';
    }
}

static inline void write_bytes(const char *path, const void *bytes, size_t size)
{
    make_folders(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline unsigned char *read_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static inline bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
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
