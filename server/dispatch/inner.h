/* server/dispatch/inner.h - what the files of this room share. Private.
** peers.c    gangs that are connected, and the leases they hold, in memory
** receive.c  a frame -> what is known at once (renewals, refusals), or an operation that needs the database
** turn.c     the operations of a turn in one transaction, then leases for idle gangs
** settle.c   what follows when it is durable: memory changes, answers
** timers.c   what time brings: leases that run out, alarms, walltimes, gangs that went silent
** task.c     a lease -> the TASK message; specs that were parsed are kept for a while
** files.c    bytes: verified, received, sent, by helper threads (helpers.h)
** loop.c     the thread: wait, receive, transaction, settle; start.c: begin, end, requests from other threads
** Only the loop thread touches this state; while it waits for a transaction, the queue's writer thread does in its stead. The
** exceptions carry a lock or are atomic, and say so. Times are milliseconds of CLOCK_BOOTTIME (ff_boot_ms). */
#ifndef FF_SERVER_DISPATCH_INNER_H
#define FF_SERVER_DISPATCH_INNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "server/dispatch/dispatch.h"
#include "server/dispatch/keys.h"
#include "server/dispatch/zap.h"
#include "server/queue/tasks.h"
#include "server/queue/workers.h"

enum {
    FF_CREDIT = 1024,         /* events of a gang that are not durable yet */
    FF_MISSED_HEARTBEATS = 3, /* so many in a row: the gang is taken for silent */
    FF_MAX_PEERS = 4096,
    FF_CHUNK_BYTES = 1 << 20, /* of an answer to GET */
    FF_MAX_REQUESTS = 16      /* of one gang that wait for a helper; more are dropped, the gang asks again */
};

struct ff_attempt {
    char job[FF_ID_SIZE], task[32];
    int number;
};

/* Where ZeroMQ sends to: one for each connection, so another after a reconnection. */
struct ff_route {
    unsigned char id[255], size;
};

/* What is sent with every task of a job; shared by reference count. */
struct ff_job_info {
    int references;
    char id[FF_ID_SIZE];
    json_t *spec, *datasets; /* datasets: [{"id","sha256","size"}] */
};

/* A lease, in memory. */
struct ff_hold {
    struct ff_hold *next;
    struct ff_attempt attempt;
    struct ff_peer *peer; /* NULL: running by the database since before this process; its gang has not come back yet */
    char worker[FF_ID_SIZE];
    struct ff_job_info *job;   /* NULL where peer was */
    char extended[FF_ID_SIZE]; /* job whose files this one goes on from, or "" */
    _Atomic int64_t ends;      /* the lease; other threads read it */
    int64_t grew, walltime;    /* last sign of progress; the job's time limit, 0: none */
    int64_t expected;          /* ms without progress that the gang declared */
    int64_t counter;           /* of progress; -1: none seen */
    int64_t seen, taken;       /* events in order up to here came; are durable; -1: not known */
    bool acknowledged;         /* the gang has shown that it has the task */
    bool alarmed, verifying, preparing;
    atomic_bool freed; /* ended in the transaction that runs; true for good once it is durable */
    const char *stop;  /* why it was told to stop, or NULL */
    int64_t stop_since, stop_sent;
    void *message; /* TASK, until acknowledged */
    bool sent;     /* it went out at least once */
    size_t message_size;
};

/* A gang. */
struct ff_peer {
    struct ff_peer *next, *next_route; /* next_route: in its bucket */
    struct ff_route route;
    bool reachable;        /* the last send found the connection */
    char key[FF_KEY_SIZE]; /* public; the same over reconnections */
    char instance[64];
    struct ff_worker_row row; /* row.id: wk_ id */
    bool gpu, shared;         /* shared: it sees the store's folder */
    bool joined;              /* its row is durable and it was welcomed */
    bool gone;                /* freed at the end of the turn */
    bool occupied;            /* says that it holds something that is not its lease: given nothing */
    bool barren;              /* nothing ready fits; until something becomes ready */
    bool draining, leaving;   /* leaving: said BYE */
    atomic_bool drain_asked;
    int64_t heard;
    struct ff_hold *hold;   /* NULL: idle */
    struct ff_attempt done; /* the last that ended with a verdict */
    struct ff_attempt late; /* it holds this without a lease, and nobody else had it when we looked */
    struct ff_route rival;  /* another connection that says it is the same gang; size 0: none */
    int64_t rival_since;
    int requests;          /* with helpers */
    int64_t shunned_until; /* it was stuck: given nothing for a while, since the next task would be stuck too */
    char shown[12];
    int64_t shown_at;
};

