/* tests/unit/files/help.h - what the tests of this room, and of those that keep files, share: a scratch folder, shared data,
** raw files, messages. */
#ifndef FF_TESTS_FILES_HELP_H
#define FF_TESTS_FILES_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"

/* Groups set up with this get a scratch folder in *state; with the other, it goes with all in it. */
static inline int make_scratch(void **state)
{
    const char *base = getenv("TMPDIR");
    char *folder = malloc(512);
    if (!folder) return -1;
    snprintf(folder, 512, "%s/ff_files_XXXXXX", base && base[0] ? base : "/tmp");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static inline int drop_scratch(void **state)
{
    DIR *dir = opendir(*state);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", (char *)*state, e->d_name);
        unlink(path);
    }
    if (dir) closedir(dir);
    rmdir(*state);
    free(*state);
    return 0;
}

/* folder/name in out, which it returns; out has 1024 bytes. */
static inline char *scratch(void **state, const char *name, char *out)
{
    snprintf(out, 1024, "%s/%s", (char *)*state, name);
    return out;
}

/* Path of a file of the shared data; skips the test where it is not there. */
static inline char *shared(const char *name, char *out)
{
    const char *base = getenv("FF_SHARED");
    snprintf(out, 1024, "%s/data/%s", base && base[0] ? base : "../shared", name);
    if (access(out, R_OK)) {
        print_message("# %s is not here: skipped (set FF_SHARED)\n", out);
        skip();
    }
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

#define assert_ok(call, ctx)                                                                                           \
    do {                                                                                                               \
        const ff_err got_ = (call);                                                                                    \
        if (got_) fail_msg("%s: expected success, got %s: %s", #call, ff_code_slug(got_), (ctx)->message);             \
    } while (0)

/* The call fails with this code, and its message has each of these texts. */
#define assert_fails(call, code, ctx, ...)                                                                             \
    do {                                                                                                               \
        const char *const texts_[] = {__VA_ARGS__};                                                                    \
        ff_ctx_clear(ctx);                                                                                             \
        const ff_err got_ = (call);                                                                                    \
        if (got_ != (code)) {                                                                                          \
            fail_msg("%s: expected %s, got %s: %s", #call, ff_code_slug(code), ff_code_slug(got_), (ctx)->message);    \
        }                                                                                                              \
        for (size_t t_ = 0; t_ < sizeof texts_ / sizeof *texts_; t_++) {                                               \
            if (!strstr((ctx)->message, texts_[t_])) {                                                                 \
                fail_msg("%s: expected \"%s\" in the message, got: %s", #call, texts_[t_], (ctx)->message);            \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#define assert_near(got, expected, tolerance)                                                                          \
    do {                                                                                                               \
        const double g_ = (got), e_ = (expected), t_ = (tolerance);                                                    \
        if (!(fabs(g_ - e_) <= t_)) fail_msg("%s: expected %.17g, got %.17g, tolerance %g", #got, e_, g_, t_);         \
    } while (0)

#endif
