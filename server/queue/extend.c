/* server/queue/extend.c - see extend.h. */
#include "server/queue/extend.h"

#include <stdlib.h>
#include <string.h>

#include "server/queue/life.h"

/* Draws a chain of the old job holds: what it was last told to go for, else what its spec says. */
static long held_draws(const char *target, const json_t *spec)
{
    json_t *value = target ? json_loads(target, 0, NULL) : NULL;
    long draws = (long)json_integer_value(json_object_get(value, "draws"));
    json_decref(value);
    if (draws > 0) return draws;
    return (long)json_integer_value(json_object_get(json_object_get(spec, "sampler"), "draws"));
}

static ff_err read_chains(ff_tx *tx, int64_t job, const json_t *spec, json_t *attempts, long *held, ff_ctx *ctx)
{
    struct ff_stmt s;
    bool failed = false;
    *held = 0;
    ff_sql_open(&s, tx, "SELECT name, done, target FROM tasks WHERE job = ?1 AND waits = 0", FF_ARGS(FF_I(job)), ctx);
    while (ff_sql_next(&s)) {
        long draws = held_draws(ff_col_text(&s, 2), spec);
        if (draws > *held) *held = draws;
        failed |= json_object_set_new(attempts, ff_col_text(&s, 0), json_integer(ff_col_int(&s, 1))) != 0;
    }
    ff_err err = ff_sql_close(&s);
    return err || !failed ? err : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
}

static ff_err check_old(ff_tx *tx, const struct ff_submission *s, struct ff_job_row *old, ff_ctx *ctx)
{
    ff_err err = ff_jobs_find(tx, &s->who, s->extend_of, old, ctx);
    if (err) return err;
    if (strcmp(old->kind, "posterior") != 0)
        return ff_fail_at(ctx, FF_ECONFLICT, s->extend_of, FF_HERE, "a %s cannot be extended; allowed: a posterior",
                          old->kind);
    if (strcmp(old->state, "succeeded") != 0)
        return ff_fail_at(ctx, FF_ECONFLICT, s->extend_of, FF_HERE,
                          "the job is %s; only one that has succeeded can be extended", old->state);
    return FF_OK;
}

ff_err ff_extension_make(ff_tx *tx, const struct ff_submission *s, struct ff_extension *out, ff_ctx *ctx)
{
    struct ff_job_row old;
    long held = 0;
    char *text = NULL;
    json_t *attempts = NULL, *from = NULL, *target = NULL, *spec = NULL;
    ff_err err = check_old(tx, s, &old, ctx);
    if (!err) err = ff_jobs_spec(tx, &s->who, s->extend_of, &text, ctx);
    if (err) return err;
    spec = json_loads(text, 0, NULL);
    attempts = json_object();
    err = read_chains(tx, old.row, spec, attempts, &held, ctx);
    if (!err && json_object_size(attempts) != (size_t)s->job->sampler.chains)
        err = ff_fail_at(ctx, FF_ECONFLICT, s->extend_of, FF_HERE, "the job has %zu chains, its extension %d",
                         json_object_size(attempts), s->job->sampler.chains);
    if (!err) {
        /* with a stopping rule the spec does not tell how many draws there are */
        long draws = s->job->sampler.until ? held + s->extend_draws : s->job->sampler.draws;
        from = json_pack("{ss sO}", "job", s->extend_of, "attempts", attempts);
        target = json_pack("{sI}", "draws", (json_int_t)draws);
        out->from = from ? json_dumps(from, JSON_COMPACT) : NULL;
        out->target = target ? json_dumps(target, JSON_COMPACT) : NULL;
        if (!out->from || !out->target) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    }
    free(text);
    json_decref(spec);
    json_decref(attempts);
    json_decref(from);
    json_decref(target);
    return err;
}

void ff_extension_done(struct ff_extension *e)
{
    free(e->from);
    free(e->target);
    *e = (struct ff_extension){0};
}
