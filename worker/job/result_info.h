/* worker/job/result_info.h - the facts of a run that stand at the root of its result. */
#ifndef FF_WORKER_JOB_RESULT_INFO_H
#define FF_WORKER_JOB_RESULT_INFO_H

#include "worker/io/result.h"
#include "worker/job/run.h"

/* Borrows from the run. plan_hash: ff_sim_plan_hash of the simulator used, 0 without one. */
struct ff_result_info ff_run_result_info(const struct ff_run *run, uint64_t plan_hash);

#endif
