/* worker/job/spec.h - the spec of a job as results and checkpoints know it: every dataset by the hash of its content, so that it
** means the same wherever the files lie. */
#ifndef FF_WORKER_JOB_SPEC_H
#define FF_WORKER_JOB_SPEC_H

#include <jansson.h>

#include "common/hash.h"
#include "common/job.h"

/* A copy of job->spec with each "@path" replaced by "sha256:<hex>". */
FF_MUST_USE ff_err ff_spec_resolve(json_t **out, const struct ff_job *job, ff_ctx *ctx);

/* SHA-256 of a resolved spec: the identity of checkpoints. "resources", on which no bit of a result depends, does not enter,
** nor how many draws a posterior is to have ("draws", "until" of its sampler): a chain may go on to more of them. */
FF_MUST_USE ff_err ff_spec_hash(const json_t *spec, char out[FF_HASH_SIZE], ff_ctx *ctx);

#endif
