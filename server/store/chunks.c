/* server/store/chunks.c - files that come and go in chunks (store.h): for gangs that do not share the folder. What
** has come of a file stands in NAME.<sha256>.part, and its size is all the state there is: a server that was started
** again goes on from it, and another file of the same name (the next checkpoint) starts from nothing. One attempt
** has one gang, which sends the chunks of a file in order; nobody else writes its files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "server/store/inside.h"

/* A file that is coming. */
struct coming {
    ff_storehouse *s;
    const char *path, *name, *sha256;
    char part[FF_HOUSE_PATH];
    int folder;
    int64_t size;
};

static ff_err check(const struct coming *c, int64_t offset, size_t nbytes, ff_ctx *ctx)
{
    const char *dot = strrchr(c->path, '.');
    if (strncmp(c->path, "work/", 5) || (dot && !strcmp(dot, ".part"))) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "chunks are taken for files of attempts, not named .part");
    }
    if (!ff_house_is_hash(c->sha256)) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the SHA-256 of a file has 64 digits");
    if (c->size < 0 || c->size > ff_house_max_file) {
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "a file of %" PRId64 " bytes; at most %" PRId64 " are taken",
                       c->size, ff_house_max_file);
    }
    if (offset < 0 || offset > c->size || nbytes > (uint64_t)(c->size - offset)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "a chunk of %zu bytes at %" PRId64 " lies outside its file of %" PRId64, nbytes, offset,
                       c->size);
    }
    return FF_OK;
}

/* Is the whole file there already? */
static bool there(const struct coming *c)
{
    int fd;
    struct stat st;
    if (ff_house_open_at(c->folder, c->name, c->path, &fd, &st, NULL)) return false;
    const bool same = ff_house_check_bytes(c->s, fd, &st, c->path, c->size, c->sha256, NULL) == FF_OK;
    close(fd);
    return same;
}

/* Parts of earlier files of this name will not be gone on with. */
static void drop_other_parts(const struct coming *c)
{
    const int fd = openat(c->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0) close(fd);
    if (!dir) return;
    const size_t n = strlen(c->name);
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;
        const bool of_this = !strncmp(name, c->name, n) && name[n] == '.' && strlen(name) == strlen(c->part);
        if (of_this && !strcmp(name + n + 65, ".part") && strcmp(name, c->part)) unlinkat(fd, name, 0);
    }
    closedir(dir);
}

/* Opens the part; *have is what it holds. fd -1: there is none, and this chunk begins none. */
static ff_err open_part(const struct coming *c, bool begin, int *fd, int64_t *have, ff_ctx *ctx)
{
    *have = 0;
    *fd = openat(c->folder, c->part, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT) {
        if (there(c)) {
            *have = c->size;
            return ff_house_sync(c->folder, c->path, ctx); /* who renamed it may not have come to this */
        }
        if (!begin) return FF_OK;
        drop_other_parts(c);
        *fd = openat(c->folder, c->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FF_HOUSE_MODE);
    }
    struct stat st;
    if (*fd < 0 || fstat(*fd, &st)) return ff_house_fail(ctx, errno, "cannot open the part of", c->path);
    if (!S_ISREG(st.st_mode)) return ff_fail(ctx, FF_ESTORAGE, FF_HERE, "the part of %s is no regular file", c->path);
    *have = st.st_size;
    return FF_OK;
}

/* All bytes are there: are they the right ones? Then the file gets its name. */
static ff_err finish(const struct coming *c, int fd, ff_ctx *ctx)
{
    struct stat st;
    ff_err err = ff_house_sync(fd, c->path, ctx);
    if (!err && fstat(fd, &st)) err = ff_house_fail(ctx, errno, "cannot look at", c->path);
    if (!err) err = ff_house_check_bytes(c->s, fd, &st, c->path, c->size, c->sha256, ctx);
    if (err == FF_ECORRUPT) unlinkat(c->folder, c->part, 0);
    return err ? err : ff_house_rename(c->folder, c->part, c->folder, c->name, c->path, ctx);
}

/* What the chunk has beyond `have` is written; a disk that takes half of it leaves the part as it was. */
static ff_err append(const struct coming *c, int fd, int64_t offset, const char *bytes, size_t nbytes, int64_t *have,
                     ff_ctx *ctx)
{
    const int64_t end = offset + (int64_t)nbytes;
    if (offset > *have || end <= *have) return FF_OK; /* a gap, or seen before: `have` says where to go on */
    const size_t known = (size_t)(*have - offset);
    ff_err err = ff_house_write_at(fd, bytes + known, nbytes - known, *have, c->path, ctx);
    if (err) {
        if (ftruncate(fd, *have)) unlinkat(c->folder, c->part, 0);
        return err;
    }
    ff_crash_point("store_put");
    *have = end;
    return FF_OK;
}

static ff_err put(const struct coming *c, int64_t offset, const void *bytes, size_t nbytes, int64_t *have, ff_ctx *ctx)
{
    int fd;
    ff_err err = open_part(c, offset == 0, &fd, have, ctx);
    if (!err && fd >= 0 && *have > c->size) { /* no part of this file */
        if (ftruncate(fd, 0)) err = ff_house_fail(ctx, errno, "cannot empty the part of", c->path);
        *have = 0;
    }
    if (!err && fd >= 0) err = append(c, fd, offset, bytes, nbytes, have, ctx);
    if (!err && fd >= 0 && *have == c->size) err = finish(c, fd, ctx);
    if (err == FF_ECORRUPT) *have = 0;
    if (fd >= 0) close(fd);
    return err;
}

ff_err ff_storehouse_put(ff_storehouse *s, const char *path, int64_t offset, int64_t size, const char *sha256,
                         const void *bytes, size_t nbytes, int64_t *have, ff_ctx *ctx)
{
    struct coming c = {.s = s, .path = path, .sha256 = sha256, .size = size};
    *have = 0;
    ff_err err = ff_house_check_path(path, ctx);
    if (!err) err = check(&c, offset, nbytes, ctx);
    if (!err) err = ff_house_folder_of(s, path, true, &c.folder, &c.name, ctx);
    if (err) return err;
    snprintf(c.part, sizeof c.part, "%s.%s.part", c.name, sha256);
    err = put(&c, offset, bytes, nbytes, have, ctx);
    close(c.folder);
    return err;
}

ff_err ff_storehouse_read(ff_storehouse *s, const char *path, int64_t offset, void *bytes, size_t size, size_t *got,
                          int64_t *total, ff_ctx *ctx)
{
    int fd;
    struct stat st;
    *got = 0;
    *total = 0;
    if (offset < 0) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "a file has no bytes at %" PRId64, offset);
    ff_err err = ff_house_open(s, path, &fd, &st, ctx);
    if (err) return err;
    *total = st.st_size;
    err = ff_house_read_at(fd, bytes, size, offset, got, path, ctx);
    close(fd);
    return err;
}
