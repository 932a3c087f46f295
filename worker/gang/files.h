/* worker/gang/files.h - folders and files of attempts: names, what changed since it was last looked at, copies for
** sending. Layout below a base (the shared store, or a scratch folder): work/<job>/<task>.<attempt>/<name>,
** datasets/<sha256>.h5. Names come from messages and are checked before they become paths. */
#ifndef FF_WORKER_GANG_FILES_H
#define FF_WORKER_GANG_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/err.h"
#include "common/hash.h"
#include "worker/gang/upload.h"

enum { FF_GANG_PATH = 4096, FF_MAX_FILES = 4096 };

/* [A-Za-z0-9._-]{1,100}, not beginning with a dot. */
bool ff_name_good(const char *name);
/* prefix and 26 characters [a-z0-9]. */
bool ff_id_good(const char *prefix, const char *id);

/* base/work/job/task.attempt into out (FF_GANG_PATH). */
FF_MUST_USE ff_err ff_attempt_path(char *out, const char *base, const char *job, const char *task, int attempt,
                                   ff_ctx *ctx);
/* The same, and the folder is made, with those above it (base exists). */
FF_MUST_USE ff_err ff_attempt_make(char *out, const char *base, const char *job, const char *task, int attempt,
                                   ff_ctx *ctx);
/* A scratch folder as a whole. Never follows links. */
void ff_scratch_remove(const char *base);

/* A file as it was last seen. */
struct ff_seen {
    char name[FF_FILE_NAME];
    char sha256[FF_HASH_SIZE]; /* filled in by whoever looked; "": not yet, or it changed since */
    int64_t size;
    struct timespec mtime;
    ino_t inode;
};
struct ff_look {
    struct ff_seen *file;
    int n;
};

/* Looks at the folder's plain files (but unfinished ones: .part, .tmp): those that are new or changed since the look
** before have no hash, those that are gone are forgotten. Files named *.CURRENT come last: they say which of the others
** is valid. */
FF_MUST_USE ff_err ff_look(struct ff_look *look, const char *folder, ff_ctx *ctx);
void ff_look_done(struct ff_look *look);

/* Copies one file of the folder to `to` and hashes the copy: what is sent must not change on the way. */
FF_MUST_USE ff_err ff_copy(const char *from, const char *to, char sha256[FF_HASH_SIZE], int64_t *size, ff_ctx *ctx);

/* fsync of a file and of the folder it stands in. */
FF_MUST_USE ff_err ff_sync(const char *folder, const char *name, ff_ctx *ctx);

#endif
