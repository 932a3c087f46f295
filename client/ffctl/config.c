/* client/ffctl/config.c - see config.h. */
#include "client/ffctl/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ffctl/reading.h"
#include "common/publish.h"

enum { MOST_CONFIG = 1 << 20, MOST_TOKEN = 512 };

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* a and b after one another, malloc'ed. */
static char *joined(const char *a, const char *b)
{
    size_t size = strlen(a) + strlen(b) + 1;
    char *out = malloc(size);
    if (out) snprintf(out, size, "%s%s", a, b);
    return out;
}

static ff_err config_path(char **path, ff_ctx *ctx)
{
    const char *file = environment("FFCTL_CONFIG"), *xdg = environment("XDG_CONFIG_HOME"), *home = environment("HOME");
    *path = NULL;
    if (!file && !xdg && !home) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "none of FFCTL_CONFIG, XDG_CONFIG_HOME and HOME says where to keep it");
    }
    *path = file ? strdup(file) : xdg ? joined(xdg, "/ffctl/config") : joined(home, "/.config/ffctl/config");
    return *path ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
}

/* The whole file, at most `most` bytes; *text malloc'ed and NUL-terminated, NULL when there is no file. */
static ff_err read_small(char **text, struct stat *info, const char *path, size_t most, ff_ctx *ctx)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang us */
    if (fd < 0) return errno == ENOENT ? FF_OK : ff_errno_fail(ctx, errno, "cannot read", path);
    ff_err err = FF_OK;
    ssize_t n = -1;
    char *bytes = malloc(most + 2);
    if (!bytes) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to read %s", path);
    if (!err && fstat(fd, info) != 0) err = ff_errno_fail(ctx, errno, "cannot read", path);
    if (!err && !S_ISREG(info->st_mode)) err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is no file", path);
    if (!err && (n = read(fd, bytes, most + 1)) < 0) err = ff_errno_fail(ctx, errno, "cannot read", path);
    if (!err && (size_t)n > most) err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has more than %zu bytes", path, most);
    close(fd);
    if (err) {
        free(bytes);
        return err;
    }
    bytes[n] = '\0';
    *text = bytes;
    return FF_OK;
}

ff_err ff_token_read(char **token, const char *path, ff_ctx *ctx)
{
    struct stat info;
    *token = NULL;
    ff_err err = read_small(token, &info, path, MOST_TOKEN, ctx);
    if (err) return err;
    if (!*token) return ff_fail(ctx, FF_ENOFILE, FF_HERE, "%s: no such file", path);
    size_t n = strcspn(*token, "\r\n"), rest = strspn(*token + n, "\r\n");
    if (info.st_mode & (S_IRWXG | S_IRWXO)) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s can be read by others (mode %03o); chmod 600 %s", path,
                      (unsigned)(info.st_mode & 0777), path);
    } else if (info.st_uid != geteuid()) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s belongs to another user", path);
    } else if (n == 0 || (*token)[n + rest]) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s holds no token (one word on one line)", path);
    }
    (*token)[n] = '\0';
    if (!err) return FF_OK;
    explicit_bzero(*token, strlen(*token));
    free(*token);
    *token = NULL;
    return err;
}

ff_err ff_config_read(json_t **config, char **path, ff_ctx *ctx)
{
    char *text = NULL;
    struct stat info;
    json_error_t error;
    *config = NULL;
    ff_err err = config_path(path, ctx);
    if (!err) err = read_small(&text, &info, *path, MOST_CONFIG, ctx);
    if (!err && !text) {
        *config = json_pack("{s{}}", "contexts");
        if (!*config) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory");
    } else if (!err) {
        *config = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        if (!*config) {
            err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s, line %d: %s", *path, error.line, error.text);
        } else if (!json_is_object(json_object_get(*config, "contexts"))) {
            err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has no \"contexts\"", *path);
        }
    }
    free(text);
    if (!err) return FF_OK;
    json_decref(*config);
    free(*path);
    *config = NULL;
    *path = NULL;
    return err;
}

/* Folders above the file, 0700 where they are made. */
static void make_folders(const char *path)
{
    char *copy = strdup(path);
    for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(copy, 0700); /* the open below says what is wrong, if anything is */
        *slash = '/';
    }
    free(copy);
}

