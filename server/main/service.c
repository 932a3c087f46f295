/* server/main/service.c - see service.h. */
#include "server/main/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text_file.h"
#include "server/dispatch/dispatch.h"
#include "server/http/http.h"
#include "server/main/keep.h"
#include "server/main/setup.h"
#include "server/main/supervise.h"
#include "server/queue/queue.h"
#include "server/queue/users.h"
#include "server/store/store.h"

static const double LOCK_WAIT_S = 30, GANG_GRACE_S = 10;
enum { READERS_PER_THREAD = 1, SPARE_READERS = 2, PATH = FF_PATH_SIZE + 32 };

struct ff_service {
    const struct ff_server_config *config;
    struct ff_log *log;
    int lock_fd;
    ff_queue *queue;
    ff_storehouse *store;
    ff_dispatch *dispatch;
    ff_http *http;
    struct ff_keeper *keeper;
    struct ff_supervisor *supervisor;
};

static ff_err open_queue(struct ff_service *s, ff_ctx *ctx)
{
    const struct ff_server_config *c = s->config;
    char path[PATH];
    bool made = false;
    snprintf(path, sizeof path, "%s/fullfield.db", c->data);
    ff_err err = ff_setup_expects(c->data, path, ctx);
    if (err) return err;
    const int readers = c->threads * READERS_PER_THREAD + SPARE_READERS;
    const struct ff_queue_config config = {.path = path, .readers = readers < 64 ? readers : 64};
    err = ff_queue_open(&s->queue, &config, ctx);
    if (err) return err;
    ff_quotas_set_defaults(s->queue, &c->quotas);
    if (!c->private_run) err = ff_setup_admin(c->data, s->queue, &made, ctx);
    if (made)
        ff_log_printf(s->log, "info",
                      "first start: the administrator's token is in %s/admin.token, keys of gangs go to %s/workers/",
                      c->data, c->data);
    return err;
}

static ff_err open_store(struct ff_service *s, ff_ctx *ctx)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/store", s->config->data);
    const struct ff_storehouse_config config = {.dir = path,
                                                .reserve_bytes = (int64_t)s->config->reserve_mib << 20,
                                                .keep_free_bytes = (int64_t)s->config->keep_free_mib << 20};
    return ff_storehouse_open(&s->store, &config, ctx);
}

/* Local gangs come through a socket of the data folder, unless its name is too long for one; gangs of other machines through
** the address the operator gave. */
static ff_err start_dispatch(struct ff_service *s, ff_ctx *ctx)
{
    enum { MAX_SOCKET_PATH = 100 };
    const struct ff_server_config *c = s->config;
    char local[PATH];
    snprintf(local, sizeof local, "ipc://%s/dispatch", c->data);
    if (strlen(local) > MAX_SOCKET_PATH) snprintf(local, sizeof local, "tcp://127.0.0.1:*");
    const struct ff_dispatch_config config = {.queue = s->queue,
                                              .store = s->store,
                                              .endpoints = {local, c->dispatch[0] ? c->dispatch : NULL},
                                              .key_dir = c->data,
                                              .heartbeat_ms = c->heartbeat_ms,
                                              .lease_ms = c->lease_ms,
                                              .stuck_ms = (int)(c->stuck_s * 1000),
                                              .checkpoint_s = c->checkpoint_s,
                                              .log = ff_log_message,
                                              .log_self = s->log};
    ff_err err = ff_keys_ensure(c->data, ctx);
    if (!err) err = ff_dispatch_start(&s->dispatch, &config, ctx);
    return err;
}

