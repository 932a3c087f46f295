/* client/ffctl/remote.h - a command's way to the server: the client of the chosen context, with signals held, so that Ctrl-C
** ends what is being waited for and the command can still say what goes on without it.
** Call order: ff_remote_open -> ff_remote_get, _send, client/lib -> ff_remote_end. */
#ifndef FF_CLIENT_REMOTE_H
#define FF_CLIENT_REMOTE_H

#include <jansson.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/worker.h"
#include "client/lib/http.h"

struct ff_remote {
    struct ff_cli *cli;
    ff_client *client;
    struct ff_signals signals;
    int stopped; /* the signal that interrupted: SIGINT, SIGTERM, SIGHUP; 0: none */
    /* A child without which waiting is in vain (private.h); 0: none. Its end ends the waiting too. */
    pid_t child;
    int child_status;
    bool child_gone;
};

FF_MUST_USE ff_err ff_remote_open(struct ff_remote *r, struct ff_cli *cli);
/* The same to a stated server, without contexts. */
FF_MUST_USE ff_err ff_remote_open_at(struct ff_remote *r, struct ff_cli *cli, const char *server, const char *token,
                                     const char *ca_file);
void ff_remote_close(struct ff_remote *r);
/* Reads the signals that have come into `stopped` and `child_gone`; true when there is one of them to heed. */
bool ff_remote_signals(struct ff_remote *r);
/* Closes and returns the exit code: `code` when there was no error, 130 or 143 when interrupted. */
int ff_remote_end(struct ff_remote *r, ff_err err, int code);

/* Requests whose answer is JSON; the path is formatted. `body` is taken, NULL: none. `key`: idempotency key or NULL; with
** one the request may be sent again. */
FF_MUST_USE ff_err ff_remote_get(struct ff_remote *r, json_t **out, const char *format, ...) FF_PRINTF(3, 4);
FF_MUST_USE ff_err ff_remote_send(struct ff_remote *r, const char *method, json_t *body, const char *key, json_t **out,
                                  const char *format, ...) FF_PRINTF(6, 7);

/* Does the text have the form of an id with this prefix ("job_")? */
bool ff_is_id(const char *prefix, const char *text);
/* FF_EUSAGE when not: `what` says what was expected ("a job's id"). */
FF_MUST_USE ff_err ff_id_check(const char *prefix, const char *text, const char *what, ff_ctx *ctx);

/* Random text that makes a request the only one of its kind; the server remembers it for a day. */
enum { FF_KEY_SIZE = 40 };
FF_MUST_USE ff_err ff_key_make(char out[FF_KEY_SIZE], ff_ctx *ctx);

/* States of a job. */
bool ff_state_ended(const char *state);
int ff_state_exit(const char *state); /* 0 succeeded, 3 failed or crashed, 6 cancelled, else 7 */
/* The error of a job that has ended otherwise than well, into cli->ctx; returns the exit code. */
int ff_job_verdict(struct ff_cli *cli, const json_t *job);

#endif
