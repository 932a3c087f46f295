/* server/store/work.c - the folders of attempts (store.h): their paths, what is in them, throwing them away. */
#define _GNU_SOURCE /* scandirat */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/store/inside.h"

ff_err ff_storehouse_work_path(char *out, size_t size, const char *job, const char *task, int attempt, const char *name,
                               ff_ctx *ctx)
{
    if (size) out[0] = '\0';
    ff_err err = ff_house_check_attempt(job, task, attempt, ctx);
    if (err) return err;
    if (name && !ff_house_plain(name)) {
        return ff_fail(
            ctx, FF_EBADFILE, FF_HERE,
            "that is not the name of a file: allowed are 1 to 100 letters, digits, '.', '_' and '-', not starting "
            "with '.'");
    }
    const int n = snprintf(out, size, "work/%s/%s.%d%s%s", job, task, attempt, name ? "/" : "", name ? name : "");
    return n >= 0 && (size_t)n < size ? FF_OK : ff_fail(ctx, FF_EBUG, FF_HERE, "no room for the path of a file");
}

/* Opens work/<job>; -1 when there is none. */
static int open_job(const ff_storehouse *s, const char *job)
{
    const int work = ff_house_subfolder(s->fd, "work", false);
    if (work < 0) return -1;
    const int fd = ff_house_subfolder(work, job, false);
    close(work);
    return fd;
}

/* Name, size and hash of one file, where it is one that counts: parts and what is no plain file do not. */
static ff_err add_file(ff_storehouse *s, int folder, const char *name, json_t *list, ff_ctx *ctx)
{
    const char *dot = strrchr(name, '.');
    if (!ff_house_plain(name) || (dot && !strcmp(dot, ".part"))) return FF_OK;
    int fd;
    struct stat st;
    char sha256[65];
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) return FF_OK;
    ff_err err = ff_house_open_at(folder, name, name, &fd, &st, ctx);
    if (err == FF_ENOTFOUND) return FF_OK; /* just gone */
    if (err) return err;
    err = ff_house_hash(s, fd, &st, name, sha256, ctx);
    close(fd);
    if (err) return err;
    json_t *file = json_pack("{s:s, s:I, s:s}", "name", name, "size", (json_int_t)st.st_size, "sha256", sha256);
    return json_array_append_new(list, file) ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to list files") : FF_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

ff_err ff_storehouse_list(ff_storehouse *s, const char *job, const char *task, int attempt, json_t **out, ff_ctx *ctx)
{
    *out = NULL;
    char path[FF_HOUSE_PATH];
    ff_err err = ff_storehouse_work_path(path, sizeof path, job, task, attempt, NULL, ctx);
    if (err) return err;
    json_t *list = json_array();
    if (!list) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to list files");
    const int parent = open_job(s, job);
    const int folder = parent >= 0 ? ff_house_subfolder(parent, strrchr(path, '/') + 1, false) : -1;
    const int why = errno;
    if (parent >= 0) close(parent);
    struct dirent **entries = NULL;
    int n = 0;
    if (folder < 0 && why != ENOENT) err = ff_house_fail(ctx, why, "cannot open", path);
    if (folder >= 0 && (n = scandirat(folder, ".", &entries, NULL, by_name)) < 0) {
        err = ff_house_fail(ctx, errno, "cannot list", path);
    }
    for (int i = 0; i < n; i++) {
        if (!err) err = add_file(s, folder, entries[i]->d_name, list, ctx);
        free(entries[i]);
    }
    free(entries);
    if (folder >= 0) close(folder);
    if (err) {
        json_decref(list);
        return err;
    }
    *out = list;
    return FF_OK;
}

/* Is the folder `name` one of an attempt of the task, and not attempt `keep`? */
static bool to_drop(const char *name, const char *task, int keep)
{
    const size_t n = strlen(task);
    if (strncmp(name, task, n) || name[n] != '.') return false;
    char *end;
    const long attempt = strtol(name + n + 1, &end, 10);
    return end > name + n + 1 && !*end && attempt != keep;
}

void ff_storehouse_drop_attempts(ff_storehouse *s, const char *job, const char *task, int keep)
{
    if (ff_house_check_attempt(job, task, 1, NULL)) return;
    const int parent = open_job(s, job);
    DIR *dir = parent >= 0 ? fdopendir(parent) : NULL;
    if (!dir && parent >= 0) close(parent);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (to_drop(entry->d_name, task, keep)) ff_house_remove(parent, entry->d_name);
    }
    closedir(dir);
}

/* Removes TOP/<job>. */
static void drop(ff_storehouse *s, const char *top, const char *job)
{
    if (ff_house_check_attempt(job, "any", 1, NULL)) return;
    const int folder = ff_house_subfolder(s->fd, top, false);
    if (folder < 0) return;
    ff_house_remove(folder, job);
    close(folder);
}

void ff_storehouse_drop_work(ff_storehouse *s, const char *job)
{
    drop(s, "work", job);
}

void ff_storehouse_drop_result(ff_storehouse *s, const char *job)
{
    drop(s, "results", job);
}
