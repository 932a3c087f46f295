/* common/event.c - see event.h. */
#include "common/event.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* JSON has no NaN: what is not finite is null. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* Text that may hold a file name or a library's words: bytes that are no UTF-8 become '?'. */
static json_t *text(const char *s)
{
    json_t *value = json_string(s ? s : "");
    if (value) return value;
    char *copy = strdup(s);
    for (char *c = copy; c && *c; c++) {
        if ((unsigned char)*c >= 0x80) *c = '?';
    }
    value = json_string(copy ? copy : "");
    free(copy);
    return value;
}

/* Hands over an event; one that could not be built (no memory) is dropped. */
static void hand_over(const struct ff_sink *sink, const char *task, json_t *event)
{
    if (event) sink->emit(sink->self, task, event);
}

static void drop(void *self, const char *task, json_t *event)
{
    (void)self, (void)task;
    json_decref(event);
}

struct ff_sink ff_mute_sink(void)
{
    return (struct ff_sink){.emit = drop};
}

void ff_emit_state(const struct ff_sink *sink, const char *task, const char *state, const char *reason,
                   const char *message)
{
    hand_over(sink, task,
              json_pack("{ss so so so}", "type", "state", "state", text(state), "reason", text(reason), "message",
                        text(message)));
}

void ff_emit_progress(const struct ff_sink *sink, const char *task, const struct ff_progress *progress)
{
    json_t *event = json_pack("{ss sI sI so so so}", "type", "progress", "done", (json_int_t)progress->done, "total",
                              (json_int_t)progress->total, "rate", number(progress->rate), "eta_s",
                              number(progress->eta_s), "stage", text(progress->stage));
    if (event && progress->divergences >= 0) {
        json_object_set_new(event, "ess", number(progress->ess));
        json_object_set_new(event, "rhat", number(progress->rhat));
        json_object_set_new(event, "divergences", json_integer(progress->divergences));
    }
    hand_over(sink, task, event);
}

void ff_emit_log(const struct ff_sink *sink, const char *task, const char *level, const char *message)
{
    hand_over(sink, task, json_pack("{ss so so}", "type", "log", "level", text(level), "message", text(message)));
}

json_t *ff_problem(const ff_ctx *ctx)
{
    return json_pack("{ss ss si so so si}", "type", ff_code_slug(ctx->code), "title", ff_code_title(ctx->code),
                     "status", ff_code_http(ctx->code), "detail", text(ctx->message), "pointer", text(ctx->pointer),
                     "exit_code", ff_code_exit(ctx->code));
}

void ff_emit_end(const struct ff_sink *sink, const char *state, const char *message, const ff_ctx *why)
{
    json_t *event = json_pack("{ss so so}", "type", "end", "state", text(state), "message", text(message));
    json_t *problem = event && why ? ff_problem(why) : NULL;
    if (problem) json_object_set_new(event, "error", problem);
    hand_over(sink, NULL, event);
}

void ff_emit_sample(const struct ff_sink *sink, const char *task, long number_, int chain, long draw, int warmup,
                    double lp, json_t *parameters, json_t *stats)
{
    hand_over(sink, task,
              json_pack("{ss sI si sI sb so so so}", "type", "sample", "number", (json_int_t)number_, "chain", chain,
                        "draw", (json_int_t)draw, "warmup", warmup, "lp", number(lp), "parameters", parameters, "stats",
                        stats));
}

void ff_emit_map(const struct ff_sink *sink, const char *task, const char *name, int bin, int rank, const long *shape,
                 const char *href)
{
    json_t *sizes = json_array();
    for (int i = 0; i < rank; i++) json_array_append_new(sizes, json_integer(shape[i]));
    hand_over(sink, task,
              json_pack("{ss so so so so}", "type", "map", "name", text(name), "bin",
                        bin < 0 ? json_null() : json_integer(bin), "shape", sizes, "href", text(href)));
}

int ff_ndjson_init(struct ff_ndjson *w, void *file)
{
    pthread_mutex_t *lock = malloc(sizeof *lock);
    *w = (struct ff_ndjson){.file = file, .lock = lock};
    if (!lock) return -1;
    pthread_mutex_init(lock, NULL);
    return 0;
}

void ff_ndjson_done(struct ff_ndjson *w)
{
    if (!w || !w->lock) return;
    pthread_mutex_destroy(w->lock);
    free(w->lock);
    w->lock = NULL;
}

/* One line: the stamp's members first, then the event's own. A worker's own run is always attempt 1. */
static void ndjson_emit(void *self, const char *task, json_t *event)
{
    struct ff_ndjson *w = self;
    char now[FF_TIME_SIZE];
    pthread_mutex_lock(w->lock);
    ff_time_text(ff_now_ms(), now);
    json_t *line = json_pack("{sI ss so si}", "seq", (json_int_t)(w->seq + 1), "time", now, "task",
                             task ? text(task) : json_null(), "attempt", 1);
    char *dump = line && !json_object_update(line, event) ? json_dumps(line, JSON_COMPACT) : NULL;
    if (dump) {
        w->seq++;
        fprintf(w->file, "%s\n", dump);
        fflush(w->file);
    }
    free(dump);
    json_decref(line);
    pthread_mutex_unlock(w->lock);
    json_decref(event);
}

struct ff_sink ff_ndjson_sink(struct ff_ndjson *w)
{
    return (struct ff_sink){.self = w, .emit = ndjson_emit};
}
