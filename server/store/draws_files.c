/* server/store/draws_files.c - the files in which a large result of draws has its arrays (files/chunks.h): found,
** checked against what the result says of them, opened, counted, and the rest of the job's work thrown away. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/store/draws.h"
#include "server/store/rows.h"

ff_err ff_house_index_read(ff_storehouse *s, const char *result, long from, long most, struct ff_chunks *index,
                           ff_ctx *ctx)
{
    int fd;
    struct stat st;
    char path[64];
    *index = (struct ff_chunks){0};
    ff_err err = ff_house_open(s, result, &fd, &st, ctx);
    if (err) return err;
    ff_house_fd_path(fd, path);
    err = ff_house_reader_enter(s, ctx);
    if (!err) {
        err = ff_chunks_read(index, path, from, most, ctx);
        ff_house_reader_leave(s);
        if (err) ff_house_hide(ctx, path, "the result");
    }
    close(fd);
    return err;
}

ff_err ff_house_index_check(ff_storehouse *s, int fd, const char *name, const struct ff_chunk *chunk, int array,
                            ff_ctx *ctx)
{
    struct stat st;
    if (fstat(fd, &st)) return ff_house_fail(ctx, errno, "cannot look at", name);
    return ff_house_check_bytes(s, fd, &st, name, chunk->size[array], chunk->sha256[array], ctx);
}

ff_err ff_storehouse_chunk_bytes(ff_storehouse *s, const char *path, int64_t *bytes, ff_ctx *ctx)
{
    struct ff_chunks index;
    *bytes = 0;
    ff_err err = ff_house_check_path(path, ctx);
    if (!err) err = ff_house_index_read(s, path, 0, FF_MAX_CHUNKS, &index, ctx);
    if (err == FF_ENOTFOUND) { /* all is in the result */
        ff_ctx_clear(ctx);
        return FF_OK;
    }
    if (err) return ff_house_ours(err, ctx);
    for (long i = 0; !err && i < index.n; i++) {
        for (int a = 0; !err && a < index.narrays; a++)
            if (__builtin_add_overflow(*bytes, index.chunk[i].size[a], bytes))
                err = ff_fail(ctx, FF_ECORRUPT, FF_HERE, "%s says that its draws have too many bytes", path);
    }
    ff_chunks_done(&index);
    return err;
}

/* ---- one file ---- */

/* "draws-12": 12; -1: not the name of a chunk's task. */
static long number_of(const char *task)
{
    char *end;
    if (strncmp(task, "draws-", 6) != 0 || task[6] < '0' || task[6] > '9') return -1;
    const long number = strtol(task + 6, &end, 10);
    return *end || number >= FF_MAX_CHUNKS ? -1 : number;
}

static int array_called(const char *name)
{
    for (int a = 0; a < FF_CHUNK_ARRAYS; a++)
        if (!strcmp(ff_chunk_arrays[a].name, name)) return a;
    return -1;
}

static ff_err open_array(ff_storehouse *s, const struct ff_chunk_request *r, const struct ff_chunk *chunk, long number,
                         int array, int *fd, ff_ctx *ctx)
{
    char name[32];
    struct stat st;
    snprintf(name, sizeof name, "%s.npy", ff_chunk_arrays[array].name);
    const int folder = ff_house_chunk_folder(s, r->job, r->attempts, number);
    ff_err err = folder < 0 ? FF_ENOTFOUND : ff_house_open_at(folder, name, name, fd, &st, ctx);
    if (folder >= 0) close(folder);
    if (err == FF_ENOTFOUND)
        return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "%s of %s was stored and is not there", name, r->task);
    if (err) return err;
    err = ff_house_index_check(s, *fd, name, chunk, array, ctx);
    if (!err) return FF_OK;
    close(*fd);
    *fd = -1;
    return err;
}

ff_err ff_storehouse_open_chunk(ff_storehouse *s, const struct ff_chunk_request *r, int *fd, int64_t *size,
                                char sha256[65], ff_ctx *ctx)
{
    struct ff_chunks index = {0};
    const long number = number_of(r->task);
    const int array = array_called(r->name);
    *fd = -1;
    ff_err err = ff_house_check_path(r->result, ctx);
    if (!err && (number < 0 || array < 0))
        err = ff_fail(ctx, FF_ENOTFOUND, FF_HERE,
                      "chunks are called draws-0, draws-1, ..; arrays theta, x, valid, score");
    if (!err) err = ff_house_index_read(s, r->result, number, 1, &index, ctx);
    if (err == FF_ERANGE || (!err && array >= index.narrays))
        err = ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "the result has no %s of %s", r->name, r->task);
    if (!err) err = open_array(s, r, &index.chunk[0], number, array, fd, ctx);
    if (!err) {
        *size = index.chunk[0].size[array];
        memcpy(sha256, index.chunk[0].sha256[array], sizeof index.chunk[0].sha256[array]);
    }
    ff_chunks_done(&index);
    return ff_house_ours(err, ctx);
}

/* ---- the rest ---- */

static bool is_array(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && !strcmp(dot, ".npy");
}

/* Removes from the folder `name` what is no array. */
static void thin(int parent, const char *name)
{
    const int folder = ff_house_subfolder(parent, name, false);
    DIR *dir = folder >= 0 ? fdopendir(folder) : NULL;
    if (!dir && folder >= 0) close(folder);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        const bool self = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
        if (!self && !is_array(entry->d_name)) ff_house_remove(folder, entry->d_name);
    }
    closedir(dir);
}

void ff_storehouse_drop_draws(ff_storehouse *s, const char *job, bool arrays)
{
    if (!arrays) {
        ff_storehouse_drop_work(s, job);
        return;
    }
    if (ff_house_check_attempt(job, "any", 1, NULL)) return;
    const int work = ff_house_subfolder(s->fd, "work", false),
              folder = work < 0 ? -1 : ff_house_subfolder(work, job, false);
    DIR *dir = folder >= 0 ? fdopendir(folder) : NULL;
    if (work >= 0) close(work);
    if (!dir && folder >= 0) close(folder);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!strncmp(entry->d_name, "draws-", 6))
            thin(folder, entry->d_name);
        else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ff_house_remove(folder, entry->d_name);
    }
    closedir(dir);
}
