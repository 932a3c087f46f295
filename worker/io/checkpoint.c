/* worker/io/checkpoint.c - see checkpoint.h: two files written in turn, and CURRENT that names the newest.
** File: struct head, identity (JSON), payload, SHA-256 of all before it; numbers in the machine's order, since the
** payload is in it too. A file that CURRENT does not name may be half written; CURRENT itself is replaced by rename. */
#include "worker/io/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/job.h"

enum { PATH_BYTES = 4096, DIGEST = crypto_hash_sha256_BYTES, MAX_IDENTITY = 1 << 20 };

static const char magic[8] = {'F', 'F', 'C', 'K', 'P', 'T', '1', '\n'};
struct head {
    char magic[8];
    uint64_t generation, identity_size, payload_size;
};

/* One of the two files, read. */
enum state { ABSENT, DAMAGED, WHOLE };
struct block {
    enum state state;
    struct head head;
    char *identity;
    void *payload;
};

static ff_err path_of(char out[PATH_BYTES], const char *dir, const char *name, const char *suffix, ff_ctx *ctx)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (!*name || name[good])
        return ff_fail(ctx, FF_EBUG, FF_HERE, "\"%s\" cannot name a checkpoint; allowed: letters, digits, - and _",
                       name);
    int n = snprintf(out, PATH_BYTES, "%s/%s%s", dir, name, suffix);
    if (n < 0 || n >= PATH_BYTES)
        return ff_fail(ctx, FF_EIO, FF_HERE, "the path of a checkpoint has %d bytes; allowed: at most %d", n,
                       PATH_BYTES - 1);
    return FF_OK;
}

static ff_err fail_errno(ff_ctx *ctx, const char *what, const char *path, int why)
{
    ff_err code = why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : why == ENOMEM ? FF_ENOMEM : FF_EIO;
    return ff_fail(ctx, code, FF_HERE, "checkpoint: cannot %s %s: %s", what, path, strerror(why));
}

/* ---- bytes to a file that is on the disk when this returns ---- */

static int write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

struct piece {
    const void *bytes;
    size_t size;
};

/* A file that could not be written whole is removed: on a full disk its bytes are wanted back. */
static ff_err write_file(const char *path, const struct piece *pieces, int npieces, ff_ctx *ctx)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return fail_errno(ctx, "open", path, errno);
    int why = 0;
    for (int i = 0; i < npieces && !why; i++) why = write_all(fd, pieces[i].bytes, pieces[i].size) ? errno : 0;
    if (!why && fsync(fd)) why = errno;
    if (close(fd) && !why) why = errno;
    if (!why) return FF_OK;
    unlink(path);
    return fail_errno(ctx, "write", path, why);
}

static ff_err sync_folder(const char *dir, ff_ctx *ctx)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int why = fd < 0 || fsync(fd) ? errno : 0;
    if (fd >= 0) close(fd);
    return why ? fail_errno(ctx, "sync the folder", dir, why) : FF_OK;
}

/* ---- CURRENT ---- */

/* 'a' or 'b'; '?' when CURRENT says neither; 0 when there is none. */
static ff_err read_current(char *letter, const char *dir, const char *name, ff_ctx *ctx)
{
    char path[PATH_BYTES], text[2] = {0};
    *letter = 0;
    ff_err err = path_of(path, dir, name, ".CURRENT", ctx);
    if (err) return err;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? FF_OK : fail_errno(ctx, "open", path, errno);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    *letter = n == 2 && (text[0] == 'a' || text[0] == 'b') && text[1] == '\n' ? text[0] : '?';
    return FF_OK;
}

static ff_err write_current(char letter, const char *dir, const char *name, ff_ctx *ctx)
{
    char path[PATH_BYTES], temporary[PATH_BYTES];
    const char text[2] = {letter, '\n'};
    const struct piece piece = {text, sizeof text};
    ff_err err = path_of(path, dir, name, ".CURRENT", ctx);
    if (!err) err = path_of(temporary, dir, name, ".CURRENT.tmp", ctx);
    if (!err) err = write_file(temporary, &piece, 1, ctx);
    if (!err && rename(temporary, path)) err = fail_errno(ctx, "rename", temporary, errno);
    return err ? err : sync_folder(dir, ctx);
}

/* ---- reading one of the two files ---- */

static const char *suffix_of(char letter)
{
    return letter == 'a' ? ".a" : ".b";
}

static char other(char letter)
{
    return letter == 'a' ? 'b' : 'a';
}

