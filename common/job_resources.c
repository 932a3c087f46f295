/* common/job_resources.c - "resources" of a job: what it asks a server for (docs/job.md). A run without a server takes
** threads from it and nothing else. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/job_parts.h"
#include "common/read_inner.h"

enum { MAX_RANKS = 65536, MAX_LPT_RANKS = 4096, MAX_THREADS = 1024, MAX_PRIORITY = 100 };
static const double max_walltime_s = 366.0 * 86400;
static const char *const walltimes =
    "\"90s\", \"10m\", \"1h\", \"2d\" or a number of seconds, up to 366 days; 0: no limit";

static const struct ff_unit {
    char letter;
    double seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

/* "10m" in seconds; NAN: not such a text. */
static double seconds_of(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 9) return NAN;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text[digits] == units[i].letter && !text[digits + 1]) return (double)atol(text) * units[i].seconds;
    }
    return NAN;
}

/* One way to write one time, in the largest unit that fits; a fraction of a second stays a number. */
static json_t *written(double seconds)
{
    if (seconds != floor(seconds)) return json_real(seconds);
    size_t i = 0;
    while (fmod(seconds, units[i].seconds) != 0 || (seconds == 0 && units[i].letter != 's')) i++;
    return json_sprintf("%ld%c", (long)(seconds / units[i].seconds), units[i].letter);
}

static double read_walltime(struct ff_scope *scope)
{
    double seconds = 3600;
    const json_t *value = ff_scope_look(scope, "walltime");
    if (ff_failed(scope)) return 0;
    if (json_is_string(value)) {
        const char *text = ff_text_value(scope, "walltime", value, 32, walltimes);
        if (!text) return 0;
        seconds = seconds_of(text);
    } else if (json_is_number(value)) {
        seconds = json_number_value(value);
    } else if (value) {
        ff_fail_type(scope, "walltime", value, walltimes);
        return 0;
    }
    if (!(seconds >= 0 && seconds <= max_walltime_s)) {
        ff_scope_fail(scope, "walltime", FF_EBADJOB, FF_HERE, "this is no time; allowed: %s", walltimes);
        return 0;
    }
    ff_scope_keep_new(scope, "walltime", written(seconds));
    return seconds;
}

static void read_pool(struct ff_scope *scope, char *pool, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    ff_read_text(scope, "pool", pool, size, "default");
    if (!ff_failed(scope) && (!*pool || pool[strspn(pool, letters)]))
        ff_scope_fail(scope, "pool", FF_EBADJOB, FF_HERE,
                      "\"%s\" is no name of a pool; allowed: 1 to %zu letters, digits, points, underscores and hyphens",
                      pool, size - 1);
}

/* Only the box of the simulator lpt is shared out between ranks; noop uses none of those it asks for. */
static int read_ranks(struct ff_scope *scope, const struct ff_job *job)
{
    const bool lpt = job->kind != FF_NOOP && job->model.simulator == FF_SIM_LPT;
    const int ranks = (int)ff_read_integer(scope, "ranks", 1, lpt ? MAX_LPT_RANKS : MAX_RANKS, 1);
    if (ranks > 1 && !lpt && job->kind != FF_NOOP)
        ff_scope_fail(scope, "ranks", FF_ENOTBUILT, FF_HERE,
                      "%d ranks of this simulator are not in this build; allowed: 1, and more for the simulator lpt",
                      ranks);
    return ranks;
}

void ff_job_read_resources(struct ff_scope *root, struct ff_job *job)
{
    struct ff_resources *resources = &job->resources;
    struct ff_scope scope;
    ff_scope_object(&scope, root, "resources");
    resources->ranks = read_ranks(&scope, job);
    resources->threads = (int)ff_read_integer(&scope, "threads", 0, MAX_THREADS, 0);
    read_pool(&scope, resources->pool, sizeof resources->pool);
    resources->priority = (int)ff_read_integer(&scope, "priority", -MAX_PRIORITY, MAX_PRIORITY, 0);
    resources->walltime_s = read_walltime(&scope);
    ff_scope_close(&scope);
}
