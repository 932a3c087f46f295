/* client/ffctl/config.h - which server, and by which token: flags, then FFCTL_SERVER and FFCTL_TOKEN_FILE, then a context of
** the config file. Tokens come from files that only their owner can read, never from flags or the environment.
** The file is $FFCTL_CONFIG, else $XDG_CONFIG_HOME/ffctl/config, else ~/.config/ffctl/config, mode 0600, JSON:
** {"current": "name", "contexts": {"name": {"server": "..", "token_file": "..", "ca_file": ".."}}}. */
#ifndef FF_CLIENT_CONFIG_H
#define FF_CLIENT_CONFIG_H

#include <jansson.h>

#include "common/err.h"

/* What the command line said; NULL: nothing. */
struct ff_access {
    const char *server, *token_file, *ca_file, *context;
};

struct ff_target {
    char *server, *ca_file;
    char *token; /* NULL: none (a unix socket knows its peer) */
};
/* FF_EUSAGE when no server is named anywhere. A context's token goes to the context's server only. */
FF_MUST_USE ff_err ff_target_find(struct ff_target *out, const struct ff_access *flags, ff_ctx *ctx);
void ff_target_done(struct ff_target *target);

/* Is a server named anywhere? False too when the config file cannot be read. */
int ff_target_named(const struct ff_access *flags);

/* The token in a file, malloc'ed: FF_EBADFILE when others may read the file, when it is not ours, or holds no one word. */
FF_MUST_USE ff_err ff_token_read(char **token, const char *path, ff_ctx *ctx);

/* The config file, an object without contexts when there is none; and where it is (malloc'ed). */
FF_MUST_USE ff_err ff_config_read(json_t **config, char **path, ff_ctx *ctx);
/* Whole or not at all, mode 0600, its folder made when missing (0700). */
FF_MUST_USE ff_err ff_config_write(const json_t *config, const char *path, ff_ctx *ctx);

#endif
