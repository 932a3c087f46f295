/* common/job_parts.h - the parts of a job, one reader each; for job.c only. Each reads its members of the scope into
** the struct and into the full spec. Errors stay in the scope's reader (common/read.h). */
#ifndef FF_COMMON_JOB_PARTS_H
#define FF_COMMON_JOB_PARTS_H

#include "common/job.h"
#include "common/read.h"

void ff_job_read_model(struct ff_scope *root, struct ff_model *model);
void ff_job_read_sources(struct ff_scope *scope, struct ff_model *model);
/* "parameters" of a model; needs sources.nbins. */
void ff_job_read_priors(struct ff_scope *scope, struct ff_model *model);
/* A number for each parameter named, the model's fiducial for the others. */
void ff_job_read_point(struct ff_scope *scope, const char *key, const struct ff_model *model, double *point);
void ff_job_read_data(struct ff_scope *root, struct ff_job *job);
/* The members that only this kind of job has. */
void ff_job_read_kind(struct ff_scope *root, struct ff_job *job);
void ff_job_read_sampler(struct ff_scope *root, struct ff_sampler *sampler);
/* The kind decides how many ranks it can use. */
void ff_job_read_resources(struct ff_scope *root, enum ff_kind kind, struct ff_resources *resources);

#endif
