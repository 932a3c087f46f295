/* worker/gang/keys.c - see keys.h. */
#include "worker/gang/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/text_file.h"

enum { KEY_TEXT = FF_KEY_SIZE - 1, KEY_BYTES = 32 };

static bool is_key(const char *text)
{
    uint8_t bytes[KEY_BYTES];
    const bool good = strlen(text) == KEY_TEXT && zmq_z85_decode(bytes, text);
    explicit_bzero(bytes, sizeof bytes);
    return good;
}

/* The first word of a file; never more than a key and one character. */
static ff_err read_word(char out[FF_KEY_SIZE + 1], const char *path, bool secret, const char *option, ff_ctx *ctx)
{
    char text[256];
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return ff_fail_at(ctx, FF_ENOFILE, option, FF_HERE, "%s: %s", path, strerror(errno));
    if (secret && (fstat(fd, &st) || (st.st_mode & 077))) {
        close(fd);
        return ff_fail_at(ctx, FF_EBADFILE, option, FF_HERE,
                          "others than its owner may use the key file %s; allowed: mode 0600", path);
    }
    const ssize_t n = read(fd, text, sizeof text - 1);
    const int why = errno;
    close(fd);
    if (n < 0) return ff_fail_at(ctx, FF_EBADFILE, option, FF_HERE, "%s: %s", path, strerror(why));
    text[n] = '\0';
    const char *word = text + strspn(text, " \t\r\n");
    snprintf(out, FF_KEY_SIZE + 1, "%.*s", (int)strcspn(word, " \t\r\n"), word);
    explicit_bzero(text, sizeof text);
    return FF_OK;
}

/* A key from a file, or the text itself where that is allowed. */
static ff_err read_key(char out[FF_KEY_SIZE], const char *from, bool secret, const char *option, ff_ctx *ctx)
{
    char word[FF_KEY_SIZE + 1];
    if (!secret && is_key(from) && access(from, F_OK)) {
        snprintf(out, FF_KEY_SIZE, "%s", from);
        return FF_OK;
    }
    ff_err err = read_word(word, from, secret, option, ctx);
    if (!err && !is_key(word))
        err = ff_fail_at(ctx, FF_EBADFILE, option, FF_HERE, "%s holds no key; allowed: %d characters of Z85", from,
                         KEY_TEXT);
    if (!err) memcpy(out, word, FF_KEY_SIZE);
    explicit_bzero(word, sizeof word);
    return err;
}

ff_err ff_keys_read(struct ff_keys *out, const char *server, const char *secret, ff_ctx *ctx)
{
    memset(out, 0, sizeof *out);
    ff_err err = read_key(out->server, server, false, "--server-key", ctx);
    if (!err) err = read_key(out->secret, secret, true, "--key", ctx);
    if (!err && zmq_curve_public(out->own, out->secret))
        err = ff_fail_at(ctx, FF_EBADFILE, "--key", FF_HERE, "%s holds no secret key: %s", secret, zmq_strerror(errno));
    if (err) ff_keys_wipe(out);
    return err;
}

/* Never over an old one. */
static ff_err write_new(const char *name, const char *suffix, const char *key, mode_t mode, ff_ctx *ctx)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s%s", name, suffix) >= sizeof path)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the name of the keys is too long");
    return ff_text_file_write(path, key, mode, false, ctx);
}

ff_err ff_keys_make(const char *name, ff_ctx *ctx)
{
    char open_key[FF_KEY_SIZE], secret[FF_KEY_SIZE];
    if (zmq_curve_keypair(open_key, secret))
        return ff_fail(ctx, FF_EBUG, FF_HERE, "this build's ZeroMQ has no CURVE: %s", zmq_strerror(errno));
    ff_err err = write_new(name, ".key", secret, 0600, ctx);
    if (!err) err = write_new(name, ".pub", open_key, 0644, ctx);
    explicit_bzero(secret, sizeof secret);
    return err;
}

void ff_keys_wipe(struct ff_keys *keys)
{
    explicit_bzero(keys, sizeof *keys);
}