/* false: the file ended, or could not be read. */
static bool read_all(int fd, void *bytes, size_t size)
{
    char *at = bytes;
    while (size > 0) {
        ssize_t n = read(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void digest_of(const struct block *b, unsigned char digest[DIGEST])
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)&b->head, sizeof b->head);
    crypto_hash_sha256_update(&state, (const unsigned char *)b->identity, b->head.identity_size);
    crypto_hash_sha256_update(&state, b->payload, b->head.payload_size);
    crypto_hash_sha256_final(&state, digest);
}

static bool head_fits(const struct head *head, off_t size)
{
    uint64_t rest = (uint64_t)size - sizeof *head - DIGEST;
    return !memcmp(head->magic, magic, sizeof magic) && head->identity_size <= MAX_IDENTITY &&
           head->identity_size <= rest && head->payload_size == rest - head->identity_size;
}

static void block_done(struct block *b)
{
    free(b->identity);
    free(b->payload);
    *b = (struct block){0};
}

/* Fills `b` from an open file; b->state tells whether it is whole. The one error is no memory. */
static ff_err read_open_block(struct block *b, int fd, const char *path, ff_ctx *ctx)
{
    struct stat info;
    unsigned char found[DIGEST], digest[DIGEST];
    b->state = DAMAGED;
    if (fstat(fd, &info) || info.st_size < (off_t)(sizeof b->head + DIGEST)) return FF_OK;
    if (!read_all(fd, &b->head, sizeof b->head) || !head_fits(&b->head, info.st_size)) return FF_OK;
    b->identity = malloc(b->head.identity_size + 1);
    b->payload = malloc(b->head.payload_size + 1);
    if (!b->identity || !b->payload) return fail_errno(ctx, "hold", path, ENOMEM);
    if (!read_all(fd, b->identity, b->head.identity_size) || !read_all(fd, b->payload, b->head.payload_size) ||
        !read_all(fd, found, DIGEST))
        return FF_OK;
    digest_of(b, digest);
    if (!memcmp(digest, found, DIGEST)) b->state = WHOLE;
    return FF_OK;
}

static ff_err read_block(struct block *b, const char *dir, const char *name, char letter, ff_ctx *ctx)
{
    char path[PATH_BYTES];
    *b = (struct block){0};
    ff_err err = path_of(path, dir, name, suffix_of(letter), ctx);
    if (err) return err;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? FF_OK : fail_errno(ctx, "open", path, errno);
    err = read_open_block(b, fd, path, ctx);
    close(fd);
    if (err) block_done(b);
    return err;
}

/* Generation of a file by its head alone; 0 when there is none. */
static uint64_t generation_of(const char *dir, const char *name, char letter)
{
    char path[PATH_BYTES];
    struct head head = {0};
    if (path_of(path, dir, name, suffix_of(letter), NULL)) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    bool good = read_all(fd, &head, sizeof head) && !memcmp(head.magic, magic, sizeof magic);
    close(fd);
    return good ? head.generation : 0;
}

/* The file to believe first: CURRENT's, or the younger one when CURRENT does not say. */
static char newest(char current, const char *dir, const char *name)
{
    if (current == 'a' || current == 'b') return current;
    return generation_of(dir, name, 'a') >= generation_of(dir, name, 'b') ? 'a' : 'b';
}

/* ---- identity ---- */

/* Adds ", key (there, here)" to `out` when the values differ. */
static void add_difference(char *out, size_t size, const char *key, const json_t *there, const json_t *here)
{
    if (there && here && json_equal(there, here)) return;
    char *was = there ? json_dumps(there, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *is = here ? json_dumps(here, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    size_t n = strlen(out);
    snprintf(out + n, size - n, "%s%s (%.32s there, %.32s here)", n ? ", " : "", key, was ? was : "nothing",
             is ? is : "nothing");
    free(was);
    free(is);
}

static void list_differences(char *out, size_t size, const json_t *there, const json_t *here)
{
    const char *key;
    json_t *value;
    out[0] = '\0';
    json_object_foreach((json_t *)here, key, value) add_difference(out, size, key, json_object_get(there, key), value);
    json_object_foreach((json_t *)there, key, value)
    {
        if (!json_object_get(here, key)) add_difference(out, size, key, value, NULL);
    }
}

/* Is the block of this run? Fills `differs` with what may differ and does. */
static ff_err check_identity(const struct block *b, const char *name, const json_t *identity, char *differs,
                             size_t size, ff_ctx *ctx)
{
    json_t *there;
    char keys[FF_MESSAGE_SIZE / 2];
    ff_err err = ff_json_parse(&there, b->identity, b->head.identity_size, ctx);
    if (err) return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "the identity of checkpoint %s is not JSON", name);
    list_differences(keys, sizeof keys, json_object_get(there, "must"), json_object_get(identity, "must"));
    if (keys[0])
        err = ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "checkpoint %s is of another run; these differ: %s", name, keys);
    list_differences(differs, size, json_object_get(there, "should"), json_object_get(identity, "should"));
    json_decref(there);
    return err;
}

