/* server/main/config.c - see config.h. */
#include "server/main/config.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/read.h"
#include "common/text_file.h"

enum { MAX_CONFIG_BYTES = 1 << 20 };

static const struct ff_range POSITIVE = {0, 1e9, true, false}, NOT_NEGATIVE = {0, 1e9, false, false};

static int number(struct ff_scope *s, const char *key, int low, int high, int fallback)
{
    return (int)ff_read_integer(s, key, low, high, fallback);
}

static void read_addresses(struct ff_scope *s, struct ff_server_config *c)
{
    ff_read_text(s, "data", c->data, sizeof c->data, NULL);
    ff_read_text(s, "listen", c->listen, sizeof c->listen, "127.0.0.1:8470");
    ff_read_text(s, "dispatch", c->dispatch, sizeof c->dispatch, "");
    ff_read_text(s, "tls_cert", c->tls_cert, sizeof c->tls_cert, "");
    ff_read_text(s, "tls_key", c->tls_key, sizeof c->tls_key, "");
    c->i_have_tls = ff_read_bool(s, "i_have_tls", false);
    c->private_run = ff_read_bool(s, "private", false);
    c->parent = number(s, "parent", 0, INT_MAX, 0);
    c->test_kinds = ff_read_bool(s, "test_kinds", false);
}

static void read_gangs(struct ff_scope *s, struct ff_server_config *c)
{
    c->workers = number(s, "workers", 0, 1024, 0);
    c->worker_ranks = number(s, "worker_ranks", 1, 4096, 1);
    c->worker_threads = number(s, "worker_threads", 0, 1024, 0);
    c->worker_memory_gib = ff_read_real(s, "worker_memory_gib", NOT_NEGATIVE, 0);
    c->heartbeat_ms = number(s, "heartbeat_ms", 50, 600000, 2000);
    c->lease_ms = number(s, "lease_ms", 500, 86400000, 60000);
    c->stuck_s = ff_read_real(s, "stuck_s", POSITIVE, 900);
    c->checkpoint_s = ff_read_real(s, "checkpoint_s", POSITIVE, 15);
    c->drain_s = ff_read_real(s, "drain_s", NOT_NEGATIVE, 60);
}

static void read_keeping(struct ff_scope *s, struct ff_server_config *c)
{
    c->keep_jobs_days = ff_read_real(s, "keep_jobs_days", NOT_NEGATIVE, 0);
    c->backup_every_h = ff_read_real(s, "backup_every_h", NOT_NEGATIVE, c->private_run ? 0 : 1);
    c->backup_keep = number(s, "backup_keep", 1, 1000, 24);
    ff_read_text(s, "log_file", c->log_file, sizeof c->log_file, "");
    c->log_max_mib = number(s, "log_max_mib", 1, 100000, 64);
    c->log_keep = number(s, "log_keep", 1, 1000, 8);
    c->reserve_mib = number(s, "reserve_mib", 0, 1 << 20, c->private_run ? 0 : 16);
    c->keep_free_mib = number(s, "keep_free_mib", 0, 1 << 20, c->private_run ? 0 : 64);
}

static void read_front(struct ff_scope *s, struct ff_server_config *c)
{
    struct ff_scope quotas;
    c->threads = number(s, "threads", 1, 256, c->private_run ? 2 : 16);
    c->connections = number(s, "connections", 8, 100000, 2000);
    c->connections_per_address = number(s, "connections_per_address", 4, 100000, 1000);
    c->streams_per_user = number(s, "streams_per_user", 1, 100000, 1000);
    c->max_upload_gib = ff_read_real(s, "max_upload_gib", POSITIVE, 16);
    c->deadline_s = ff_read_real(s, "deadline_s", POSITIVE, 30);
    ff_scope_object(&quotas, s, "quotas");
    c->quotas.queued = number(&quotas, "queued", 1, 10000000, 20000);
    c->quotas.running = number(&quotas, "running", 1, 1000000, 1000);
    c->quotas.submits_per_minute = number(&quotas, "submits_per_minute", 1, 10000000, 600);
    c->quotas.result_bytes = ff_read_real(&quotas, "result_gib", POSITIVE, 1000) * 0x1p30;
    ff_scope_close(&quotas);
}

/* What two members together may not say. */
static ff_err check(const struct ff_server_config *c, ff_ctx *ctx)
{
    if (!c->tls_cert[0] != !c->tls_key[0])
        return ff_fail_at(ctx, FF_EUSAGE, "/tls_cert", FF_HERE, "tls_cert and tls_key belong together");
    if (!ff_address_is_local(c->listen) && !c->tls_cert[0] && !c->i_have_tls)
        return ff_fail_at(
            ctx, FF_EUSAGE, "/listen", FF_HERE,
            "%s can be reached from other machines, and tokens would cross the network in the clear: give "
            "--tls-cert and --tls-key, or say --i-have-tls when a proxy in front speaks TLS, or listen on "
            "127.0.0.1 or unix:PATH",
            c->listen);
    if (c->lease_ms < 2 * c->heartbeat_ms)
        return ff_fail_at(ctx, FF_EUSAGE, "/lease_ms", FF_HERE,
                          "a lease of %d ms with heartbeats every %d ms would be lost by one late heartbeat; at least "
                          "twice as long is needed",
                          c->lease_ms, c->heartbeat_ms);
    return FF_OK;
}

static ff_err read_file(const char *path, json_t **out, ff_ctx *ctx)
{
    char *text;
    size_t size = 0;
    *out = NULL;
    ff_err err = ff_text_file_read(&text, &size, path, MAX_CONFIG_BYTES, ctx);
    if (err) return err;
    if (size > MAX_CONFIG_BYTES)
        err = ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "the config file %s is larger than %d bytes", path, MAX_CONFIG_BYTES);
    else
        err = ff_json_parse(out, text, size, ctx);
    free(text);
    if (!err && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        err = ff_fail(ctx, FF_EBADJSON, FF_HERE, "the config file %s is not a JSON object", path);
    }
    return err;
}

ff_err ff_config_read(struct ff_server_config *config, const char *file, json_t *options, ff_ctx *ctx)
{
    json_t *all = NULL, *full = json_object();
    ff_err err = file ? read_file(file, &all, ctx) : FF_OK;
    if (!err && !file) all = json_object();
    if (!err && (!all || !full || json_object_update(all, options)))
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the configuration");
    if (!err) {
        struct ff_reader reader = {.ctx = ctx};
        struct ff_scope root;
        *config = (struct ff_server_config){0};
        ff_scope_root(&root, &reader, all, full);
        read_addresses(&root, config);
        read_gangs(&root, config);
        read_keeping(&root, config);
        read_front(&root, config);
        ff_scope_close(&root);
        err = reader.err;
        if (err == FF_EBADJOB) err = ctx->code = FF_EUSAGE; /* the reader thinks of jobs */
    }
    if (!err) err = check(config, ctx);
    if (err && file) ff_note(ctx, FF_HERE, "in the configuration from %s and the command line", file);
    json_decref(all);
    json_decref(full);
    return err;
}

bool ff_address_is_local(const char *address)
{
    char host[256];
    struct in_addr v4;
    struct in6_addr v6;
    if (!strncmp(address, "unix:", 5)) return true;
    const char *start = address[0] == '[' ? address + 1 : address;
    const size_t size = address[0] == '[' ? strcspn(start, "]") : strcspn(start, ":");
    if (size == 0 || size >= sizeof host) return false;
    memcpy(host, start, size);
    host[size] = '\0';
    if (inet_pton(AF_INET, host, &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
    return !strcmp(host, "localhost");
}
