/* server/http/plan.h - what a job will take, before any work: tasks, memory, disk, cost. Upper estimates from the sizes of
** the model alone (the worker decides with its own, exact count): memory and disk within a factor of two or so, the
** seconds within a factor of a few. */
#ifndef FF_SERVER_HTTP_PLAN_H
#define FF_SERVER_HTTP_PLAN_H

#include "common/job.h"

struct ff_plan {
    double memory_bytes; /* of the largest task */
    double disk_bytes;   /* checkpoints and result */
    double gradients;    /* of the log density; 0: none */
    double evaluations;  /* of the simulator without gradient */
    double seconds;      /* of two cores of 2020 */
};
void ff_plan_make(struct ff_plan *plan, const struct ff_job *job);
/* Bytes of one draw (theta, x, valid, score) of a job of kind draws. */
double ff_plan_draw_bytes(const struct ff_job *job);
/* {"kind","ntasks","tasks":[{"name","kind"}..],"memory_bytes","disk_bytes","cost":{..}}; at most 1000 tasks are listed. */
FF_MUST_USE ff_err ff_plan_json(json_t **out, const struct ff_plan *plan, const struct ff_job *job, ff_ctx *ctx);

#endif