ff_err ff_config_write(const json_t *config, const char *path, ff_ctx *ctx)
{
    char *part = ff_part_name(path);
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
    make_folders(path);
    unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    ff_err err = file ? FF_OK : ff_write_fail(ctx, errno, path, strerror(errno));
    if (!file && fd >= 0) close(fd);
    if (file) {
        bool failed = json_dumpf(config, file, JSON_INDENT(2)) != 0 || fputc('\n', file) == EOF;
        failed = (fclose(file) != 0) | failed;
        err = failed ? ff_write_fail(ctx, errno, path, strerror(errno)) : ff_publish(part, path, ctx);
        if (err) ff_part_drop(part);
    }
    free(part);
    return err;
}

/* Texts of a context, borrowed; NULL when absent. */
struct context {
    const char *server, *token_file, *ca_file;
};

static const char *text_or_null(const json_t *object, const char *key)
{
    const char *text = ff_text_of(object, key);
    return *text ? text : NULL;
}

/* The context by name, or the current one; all NULL when there is none. */
static ff_err find_context(struct context *out, const json_t *config, const char *name, ff_ctx *ctx)
{
    const char *wanted = name ? name : text_or_null(config, "current");
    *out = (struct context){0};
    if (!wanted) return FF_OK;
    const json_t *context = json_object_get(json_object_get(config, "contexts"), wanted);
    if (!context) {
        return ff_fail_at(ctx, FF_EUSAGE, wanted, FF_HERE, "there is no such context; 'ffctl login --list' shows them");
    }
    *out = (struct context){.server = text_or_null(context, "server"),
                            .token_file = text_or_null(context, "token_file"),
                            .ca_file = text_or_null(context, "ca_file")};
    return FF_OK;
}

/* A server that was not the context's gets nothing of the context. */
static void choose(struct context *chosen, const struct ff_access *flags)
{
    const char *server = flags->server ? flags->server : flags->context ? NULL : environment("FFCTL_SERVER");
    const char *token_file = flags->token_file ? flags->token_file : environment("FFCTL_TOKEN_FILE");
    if (server && (!chosen->server || strcmp(server, chosen->server) != 0)) *chosen = (struct context){0};
    if (server) chosen->server = server;
    if (token_file) chosen->token_file = token_file;
    if (flags->ca_file) chosen->ca_file = flags->ca_file;
}

ff_err ff_target_find(struct ff_target *out, const struct ff_access *flags, ff_ctx *ctx)
{
    json_t *config = NULL;
    char *path = NULL;
    struct context chosen = {0};
    *out = (struct ff_target){0};
    ff_err err = ff_config_read(&config, &path, ctx);
    if (!err) err = find_context(&chosen, config, flags->context, ctx);
    if (err && flags->server) { /* a broken file is no reason to refuse what needs nothing of it */
        ff_ctx_clear(ctx);
        err = FF_OK;
    }
    if (!err) choose(&chosen, flags);
    if (!err && !chosen.server) {
        err = ff_fail(ctx, FF_EUSAGE, FF_HERE,
                      "no server is named: 'ffctl login --server URL --token-file FILE', or --server, or FFCTL_SERVER");
    }
    if (!err && chosen.token_file) err = ff_token_read(&out->token, chosen.token_file, ctx);
    if (!err) {
        out->server = strdup(chosen.server);
        out->ca_file = chosen.ca_file ? strdup(chosen.ca_file) : NULL;
        if (!out->server) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a server's address");
    }
    json_decref(config);
    free(path);
    if (err) ff_target_done(out);
    return err;
}

int ff_target_named(const struct ff_access *flags)
{
    json_t *config = NULL;
    char *path = NULL;
    struct context chosen = {0};
    ff_ctx ignored = {0};
    if (!ff_config_read(&config, &path, &ignored) && find_context(&chosen, config, flags->context, &ignored)) {
        chosen = (struct context){0};
    }
    choose(&chosen, flags);
    bool named = chosen.server != NULL;
    json_decref(config);
    free(path);
    return named;
}

void ff_target_done(struct ff_target *target)
{
    if (target->token) explicit_bzero(target->token, strlen(target->token));
    free(target->token);
    free(target->server);
    free(target->ca_file);
    *target = (struct ff_target){0};
}
