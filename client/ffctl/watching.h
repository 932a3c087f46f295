/* client/ffctl/watching.h - following a job of a server to its end: what `watch`, `submit --follow` and `submit --wait` do. */
#ifndef FF_CLIENT_WATCHING_H
#define FF_CLIENT_WATCHING_H

#include "client/ffctl/remote.h"

struct ff_watching {
    double patience_s; /* without a word from the server, then FF_EUNREACHABLE */
    long after;        /* events after this one */
    bool quiet;        /* show nothing */
};

/* Shows events on stderr (with --json: each as a line on stdout) until the job has ended, then fetches it. *job: a new
** reference when FF_OK. */
FF_MUST_USE ff_err ff_watch(struct ff_remote *r, const char *id, const struct ff_watching *how, json_t **job);

/* Says that the job goes on without us, when that is so. */
void ff_watch_left(const struct ff_remote *r, ff_err err, const char *id);

#endif
