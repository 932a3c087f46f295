/* common/job_parts.h - the parts of a job, one reader each; for job.c only. Each reads its members of the scope into
** the struct and into the full spec. Errors stay in the scope's reader (common/read.h). */
#ifndef FF_COMMON_JOB_PARTS_H
#define FF_COMMON_JOB_PARTS_H

#include "common/job.h"
#include "common/read.h"

void ff_job_read_model(struct ff_scope *root, struct ff_model *model);
void ff_job_read_sources(struct ff_scope *scope, struct ff_model *model);
/* "lpt" of a model. */
void ff_job_read_lpt(struct ff_scope *scope, struct ff_lpt *lpt);
/* A size with fast transforms at member `key`, or element of a list: refused unless it is a product of 2, 3 and 5. */
void ff_job_check_fast(struct ff_scope *scope, const char *key, int n, int low, int high);
/* "parameters" of a model; needs sources.nbins and the fiducial. */
void ff_job_read_priors(struct ff_scope *scope, struct ff_model *model);
/* A number for each parameter named, the model's fiducial for the others. */
void ff_job_read_point(struct ff_scope *scope, const char *key, const struct ff_model *model, double *point);
void ff_job_read_data(struct ff_scope *root, struct ff_job *job);
/* The members that only this kind of job has. */
void ff_job_read_kind(struct ff_scope *root, struct ff_job *job);
void ff_job_read_sampler(struct ff_scope *root, struct ff_sampler *sampler);
/* Kind and simulator decide how many ranks a job can use. */
void ff_job_read_resources(struct ff_scope *root, struct ff_job *job);

#endif
