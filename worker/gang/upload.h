/* worker/gang/upload.h - files of an attempt on their way to a server with which no store is shared: PUT by PUT, in
** order, at most FF_UPLOAD_WINDOW chunks unanswered; a transfer that broke goes on from what the server says it has.
** No lock and no socket: the session's owner holds one and passes a function that sends.
** Call order: ff_upload_add* ; ff_upload_send as often as possible, ff_upload_stored for each answer, ff_upload_rewind
** when answers stay away or the connection was lost; ff_upload_clear at the end of the attempt. */
#ifndef FF_WORKER_GANG_UPLOAD_H
#define FF_WORKER_GANG_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/hash.h"

enum { FF_UPLOAD_CHUNK = 1 << 20, FF_UPLOAD_WINDOW = 4, FF_UPLOAD_TRIES = 5, FF_FILE_NAME = 104 };

struct ff_upload_file {
    char name[FF_FILE_NAME];
    char sha256[FF_HASH_SIZE];
    int64_t size;
    char *path;  /* to read from; owned */
    bool remove; /* the file at `path` when it has been sent: a copy made for sending */
    struct ff_upload_file *next;
};

struct ff_upload {
    struct ff_upload_file *first, *last; /* first: being sent */
    int fd;                              /* of the first; -1: not open */
    int64_t next, have;                  /* of the first: byte to send, bytes the server has */
    int unanswered;
    int tries;   /* how often the server threw the first away whole */
    bool failed; /* a file could not be read or was refused FF_UPLOAD_TRIES times: it is skipped */
};

void ff_upload_init(struct ff_upload *u);
void ff_upload_clear(struct ff_upload *u);

static inline bool ff_upload_busy(const struct ff_upload *u)
{
    return u->first != NULL;
}

/* Copies what `file` names. */
FF_MUST_USE ff_err ff_upload_add(struct ff_upload *u, const struct ff_upload_file *file, ff_ctx *ctx);

/* One chunk at `offset` of `file`; false: not now. */
typedef bool (*ff_upload_fn)(void *self, const struct ff_upload_file *file, int64_t offset, const void *bytes,
                             size_t size);
/* Sends what the window allows; true: something went out. */
bool ff_upload_send(struct ff_upload *u, ff_upload_fn send, void *self);

/* The server has the first `have` bytes of `name`. True: that is news. */
bool ff_upload_stored(struct ff_upload *u, const char *name, int64_t have);
void ff_upload_rewind(struct ff_upload *u);

#endif
