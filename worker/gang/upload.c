/* worker/gang/upload.c - see upload.h. */
#include "worker/gang/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"

void ff_upload_init(struct ff_upload *u)
{
    *u = (struct ff_upload){.fd = -1};
}

/* The first file is done with, sent or not. */
static void drop_first(struct ff_upload *u)
{
    struct ff_upload_file *file = u->first;
    const bool failed = u->failed;
    if (u->fd >= 0) close(u->fd);
    if (file->remove) unlink(file->path);
    *u = (struct ff_upload){.first = file->next, .last = file->next ? u->last : NULL, .fd = -1, .failed = failed};
    free(file->path);
    free(file);
}

void ff_upload_clear(struct ff_upload *u)
{
    while (u->first) drop_first(u);
    ff_upload_init(u);
}

ff_err ff_upload_add(struct ff_upload *u, const struct ff_upload_file *file, ff_ctx *ctx)
{
    struct ff_upload_file *copy = malloc(sizeof *copy);
    char *path = strdup(file->path);
    if (!copy || !path) {
        free(copy);
        free(path);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to send %s", file->name);
    }
    *copy = *file;
    copy->path = path;
    copy->next = NULL;
    if (u->last) {
        u->last->next = copy;
    } else {
        u->first = copy;
    }
    u->last = copy;
    return FF_OK;
}

/* Exactly `size` bytes, or false: the file is shorter than it was, or cannot be read. */
static bool read_chunk(int fd, char *bytes, size_t size, int64_t offset)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t n = pread(fd, bytes + done, size - done, (off_t)(offset + (int64_t)done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return true;
}

enum step { SENT, WAIT, BAD };

static enum step send_chunk(struct ff_upload *u, char *bytes, ff_upload_fn send, void *self)
{
    const struct ff_upload_file *file = u->first;
    if (u->fd < 0) u->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (u->fd < 0) return BAD;
    const int64_t left = file->size - u->next;
    const size_t size = left < FF_UPLOAD_CHUNK ? (size_t)left : FF_UPLOAD_CHUNK;
    if (!read_chunk(u->fd, bytes, size, u->next)) return BAD;
    ff_crash_point("gang_put");
    if (!send(self, file, u->next, bytes, size)) return WAIT;
    u->next += (int64_t)size;
    u->unanswered++;
    return SENT;
}

bool ff_upload_send(struct ff_upload *u, ff_upload_fn send, void *self)
{
    bool sent = false;
    char *bytes = u->first && u->unanswered < FF_UPLOAD_WINDOW ? malloc(FF_UPLOAD_CHUNK) : NULL;
    while (bytes && u->first && u->unanswered < FF_UPLOAD_WINDOW) {
        if (u->next >= u->first->size && !(u->first->size == 0 && u->unanswered == 0)) break; /* all of it is out */
        const enum step step = send_chunk(u, bytes, send, self);
        if (step == WAIT) break;
        if (step == BAD) {
            u->failed = true;
            drop_first(u);
        }
        sent = sent || step == SENT;
    }
    free(bytes);
    return sent;
}

bool ff_upload_stored(struct ff_upload *u, const char *name, int64_t have)
{
    const struct ff_upload_file *file = u->first;
    if (!file || strcmp(file->name, name) != 0 || have < 0 || have > file->size) return false;
    if (u->unanswered > 0) u->unanswered--;
    if (have == file->size) {
        drop_first(u);
        return true;
    }
    /* Fewer bytes than before: all of them were thrown away, since they were not those of the hash, or a part was lost.
    ** */
    if (have < u->have || (have == 0 && u->next == file->size && u->unanswered == 0)) {
        if (have == 0) u->tries++;
        u->have = have;
        ff_upload_rewind(u);
        if (u->tries < FF_UPLOAD_TRIES) return false;
        u->failed = true;
        drop_first(u);
        return false;
    }
    const bool news = have > u->have;
    u->have = have;
    if (u->next < have) u->next = have; /* it has more than we sent in this life: a transfer goes on */
    return news;
}

void ff_upload_rewind(struct ff_upload *u)
{
    u->next = u->have;
    u->unanswered = 0;
}
