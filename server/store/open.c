/* server/store/open.c - the store as a whole (store.h): its folders, its token. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/store/inside.h"

enum { TOKEN_BYTES = 32, VERIFIED = 4096 };

/* 64 hexadecimal digits (and a newline) of an existing file. */
static ff_err read_token(ff_storehouse *s, ff_ctx *ctx)
{
    int fd;
    struct stat st;
    char text[66] = "";
    size_t got = 0;
    ff_err err = ff_house_open_at(s->fd, "token", "token", &fd, &st, ctx);
    if (err) return err;
    err = ff_house_read_at(fd, text, sizeof text - 1, 0, &got, "token", ctx);
    close(fd);
    if (err) return err;
    text[strcspn(text, "\n")] = '\0';
    if (!ff_house_is_hash(text)) {
        return ff_fail(
            ctx, FF_ESTORAGE, FF_HERE,
            "%s/token does not hold 64 hexadecimal digits; remove it and a new one is made (gangs that share "
            "the folder read it again)",
            s->dir);
    }
    memcpy(s->token, text, sizeof s->token);
    return FF_OK;
}

/* Written beside and renamed, so that nobody reads half a token. */
static ff_err make_token(ff_storehouse *s, ff_ctx *ctx)
{
    unsigned char bytes[TOKEN_BYTES];
    char text[2 * TOKEN_BYTES + 2], part[64];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(text, sizeof text, bytes, sizeof bytes);
    memcpy(s->token, text, sizeof s->token);
    text[2 * TOKEN_BYTES] = '\n';
    ff_house_random_name(part, sizeof part, ".part");
    const int fd = openat(s->fd, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return ff_house_fail(ctx, errno, "cannot make", "token");
    ff_err err = ff_house_write_at(fd, text, 2 * TOKEN_BYTES + 1, 0, "token", ctx);
    if (!err) err = ff_house_sync(fd, "token", ctx);
    close(fd);
    if (!err) err = ff_house_rename(s->fd, part, s->fd, "token", "token", ctx);
    if (err) unlinkat(s->fd, part, 0);
    return err;
}

static ff_err make_folders(ff_storehouse *s, ff_ctx *ctx)
{
    static const char *const names[] = {"datasets", "work", "results", "uploads"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int fd = ff_house_subfolder(s->fd, names[i], true);
        if (fd < 0) return ff_house_fail(ctx, errno, "cannot make or open the folder", names[i]);
        close(fd);
    }
    return FF_OK;
}

/* What was being received when the last server ended is of no use: an upload is not resumed. */
static void sweep_uploads(ff_storehouse *s)
{
    const int fd = ff_house_subfolder(s->fd, "uploads", false);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0) close(fd);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (ff_house_is_temporary(entry->d_name)) unlinkat(fd, entry->d_name, 0);
    }
    closedir(dir);
}

static ff_err open_dir(ff_storehouse *s, const char *dir, ff_ctx *ctx)
{
    if (mkdir(dir, FF_HOUSE_FOLDER_MODE) && errno != EEXIST) return ff_house_fail(ctx, errno, "cannot make", dir);
    s->dir = realpath(dir, NULL);
    if (!s->dir) return ff_house_fail(ctx, errno, "cannot find", dir);
    s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->fd < 0) return ff_house_fail(ctx, errno, "cannot open the folder", dir);
    ff_err err = make_folders(s, ctx);
    if (err) return err;
    sweep_uploads(s);
    err = read_token(s, ctx);
    return err == FF_ENOTFOUND ? make_token(s, ctx) : err;
}

ff_err ff_storehouse_open(ff_storehouse **out, const struct ff_storehouse_config *config, ff_ctx *ctx)
{
    *out = NULL;
    if (sodium_init() < 0) return ff_fail(ctx, FF_EBUG, FF_HERE, "there are no random numbers");
    ff_storehouse *s = calloc(1, sizeof *s);
    if (!s) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the store");
    s->fd = -1;
    s->reserve_bytes = config->reserve_bytes;
    s->keep_free_bytes = config->keep_free_bytes;
    pthread_mutex_init(&s->verified_lock, NULL);
    pthread_mutex_init(&s->reserve_lock, NULL);
    pthread_mutex_init(&s->picture_lock, NULL);
    pthread_mutex_init(&s->reader_lock, NULL);
    pthread_cond_init(&s->reader_left, NULL);
    s->nverified = VERIFIED;
    s->verified = calloc(VERIFIED, sizeof *s->verified);
    ff_err err = s->verified ? open_dir(s, config->dir, ctx) : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory");
    if (err) {
        ff_note(ctx, FF_HERE, "opening the store %s", config->dir);
        ff_storehouse_close(s);
        return err;
    }
    ff_storehouse_take_reserve(s);
    *out = s;
    return FF_OK;
}

void ff_storehouse_close(ff_storehouse *s)
{
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    pthread_mutex_destroy(&s->verified_lock);
    pthread_mutex_destroy(&s->reserve_lock);
    pthread_mutex_destroy(&s->picture_lock);
    pthread_mutex_destroy(&s->reader_lock);
    pthread_cond_destroy(&s->reader_left);
    free(s->verified);
    free(s->dir);
    free(s);
}

const char *ff_storehouse_dir(const ff_storehouse *s)
{
    return s->dir;
}

const char *ff_storehouse_token(const ff_storehouse *s)
{
    return s->token;
}
