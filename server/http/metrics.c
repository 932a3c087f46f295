/* server/http/metrics.c - see metrics.h. Labels are routes of the table, never what a client sent. */
#include "server/http/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_STATUS = 600 };

struct ff_metrics {
    atomic_llong result_bytes;
    atomic_long counts[]; /* (nroutes + 1, MAX_STATUS); the last row: no route */
};

struct ff_metrics *ff_metrics_new(void)
{
    return calloc(1, sizeof(struct ff_metrics) + (size_t)(ff_nroutes + 1) * MAX_STATUS * sizeof(atomic_long));
}

void ff_metrics_free(struct ff_metrics *m)
{
    free(m);
}

void ff_metrics_count(struct ff_metrics *m, const struct ff_route *route, int status)
{
    const long row = route ? route - ff_routes : ff_nroutes;
    if (status < 0 || status >= MAX_STATUS) return;
    atomic_fetch_add(&m->counts[row * MAX_STATUS + status], 1);
}

void ff_metrics_result_bytes(struct ff_metrics *m, int64_t bytes)
{
    atomic_fetch_add(&m->result_bytes, bytes);
}

int64_t ff_metrics_results(const struct ff_metrics *m)
{
    return atomic_load(&m->result_bytes);
}

void ff_metrics_each(const struct ff_metrics *m,
                     void (*fn)(void *self, const char *method, const char *route, int status, long n), void *self)
{
    for (int i = 0; i <= ff_nroutes; i++) {
        for (int status = 0; status < MAX_STATUS; status++) {
            const long n = atomic_load(&m->counts[(long)i * MAX_STATUS + status]);
            if (n)
                fn(self, i < ff_nroutes ? ff_routes[i].method : "-", i < ff_nroutes ? ff_routes[i].pattern : "-",
                   status, n);
        }
    }
}
