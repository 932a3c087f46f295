/* client/ffctl/remote.c - see remote.h. */
#include "client/ffctl/remote.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ffctl/reading.h"

enum { MOST_PATH = 1024, EXIT_FAILED = 3, EXIT_CANCELLED = 6, EXIT_NOT_ENDED = 7, ID_CHARACTERS = 26 };

/* Ctrl-Z stops us as it would have done. */
bool ff_remote_signals(struct ff_remote *r)
{
    struct signalfd_siginfo info;
    while (read(r->signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGTSTP) kill(getpid(), SIGSTOP);
        if (number == SIGINT || number == SIGTERM || number == SIGHUP) r->stopped = number;
    }
    if (r->child && !r->child_gone) r->child_gone = waitpid(r->child, &r->child_status, WNOHANG) == r->child;
    return r->stopped != 0 || r->child_gone;
}

static bool interrupted(void *self)
{
    return ff_remote_signals(self);
}

ff_err ff_remote_open_at(struct ff_remote *r, struct ff_cli *cli, const char *server, const char *token,
                         const char *ca_file)
{
    *r = (struct ff_remote){.cli = cli, .signals = {.fd = -1}};
    ff_err err = ff_signals_hold(&r->signals, &cli->ctx);
    if (err) return err;
    struct ff_client_config config = {.server = server,
                                      .token = token,
                                      .ca_file = ca_file,
                                      .stop_fd = r->signals.fd,
                                      .interrupted = interrupted,
                                      .self = r};
    err = ff_client_open(&r->client, &config, &cli->ctx);
    if (err) ff_remote_close(r);
    return err;
}

ff_err ff_remote_open(struct ff_remote *r, struct ff_cli *cli)
{
    struct ff_target target;
    *r = (struct ff_remote){.cli = cli, .signals = {.fd = -1}};
    ff_err err = ff_target_find(&target, &cli->access, &cli->ctx);
    if (!err) err = ff_remote_open_at(r, cli, target.server, target.token, target.ca_file);
    ff_target_done(&target);
    return err;
}

void ff_remote_close(struct ff_remote *r)
{
    ff_client_close(r->client);
    r->client = NULL;
    ff_signals_release(&r->signals);
}

int ff_remote_end(struct ff_remote *r, ff_err err, int code)
{
    ff_remote_close(r);
    if (!err) return code;
    return r->stopped == SIGTERM || r->stopped == SIGHUP ? 143 : ff_cli_failed(r->cli);
}

static ff_err make_path(char *path, const char *format, va_list args, ff_ctx *ctx)
{
    int n = vsnprintf(path, MOST_PATH, format, args);
    if (n >= 0 && n < MOST_PATH) return FF_OK;
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the request is too long");
}

ff_err ff_remote_get(struct ff_remote *r, json_t **out, const char *format, ...)
{
    char path[MOST_PATH];
    va_list args;
    va_start(args, format);
    *out = NULL;
    ff_err err = make_path(path, format, args, &r->cli->ctx);
    va_end(args);
    struct ff_client_request request = {.method = "GET", .path = path};
    if (!err) err = ff_client_call(r->client, &request, out, &r->cli->ctx);
    if (err || json_is_object(*out)) return err;
    json_decref(*out);
    *out = NULL;
    return ff_fail(&r->cli->ctx, FF_ESERVER, FF_HERE, "the answer to GET %s is no JSON object", path);
}

ff_err ff_remote_send(struct ff_remote *r, const char *method, json_t *body, const char *key, json_t **out,
                      const char *format, ...)
{
    char path[MOST_PATH], *text = NULL;
    va_list args;
    va_start(args, format);
    *out = NULL;
    ff_err err = make_path(path, format, args, &r->cli->ctx);
    va_end(args);
    if (!err && body) {
        text = json_dumps(body, JSON_COMPACT);
        if (!text) err = ff_fail(&r->cli->ctx, FF_ENOMEM, FF_HERE, "no memory for a request");
    }
    struct ff_client_request request = {.method = method,
                                        .path = path,
                                        .content_type = text ? "application/json" : NULL,
                                        .body = text,
                                        .body_size = text ? strlen(text) : 0,
                                        .idempotency_key = key};
    if (!err) err = ff_client_call(r->client, &request, out, &r->cli->ctx);
    free(text);
    json_decref(body);
    return err;
}

bool ff_is_id(const char *prefix, const char *text)
{
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 && strlen(text + n) == ID_CHARACTERS &&
           strspn(text + n, "abcdefghijklmnopqrstuvwxyz0123456789") == ID_CHARACTERS;
}

ff_err ff_id_check(const char *prefix, const char *text, const char *what, ff_ctx *ctx)
{
    if (ff_is_id(prefix, text)) return FF_OK;
    return ff_fail_at(ctx, FF_EUSAGE, text, FF_HERE, "this is not %s: %s and %d letters or digits", what, prefix,
                      ID_CHARACTERS);
}

ff_err ff_key_make(char out[FF_KEY_SIZE], ff_ctx *ctx)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return ff_fail(ctx, FF_EIO, FF_HERE, "no random numbers: %s", strerror(errno));
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return FF_OK;
}

bool ff_state_ended(const char *state)
{
    return ff_state_exit(state) != EXIT_NOT_ENDED;
}

int ff_state_exit(const char *state)
{
    if (strcmp(state, "succeeded") == 0) return 0;
    if (strcmp(state, "failed") == 0 || strcmp(state, "crashed") == 0) return EXIT_FAILED;
    return strcmp(state, "cancelled") == 0 ? EXIT_CANCELLED : EXIT_NOT_ENDED;
}

/* The error that a job's problem names, else `otherwise`. */
static ff_err code_called(const char *type, ff_err otherwise)
{
    const char *colon = strrchr(type, ':'), *slug = colon ? colon + 1 : type;
    for (ff_err e = FF_OK + 1; e < FF_NCODES; e++) {
        if (strcmp(ff_code_slug(e), slug) == 0) return e;
    }
    return otherwise;
}

int ff_job_verdict(struct ff_cli *cli, const json_t *job)
{
    const char *state = ff_text_of(job, "state"), *message = ff_text_of(job, "message");
    const json_t *error = json_object_get(job, "error");
    const char *detail = ff_text_of(error, "detail"), *type = ff_text_of(error, "type");
    const int code = ff_state_exit(state);
    if (code != EXIT_FAILED && code != EXIT_CANCELLED) return code;
    const ff_err err = code == EXIT_CANCELLED          ? FF_ECANCELLED
                       : strcmp(state, "crashed") == 0 ? FF_ECRASHED
                                                       : code_called(type, FF_ENUMERIC);
    const char *why = *detail ? detail : *message ? message : ff_text_of(job, "reason");
    ff_fail_at(&cli->ctx, err, ff_text_of(error, "pointer"), FF_HERE, "%s %s%s%s", ff_text_of(job, "id"), state,
               *why ? ": " : "", why);
    return code;
}
