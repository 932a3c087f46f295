/* server/queue/users.h - users, tokens, quotas, accounts. Tokens are 256 random bits, stored as SHA-256 only. */
#ifndef FF_SERVER_QUEUE_USERS_H
#define FF_SERVER_QUEUE_USERS_H

#include <jansson.h>

#include "server/queue/jobs.h"

struct ff_quotas { /* 0: the server's default */
    long queued, running, submits_per_minute;
    double result_bytes;
};
enum { FF_TOKEN_SIZE = 80 }; /* "ff_" and 64 hexadecimal digits, NUL */

FF_MUST_USE ff_err ff_users_add(ff_tx *tx, const char *name, bool admin, const struct ff_quotas *quotas,
                                char id[FF_ID_SIZE], ff_ctx *ctx); /* FF_ECONFLICT: the name is taken */
FF_MUST_USE ff_err ff_users_list(ff_tx *tx, json_t **out, ff_ctx *ctx);
FF_MUST_USE ff_err ff_users_get(ff_tx *tx, const char *id, json_t **out, ff_ctx *ctx);
FF_MUST_USE ff_err ff_users_remove(ff_tx *tx, const char *id, ff_ctx *ctx); /* revokes its tokens, cancels its jobs */
/* The user called `name`, made when missing (unix socket: name of the peer). */
FF_MUST_USE ff_err ff_users_ensure(ff_tx *tx, const char *name, bool admin, struct ff_who *who, ff_ctx *ctx);

/* A token for `user` (us_ id or name): shown once, in `token`. */
FF_MUST_USE ff_err ff_tokens_add(ff_tx *tx, const char *user, const char *label, char id[FF_ID_SIZE],
                                 char token[FF_TOKEN_SIZE], ff_ctx *ctx);
FF_MUST_USE ff_err ff_tokens_list(ff_tx *tx, const struct ff_who *who, json_t **out, ff_ctx *ctx);
FF_MUST_USE ff_err ff_tokens_remove(ff_tx *tx, const struct ff_who *who, const char *id, ff_ctx *ctx);
/* FF_EAUTH when unknown or revoked; found by hash, compared in constant time. */
FF_MUST_USE ff_err ff_tokens_check(ff_tx *tx, const char *token, struct ff_who *who, char name[64], ff_ctx *ctx);

/* Account of a user, or of all with admin: {"users":[{"name","core_hours","gpu_hours","result_bytes","jobs"}]}. */
FF_MUST_USE ff_err ff_usage_get(ff_tx *tx, const struct ff_who *who, json_t **out, ff_ctx *ctx);
/* The server's default quotas, kept in the database's memory only: set at start. */
void ff_quotas_set_defaults(ff_queue *q, const struct ff_quotas *defaults);

#endif
