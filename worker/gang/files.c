/* worker/gang/files.c - see files.h. */
#include "worker/gang/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "worker/io/folder.h"

bool ff_name_good(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t length = strnlen(name, 101);
    return length >= 1 && length <= 100 && name[0] != '.' && strspn(name, good) == length;
}

bool ff_id_good(const char *prefix, const char *id)
{
    const size_t n = strlen(prefix);
    return !strncmp(id, prefix, n) && strlen(id) == n + 26 &&
           strspn(id + n, "abcdefghijklmnopqrstuvwxyz0123456789") == 26;
}

static ff_err errno_failed(ff_ctx *ctx, const char *what, const char *path, int why)
{
    const ff_err code = why == ENOSPC || why == EDQUOT                    ? FF_EDISKFULL
                        : why == EROFS || why == EACCES || why == ENOTDIR ? FF_ESTORAGE
                        : why == ENOMEM                                   ? FF_ENOMEM
                                                                          : FF_EIO;
    return ff_fail(ctx, code, FF_HERE, "%s cannot be %s: %s", path, what, strerror(why));
}

ff_err ff_attempt_path(char *out, const char *base, const char *job, const char *task, int attempt, ff_ctx *ctx)
{
    if (!ff_id_good("job_", job) || !ff_name_good(task) || attempt < 1)
        return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "a task's names are no names");
    const int n = snprintf(out, FF_GANG_PATH, "%s/work/%s/%s.%d", base, job, task, attempt);
    if (n < 0 || n >= FF_GANG_PATH - FF_FILE_NAME)
        return ff_fail(ctx, FF_ESTORAGE, FF_HERE, "the path of the store has too many characters");
    return FF_OK;
}

/* A folder that may be there; one that cannot be made because the store is gone or read-only is FF_ESTORAGE. */
static ff_err make(const char *path, ff_ctx *ctx)
{
    if (!mkdir(path, 0770) || errno == EEXIST) return FF_OK;
    const int why = errno;
    ff_err err = errno_failed(ctx, "made", path, why);
    if (err == FF_EIO && why == ENOENT) ctx->code = err = FF_ESTORAGE;
    return err;
}

ff_err ff_attempt_make(char *out, const char *base, const char *job, const char *task, int attempt, ff_ctx *ctx)
{
    char above[FF_GANG_PATH];
    ff_err err = ff_attempt_path(out, base, job, task, attempt, ctx);
    if (err || !mkdir(out, 0770) || errno == EEXIST) return err; /* the folders above are there, mostly */
    snprintf(above, sizeof above, "%s/work", base);
    err = make(above, ctx);
    snprintf(above, sizeof above, "%.*s", (int)(strrchr(out, '/') - out), out);
    if (!err) err = make(above, ctx);
    return err ? err : make(out, ctx);
}

/* ---- removing ---- */

enum { MAX_DEPTH = 6 };

/* Everything in the folder `name` of the open folder `at`, then itself. Errors leave the rest where it is. */
static void remove_tree(int at, const char *name, int depth)
{
    const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0) close(fd);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (!unlinkat(dirfd(dir), entry->d_name, 0)) continue;
        if (errno != EISDIR && errno != EPERM) continue;
        if (depth < MAX_DEPTH) remove_tree(dirfd(dir), entry->d_name, depth + 1);
    }
    closedir(dir);
    unlinkat(at, name, AT_REMOVEDIR);
}

void ff_scratch_remove(const char *base)
{
    remove_tree(AT_FDCWD, base, 0);
}

/* ---- looking ---- */

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t a = strlen(name), b = strlen(suffix);
    return a >= b && !strcmp(name + a - b, suffix);
}