enum ff_op_kind {
    FF_OP_HELLO,   /* row; are the attempts it holds current? */
    FF_OP_EVENTS,  /* from a gang's message */
    FF_OP_COMMIT,  /* from a gang's message, the result verified */
    FF_OP_LATE,    /* a commit with a result of an attempt that nobody has a lease for: is it current? */
    FF_OP_HOLDING, /* a heartbeat names an attempt that is not its lease: is it current? */
    FF_OP_LOST,    /* a lease ran out */
    FF_OP_STUCK,   /* the alarm */
    FF_OP_WALLTIME,
    FF_OP_BYE,
    FF_OP_SHOW,    /* the state of a gang, for people */
    FF_OP_CANCELS, /* which running tasks are to stop? */
    FF_OP_GRANT    /* a lease, made by the transaction itself */
};
enum { FF_MAX_HELD = 8 }; /* attempts of a HELLO or HEARTBEAT that are looked at */

struct ff_op {
    enum ff_op_kind kind;
    struct ff_peer *peer;
    struct ff_hold *hold;
    struct ff_attempt attempt;
    json_t *body; /* of the message; owned */
    /* COMMIT: of the result, NULL: none. reason: overrides the message's, with outcome FF_TASK_ENVIRONMENT */
    char path[512];
    int64_t chunk_bytes; /* of files that belong to it */
    const char *reason;
    char message[FF_MESSAGE_SIZE];
    /* what the transaction found */
    ff_err err; /* of this operation alone; nothing of it happened */
    enum ff_verdict verdict;
    bool current; /* EVENTS, LATE, LOST: it was the holder */
    struct ff_holding holding[FF_MAX_HELD];
    struct ff_attempt held[FF_MAX_HELD];
    int nheld;
    struct ff_lease lease;
    struct ff_job_info *job;
    struct ff_running *cancelling;
    int ncancelling;
};

struct ff_turn {
    struct ff_op *ops;
    int n, capacity;
    size_t bytes;   /* of the messages in it */
    bool no_memory; /* an operation was dropped; whoever asked asks again */
};

enum { FF_ROUTE_BUCKETS = 1024, FF_KEPT_JOBS = 16 };

struct ff_dispatch {
    ff_queue *queue;
    ff_storehouse *store;
    char *key_dir;
    int heartbeat_ms, lease_ms, stuck_ms;
    double checkpoint_s;
    void (*log)(void *self, const char *level, const char *message);
    void *log_self;
    void *context, *socket;
    char endpoints[4][256];
    int nendpoints;
    struct ff_zap zap;
    struct ff_allowed allowed;
    struct ff_helpers *helpers;
    pthread_t thread;
    /* for other threads */
    int wake_fd; /* eventfd */
    atomic_bool ready, cancels, reload, stop;
    atomic_bool drain_first;
    _Atomic double drain_s;
    pthread_mutex_t lock; /* the lists of peers and holds are changed under it; numbers */
    struct ff_dispatch_numbers numbers;
    /* the loop's */
    struct ff_peer *peers, *bucket[FF_ROUTE_BUCKETS];
    struct ff_hold *holds;
    int npeers;
    struct ff_job_info *jobs[FF_KEPT_JOBS];
    int next_job;
    struct ff_turn turn;
    int64_t looked, looked_ready; /* last pass of the loop; last look for tasks that waited for their time */
    bool stopping;
    int64_t stop_at, muted_until; /* muted: the same complaint is not logged again until then */
    long messages, refused, lost, stuck;
    int64_t counted; /* when numbers was filled in */
};

/* ---- loop.c ---- */
int64_t ff_boot_ms(void);
int ff_tick_ms(const ff_dispatch *d); /* the longest that the loop sleeps */
void ff_wake(ff_dispatch *d);
void *ff_dispatch_run(void *d);
void ff_log(ff_dispatch *d, const char *level, const char *fmt, ...) FF_PRINTF(3, 4);
/* The same, but not more than once a second in all: for what a hostile or broken gang could repeat without end. */
void ff_complain(ff_dispatch *d, const char *fmt, ...) FF_PRINTF(2, 3);

/* ---- peers.c ---- */
bool ff_attempt_read(const json_t *object, struct ff_attempt *out); /* false: not one of this kind */
bool ff_attempt_equal(const struct ff_attempt *a, const struct ff_attempt *b);
struct ff_peer *ff_peer_by_route(ff_dispatch *d, const struct ff_route *route);
struct ff_peer *ff_peer_by_instance(ff_dispatch *d, const char *instance);
struct ff_peer *ff_peer_by_worker(ff_dispatch *d, const char *worker);
bool ff_peer_silent(const ff_dispatch *d, const struct ff_peer *peer, int64_t now);
/* NULL: no memory, or too many. To be linked when it has its id, which other threads look for. */
struct ff_peer *ff_peer_new(const ff_dispatch *d, const struct ff_route *route);
void ff_peer_link(ff_dispatch *d, struct ff_peer *peer);
void ff_peer_move(ff_dispatch *d, struct ff_peer *peer, const struct ff_route *route);
struct ff_hold *ff_hold_find(ff_dispatch *d, const struct ff_attempt *attempt);
struct ff_hold *ff_hold_new(void); /* NULL: no memory */
/* The lease begins: in the list, one full term. */
void ff_hold_begin(ff_dispatch *d, struct ff_hold *hold, const struct ff_attempt *attempt);
void ff_hold_attach(struct ff_hold *hold, struct ff_peer *peer);
/* A full term from now. */
void ff_hold_renew(const ff_dispatch *d, struct ff_hold *hold, int64_t now);
/* How long it may go without progress, in ms. */
int64_t ff_hold_patience(const ff_dispatch *d, const struct ff_hold *hold);
void ff_hold_acknowledge(struct ff_hold *hold);
/* Marks it ended; ff_sweep frees it. */
void ff_hold_end(struct ff_hold *hold);
/* Frees what is gone or ended: nothing may point there any more. */
void ff_sweep(ff_dispatch *d);

