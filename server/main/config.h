/* server/main/config.h - what an operator may set. Every option of the command line is a member of the config file (JSON) of the
** same name; the command line wins. Unknown members and values out of bounds are refused with their place. */
#ifndef FF_SERVER_MAIN_CONFIG_H
#define FF_SERVER_MAIN_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "common/err.h"
#include "common/model.h"
#include "server/queue/users.h"

struct ff_server_config {
    char data[FF_PATH_SIZE];     /* folder of everything; made when missing */
    char listen[FF_PATH_SIZE];   /* "127.0.0.1:8470" or "unix:PATH" */
    char dispatch[FF_PATH_SIZE]; /* "tcp://ADDR:PORT" for gangs of other machines, "" for local ones only */
    char tls_cert[FF_PATH_SIZE], tls_key[FF_PATH_SIZE];
    bool i_have_tls;  /* something in front of us speaks TLS */
    bool private_run; /* of one `ffctl run`: ends with its parent, makes no token and no backups */
    int parent;       /* its process, 0: not told */
    bool test_kinds;  /* accept jobs of kind "noop" */
    int workers, worker_ranks, worker_threads; /* local gangs, ranks and threads (0: cores / gangs) of each */
    double worker_memory_gib;                  /* of each gang, 0: no limit */
    int heartbeat_ms, lease_ms;
    double stuck_s, checkpoint_s, drain_s;
    double keep_jobs_days; /* ended jobs and their results; 0: for ever */
    double backup_every_h; /* 0: never */
    int backup_keep;
    char log_file[FF_PATH_SIZE]; /* "": standard error */
    int log_max_mib, log_keep;
    int threads, connections, connections_per_address, streams_per_user;
    double max_upload_gib, deadline_s;
    int reserve_mib, keep_free_mib;
    struct ff_quotas quotas;
};

/* From the members of `options` (an object) over those of the file (NULL: none). */
FF_MUST_USE ff_err ff_config_read(struct ff_server_config *config, const char *file, json_t *options, ff_ctx *ctx);

/* Is this address reached from this machine only? "unix:..", 127.0.0.0/8, ::1, localhost. */
bool ff_address_is_local(const char *address);

#endif
