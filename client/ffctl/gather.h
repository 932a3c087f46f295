/* client/ffctl/gather.h - the progress of a job whose tasks report one by one, as the progress of the whole: done, total and
** rate add up, the worst R-hat counts, draws of chains add up to the effective sample size. */
#ifndef FF_CLIENT_GATHER_H
#define FF_CLIENT_GATHER_H

#include <jansson.h>

struct ff_gather {
    json_t *tasks; /* name -> its latest progress event */
};

void ff_gather_done(struct ff_gather *gather);
/* Takes in a progress event and returns that of the whole job, a new reference; NULL: no memory. One of the job itself
** (task null) is returned as it is. */
json_t *ff_gather_progress(struct ff_gather *gather, json_t *event);
/* A task began anew: what it had done counts no more. */
void ff_gather_forget(struct ff_gather *gather, const char *task);

#endif
