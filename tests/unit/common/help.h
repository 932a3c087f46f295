/* tests/unit/common/help.h - cmocka with its includes, and a job from a literal. */
#ifndef FF_TESTS_COMMON_HELP_H
#define FF_TESTS_COMMON_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/job.h"

/* The job of a text, relative to "/base"; a refusal is a failed test that says why. */
static inline struct ff_job *job_of(const char *text)
{
    ff_ctx ctx = {0};
    struct ff_job *job;
    if (ff_job_parse(&job, text, strlen(text), "/base", &ctx))
        fail_msg("expected a job, got: %s\n%s", ctx.message, text);
    return job;
}

static inline void expect_number(const char *what, double expected, double got, double tolerance)
{
    double distance = expected > got ? expected - got : got - expected;
    if (!(distance <= tolerance))
        fail_msg("%s: expected %.17g, got %.17g, tolerance %g", what, expected, got, tolerance);
}

static inline void expect_word(const char *what, const char *expected, const char *got)
{
    if (strcmp(expected, got) != 0) fail_msg("%s: expected \"%s\", got \"%s\"", what, expected, got);
}

#endif
