/* server/queue/tokens.c - tokens: random, shown once, kept as SHA-256 only. See users.h. */
#include <sodium.h>
#include <string.h>

#include "common/hash.h"
#include "server/queue/life.h"
#include "server/queue/users.h"

enum { SECRET_BYTES = 32, TOKEN_LENGTH = 3 + 2 * SECRET_BYTES };

static ff_err find_user(ff_tx *tx, const char *user, int64_t *row, ff_ctx *ctx)
{
    ff_err err = ff_sql_int(tx, row, 0, "SELECT row FROM users WHERE (id = ?1 OR name = ?1) AND removed_ms IS NULL",
                            FF_ARGS(FF_T(user)), ctx);
    return err || *row ? err : ff_fail_at(ctx, FF_ENOTFOUND, user, FF_HERE, "there is no such user");
}

ff_err ff_tokens_add(ff_tx *tx, const char *user, const char *label, char id[FF_ID_SIZE], char token[FF_TOKEN_SIZE],
                     ff_ctx *ctx)
{
    unsigned char secret[SECRET_BYTES];
    char hash[FF_HASH_SIZE];
    int64_t row;
    id[0] = token[0] = '\0';
    ff_err err = find_user(tx, user, &row, ctx);
    if (err) return err;
    randombytes_buf(secret, sizeof secret);
    memcpy(token, "ff_", 4);
    sodium_bin2hex(token + 3, FF_TOKEN_SIZE - 3, secret, sizeof secret);
    sodium_memzero(secret, sizeof secret);
    ff_hash_bytes(token, TOKEN_LENGTH, hash);
    ff_id_make("tk_", id);
    err = ff_sql_run(tx,
                     "INSERT INTO tokens (id, user, label, secret, created_ms, hash) VALUES (?1, ?2, ?3, ?4, ?5, "
                     "ff_hash(?1, ?2, ?3, ?4, ?5))",
                     FF_ARGS(FF_T(id), FF_I(row), FF_T(label ? label : ""), FF_T(hash), FF_I(ff_now_ms())), ctx);
    if (err) {
        sodium_memzero(token, FF_TOKEN_SIZE);
        id[0] = '\0';
    }
    return err;
}

static json_t *token_of(struct ff_stmt *s)
{
    return json_pack("{ss ss ss so}", "id", ff_col_text(s, 0), "user", ff_col_text(s, 1), "label", ff_col_text(s, 2),
                     "created", ff_col_time(s, 3));
}

ff_err ff_tokens_list(ff_tx *tx, const struct ff_who *who, json_t **out, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx,
                "SELECT t.id, u.name, t.label, t.created_ms FROM tokens t JOIN users u ON u.row = t.user "
                "WHERE t.user = ?1 OR ?2 ORDER BY t.row",
                FF_ARGS(FF_I(who->user), FF_I(who->admin)), ctx);
    return ff_list_rows(&s, "tokens", token_of, out, ctx);
}

ff_err ff_tokens_remove(ff_tx *tx, const struct ff_who *who, const char *id, ff_ctx *ctx)
{
    ff_err err = ff_sql_run(tx, "DELETE FROM tokens WHERE id = ?1 AND (user = ?2 OR ?3)",
                            FF_ARGS(FF_T(id), FF_I(who->user), FF_I(who->admin)), ctx);
    if (err || ff_sql_changed(tx)) return err;
    return ff_fail_at(ctx, FF_ENOTFOUND, id, FF_HERE, "there is no such token");
}

/* The index is asked for the hash: how long that takes says nothing about the token, whose hash nobody can choose. */
ff_err ff_tokens_check(ff_tx *tx, const char *token, struct ff_who *who, char name[64], ff_ctx *ctx)
{
    struct ff_stmt s;
    char hash[FF_HASH_SIZE];
    bool good = false;
    *who = (struct ff_who){0};
    name[0] = '\0';
    if (strnlen(token, TOKEN_LENGTH + 1) != TOKEN_LENGTH)
        return ff_fail(ctx, FF_EAUTH, FF_HERE, "this is not a token of this server");
    ff_hash_bytes(token, TOKEN_LENGTH, hash);
    ff_sql_open(&s, tx,
                "SELECT t.secret, u.row, u.admin, u.name FROM tokens t JOIN users u ON u.row = t.user "
                "WHERE t.secret = ?1 AND u.removed_ms IS NULL",
                FF_ARGS(FF_T(hash)), ctx);
    if (ff_sql_next(&s)) {
        const char *secret = ff_col_text(&s, 0);
        good = strlen(secret) == FF_HASH_SIZE - 1 && !sodium_memcmp(secret, hash, FF_HASH_SIZE - 1);
        if (good) {
            *who = (struct ff_who){.user = ff_col_int(&s, 1), .admin = ff_col_int(&s, 2) != 0};
            ff_col_copy(&s, 3, name, 64);
        }
    }
    ff_err err = ff_sql_close(&s);
    return err || good ? err : ff_fail(ctx, FF_EAUTH, FF_HERE, "the token is not known, or was revoked");
}
