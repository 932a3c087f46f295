/* common/job_data.c - "data" of a job: a dataset, or a mock made from stated parameters (docs/job.md). */
#include "common/job_parts.h"

static void read_mock(struct ff_scope *data, struct ff_job *job)
{
    struct ff_scope mock;
    ff_scope_object(&mock, data, "mock");
    job->data.kind = FF_DATA_MOCK;
    ff_job_read_point(&mock, "parameters", &job->model, job->data.parameters);
    /* Not the job's own seed: truth must not share numbers with the chains that look for it. */
    int64_t other = job->seed < INT64_MAX ? (int64_t)job->seed + 1 : 0;
    job->data.seed = (uint64_t)ff_read_integer(&mock, "seed", 0, INT64_MAX, other);
    if (ff_scope_has(&mock, "mask")) ff_read_dataset(&mock, "mask", &job->data.mask);
    ff_scope_close(&mock);
}

void ff_job_read_data(struct ff_scope *root, struct ff_job *job)
{
    struct ff_scope data;
    bool allowed = job->kind == FF_POSTERIOR || job->kind == FF_SPECTRUM;
    if (!allowed || !ff_scope_has(root, "data")) {
        if (job->kind == FF_POSTERIOR)
            ff_scope_fail(root, "data", FF_EBADJOB, FF_HERE,
                          "missing; allowed: {\"dataset\": \"@path\"} or {\"mock\": {..}}");
        return;
    }
    ff_scope_object(&data, root, "data");
    bool mock = ff_scope_has(&data, "mock"), dataset = ff_scope_has(&data, "dataset");
    if (mock == dataset) {
        ff_scope_fail(&data, NULL, FF_EBADJOB, FF_HERE, "%s; allowed: exactly one of \"mock\" and \"dataset\"",
                      mock ? "both kinds of data" : "no kind of data");
    } else if (mock) {
        read_mock(&data, job);
    } else {
        job->data.kind = FF_DATA_SET;
        ff_read_dataset(&data, "dataset", &job->data.dataset);
    }
    ff_scope_close(&data);
}