/* ---- send.c ---- */
/* Takes the reference of body (NULL: no memory, nothing is sent). False when it could not be sent: the peer is
** unreachable or slow. */
bool ff_send(ff_dispatch *d, struct ff_peer *peer, enum ff_wire_type type, json_t *body, const void *blob, size_t size);
bool ff_send_route(ff_dispatch *d, const struct ff_route *route, enum ff_wire_type type, json_t *body);
void ff_send_welcome(ff_dispatch *d, struct ff_peer *peer);
void ff_send_refused(ff_dispatch *d, const struct ff_route *route, const char *detail);
void ff_send_taken(ff_dispatch *d, struct ff_peer *peer, const struct ff_attempt *attempt, int64_t upto);
/* attempt NULL: the gang itself. */
void ff_send_stop(ff_dispatch *d, struct ff_peer *peer, const struct ff_attempt *attempt, const char *why);
/* The TASK of a hold that has its message. */
void ff_send_task(ff_dispatch *d, struct ff_hold *hold);
/* Tells the holder to stop, and remembers that it was told. */
void ff_tell_stop(ff_dispatch *d, struct ff_hold *hold, const char *why);

/* ---- turn.c ---- */
/* The next operation of the turn, empty; NULL: no memory. Valid until the next one. */
struct ff_op *ff_op_add(struct ff_turn *turn, enum ff_op_kind kind);
void ff_turn_done(struct ff_turn *turn); /* empties it */
/* Runs the turn's transaction when it needs one. On success every operation has its answer, leases granted are further
** operations, and those that were refused have err. Failure: nothing happened. */
FF_MUST_USE ff_err ff_turn_run(ff_dispatch *d, ff_ctx *ctx);
/* The file of a COMMIT's list that is called like its result; NULL: none. */
const json_t *ff_commit_result(const json_t *body);

/* ---- receive.c, settle.c, timers.c ---- */
void ff_receive(ff_dispatch *d, const struct ff_route *route, const char *key, const void *bytes, size_t size);
void ff_settle(ff_dispatch *d);
void ff_unsettle(ff_dispatch *d); /* the transaction failed */
void ff_timers(ff_dispatch *d, int64_t now);

/* ---- task.c ---- */
/* In a transaction: what every task of the lease's job is sent with; a new reference. */
FF_MUST_USE ff_err ff_job_info_get(ff_dispatch *d, ff_tx *tx, const struct ff_lease *lease, struct ff_job_info **out,
                                   ff_ctx *ctx);
void ff_job_info_drop(struct ff_job_info *info);
void ff_job_infos_done(ff_dispatch *d);
/* Attempts whose files a task builds on: [{"job","task","attempt"}]; NULL: no memory. */
json_t *ff_lease_files(const struct ff_lease *lease);
/* The TASK message of a lease into hold->message. files: list to GET, or NULL where the store is shared; not taken. */
FF_MUST_USE ff_err ff_task_compose(ff_dispatch *d, struct ff_hold *hold, const struct ff_lease *lease, bool shared,
                                   const json_t *files, ff_ctx *ctx);

/* ---- files.c ---- */
/* PUT and GET of a gang, for its own attempt and what that builds on; the bytes are copied. */
void ff_files_put(ff_dispatch *d, struct ff_peer *peer, const struct ff_wire *message);
void ff_files_get(ff_dispatch *d, struct ff_peer *peer, const struct ff_wire *message);
/* Has the result of a COMMIT checked and put in its place; an operation FF_OP_COMMIT follows. False: not
** now. */
bool ff_files_accept(ff_dispatch *d, struct ff_peer *peer, const struct ff_attempt *attempt, json_t *body);
/* Lists what the lease's task builds on, then composes and sends its TASK. Takes the lease. */
void ff_files_prepare(ff_dispatch *d, struct ff_hold *hold, struct ff_lease *lease);
void ff_files_drop(ff_dispatch *d, const struct ff_attempt *keep);
/* Is the attempt's task the one that makes the result of a draws job? And when it has: throws away what that does not
** need. */
bool ff_is_manifest(const struct ff_attempt *attempt);
void ff_files_tidy(ff_dispatch *d, const struct ff_attempt *manifest, int64_t chunk_bytes);
/* What the helpers have finished, since the last call. */
void ff_files_collect(ff_dispatch *d);

#endif
