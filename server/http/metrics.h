/* server/http/metrics.h - counters of requests and streams for /metrics. Thread safe. */
#ifndef FF_SERVER_HTTP_METRICS_H
#define FF_SERVER_HTTP_METRICS_H

#include <stdint.h>

#include "server/http/route.h"

struct ff_metrics *ff_metrics_new(void); /* NULL: no memory */
void ff_metrics_free(struct ff_metrics *m);
/* One answer; route NULL: no route fits; status 0: the client left before it was answered. */
void ff_metrics_count(struct ff_metrics *m, const struct ff_route *route, int status);
void ff_metrics_result_bytes(struct ff_metrics *m, int64_t bytes);
int64_t ff_metrics_results(const struct ff_metrics *m);
/* Calls back for every (route pattern, status) that occurred. */
void ff_metrics_each(const struct ff_metrics *m,
                     void (*fn)(void *self, const char *method, const char *route, int status, long n), void *self);

#endif
