/* tests/unit/job/job_helper.h - what the tests of this room share: comparisons that say what they saw, jobs from text, a quiet sink. */
#ifndef FF_TESTS_JOB_HELPER_H
#define FF_TESTS_JOB_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/event.h"
#include "common/job.h"

static inline void check_close(const char *what, double got, double expected, double tolerance)
{
    if (fabs(got - expected) <= tolerance) return;
    fail_msg("%s: expected %.15g, got %.15g, tolerance %.3g", what, expected, got, tolerance);
}

static inline void check_ok(ff_err err, const ff_ctx *ctx)
{
    if (err) fail_msg("%s: %s (%s)", ff_code_slug(err), ctx->message, ctx->pointer);
}

static inline struct ff_job *job_from(const char *text)
{
    ff_ctx ctx = {0};
    struct ff_job *job;
    check_ok(ff_job_parse(&job, text, strlen(text), ".", &ctx), &ctx);
    return job;
}

static inline void drop_event(void *self, const char *task, json_t *event)
{
    (void)self;
    (void)task;
    json_decref(event);
}

/* A folder of its own below $TMPDIR; path has 256 bytes. */
static inline void temporary_folder(char *path)
{
    const char *base = getenv("TMPDIR");
    snprintf(path, 256, "%s/ff-job-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
}

#endif
