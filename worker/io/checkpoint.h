/* worker/io/checkpoint.h - named blocks of bytes on disk that survive a kill at any moment.
** Folder DIR holds, per name, NAME.a and NAME.b written in turn and NAME.CURRENT renamed last (docs: reliability 8); each
** file ends with the SHA-256 of the rest. Reading takes CURRENT's file, and the other one if that is damaged (*fell_back).
** `identity` is a JSON object of what the bytes depend on: keys under "must" have to be equal (job spec hash, checkpoint
** format, task), keys under "should" (build id, plan hash, CPU class) only decide whether the run continues bit for bit. */
#ifndef FF_WORKER_IO_CHECKPOINT_H
#define FF_WORKER_IO_CHECKPOINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

FF_MUST_USE ff_err ff_checkpoint_write(const char *dir, const char *name, const json_t *identity, const void *bytes,
                                       size_t size, ff_ctx *ctx);

struct ff_checkpoint {
    void *bytes; /* malloc'ed; NULL: there is no checkpoint (that is no error) */
    size_t size;
    bool fell_back;    /* the newest file was damaged, the one before it was taken */
    char differs[512]; /* the "should" keys that differ, "" when none */
};
/* FF_ECHECKPOINT lists the "must" keys that differ; the files are kept. */
FF_MUST_USE ff_err ff_checkpoint_read(const char *dir, const char *name, const json_t *identity,
                                      struct ff_checkpoint *out, ff_ctx *ctx);
/* The same from a folder that is not ours: nothing in it is changed. */
FF_MUST_USE ff_err ff_checkpoint_look(const char *dir, const char *name, const json_t *identity,
                                      struct ff_checkpoint *out, ff_ctx *ctx);
void ff_checkpoint_done(struct ff_checkpoint *c);

#endif
