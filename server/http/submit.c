/* server/http/submit.c - new jobs: posted, again (retry), or with more draws (extend). The answer is sent when the job is
** on disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/hash.h"
#include "server/http/body.h"
#include "server/http/plan.h"
#include "server/http/reply.h"
#include "server/queue/datasets.h"

enum { MAX_KEY = 255, MAX_ADDED = 1000000 };

struct submit {
    struct ff_request *r;
    struct ff_job *job;
    struct ff_plan plan;
    char *spec;
    char hash[FF_HASH_SIZE];
    const char *datasets[FF_MAX_DATASETS];
    struct ff_submission submission;
    /* out */
    char id[FF_ID_SIZE], state[12];
    bool again;
};

static ff_err run(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct submit *s = arg;
    struct ff_job_row row;
    ff_err err = ff_jobs_submit(tx, &s->submission, s->id, &s->again, ctx);
    snprintf(s->state, sizeof s->state, "queued");
    if (err || !s->again) return err;
    err = ff_jobs_find(tx, &s->submission.who, s->id, &row, ctx);
    if (!err) memcpy(s->state, row.state, sizeof s->state);
    return err;
}

/* The key of the request, checked; and the hash of what was asked, which a later use of the key is compared with. */
static ff_err take_key(struct submit *s, const char *canonical, ff_ctx *ctx)
{
    const char *key = ff_request_header(s->r, "Idempotency-Key");
    if (!key) return FF_OK;
    const size_t n = strlen(key);
    if (n == 0 || n > MAX_KEY || !ff_text_is_plain(key, n))
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "Idempotency-Key; allowed: 1 to %d bytes of text", MAX_KEY);
    ff_hash_bytes(canonical, strlen(canonical), s->hash);
    s->submission.idempotency_key = key;
    s->submission.request_hash = s->hash;
    return FF_OK;
}

/* Everything about s->job that the queue wants to know. */
static ff_err fill(struct submit *s, ff_ctx *ctx)
{
    ff_plan_make(&s->plan, s->job);
    if (s->r->http->config.no_walltime) s->job->resources.walltime_s = 0; /* the spec keeps what was asked */
    s->spec = json_dumps(s->job->spec, JSON_COMPACT);
    if (!s->spec) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    s->submission.who = s->r->who;
    s->submission.job = s->job;
    s->submission.spec = s->spec;
    s->submission.datasets = s->datasets;
    s->submission.ndatasets = ff_job_datasets(s->job, s->datasets);
    s->submission.memory_bytes = s->plan.memory_bytes;
    return FF_OK;
}

static json_t *links(const char *id)
{
    static const char *const names[] = {"events", "logs", "samples", "result"};
    char href[96];
    snprintf(href, sizeof href, "/v1/jobs/%s", id);
    json_t *out = json_pack("{ss}", "self", href);
    for (size_t i = 0; out && i < sizeof names / sizeof names[0]; i++) {
        snprintf(href, sizeof href, "/v1/jobs/%s/%s", id, names[i]);
        json_object_set_new(out, names[i], json_string(href));
    }
    return out;
}

static ff_err submit(struct submit *s, ff_ctx *ctx)
{
    struct ff_http *h = s->r->http;
    ff_err err = fill(s, ctx);
    if (!err) err = ff_storehouse_room(h->config.store, (int64_t)s->plan.disk_bytes, ctx);
    if (!err) err = ff_queue_write(h->config.queue, run, s, ctx);
    if (err) return err;
    ff_crash_point("http_submitted");
    err = ff_reply_json(s->r, MHD_HTTP_ACCEPTED,
                        json_pack("{ss ss so}", "id", s->id, "state", s->state, "links", links(s->id)), ctx);
    if (!err) ff_reply_location(s->r, "/v1/jobs", s->id);
    return err;
}

static void submit_done(struct submit *s)
{
    free(s->spec);
    ff_job_free(s->job);
}

/* ---- posted ---- */
static ff_err find_datasets(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    const struct submit *s = arg;
    struct ff_dataset_row row;
    ff_err err = FF_OK;
    for (int i = 0; i < s->submission.ndatasets && !err; i++) {
        /* zeros: a dataset that a client would send before the job */
        if (strcmp(s->datasets[i], "ds_00000000000000000000000000") == 0) continue;
        err = ff_datasets_find(tx, &s->r->who, s->datasets[i], &row, ctx);
    }
    return err;
}

static ff_err dry_run(struct submit *s, ff_ctx *ctx)
{
    json_t *plan = NULL;
    ff_err err = fill(s, ctx);
    if (!err) err = ff_queue_read(s->r->http->config.queue, find_datasets, s, ctx);
    if (!err) err = ff_plan_json(&plan, &s->plan, s->job, ctx);
    return err ? err : ff_reply_json(s->r, MHD_HTTP_OK, plan, ctx);
}

/* Two texts of one JSON value are one request, however their members are ordered and spaced. */
static ff_err take_key_of_body(struct submit *s, ff_ctx *ctx)
{
    json_t *body;
    if (!ff_request_header(s->r, "Idempotency-Key")) return FF_OK;
    ff_err err = ff_json_parse(&body, s->r->body, s->r->nbody, ctx);
    if (err) return err;
    char *canonical = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    json_decref(body);
    err = canonical ? take_key(s, canonical, ctx) : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    free(canonical);
    return err;
}

