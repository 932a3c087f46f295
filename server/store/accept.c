/* server/store/accept.c - the result of an attempt becomes the job's (store.h): from work/ to results/, once, for
** good. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "server/store/inside.h"

struct move {
    ff_storehouse *s;
    char from[FF_HOUSE_PATH];
    const char *to; /* the path in results/ */
    int64_t size;
    const char *sha256;
};

/* The file of the gang is checked as it stands, then renamed: what is checked is what is kept. */
static ff_err move_in(const struct move *m, int folder, const char *name, ff_ctx *ctx)
{
    int work, fd;
    const char *old;
    struct stat st;
    ff_err err = ff_house_folder_of(m->s, m->from, false, &work, &old, ctx);
    if (err) return err;
    err = ff_house_open_at(work, old, m->from, &fd, &st, ctx);
    if (!err) {
        err = ff_house_check_bytes(m->s, fd, &st, m->from, m->size, m->sha256, ctx);
        if (!err && fchmod(fd, FF_HOUSE_MODE)) err = ff_house_fail(ctx, errno, "cannot set the mode of", m->from);
        if (!err) err = ff_house_sync(fd, m->from, ctx);
        close(fd);
    }
    if (!err) err = ff_house_rename(work, old, folder, name, m->to, ctx);
    close(work);
    return err;
}

ff_err ff_storehouse_accept(ff_storehouse *s, const char *job, const char *task, int attempt, const char *name,
                            int64_t size, const char *sha256, char path[512], ff_ctx *ctx)
{
    struct move m = {.s = s, .to = path, .size = size, .sha256 = sha256};
    int folder, fd;
    const char *last;
    struct stat st;
    path[0] = '\0';
    ff_err err = ff_storehouse_work_path(m.from, sizeof m.from, job, task, attempt, name, ctx);
    if (!err && !ff_house_is_hash(sha256)) err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "the SHA-256 has 64 digits");
    if (err) return err;
    snprintf(path, FF_HOUSE_PATH, "results/%s/%s.%d.h5", job, task, attempt);
    err = ff_house_folder_of(s, path, true, &folder, &last, ctx);
    if (err) return err;
    err = ff_house_open_at(folder, last, path, &fd, &st, ctx);
    if (!err) { /* a commit said twice: a result never changes */
        err = ff_house_check_bytes(s, fd, &st, path, size, sha256, ctx);
        close(fd);
        if (!err) err = ff_house_sync(folder, path, ctx);
    } else if (err == FF_ENOTFOUND) {
        ff_ctx_clear(ctx);
        err = move_in(&m, folder, last, ctx);
    }
    close(folder);
    if (err) path[0] = '\0';
    return err;
}
