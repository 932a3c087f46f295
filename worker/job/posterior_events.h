/* worker/job/posterior_events.h - what a chain tells of each transition, whether it runs alone or beside others. */
#ifndef FF_WORKER_JOB_POSTERIOR_EVENTS_H
#define FF_WORKER_JOB_POSTERIOR_EVENTS_H

#include "worker/job/posterior_chain.h"

/* The arguments of a listener's `transition`; number: of the sample. */
void ff_posterior_emit_sample(const struct ff_sink *sink, const char *task, long number, const struct ff_pchain *c,
                              const struct ff_transition *transition, const double *record, const double *theta);

#endif
