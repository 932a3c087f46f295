/* common/event.h - the events of a running job (docs/events.md) and where they go.
** A task emits events without knowing who asked for it; the sink stamps "seq", "time" and "attempt". */
#ifndef FF_COMMON_EVENT_H
#define FF_COMMON_EVENT_H

#include <jansson.h>

#include "common/err.h"

struct ff_sink {
    void *self;
    void (*emit)(void *self, const char *task, json_t *event); /* takes the reference of event */
};

/* An error as a JSON object: type, title, status, detail, pointer, exit_code; NULL: no memory. */
json_t *ff_problem(const ff_ctx *ctx);

struct ff_progress {
    long done, total;
    double rate, eta_s; /* per second; NAN: unknown */
    const char *stage;  /* "warmup", "sampling", "draws", .. */
    double ess, rhat;   /* NAN: none; chains only */
    long divergences;   /* < 0: not a chain */
};

void ff_emit_state(const struct ff_sink *sink, const char *task, const char *state, const char *reason,
                   const char *message);
void ff_emit_progress(const struct ff_sink *sink, const char *task, const struct ff_progress *progress);
void ff_emit_log(const struct ff_sink *sink, const char *task, const char *level, const char *message);
/* The last event. why: the error of a job that did not succeed, or NULL. */
void ff_emit_end(const struct ff_sink *sink, const char *state, const char *message, const ff_ctx *why);
/* A posterior sample; `parameters` and `stats` are taken. */
void ff_emit_sample(const struct ff_sink *sink, const char *task, long number, int chain, long draw, int warmup,
                    double lp, json_t *parameters, json_t *stats);

/* A map can be seen: `shape` (rank) of all its bins, bin < 0: of every bin; href: where, "" when the reader knows. */
void ff_emit_map(const struct ff_sink *sink, const char *task, const char *name, int bin, int rank, const long *shape,
                 const char *href);

/* A sink that nobody listens to. */
struct ff_sink ff_mute_sink(void);

/* A sink that writes one JSON line an event to `file` (a FILE *), thread safe, flushed each line. */
struct ff_ndjson {
    void *file;
    long seq;
    void *lock;
};
int ff_ndjson_init(struct ff_ndjson *w, void *file); /* 0, or -1 when out of memory */
void ff_ndjson_done(struct ff_ndjson *w);
struct ff_sink ff_ndjson_sink(struct ff_ndjson *w);

#endif
