/* server/http/auth.c - see auth.h. */
#include "server/http/auth.h"

#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/hash.h"
#include "server/http/peers.h"

enum { SLOTS = 256, KEEP_MS = 5000 };

struct known {
    char hash[FF_HASH_SIZE]; /* "": free */
    struct ff_who who;
    char name[64];
    int64_t until_ms;
};

struct ff_auth {
    pthread_mutex_t lock;
    unsigned long forgotten; /* grows with ff_auth_forget: what was looked up before is not remembered after */
    struct known slots[SLOTS];
    struct known owner; /* of the unix socket */
};

struct ff_auth *ff_auth_new(void)
{
    struct ff_auth *a = calloc(1, sizeof *a);
    if (a) pthread_mutex_init(&a->lock, NULL);
    return a;
}

void ff_auth_free(struct ff_auth *a)
{
    if (!a) return;
    pthread_mutex_destroy(&a->lock);
    sodium_memzero(a, sizeof *a);
    free(a);
}

void ff_auth_forget(struct ff_auth *a)
{
    pthread_mutex_lock(&a->lock);
    a->forgotten++;
    memset(a->slots, 0, sizeof a->slots);
    memset(&a->owner, 0, sizeof a->owner);
    pthread_mutex_unlock(&a->lock);
}

static struct known *slot_of(struct ff_auth *a, const char *hash)
{
    unsigned index = 0;
    sscanf(hash, "%2x", &index);
    return &a->slots[index % SLOTS];
}

static bool recall(struct ff_auth *a, struct known *slot, const char *hash, struct known *out, unsigned long *forgotten)
{
    pthread_mutex_lock(&a->lock);
    const bool found = *slot->hash && strcmp(slot->hash, hash) == 0 && ff_monotonic_ms() < slot->until_ms;
    if (found) *out = *slot;
    *forgotten = a->forgotten;
    pthread_mutex_unlock(&a->lock);
    return found;
}

static void remember(struct ff_auth *a, struct known *slot, struct known *k, const char *hash, unsigned long forgotten)
{
    snprintf(k->hash, sizeof k->hash, "%s", hash);
    k->until_ms = ff_monotonic_ms() + KEEP_MS;
    pthread_mutex_lock(&a->lock);
    if (a->forgotten == forgotten) *slot = *k;
    pthread_mutex_unlock(&a->lock);
}

/* ---- tokens ---- */
struct check {
    const char *token;
    struct known *out;
};

static ff_err check_token(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct check *c = arg;
    return ff_tokens_check(tx, c->token, &c->out->who, c->out->name, ctx);
}

/* The token of "Bearer TOKEN"; NULL: another scheme, or nothing a token can be. */
static const char *token_of(const char *header)
{
    static const char scheme[] = "Bearer ";
    if (strncasecmp(header, scheme, sizeof scheme - 1) != 0) return NULL;
    const char *token = header + sizeof scheme - 1;
    token += strspn(token, " ");
    const size_t n = strlen(token);
    if (n < 4 || n >= FF_TOKEN_SIZE || strncmp(token, "ff_", 3) != 0) return NULL;
    return strspn(token + 3, "0123456789abcdef") == n - 3 ? token : NULL;
}

static ff_err by_token(struct ff_request *r, const char *header, struct known *k, ff_ctx *ctx)
{
    struct ff_auth *a = r->http->auth;
    const char *token = token_of(header);
    char hash[FF_HASH_SIZE];
    unsigned long forgotten;
    if (!token) return ff_fail(ctx, FF_EAUTH, FF_HERE, "the Authorization header is not \"Bearer\" and a token");
    ff_hash_bytes(token, strlen(token), hash);
    struct known *slot = slot_of(a, hash);
    if (recall(a, slot, hash, k, &forgotten)) return FF_OK;
    struct check c = {.token = token, .out = k};
    ff_err err = ff_queue_read(r->http->config.queue, check_token, &c, ctx);
    if (!err) remember(a, slot, k, hash, forgotten);
    if (err == FF_EAUTH) return ff_fail(ctx, FF_EAUTH, FF_HERE, "the token is not known, or was revoked");
    if (err) ff_note(ctx, FF_HERE, "checking a token");
    return err;
}

/* ---- the owner of the unix socket ---- */
static ff_err ensure_owner(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct known *k = arg;
    return ff_users_ensure(tx, k->name, true, &k->who, ctx);
}

static ff_err by_socket(struct ff_request *r, struct known *k, ff_ctx *ctx)
{
    struct ff_auth *a = r->http->auth;
    unsigned long forgotten;
    if (recall(a, &a->owner, "owner", k, &forgotten)) return FF_OK;
    struct passwd record, *found = NULL;
    char buffer[2048];
    getpwuid_r(geteuid(), &record, buffer, sizeof buffer, &found);
    if (found && strlen(found->pw_name) < sizeof k->name) {
        snprintf(k->name, sizeof k->name, "%s", found->pw_name);
    } else {
        snprintf(k->name, sizeof k->name, "uid-%lu", (unsigned long)geteuid());
    }
    ff_err err = ff_queue_write(r->http->config.queue, ensure_owner, k, ctx);
    if (!err) remember(a, &a->owner, k, "owner", forgotten);
    if (err) ff_note(ctx, FF_HERE, "making the user of the unix socket");
    return err;
}

ff_err ff_auth_identify(struct ff_request *r, ff_ctx *ctx)
{
    const char *header = ff_request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
    struct known k = {0};
    ff_err err;
    if (header) {
        err = by_token(r, header, &k, ctx);
    } else if (ff_peer_is_owner(r->peer)) {
        err = by_socket(r, &k, ctx);
    } else {
        err = ff_fail(ctx, FF_EAUTH, FF_HERE, "a token is needed: Authorization: Bearer TOKEN");
    }
    if (err) return err;
    r->who = k.who;
    memcpy(r->user, k.name, sizeof r->user);
    return FF_OK;
}
