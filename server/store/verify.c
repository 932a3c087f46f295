/* server/store/verify.c - the hash of a file, computed once as long as the file looks the same (inside.h). What is
** remembered is found by device and inode, in one slot each: a collision costs hashing again, nothing else. */
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/store/inside.h"

enum { BLOCK = 1 << 18 };

static struct ff_verified *slot_of(const ff_storehouse *s, const struct stat *st)
{
    const uint64_t mixed = ((uint64_t)st->st_ino ^ (uint64_t)st->st_dev << 32) * 0x9e3779b97f4a7c15u;
    return &s->verified[(mixed >> 32) % (uint64_t)s->nverified];
}

static bool looks_the_same(const struct ff_verified *v, const struct stat *st)
{
    return v->sha256[0] && v->dev == st->st_dev && v->ino == st->st_ino && v->size == st->st_size &&
           v->mtime.tv_sec == st->st_mtim.tv_sec && v->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

/* A file written a moment ago can change again within one tick of the clock that stamps it, and look the same. */
static bool settled(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > st->st_mtim.tv_sec + 1;
}

static ff_err hash_all(int fd, const char *path, char sha256[65], ff_ctx *ctx)
{
    unsigned char digest[crypto_hash_sha256_BYTES], *block = malloc(BLOCK);
    if (!block) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to check %s", path);
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    int64_t at = 0;
    size_t got = 0;
    ff_err err;
    do {
        err = ff_house_read_at(fd, block, BLOCK, at, &got, path, ctx);
        crypto_hash_sha256_update(&state, block, got);
        at += (int64_t)got;
    } while (!err && got == BLOCK);
    free(block);
    if (err) return err;
    crypto_hash_sha256_final(&state, digest);
    sodium_bin2hex(sha256, 65, digest, sizeof digest);
    return FF_OK;
}

ff_err ff_house_hash(ff_storehouse *s, int fd, const struct stat *st, const char *path, char sha256[65], ff_ctx *ctx)
{
    struct ff_verified *slot = slot_of(s, st);
    sha256[0] = '\0';
    pthread_mutex_lock(&s->verified_lock);
    const bool known = looks_the_same(slot, st);
    if (known) memcpy(sha256, slot->sha256, sizeof slot->sha256);
    pthread_mutex_unlock(&s->verified_lock);
    if (known) return FF_OK;
    const bool remember = settled(st);
    ff_err err = hash_all(fd, path, sha256, ctx);
    if (err || !remember) return err;
    pthread_mutex_lock(&s->verified_lock);
    *slot = (struct ff_verified){.dev = st->st_dev, .ino = st->st_ino, .size = st->st_size, .mtime = st->st_mtim};
    memcpy(slot->sha256, sha256, sizeof slot->sha256);
    pthread_mutex_unlock(&s->verified_lock);
    return FF_OK;
}

ff_err ff_house_check_bytes(ff_storehouse *s, int fd, const struct stat *st, const char *path, int64_t size,
                            const char *sha256, ff_ctx *ctx)
{
    char found[65];
    if (st->st_size != size) {
        return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "%s has %" PRId64 " bytes, %" PRId64 " were stored", path,
                       (int64_t)st->st_size, size);
    }
    ff_err err = ff_house_hash(s, fd, st, path, found, ctx);
    if (err) return err;
    if (strcmp(found, sha256)) {
        return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "%s has the SHA-256 %s, stored was %.64s", path, found, sha256);
    }
    return FF_OK;
}
