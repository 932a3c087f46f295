/* tests/load/requests.h - the same request many times over kept connections, and how long the answers took. */
#ifndef FF_TESTS_LOAD_REQUESTS_H
#define FF_TESTS_LOAD_REQUESTS_H

#include <stdio.h>

#include "tests/load/net.h"

struct requests {
    const struct net_address *address;
    const char *method, *path, *token, *body; /* body NULL: none */
    bool keys;                                /* an Idempotency-Key of its own for each */
    int connections, total;
    double rate;       /* a second, on a fixed timetable; 0: each connection sends when its answer came */
    double patience_s; /* without any answer: the end */
    FILE *ids;         /* ids of jobs that were accepted, a line each; NULL: not wanted */
};
/* Prints one JSON object; 0: every request was answered, 1: not, 2: it could not start.
** With a rate, a latency counts from the time the request was due, not from when a connection was free to send it. */
int requests_run(const struct requests *r);

#endif
