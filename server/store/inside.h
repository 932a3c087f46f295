/* server/store/inside.h - what the files of this room share; not for callers of store.h. Everything on disk is
** reached from the descriptor of DIR, one folder after another, and no symbolic link is followed on the way: who may
** write below DIR (a gang on another host) must not make the server read or write elsewhere. */
#ifndef FF_SERVER_STORE_INSIDE_H
#define FF_SERVER_STORE_INSIDE_H

#include <pthread.h>
#include <sys/stat.h>

#include "server/store/store.h"

enum { FF_HOUSE_PATH = 512 };                               /* bytes of a path below DIR */
enum { FF_HOUSE_FOLDER_MODE = 0710, FF_HOUSE_MODE = 0640 }; /* of what is made here, before the umask */
static const int64_t ff_house_max_file = (int64_t)64 << 30; /* bytes of any one file */

/* A file whose hash is known, as long as it looks the same. */
struct ff_verified {
    dev_t dev;
    ino_t ino;
    int64_t size;
    struct timespec mtime;
    char sha256[65]; /* "": an empty slot */
};

struct ff_storehouse {
    char *dir; /* absolute */
    int fd;    /* of dir */
    char token[65];
    int64_t reserve_bytes, keep_free_bytes;
    pthread_mutex_t verified_lock;
    int nverified;
    struct ff_verified *verified; /* (nverified) */
    pthread_mutex_t reserve_lock;
    pthread_mutex_t picture_lock; /* cfitsio has state of its own */
    pthread_mutex_t reader_lock;
    pthread_cond_t reader_left;
    int readers, waiting; /* threads with such a place (readers.c), and threads that wait for one */
};

/* ---- names.c ---- */
/* [A-Za-z0-9._-]{1,100}, not starting with '.'. */
bool ff_house_plain(const char *name);
bool ff_house_is_hash(const char *sha256);
/* "work/JOB/TASK.N/NAME", "results/JOB/NAME", "datasets/NAME" of plain names: FF_EBADFILE when it is none of these. */
FF_MUST_USE ff_err ff_house_check_path(const char *path, ff_ctx *ctx);
/* job_ id; task [a-z0-9-]{1,31}; attempt from 1: FF_EBADFILE. */
FF_MUST_USE ff_err ff_house_check_attempt(const char *job, const char *task, int attempt, ff_ctx *ctx);
/* 32 random digits and the suffix. */
void ff_house_random_name(char *out, size_t size, const char *suffix);
bool ff_house_is_temporary(const char *name); /* such a name */
/* Replaces `path` by `words` in the message of ctx: who uploaded a file knows it by no path of ours. */
void ff_house_hide(ff_ctx *ctx, const char *path, const char *words);

/* A bad file among those of the store is no fault of who asks: FF_ECORRUPT for FF_EBADFILE and FF_EBADJSON. */
ff_err ff_house_ours(ff_err err, ff_ctx *ctx);

/* ---- folder.c ---- */
/* An errno as an error of the store: FF_EDISKFULL, FF_EIO, FF_ENOMEM, FF_EBUSY (no descriptors left), else
** FF_ESTORAGE. */
ff_err ff_house_fail(ff_ctx *ctx, int number, const char *doing, const char *path);
/* Opens folder `name` of `parent`, which is made first when `make`. -1 and errno. */
int ff_house_subfolder(int parent, const char *name, bool make);
/* Opens the folder `path` stands in (a checked path); *last: its last part. FF_ENOTFOUND when a folder below the
** first is missing and not to be made; the first (work, results, ..) missing is FF_ESTORAGE. */
FF_MUST_USE ff_err ff_house_folder_of(const ff_storehouse *s, const char *path, bool make, int *folder,
                                      const char **last, ff_ctx *ctx);
/* Opens a regular file for reading: FF_ENOTFOUND when it is missing. `path` is for messages. */
FF_MUST_USE ff_err ff_house_open_at(int folder, const char *name, const char *path, int *fd, struct stat *st,
                                    ff_ctx *ctx);
FF_MUST_USE ff_err ff_house_open(const ff_storehouse *s, const char *path, int *fd, struct stat *st, ff_ctx *ctx);
/* All bytes at an offset; fsync. These are where a test makes the disk fail (common/fault.h). */
FF_MUST_USE ff_err ff_house_write_at(int fd, const void *bytes, size_t size, int64_t at, const char *path, ff_ctx *ctx);
FF_MUST_USE ff_err ff_house_sync(int fd, const char *path, ff_ctx *ctx);
/* Up to size bytes from an offset: fewer at the end of the file. */
FF_MUST_USE ff_err ff_house_read_at(int fd, void *bytes, size_t size, int64_t at, size_t *got, const char *path,
                                    ff_ctx *ctx);
/* Renames and makes that durable: the folder of the new name is synced. */
FF_MUST_USE ff_err ff_house_rename(int from, const char *old_name, int to, const char *name, const char *path,
                                   ff_ctx *ctx);
/* Removes a file, or a folder with all in it; links are removed, not followed. */
void ff_house_remove(int folder, const char *name);

/* ---- verify.c ---- */
/* SHA-256 of an open file, remembered. */
FF_MUST_USE ff_err ff_house_hash(ff_storehouse *s, int fd, const struct stat *st, const char *path, char sha256[65],
                                 ff_ctx *ctx);
/* FF_ECORRUPT when the file is not of this size and hash. */
FF_MUST_USE ff_err ff_house_check_bytes(ff_storehouse *s, int fd, const struct stat *st, const char *path, int64_t size,
                                        const char *sha256, ff_ctx *ctx);

/* ---- readers.c ---- */
/* The path by which a limited child (files/guard.h) reads a file that is open here: no name is looked up again. */
void ff_house_fd_path(int fd, char out[64]);
/* A place among the few that read files into memory at the same time; FF_EBUSY when many wait already. */
FF_MUST_USE ff_err ff_house_reader_enter(ff_storehouse *s, ff_ctx *ctx);
void ff_house_reader_leave(ff_storehouse *s);

/* ---- kind.c ---- */
/* What the open file holds: "convergence", "shear", "nz", "shift"; FF_EBADFILE when it is no whole, good dataset. */
FF_MUST_USE ff_err ff_house_dataset_kind(ff_storehouse *s, int fd, int64_t size, char kind[16], ff_ctx *ctx);

#endif
