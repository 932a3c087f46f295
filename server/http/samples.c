/* server/http/samples.c - GET /v1/jobs/{job}/samples?from=N: samples as NDJSON, or as one .npy of (n, 2+p) f64: chain, draw,
** parameters, in the order that the header X-Columns tells. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/look.h"
#include "server/http/npy.h"
#include "server/http/pages.h"
#include "server/http/reply.h"

enum { PAGE = 256, MAX_COLUMNS = 128, COLUMNS_TEXT = 2048 };

struct table {
    double *rows; /* (n, ncolumns) */
    long n, room;
    int ncolumns;               /* 0: no sample was seen */
    char columns[COLUMNS_TEXT]; /* "chain,draw,omega_c,.." */
    const char *names[MAX_COLUMNS];
    json_t *first; /* parameters of the first sample, which own the names */
    struct ff_request *request;
};

static ff_err begin(struct table *t, json_t *parameters, ff_ctx *ctx)
{
    const char *name;
    json_t *value;
    const size_t np = json_object_size(parameters);
    if (np == 0 || np > MAX_COLUMNS - 2) return ff_fail(ctx, FF_EBUG, FF_HERE, "a sample of %zu parameters", np);
    size_t n = (size_t)snprintf(t->columns, sizeof t->columns, "chain,draw");
    t->first = json_incref(parameters);
    t->ncolumns = 2;
    json_object_foreach(parameters, name, value)
    {
        t->names[t->ncolumns++] = name;
        n += (size_t)snprintf(t->columns + n, n < sizeof t->columns ? sizeof t->columns - n : 0, ",%s", name);
        if (n >= sizeof t->columns) return ff_fail(ctx, FF_EBUG, FF_HERE, "names of parameters too long for a header");
    }
    const long long bytes = (long long)t->room * t->ncolumns * (long long)sizeof(double);
    if (bytes > FF_ANSWER_MAX)
        return ff_fail_at(ctx, FF_EBADREQUEST, "limit", FF_HERE, "too many samples at once; allowed: at most %lld",
                          FF_ANSWER_MAX / ((long long)t->ncolumns * (long long)sizeof(double)));
    ff_err err = ff_request_hold(t->request, bytes, ctx);
    if (err) return err;
    t->rows = malloc((size_t)bytes);
    return t->rows ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld samples", t->room);
}

static ff_err add(void *self, const struct ff_event *event, ff_ctx *ctx)
{
    struct table *t = self;
    json_t *sample = json_loads(event->text, 0, NULL);
    json_t *parameters = json_object_get(sample, "parameters");
    ff_err err = FF_OK;
    if (!json_is_object(parameters)) err = ff_fail(ctx, FF_EBUG, FF_HERE, "event %ld is no sample", event->seq);
    if (!err && !t->ncolumns) err = begin(t, parameters, ctx);
    if (!err && t->n < t->room) {
        double *row = t->rows + t->n++ * t->ncolumns;
        row[0] = (double)json_integer_value(json_object_get(sample, "chain"));
        row[1] = (double)json_integer_value(json_object_get(sample, "draw"));
        for (int i = 2; i < t->ncolumns; i++) {
            const json_t *value = json_object_get(parameters, t->names[i]);
            row[i] = json_is_number(value) ? json_number_value(value) : NAN;
        }
    }
    json_decref(sample);
    return err;
}

static ff_err reply_npy(struct ff_request *r, struct ff_page_source *source, ff_ctx *ctx)
{
    struct table t = {.room = source->left, .request = r};
    ff_err err = FF_OK;
    long n = 1;
    while (!err && n > 0) err = ff_page_read(r->http, source, PAGE, add, &t, &n, ctx);
    if (!err && !t.ncolumns) snprintf(t.columns, sizeof t.columns, "chain,draw");
    void *bytes = NULL;
    size_t size = 0;
    if (!err) err = ff_npy_of_rows(t.rows, t.n, t.ncolumns ? t.ncolumns : 2, &bytes, &size, ctx);
    if (!err) err = ff_reply_bytes(r, MHD_HTTP_OK, "application/x-npy", bytes, size, ctx);
    if (!err) ff_reply_header(r, "X-Columns", t.columns);
    json_decref(t.first);
    free(t.rows);
    return err;
}

ff_err ff_get_samples(struct ff_request *r, ff_ctx *ctx)
{
    struct ff_page_source source = {.samples = true};
    struct ff_job_row job;
    const char *format, *accept = ff_request_header(r, MHD_HTTP_HEADER_ACCEPT);
    long limit;
    ff_err err = ff_query_number(&r->query, "from", 1, LONG_MAX, 1, &source.place, ctx);
    if (!err) err = ff_query_number(&r->query, "limit", 1, LONG_MAX, LONG_MAX, &limit, ctx);
    if (!err) err = ff_query_word(&r->query, "format", "ndjson npy", &format, ctx);
    if (!err) err = ff_look_job(r, &job, ctx);
    if (err) return err;
    source.job = job.row;
    /* What there is now: the answer has an end also while the job runs. */
    source.left = job.last_sample >= source.place ? job.last_sample - source.place + 1 : 0;
    if (source.left > limit) source.left = limit;
    const bool npy = format ? strcmp(format, "npy") == 0 : accept && strstr(accept, "application/x-npy");
    return npy ? reply_npy(r, &source, ctx) : ff_reply_pages(r, &source, ctx);
}
