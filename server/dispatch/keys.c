/* server/dispatch/keys.c - see keys.h and ff_keys_ensure of dispatch.h: making keys, reading them, the list of allowed ones. */
#include "server/dispatch/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/text_file.h"
#include "server/dispatch/dispatch.h"

enum { PATH_BYTES = 4096, MAX_KEYS = 65536 };

static ff_err path_join(char out[PATH_BYTES], const char *dir, const char *name, ff_ctx *ctx)
{
    int n = snprintf(out, PATH_BYTES, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_BYTES) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the path of a key is too long");
    return FF_OK;
}

static ff_err fail_errno(ff_ctx *ctx, const char *what, const char *path, int why)
{
    ff_err code = why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO;
    return ff_fail(ctx, code, FF_HERE, "keys: cannot %s %s: %s", what, path, strerror(why));
}

/* ---- one key in one file ---- */

/* Text of a file that holds a key and at most a newline after it. -1: not there or not a key; *mode: of the file. */
static int read_text(int dirfd, const char *name, char out[FF_KEY_SIZE], mode_t *mode)
{
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return -1;
    char text[FF_KEY_SIZE + 2];
    struct stat st;
    ssize_t n = fstat(fd, &st) || !S_ISREG(st.st_mode) ? -1 : read(fd, text, sizeof text);
    close(fd);
    int result = -1;
    unsigned char binary[FF_KEY_BYTES];
    if (n == FF_KEY_SIZE - 1 || (n == FF_KEY_SIZE && text[n - 1] == '\n')) {
        memcpy(out, text, FF_KEY_SIZE - 1);
        out[FF_KEY_SIZE - 1] = '\0';
        if (strlen(out) == FF_KEY_SIZE - 1 && zmq_z85_decode(binary, out)) result = 0;
        *mode = st.st_mode;
    }
    explicit_bzero(text, sizeof text);
    explicit_bzero(binary, sizeof binary);
    if (result) explicit_bzero(out, FF_KEY_SIZE);
    return result;
}

ff_err ff_key_read(const char *path, char out[FF_KEY_SIZE], ff_ctx *ctx)
{
    mode_t mode = 0;
    if (read_text(AT_FDCWD, path, out, &mode))
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s is not a key: a file of 40 characters (Z85)", path);
    if (mode & 077) {
        explicit_bzero(out, FF_KEY_SIZE);
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "others may read the secret key %s; chmod 600 it, or make a new pair",
                       path);
    }
    return FF_OK;
}

/* ---- pairs ---- */

/* NAME.key and NAME.pub in dir; pub gets the public key. A lost .pub is made again from the secret. */
static ff_err ensure_pair(const char *dir, const char *name, char pub[FF_KEY_SIZE], ff_ctx *ctx)
{
    char file[64], path[PATH_BYTES], secret[FF_KEY_SIZE] = "";
    snprintf(file, sizeof file, "%s.key", name);
    ff_err err = path_join(path, dir, file, ctx);
    if (err) goto done;
    if (access(path, F_OK) == 0) {
        err = ff_key_read(path, secret, ctx);
        if (!err && zmq_curve_public(pub, secret))
            err = ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s is not a secret key", path);
    } else {
        if (zmq_curve_keypair(pub, secret))
            err = ff_fail(ctx, FF_EBUG, FF_HERE, "this build of ZeroMQ has no CURVE: %s", zmq_strerror(errno));
        if (!err) err = ff_text_file_write(path, secret, 0600, true, ctx);
    }
    if (err) goto done;
    snprintf(file, sizeof file, "%s.pub", name);
    err = path_join(path, dir, file, ctx);
    if (err) goto done;
    char old[FF_KEY_SIZE];
    mode_t mode;
    if (read_text(AT_FDCWD, path, old, &mode) || strcmp(old, pub) != 0)
        err = ff_text_file_write(path, pub, 0600, true, ctx);
done:
    explicit_bzero(secret, sizeof secret);
    if (err) ff_note(ctx, FF_HERE, "the keys %s", name);
    return err;
}

ff_err ff_keys_ensure(const char *dir, ff_ctx *ctx)
{
    char path[PATH_BYTES], pub[FF_KEY_SIZE];
    ff_err err = ensure_pair(dir, "server", pub, ctx);
    if (!err) err = ensure_pair(dir, "worker", pub, ctx);
    if (!err) err = path_join(path, dir, "workers", ctx);
    if (!err && mkdir(path, 0700) && errno != EEXIST) err = fail_errno(ctx, "create", path, errno);
    if (!err) err = path_join(path, dir, "workers/local.pub", ctx);
    char old[FF_KEY_SIZE];
    mode_t mode;
    if (!err && (read_text(AT_FDCWD, path, old, &mode) || strcmp(old, pub) != 0))
        err = ff_text_file_write(path, pub, 0600, true, ctx);
    return err;
}

/* ---- the list ---- */

ff_err ff_allowed_init(struct ff_allowed *allowed, ff_ctx *ctx)
{
    *allowed = (struct ff_allowed){0};
    if (pthread_mutex_init(&allowed->lock, NULL)) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for keys");
    return FF_OK;
}

void ff_allowed_done(struct ff_allowed *allowed)
{
    free(allowed->keys);
    pthread_mutex_destroy(&allowed->lock);
}

static bool is_key_name(const char *name)
{
    size_t n = strlen(name);
    return *name != '.' && n > 4 && strcmp(name + n - 4, ".pub") == 0;
}

/* Every key of an open folder. */
static ff_err read_folder(DIR *folder, char (**keys)[FF_KEY_SIZE], int *n, int *skipped, ff_ctx *ctx)
{
    int room = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (!is_key_name(entry->d_name)) continue;
        if (*n == room) {
            if (room >= MAX_KEYS) return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "more than %d worker keys", MAX_KEYS);
            room = room ? 2 * room : 16;
            void *more = realloc(*keys, (size_t)room * sizeof **keys);
            if (!more) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d keys", room);
            *keys = more;
        }
        mode_t mode;
        if (read_text(dirfd(folder), entry->d_name, (*keys)[*n], &mode)) {
            (*skipped)++;
        } else {
            (*n)++;
        }
    }
    return FF_OK;
}

ff_err ff_allowed_read(struct ff_allowed *allowed, const char *dir, int *skipped, ff_ctx *ctx)
{
    char path[PATH_BYTES];
    *skipped = 0;
    ff_err err = path_join(path, dir, "workers", ctx);
    if (err) return err;
    DIR *folder = opendir(path);
    if (!folder) return fail_errno(ctx, "read", path, errno);
    char(*keys)[FF_KEY_SIZE] = NULL;
    int n = 0;
    err = read_folder(folder, &keys, &n, skipped, ctx);
    closedir(folder);
    if (err) {
        free(keys);
        return err;
    }
    pthread_mutex_lock(&allowed->lock);
    free(allowed->keys);
    allowed->keys = keys;
    allowed->n = n;
    pthread_mutex_unlock(&allowed->lock);
    return FF_OK;
}

bool ff_allowed_has(struct ff_allowed *allowed, const char *key)
{
    bool has = false;
    pthread_mutex_lock(&allowed->lock);
    for (int i = 0; i < allowed->n && !has; i++) has = strcmp(allowed->keys[i], key) == 0;
    pthread_mutex_unlock(&allowed->lock);
    return has;
}
