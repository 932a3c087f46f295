/* tests/load/watch.h - many clients that follow the events of one job (SSE), each of which has to get every event. */
#ifndef FF_TESTS_LOAD_WATCH_H
#define FF_TESTS_LOAD_WATCH_H

#include "tests/load/net.h"

struct watch {
    const struct net_address *address;
    const char *path, *token;
    int watchers, stalled; /* stalled: more of them, which never read */
    double patience_s;     /* without any event: the end */
};
/* Prints {"ready": N} when all are connected, and at the end one JSON object:
** complete: watchers that got events 1..n and the end; events: n; lag: from the time an event carries (of the server's
** transaction, same clock) to its arrival, of events that came after all were connected.
** 0: all complete, 1: not, 2: it could not start. */
int watch_run(const struct watch *w);

#endif