static struct ff_seen *find(const struct ff_look *look, const char *name)
{
    for (int i = 0; i < look->n; i++)
        if (!strcmp(look->file[i].name, name)) return &look->file[i];
    return NULL;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* A file of the folder into `out`; it keeps the hash it had when nothing about it changed. */
static void see(struct ff_seen *out, const char *name, const struct stat *st, const struct ff_look *before)
{
    const struct ff_seen *old = find(before, name);
    *out = (struct ff_seen){.size = (int64_t)st->st_size, .mtime = st->st_mtim, .inode = st->st_ino};
    memcpy(out->name, name, strlen(name) + 1); /* a good name: at most 100 bytes */
    if (old && old->size == out->size && old->inode == out->inode && same_time(old->mtime, out->mtime))
        memcpy(out->sha256, old->sha256, sizeof out->sha256);
}

static int by_order(const void *a, const void *b)
{
    const struct ff_seen *x = a, *y = b;
    const int last_x = has_suffix(x->name, ".CURRENT"), last_y = has_suffix(y->name, ".CURRENT");
    return last_x != last_y ? last_x - last_y : strcmp(x->name, y->name);
}

static ff_err read_entries(DIR *dir, const struct ff_look *before, struct ff_look *now, ff_ctx *ctx)
{
    const struct dirent *entry;
    struct stat st;
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        if (!ff_name_good(name) || has_suffix(name, ".part") || has_suffix(name, ".tmp")) continue;
        if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) continue;
        if (now->n == FF_MAX_FILES)
            return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "a task made more than %d files", FF_MAX_FILES);
        if ((now->n & (now->n - 1)) == 0) { /* room for twice as many at 0, 1, 2, 4, .. */
            const size_t room = now->n ? 2 * (size_t)now->n : 1;
            struct ff_seen *more = realloc(now->file, room * sizeof *more);
            if (!more) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list of files");
            now->file = more;
        }
        see(&now->file[now->n++], name, &st, before);
    }
    return FF_OK;
}

ff_err ff_look(struct ff_look *look, const char *folder, ff_ctx *ctx)
{
    struct ff_look now = {0};
    DIR *dir = opendir(folder);
    if (!dir) return errno_failed(ctx, "read", folder, errno);
    const ff_err err = read_entries(dir, look, &now, ctx);
    closedir(dir);
    if (err) {
        ff_look_done(&now);
        return err;
    }
    if (now.n > 1) qsort(now.file, (size_t)now.n, sizeof *now.file, by_order);
    ff_look_done(look);
    *look = now;
    return FF_OK;
}

void ff_look_done(struct ff_look *look)
{
    free(look->file);
    *look = (struct ff_look){0};
}

/* ---- copies ---- */

static int copy_bytes(int in, int out)
{
    char block[1 << 16];
    for (;;) {
        ssize_t n = read(in, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return 0;
        for (ssize_t at = 0; at < n;) {
            const ssize_t put = write(out, block + at, (size_t)(n - at));
            if (put < 0 && errno != EINTR) return errno;
            if (put > 0) at += put;
        }
    }
}

ff_err ff_copy(const char *from, const char *to, char sha256[FF_HASH_SIZE], int64_t *size, ff_ctx *ctx)
{
    struct stat st = {0};
    const int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0) return errno_failed(ctx, "read", from, errno);
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int why = out < 0 ? errno : copy_bytes(in, out);
    if (!why && fstat(out, &st)) why = errno;
    close(in);
    if (out >= 0 && close(out) && !why) why = errno;
    *size = (int64_t)st.st_size;
    ff_err err = why ? errno_failed(ctx, "written", to, why) : ff_hash_file(to, sha256, ctx);
    if (err) unlink(to);
    return err;
}

static int sync_path(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC);
    int why = fd < 0 || fsync(fd) ? errno : 0;
    if (fd >= 0) close(fd);
    return why;
}

ff_err ff_sync(const char *folder, const char *name, ff_ctx *ctx)
{
    char path[FF_GANG_PATH];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || n >= (int)sizeof path)
        return ff_fail(ctx, FF_ESTORAGE, FF_HERE, "the path of a file has too many characters");
    int why = ff_fail_io() ? EIO : sync_path(path, O_RDONLY);
    if (!why) why = sync_path(folder, O_RDONLY | O_DIRECTORY);
    return why ? errno_failed(ctx, "synced", path, why) : FF_OK;
}