ff_err ff_post_job(struct ff_request *r, ff_ctx *ctx)
{
    struct submit s = {.r = r};
    bool dry;
    ff_err err = ff_query_flag(&r->query, "dry_run", &dry, ctx);
    if (!err) err = ff_job_parse_posted(&s.job, r->body ? r->body : "", r->nbody, r->http->config.test_kinds, ctx);
    if (!err && dry) err = dry_run(&s, ctx);
    if (!err && !dry) err = take_key_of_body(&s, ctx);
    if (!err && !dry) err = submit(&s, ctx);
    submit_done(&s);
    return err;
}

/* ---- made of another job ---- */
struct origin {
    struct ff_request *r;
    struct ff_job_row row;
    char *spec;
};

static ff_err read_origin(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct origin *o = arg;
    const char *id = o->r->match.args[0];
    ff_err err = ff_jobs_find(tx, &o->r->who, id, &o->row, ctx);
    return err ? err : ff_jobs_spec(tx, &o->r->who, id, &o->spec, ctx);
}

/* Reads the job of the path, which has to have ended. */
static ff_err origin_of(struct ff_request *r, struct origin *o, json_t **spec, ff_ctx *ctx)
{
    *o = (struct origin){.r = r};
    *spec = NULL;
    ff_err err = ff_queue_read(r->http->config.queue, read_origin, o, ctx);
    if (!err && !o->row.ended)
        err = ff_fail(ctx, FF_ECONFLICT, FF_HERE, "the job is %s; allowed: a job that has ended", o->row.state);
    if (!err) err = ff_json_parse(spec, o->spec, strlen(o->spec), ctx);
    return err;
}

static ff_err submit_spec(struct submit *s, const json_t *spec, const char *canonical, ff_ctx *ctx)
{
    char *text = json_dumps(spec, JSON_COMPACT);
    ff_err err = text ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    if (!err) err = ff_job_parse_posted(&s->job, text, strlen(text), s->r->http->config.test_kinds, ctx);
    if (!err) err = take_key(s, canonical, ctx);
    if (!err) err = submit(s, ctx);
    free(text);
    submit_done(s);
    return err;
}

ff_err ff_post_retry(struct ff_request *r, ff_ctx *ctx)
{
    static const struct ff_member none[] = {{0}};
    struct submit s = {.r = r, .submission.retry_of = r->match.args[0]};
    struct origin o = {0};
    char canonical[96];
    json_t *body, *spec = NULL;
    ff_err err = ff_body_read(r, none, &body, ctx);
    json_decref(body);
    if (!err) err = origin_of(r, &o, &spec, ctx);
    snprintf(canonical, sizeof canonical, "retry %s", r->match.args[0]);
    if (!err) err = submit_spec(&s, spec, canonical, ctx);
    json_decref(spec);
    free(o.spec);
    return err;
}

/* The same job with `added` more draws of every chain. A run that was stopped by a rule goes on from where it stopped: every
** transition of a chain was a sample, and all chains are equally long. */
static ff_err add_draws(json_t *spec, const struct ff_job_row *row, long added, ff_ctx *ctx)
{
    json_t *sampler = json_object_get(spec, "sampler");
    const long chains = (long)json_integer_value(json_object_get(sampler, "chains"));
    const long warmup = (long)json_integer_value(json_object_get(sampler, "warmup"));
    long held = (long)json_integer_value(json_object_get(sampler, "draws"));
    if (strcmp(row->kind, "posterior") != 0 || strcmp(row->state, "succeeded") != 0 || chains < 1)
        return ff_fail(ctx, FF_ECONFLICT, FF_HERE, "the job is a %s and %s; allowed: a posterior that succeeded",
                       row->kind, row->state);
    if (json_object_get(sampler, "until")) held = row->last_sample / chains - warmup;
    if (held < 1) return ff_fail(ctx, FF_ECONFLICT, FF_HERE, "the job holds no draws to go on from");
    const int failed = json_object_set_new(sampler, "draws", json_integer(held + added));
    json_object_del(sampler, "until");
    return failed ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job") : FF_OK;
}

ff_err ff_post_extend(struct ff_request *r, ff_ctx *ctx)
{
    static const struct ff_member members[] = {{"draws", FF_MEMBER_INTEGER, true, 1, MAX_ADDED}, {0}};
    struct submit s = {.r = r, .submission.extend_of = r->match.args[0]};
    struct origin o = {0};
    char canonical[128];
    json_t *body, *spec = NULL;
    ff_err err = ff_body_read(r, members, &body, ctx);
    const long added = (long)json_integer_value(json_object_get(body, "draws"));
    json_decref(body);
    if (!err) err = origin_of(r, &o, &spec, ctx);
    if (!err) err = add_draws(spec, &o.row, added, ctx);
    s.submission.extend_draws = added;
    snprintf(canonical, sizeof canonical, "extend %s by %ld", r->match.args[0], added);
    if (!err) err = submit_spec(&s, spec, canonical, ctx);
    json_decref(spec);
    free(o.spec);
    return err;
}
