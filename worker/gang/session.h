/* worker/gang/session.h - what the server and this gang owe each other: the gang's side of proto/wire.md without a
** socket. Two threads share a session. The wire thread brings in what came (ff_session_take, ff_session_link), lets it
** send what is due (ff_session_turn) and owns the clock: `now` is in seconds, of any clock that only goes forward. The
** task thread asks for tasks, hands over events and files, and says how a task ended; its calls wait where they say so.
** One lock inside.
**
** Connection: HELLO is repeated until WELCOME; it is said again after AGAIN, after the connection was lost, and when
** what was asked stays unanswered for three heartbeats. Meanwhile the task goes on; what was not acknowledged is sent
** again.
** An attempt: TASK -> next() -> events -> finish() -> files stored, events taken -> COMMIT every second ->
** VERDICT.
** Call order: ff_session_open -> both threads -> ff_session_close after both ended. */
#ifndef FF_WORKER_GANG_SESSION_H
#define FF_WORKER_GANG_SESSION_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/event.h"
#include "common/wire.h"
#include "worker/gang/fetch.h"
#include "worker/gang/link.h"
#include "worker/gang/upload.h"

typedef struct ff_session ff_session;

struct ff_session_config {
    const json_t *hello; /* members of HELLO but `holding`; borrowed */
    long max_events;     /* kept before a task that makes more has to wait */
    double idle_exit_s;  /* an idle gang without a server ends after so long */
    double give_up_s;    /* one with a task too; 0: never */
    double drain_wait_s; /* a draining gang waits so long for the verdict on its last task */
    double first_step_s; /* a task may take so long until it is begun */
    /* Called with the lock held, on the wire thread (send) or any (wake, say); must not call back. */
    bool (*send)(void *self, enum ff_wire_type type, const json_t *body, const void *blob, size_t blob_size);
    void (*wake)(void *self); /* makes the wire thread take a turn */
    void (*say)(void *self, const char *line);
    double (*free_memory)(void *self); /* bytes */
    void *self;
};

FF_MUST_USE ff_err ff_session_open(ff_session **out, const struct ff_session_config *config, ff_ctx *ctx);
void ff_session_close(ff_session *s);

/* ---- the wire thread ---- */
void ff_session_take(ff_session *s, const struct ff_wire *message, double now);
/* A message that was none; FF_EVERSION ends the gang. */
void ff_session_refuse(ff_session *s, const ff_ctx *why);
void ff_session_link(ff_session *s, enum ff_change change, double now);
/* SIGTERM: no task is begun any more; the one in hand checkpoints and is released, then BYE. */
void ff_session_drain(ff_session *s);
/* SIGUSR1: the task in hand writes a checkpoint and goes on. */
void ff_session_checkpoint(ff_session *s);
/* Sends what is due. Seconds until it wants the next turn; < 0: the gang is at its end. */
double ff_session_turn(ff_session *s, double now);
/* FF_OK after a drain; else why the gang ended. */
ff_err ff_session_end(ff_session *s, ff_ctx *ctx);

/* ---- the task thread ---- */
/* Waits for a task: the body of TASK, the session's until ff_session_finish. NULL: the gang is at its end. */
const json_t *ff_session_next(ff_session *s);
/* WELCOME's: whether the store is shared, and the time between checkpoints. */
bool ff_session_shared(ff_session *s);
double ff_session_checkpoint_s(ff_session *s);

/* As ff_run.stop; 1 also when the attempt is not this gang's any more. */
const volatile sig_atomic_t *ff_session_stop(ff_session *s);
/* "cancel", "drain", "walltime", "shutdown", "fenced": why it was asked to stop; "" otherwise. */
void ff_session_why(ff_session *s, char out[16]);

/* A sign of progress. */
void ff_session_tick(ff_session *s);
/* A step without signs of progress begins, which may take so many seconds; it is over with the next call, or a
** progress, sample or map event. 0: none. A sign of progress itself. */
void ff_session_expect(ff_session *s, double seconds);

/* Takes the event, from any thread of the task. Waits while too many are on their way, unless the task was told to
** stop. */
void ff_session_emit(ff_session *s, json_t *event);

/* Gets a file from the server; waits for it. FF_EINTERRUPTED when told to stop; FF_ESTORAGE, FF_EDISKFULL, FF_EIO. */
FF_MUST_USE ff_err ff_session_fetch(ff_session *s, const struct ff_fetch_want *want, ff_ctx *ctx);
/* Sends a file of the attempt to the server, in time. */
FF_MUST_USE ff_err ff_session_put(ff_session *s, const struct ff_upload_file *file, ff_ctx *ctx);
bool ff_session_putting(ff_session *s);

enum ff_settled {
    FF_SETTLED_COMMITTED,
    FF_SETTLED_STALE, /* somebody else has the attempt's task: its files are to be removed */
    FF_SETTLED_OVER   /* no verdict before the gang's end: its files stay */
};
/* The end of the attempt in hand. commit: members of COMMIT beside job, task and attempt; taken. Waits until files and
** events are with the server and it gave its verdict. */
enum ff_settled ff_session_finish(ff_session *s, json_t *commit);

#endif
