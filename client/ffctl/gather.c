/* client/ffctl/gather.c - see gather.h. */
#include "client/ffctl/gather.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "client/ffctl/reading.h"

void ff_gather_done(struct ff_gather *gather)
{
    json_decref(gather->tasks);
    gather->tasks = NULL;
}

void ff_gather_forget(struct ff_gather *gather, const char *task)
{
    if (task) json_object_del(gather->tasks, task);
}

/* A number of an event; NAN when absent or null. */
static double number(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

struct sums {
    double done, total, rate, left_s, ess, rhat, divergences;
    const char *stage;
};

static double worse(double a, double b)
{
    return isnan(a) || b > a ? b : a;
}

static double plus(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

/* The stage that most is left to do of: a job that has one chain in warm-up is in warm-up. */
static void add(struct sums *s, const json_t *event)
{
    double done = fmax(0, number(event, "done")), total = fmax(0, number(event, "total"));
    bool running = done < total;
    s->done += done;
    s->total += total;
    if (running) {
        s->rate = plus(s->rate, number(event, "rate"));
        s->left_s = worse(s->left_s, number(event, "eta_s"));
    }
    if (!s->stage || (running && (strcmp(ff_text_of(event, "stage"), "warmup") == 0 || strcmp(s->stage, "") == 0)))
        s->stage = ff_text_of(event, "stage");
    s->ess = plus(s->ess, number(event, "ess"));
    s->rhat = worse(s->rhat, number(event, "rhat"));
    s->divergences = plus(s->divergences, number(event, "divergences"));
}

static void set(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

json_t *ff_gather_progress(struct ff_gather *gather, json_t *event)
{
    const char *task = json_string_value(json_object_get(event, "task")), *name;
    struct sums s = {.rate = NAN, .left_s = NAN, .ess = NAN, .rhat = NAN, .divergences = NAN};
    json_t *one;
    if (!task) return json_incref(event);
    if (!gather->tasks) gather->tasks = json_object();
    if (json_object_set(gather->tasks, task, event) != 0) return NULL;
    json_object_foreach(gather->tasks, name, one) add(&s, one);
    json_t *whole = json_pack("{ss ss}", "type", "progress", "stage", s.stage ? s.stage : "");
    if (!whole) return NULL;
    set(whole, "done", s.done);
    set(whole, "total", s.total);
    set(whole, "rate", s.rate);
    set(whole, "eta_s", s.left_s);
    if (!isnan(s.divergences)) {
        set(whole, "ess", s.ess);
        set(whole, "rhat", s.rhat);
        set(whole, "divergences", s.divergences);
    }
    return whole;
}
