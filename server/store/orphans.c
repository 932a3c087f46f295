/* server/store/orphans.c - files that no row of the queue knows (store.h): listed for the operator, never removed.
** Asked about are datasets/NAME, results/JOB/NAME, work/JOB/TASK.N (a folder) and uploads/NAME; whatever stands
** there under a name that the store would not give is listed, too. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/store/inside.h"

enum { DAY = 24 * 3600 };

struct sweep {
    bool (*known)(void *self, const char *path);
    void *self;
    json_t *list;
    time_t before;
    bool failed; /* no memory */
};

static void judge(struct sweep *w, int folder, const char *name, const char *path)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) || st.st_mtime > w->before) return;
    if (!w->known(w->self, path)) w->failed |= json_array_append_new(w->list, json_string(path)) != 0;
}

/* The entries of one folder, `depth` levels further down where that is above 0. */
static ff_err visit(struct sweep *w, int parent, const char *name, const char *path, int depth, ff_ctx *ctx)
{
    const int fd = ff_house_subfolder(parent, name, false);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const int why = errno;
    if (!dir && fd >= 0) close(fd);
    if (!dir) return why == ENOENT ? FF_OK : ff_house_fail(ctx, why, "cannot list", path);
    ff_err err = FF_OK;
    for (struct dirent *entry; !err && (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char below[FF_HOUSE_PATH];
        struct stat st;
        if (snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= (int)sizeof below) continue;
        const bool folder = !fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode);
        if (depth > 0 && folder)
            err = visit(w, fd, entry->d_name, below, depth - 1, ctx);
        else
            judge(w, fd, entry->d_name, below);
    }
    closedir(dir);
    return err;
}

ff_err ff_storehouse_orphans(ff_storehouse *s, bool (*known)(void *self, const char *path), void *self, json_t **out,
                             ff_ctx *ctx)
{
    static const struct {
        const char *name;
        int depth;
    } tops[] = {{"datasets", 0}, {"results", 1}, {"work", 1}, {"uploads", 0}};
    *out = NULL;
    struct sweep w = {.known = known, .self = self, .list = json_array(), .before = time(NULL) - DAY};
    ff_err err = FF_OK;
    for (size_t i = 0; w.list && !err && i < sizeof tops / sizeof *tops; i++) {
        err = visit(&w, s->fd, tops[i].name, tops[i].name, tops[i].depth, ctx);
    }
    if (!err && (!w.list || w.failed)) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to list files");
    if (err) {
        json_decref(w.list);
        return err;
    }
    *out = w.list;
    return FF_OK;
}