/* ---- the interface ---- */

static ff_err write_block(const char *path, uint64_t generation, const json_t *identity, const void *bytes, size_t size,
                          ff_ctx *ctx)
{
    char *text = json_dumps(identity, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text) return fail_errno(ctx, "describe", path, ENOMEM);
    struct block b = {.identity = text, .payload = (void *)bytes};
    b.head = (struct head){.generation = generation, .identity_size = strlen(text), .payload_size = size};
    memcpy(b.head.magic, magic, sizeof magic);
    unsigned char digest[DIGEST];
    digest_of(&b, digest);
    const struct piece pieces[] = {{&b.head, sizeof b.head}, {text, strlen(text)}, {bytes, size}, {digest, DIGEST}};
    ff_err err = write_file(path, pieces, 4, ctx);
    free(text);
    return err;
}

ff_err ff_checkpoint_write(const char *dir, const char *name, const json_t *identity, const void *bytes, size_t size,
                           ff_ctx *ctx)
{
    char path[PATH_BYTES], current;
    if (mkdir(dir, 0777) && errno != EEXIST) return fail_errno(ctx, "make the folder", dir, errno);
    ff_err err = read_current(&current, dir, name, ctx);
    if (err) return err;
    uint64_t a = generation_of(dir, name, 'a'), b = generation_of(dir, name, 'b');
    char target = a || b ? other(newest(current, dir, name)) : 'a';
    err = path_of(path, dir, name, suffix_of(target), ctx);
    ff_crash_point("checkpoint_begin");
    if (!err) err = write_block(path, (a > b ? a : b) + 1, identity, bytes, size, ctx);
    ff_crash_point("checkpoint_before_current");
    if (!err) err = write_current(target, dir, name, ctx);
    ff_crash_point("checkpoint_done");
    return err;
}

/* The newest whole block; *letter says which file it came from, 0: there is no checkpoint. */
static ff_err find_block(struct block *b, char *letter, char current, const char *dir, const char *name, ff_ctx *ctx)
{
    enum state first_state;
    *letter = newest(current, dir, name);
    ff_err err = read_block(b, dir, name, *letter, ctx);
    if (err || b->state == WHOLE) return err;
    first_state = b->state;
    block_done(b);
    *letter = other(*letter);
    err = read_block(b, dir, name, *letter, ctx);
    if (err || b->state == WHOLE) return err;
    /* The very first file, cut by a kill before CURRENT named it, is as good as none. Anything else was a checkpoint. */
    bool never = !current && (first_state == ABSENT || b->state == ABSENT);
    block_done(b);
    *letter = 0;
    if (never) return FF_OK;
    return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE,
                   "checkpoint %s in %s is damaged and there is no earlier one; without --resume the run starts over",
                   name, dir);
}

static ff_err read_newest(const char *dir, const char *name, const json_t *identity, bool repair,
                          struct ff_checkpoint *out, ff_ctx *ctx)
{
    struct block b = {0};
    char current, letter;
    *out = (struct ff_checkpoint){0};
    ff_err err = read_current(&current, dir, name, ctx);
    if (!err) err = find_block(&b, &letter, current, dir, name, ctx);
    if (err || !letter) return err;
    err = check_identity(&b, name, identity, out->differs, sizeof out->differs, ctx);
    out->fell_back = current && letter != current;
    /* From now on the next write must not go over the only whole file. */
    if (!err && repair && letter != current) err = write_current(letter, dir, name, ctx);
    if (!err) {
        out->bytes = b.payload;
        out->size = b.head.payload_size;
        b.payload = NULL;
    } else {
        *out = (struct ff_checkpoint){0};
    }
    block_done(&b);
    return err;
}

ff_err ff_checkpoint_read(const char *dir, const char *name, const json_t *identity, struct ff_checkpoint *out,
                          ff_ctx *ctx)
{
    return read_newest(dir, name, identity, true, out, ctx);
}

ff_err ff_checkpoint_look(const char *dir, const char *name, const json_t *identity, struct ff_checkpoint *out,
                          ff_ctx *ctx)
{
    return read_newest(dir, name, identity, false, out, ctx);
}

void ff_checkpoint_done(struct ff_checkpoint *c)
{
    if (!c) return;
    free(c->bytes);
    *c = (struct ff_checkpoint){0};
}
