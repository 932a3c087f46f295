/* server/main/setup.c - see setup.h. */
#include "server/main/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/model.h"
#include "common/text_file.h"
#include "server/queue/users.h"

static ff_err in_use(const char *data, int fd, ff_ctx *ctx)
{
    char text[32] = "";
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return ff_fail(ctx, FF_ECONFLICT, FF_HERE, "%s is in use by the ffserver of process %ld", data, atol(text));
}

ff_err ff_setup_folder(const char *data, double wait_s, int *fd, ff_ctx *ctx)
{
    enum { TRIES_A_SECOND = 50 };
    char path[FF_PATH_SIZE + 16], pid[32];
    *fd = -1;
    if (mkdir(data, 0700) != 0 && errno != EEXIST)
        return ff_fail_at(ctx, FF_EUSAGE, "/data", FF_HERE, "cannot make the folder %s: %s", data, strerror(errno));
    snprintf(path, sizeof path, "%s/lock", data);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0) return ff_fail_at(ctx, FF_EUSAGE, "/data", FF_HERE, "cannot write %s: %s", path, strerror(errno));
    for (int tries = 0; flock(*fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (tries >= wait_s * TRIES_A_SECOND) {
            const ff_err err = in_use(data, *fd, ctx);
            close(*fd);
            *fd = -1;
            return err;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000000 / TRIES_A_SECOND}, NULL);
    }
    const int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(*fd, 0) != 0 || pwrite(*fd, pid, (size_t)n, 0) != n) return FF_OK; /* only words for in_use */
    return FF_OK;
}

ff_err ff_setup_expects(const char *data, const char *database, ff_ctx *ctx)
{
    char key[FF_PATH_SIZE + 16];
    snprintf(key, sizeof key, "%s/server.key", data);
    if (access(database, F_OK) == 0 || access(key, F_OK) != 0) return FF_OK;
    return ff_fail(
        ctx, FF_EDATABASE, FF_HERE,
        "%s is missing, but %s was used before; put a backup in its place with ffserver --data DIR --restore "
        "BACKUP, or start in a new folder",
        database, data);
}

struct first {
    bool needed;
    const char *data;
};

static ff_err make_admin(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct first *first = arg;
    char user[FF_ID_SIZE], token_id[FF_ID_SIZE], token[FF_TOKEN_SIZE], path[FF_PATH_SIZE + 16];
    const struct ff_quotas defaults = {0};
    json_t *users;
    ff_err err = ff_users_list(tx, &users, ctx);
    if (err) return err;
    const json_t *list = json_is_array(users) ? users : json_object_get(users, "users");
    first->needed = json_array_size(list) == 0;
    json_decref(users);
    if (!first->needed) return FF_OK;
    err = ff_users_add(tx, "admin", true, &defaults, user, ctx);
    if (!err) err = ff_tokens_add(tx, user, "made at the first start", token_id, token, ctx);
    /* The file comes before the commit: a crash between them leaves a useless file, which the next start replaces, and
    ** never a token that nobody knows. */
    snprintf(path, sizeof path, "%s/admin.token", first->data);
    if (!err) err = ff_text_file_write(path, token, 0600, true, ctx);
    memset(token, 0, sizeof token);
    return err;
}

ff_err ff_setup_admin(const char *data, ff_queue *queue, bool *made, ff_ctx *ctx)
{
    struct first first = {.data = data};
    const ff_err err = ff_queue_write(queue, make_admin, &first, ctx);
    *made = !err && first.needed;
    return err;
}