static ff_err start_http(struct ff_service *s, ff_ctx *ctx)
{
    const struct ff_server_config *c = s->config;
    const struct ff_http_config config = {.queue = s->queue,
                                          .store = s->store,
                                          .dispatch = s->dispatch,
                                          .listen = c->listen,
                                          .tls_cert = c->tls_cert[0] ? c->tls_cert : NULL,
                                          .tls_key = c->tls_key[0] ? c->tls_key : NULL,
                                          .threads = c->threads,
                                          .connections = c->connections,
                                          .connections_per_address = c->connections_per_address,
                                          .streams_per_user = c->streams_per_user,
                                          .max_body_bytes = (long)(c->max_upload_gib * 0x1p30),
                                          .deadline_s = c->deadline_s,
                                          .no_walltime = c->private_run,
                                          .test_kinds = c->test_kinds,
                                          .log = ff_log_message,
                                          .access = ff_log_access,
                                          .log_self = s->log};
    return ff_http_start(&s->http, &config, ctx);
}

static ff_err start_gangs(struct ff_service *s, ff_ctx *ctx)
{
    const struct ff_server_config *c = s->config;
    if (c->workers == 0) return FF_OK;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int threads = c->worker_threads;
    if (!threads) threads = (int)(cores / ((long)c->workers * c->worker_ranks));
    const struct ff_supervise_config config = {.data = c->data,
                                               .endpoint = ff_dispatch_endpoint(s->dispatch, 0),
                                               .store = ff_storehouse_dir(s->store),
                                               .gangs = c->workers,
                                               .ranks = c->worker_ranks,
                                               .threads = threads > 0 ? threads : 1,
                                               .memory_bytes = c->worker_memory_gib * 0x1p30 / c->worker_ranks,
                                               .log = s->log};
    return ff_supervise_start(&s->supervisor, &config, ctx);
}

/* Where to find us, for people and programs that let the system choose the port. server.address comes last: who waits for it
** finds everything else in place. */
static ff_err publish_addresses(struct ff_service *s, ff_ctx *ctx)
{
    char path[PATH];
    const char *remote = s->config->dispatch[0] ? ff_dispatch_endpoint(s->dispatch, 1) : NULL;
    snprintf(path, sizeof path, "%s/dispatch.address", s->config->data);
    ff_err err = ff_text_file_write(path, remote ? remote : ff_dispatch_endpoint(s->dispatch, 0), 0600, true, ctx);
    snprintf(path, sizeof path, "%s/server.address", s->config->data);
    if (!err) err = ff_text_file_write(path, ff_http_address(s->http), 0600, true, ctx);
    return err;
}

ff_err ff_service_start(struct ff_service **out, const struct ff_server_config *config, struct ff_log *log, ff_ctx *ctx)
{
    struct ff_service *s = *out = calloc(1, sizeof *s);
    if (!s) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the server");
    *s = (struct ff_service){.config = config, .log = log, .lock_fd = -1};
    ff_err err = ff_setup_folder(config->data, LOCK_WAIT_S, &s->lock_fd, ctx);
    if (!err) err = open_queue(s, ctx);
    if (!err) err = open_store(s, ctx);
    if (!err) err = start_dispatch(s, ctx);
    if (!err) err = start_http(s, ctx);
    if (!err) err = start_gangs(s, ctx);
    if (!err) err = ff_keep_start(&s->keeper, config, s->queue, s->store, log, ctx);
    if (!err) err = publish_addresses(s, ctx);
    if (!err) return FF_OK;
    ff_service_stop(s);
    *out = NULL;
    return err;
}

const char *ff_service_address(const struct ff_service *s)
{
    return ff_http_address(s->http);
}

void ff_service_reload(struct ff_service *s)
{
    ff_dispatch_reload(s->dispatch);
}

ff_err ff_service_alive(struct ff_service *s, ff_ctx *ctx)
{
    return ff_queue_probe(s->queue, ctx);
}

void ff_service_stop(struct ff_service *s)
{
    if (!s) return;
    ff_keep_stop(s->keeper);
    ff_http_stop(s->http);
    if (s->dispatch) ff_dispatch_stop(s->dispatch, true, s->config->drain_s);
    ff_supervise_stop(s->supervisor, GANG_GRACE_S);
    ff_storehouse_close(s->store);
    ff_queue_close(s->queue);
    if (s->lock_fd >= 0) close(s->lock_fd);
    free(s);
}
