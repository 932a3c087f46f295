/* worker/gang/session_inner.h - the session's struct, for its three files: session.c (life, task thread),
** session_take.c (what came), session_turn.c (what is sent). Everything under `lock` but the counter. */
#ifndef FF_WORKER_GANG_SESSION_INNER_H
#define FF_WORKER_GANG_SESSION_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "worker/gang/outbox.h"
#include "worker/gang/session.h"

enum ff_contact { FF_APART, FF_GREETING, FF_WELCOME }; /* no connection; HELLO is unanswered; WELCOME came */

/* IDLE; a task waits to be begun; it runs; its commit waits for files, events and the verdict; settled, not yet
** collected. */
enum ff_phase { FF_IDLE, FF_GIVEN, FF_RUNNING, FF_ENDING, FF_SETTLED };

struct ff_held {
    json_t *task; /* body of TASK; owned; NULL: none */
    const char *job, *name;
    int attempt;
};

struct ff_session {
    struct ff_session_config config;
    pthread_mutex_t lock;
    pthread_cond_t changed;

    /* contact */
    enum ff_contact contact;
    bool linked, ever_welcome, said_lost;
    bool began; /* apart_since is set */
    double apart_since, hello_at, heard, beat_at;
    int denied; /* times in a row that the server cut the handshake */
    char worker[48];
    double heartbeat_s, checkpoint_s;
    long credit;
    bool shared;

    /* the gang's end */
    bool draining, bye, over;
    ff_err err;
    ff_ctx why;

    /* the attempt in hand, and the next one where the server gave one before an abandoned one had stopped */
    enum ff_phase phase;
    struct ff_held held, waiting, last; /* last: the one settled before, so that its TASK is not begun again */
    bool abandoned;                     /* fenced: no commit, files go */
    char stop_why[16];
    volatile sig_atomic_t stop; /* as ff_run.stop; written with the lock, read by the task without */
    enum ff_settled settled;

    /* what is on its way */
    struct ff_outbox outbox;
    long batch; /* events in the next message: fewer after one that could not be sent */
    struct ff_upload upload;
    struct ff_fetch fetch;
    json_t *commit;                                   /* owned; NULL: none */
    double commit_at, events_at, chunks_at, fetch_at; /* when last sent */
    bool commit_sent;
    double asked_since; /* < 0: nothing is unanswered */
    double ending_since;

    /* progress */
    atomic_long counter;
    long beat_counter;     /* at the last heartbeat */
    double grew_at, gap_s; /* longest time without growth, of this attempt */
    double expect_s;       /* declared, 0: not */
};

/* ---- shared by the three files; the lock is held ---- */
bool ff_held_is(const struct ff_held *h, const json_t *body);
void ff_held_drop(struct ff_held *h);
json_t *ff_held_name(const struct ff_held *h); /* {"job","task","attempt"} */
void ff_session_ask_stop(ff_session *s, const char *why);
void ff_session_over(ff_session *s, ff_err err);
/* The attempt in `held` waits to be begun; nothing is left of the one before. */
void ff_session_begin(ff_session *s);
void ff_session_settle(ff_session *s, enum ff_settled how);
/* Contact is lost or doubtful: say HELLO again when there is a connection. */
void ff_session_greet(ff_session *s, double now);
void ff_session_say(ff_session *s, const char *format, ...) FF_PRINTF(2, 3);

#endif
