/* worker/job/meter.h - how fast a task goes and when it will end, told to the job's sink a few times a second. */
#ifndef FF_WORKER_JOB_METER_H
#define FF_WORKER_JOB_METER_H

#include "common/event.h"

struct ff_meter {
    const struct ff_sink *sink; /* borrowed */
    char task[32];              /* "": the job as a whole */
    double emitted_s;           /* monotonic time of the last event */
    double mark_s[2];           /* the rate is measured from mark 0, which follows some seconds behind */
    long mark_done[2];
};

/* task: NULL: the job as a whole. done: what an earlier process has done already, which says nothing about this one's rate. */
void ff_meter_init(struct ff_meter *m, const struct ff_sink *sink, const char *task, long done);

/* A progress event when one is due (at most four a second, and one when done == total). rate and eta_s of `progress` are filled in
** here; ess, rhat and divergences are passed on. */
void ff_meter_tick(struct ff_meter *m, const struct ff_progress *progress);

/* The same for a task without chains. */
void ff_meter_count(struct ff_meter *m, const char *stage, long done, long total);

#endif
