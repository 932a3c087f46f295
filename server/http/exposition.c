/* server/http/exposition.c - GET /metrics, the text format of Prometheus. Labels have few values: states, routes, codes. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/version.h"
#include "server/http/fanout.h"
#include "server/http/metrics.h"
#include "server/http/peers.h"
#include "server/http/reply.h"

struct text {
    char *bytes;
    size_t size, room;
    bool failed;
};

static void add(struct text *t, const char *fmt, ...) FF_PRINTF(2, 3);
static void add(struct text *t, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    while (!t->failed && t->size + (size_t)n + 1 > t->room) {
        const size_t room = t->room ? 2 * t->room : 8192;
        char *bytes = realloc(t->bytes, room);
        t->failed = !bytes;
        if (bytes) t->bytes = bytes;
        if (bytes) t->room = room;
    }
    if (!t->failed) t->size += (size_t)vsnprintf(t->bytes + t->size, t->room - t->size, fmt, again);
    va_end(again);
}

static void head(struct text *t, const char *name, const char *type, const char *help)
{
    add(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_jobs(struct text *t, const struct ff_job_counts *c)
{
    head(t, "fullfield_jobs", "gauge", "Jobs by state.");
    add(t, "fullfield_jobs{state=\"queued\"} %ld\nfullfield_jobs{state=\"running\"} %ld\n", c->queued, c->running);
    add(t, "fullfield_jobs{state=\"cancelling\"} %ld\nfullfield_jobs{state=\"succeeded\"} %ld\n", c->cancelling,
        c->succeeded);
    add(t, "fullfield_jobs{state=\"failed\"} %ld\nfullfield_jobs{state=\"crashed\"} %ld\n", c->failed, c->crashed);
    add(t, "fullfield_jobs{state=\"cancelled\"} %ld\n", c->cancelled);
    head(t, "fullfield_queue_oldest_seconds", "gauge", "Age of the oldest job that waits.");
    add(t, "fullfield_queue_oldest_seconds %.3f\n", c->oldest_queued_s);
    head(t, "fullfield_job_redeliveries_total", "counter", "Leases of a task after its first.");
    add(t, "fullfield_job_redeliveries_total %ld\n", c->redeliveries);
}

/* Of jobs that ran, however they ended; kinds are few. */
static void add_durations(struct text *t, const struct ff_job_counts *c)
{
    head(t, "fullfield_job_duration_seconds", "summary", "Time from a job's first start to its end.");
    for (int i = 0; i < c->nkinds; i++) {
        add(t, "fullfield_job_duration_seconds_sum{kind=\"%s\"} %.3f\n", c->duration[i].kind, c->duration[i].seconds);
        add(t, "fullfield_job_duration_seconds_count{kind=\"%s\"} %ld\n", c->duration[i].kind, c->duration[i].jobs);
    }
}

static void add_workers(struct text *t, ff_dispatch *dispatch)
{
    struct ff_dispatch_numbers n = {0};
    if (dispatch) ff_dispatch_numbers(dispatch, &n);
    head(t, "fullfield_workers", "gauge", "Gangs by state.");
    add(t, "fullfield_workers{state=\"idle\"} %ld\nfullfield_workers{state=\"busy\"} %ld\n", n.idle, n.busy);
    add(t, "fullfield_workers{state=\"draining\"} %ld\n", n.draining);
    head(t, "fullfield_dispatch_messages_total", "counter", "Messages of gangs.");
    add(t, "fullfield_dispatch_messages_total{outcome=\"taken\"} %ld\n", n.messages);
    add(t, "fullfield_dispatch_messages_total{outcome=\"refused\"} %ld\n", n.refused_messages);
    head(t, "fullfield_dispatch_refused_peers_total", "counter",
         "Connections of gangs with a key that is not allowed.");
    add(t, "fullfield_dispatch_refused_peers_total %ld\n", n.refused_peers);
    head(t, "fullfield_leases_lost_total", "counter", "Leases that ran out.");
    add(t, "fullfield_leases_lost_total %ld\n", n.leases_lost);
    head(t, "fullfield_stuck_tasks_total", "counter", "Tasks that made no progress for too long.");
    add(t, "fullfield_stuck_tasks_total %ld\n", n.stuck);
}

static void add_requests_of(void *self, const char *method, const char *route, int status, long n)
{
    add(self, "fullfield_http_requests_total{method=\"%s\",route=\"%s\",code=\"%d\"} %ld\n", method, route, status, n);
}

static void add_http(struct text *t, struct ff_http *h)
{
    head(t, "fullfield_http_requests_total", "counter", "Requests by route and answer; code 0: the client left first.");
    ff_metrics_each(h->metrics, add_requests_of, t);
    head(t, "fullfield_http_connections", "gauge", "Open connections.");
    add(t, "fullfield_http_connections %d\n", ff_peers_count(h->peers));
    head(t, "fullfield_sse_clients", "gauge", "Open event streams.");
    add(t, "fullfield_sse_clients %d\n", ff_fanout_streams(h->fanout));
    head(t, "fullfield_result_bytes_total", "counter", "Bytes of results asked for.");
    add(t, "fullfield_result_bytes_total %" PRId64 "\n", ff_metrics_results(h->metrics));
    head(t, "fullfield_build_info", "gauge", "Which build this is.");
    add(t, "fullfield_build_info{version=\"%s\",build=\"%s\"} 1\n", ff_version(), ff_build_id());
}

static ff_err count(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_jobs_count(tx, arg, ctx);
}

ff_err ff_get_metrics(struct ff_request *r, ff_ctx *ctx)
{
    struct ff_job_counts counts = {0};
    struct text t = {0};
    ff_err err = ff_queue_read(r->http->config.queue, count, &counts, ctx);
    if (err) return err;
    add_jobs(&t, &counts);
    add_durations(&t, &counts);
    add_workers(&t, r->http->config.dispatch);
    add_http(&t, r->http);
    if (!t.failed)
        return ff_reply_bytes(r, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", t.bytes, t.size, ctx);
    free(t.bytes);
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for metrics");
}
