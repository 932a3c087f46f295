/* server/store/datasets.c - datasets (store.h): received into uploads/, checked, named by their hash. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/store/inside.h"

enum { ROOM_STEP = 1 << 24 }; /* bytes between two looks at the room on the disk */

struct ff_upload {
    ff_storehouse *s;
    int folder, fd; /* of uploads/, of the part */
    char name[48];
    int64_t size, room; /* received; checked to fit */
    crypto_hash_sha256_state hash;
};

static const char where[] = "the upload";

void ff_upload_abandon(struct ff_upload *u)
{
    if (!u) return;
    if (u->name[0]) unlinkat(u->folder, u->name, 0);
    if (u->fd >= 0) close(u->fd);
    if (u->folder >= 0) close(u->folder);
    free(u);
}

ff_err ff_upload_begin(struct ff_upload **out, ff_storehouse *s, ff_ctx *ctx)
{
    *out = NULL;
    ff_err err = ff_storehouse_room(s, 0, ctx);
    if (err) return err;
    struct ff_upload *u = calloc(1, sizeof *u);
    if (!u) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an upload");
    u->s = s;
    u->fd = -1;
    crypto_hash_sha256_init(&u->hash);
    u->folder = ff_house_subfolder(s->fd, "uploads", false);
    if (u->folder < 0) {
        err = ff_house_fail(ctx, errno, "cannot open the folder of", where);
    } else {
        char name[sizeof u->name];
        ff_house_random_name(name, sizeof name, ".part");
        u->fd = openat(u->folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FF_HOUSE_MODE);
        if (u->fd < 0)
            err = ff_house_fail(ctx, errno, "cannot make a file for", where);
        else
            memcpy(u->name, name, sizeof name);
    }
    if (err) {
        ff_upload_abandon(u);
        return err;
    }
    *out = u;
    return FF_OK;
}

ff_err ff_upload_write(struct ff_upload *u, const void *bytes, size_t size, ff_ctx *ctx)
{
    if (size > (uint64_t)(ff_house_max_file - u->size)) {
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "a dataset has at most %" PRId64 " bytes", ff_house_max_file);
    }
    ff_err err = FF_OK;
    while (!err && u->room < u->size + (int64_t)size) {
        err = ff_storehouse_room(u->s, ROOM_STEP, ctx);
        u->room += ROOM_STEP;
    }
    if (!err) err = ff_house_write_at(u->fd, bytes, size, u->size, where, ctx);
    if (err) return err;
    crypto_hash_sha256_update(&u->hash, bytes, size);
    u->size += (int64_t)size;
    return FF_OK;
}

/* A file of this hash whose bytes are still so needs no second copy; a damaged one is replaced. */
static bool already(ff_storehouse *s, int folder, const char *name, int64_t size, const char *sha256)
{
    int fd;
    struct stat st;
    if (ff_house_open_at(folder, name, name, &fd, &st, NULL)) return false;
    const bool same = ff_house_check_bytes(s, fd, &st, name, size, sha256, NULL) == FF_OK;
    close(fd);
    return same;
}

static ff_err keep(struct ff_upload *u, const char *sha256, ff_ctx *ctx)
{
    char path[FF_HOUSE_PATH];
    int folder;
    const char *name;
    snprintf(path, sizeof path, "datasets/%s.h5", sha256);
    ff_err err = ff_house_folder_of(u->s, path, false, &folder, &name, ctx);
    if (err) return err;
    if (already(u->s, folder, name, u->size, sha256)) {
        err = ff_house_sync(folder, path, ctx); /* who put it there may not have come to this */
    } else {
        err = ff_house_sync(u->fd, where, ctx);
        if (!err) err = ff_house_rename(u->folder, u->name, folder, name, path, ctx);
        if (!err) u->name[0] = '\0';
    }
    close(folder);
    return err;
}

ff_err ff_upload_end(struct ff_upload *u, char sha256[65], char kind[16], int64_t *size, ff_ctx *ctx)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    *size = u->size;
    crypto_hash_sha256_final(&u->hash, digest);
    sodium_bin2hex(sha256, 65, digest, sizeof digest);
    ff_err err = ff_house_dataset_kind(u->s, u->fd, u->size, kind, ctx);
    if (!err) err = keep(u, sha256, ctx);
    ff_upload_abandon(u);
    return err;
}

void ff_storehouse_dataset_path(const ff_storehouse *s, const char *sha256, char *out, size_t size)
{
    if (size) out[0] = '\0';
    if (!ff_house_is_hash(sha256)) return;
    if (snprintf(out, size, "%s/datasets/%s.h5", s->dir, sha256) >= (int)size && size) out[0] = '\0';
}

void ff_storehouse_drop_dataset(ff_storehouse *s, const char *sha256)
{
    if (!ff_house_is_hash(sha256)) return;
    const int folder = ff_house_subfolder(s->fd, "datasets", false);
    if (folder < 0) return;
    char name[80];
    snprintf(name, sizeof name, "%s.h5", sha256);
    unlinkat(folder, name, 0);
    close(folder);
}
