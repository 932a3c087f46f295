/* tests/unit/sample/check.h - comparisons that say expected, got and tolerance when they fail, and a small generator
** whose numbers are the same in C and in Python. */
#ifndef FF_TESTS_SAMPLE_CHECK_H
#define FF_TESTS_SAMPLE_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/err.h"

#define CHECK_NEAR(what, got, expected, tolerance) check_near(__FILE__, __LINE__, what, got, expected, tolerance)
#define CHECK_BELOW(what, got, limit) check_below(__FILE__, __LINE__, what, got, limit)
#define CHECK_OK(err, ctx) check_ok(__FILE__, __LINE__, err, ctx)

static inline void check_near(const char *file, int line, const char *what, double got, double expected,
                              double tolerance)
{
    if (fabs(got - expected) <= tolerance) return;
    print_error("%s:%d: %s: expected %.12g, got %.12g, tolerance %.3g\n", file, line, what, expected, got, tolerance);
    fail();
}

static inline void check_below(const char *file, int line, const char *what, double got, double limit)
{
    if (got < limit) return;
    print_error("%s:%d: %s: expected below %.12g, got %.12g\n", file, line, what, limit, got);
    fail();
}

static inline void check_ok(const char *file, int line, ff_err err, const ff_ctx *ctx)
{
    if (!err) return;
    print_error("%s:%d: expected success, got %s: %s\n", file, line, ff_code_slug(err), ctx->message);
    fail();
}

/* splitmix64 (Steele, Lea, Flood 2014): uniform in [0, 1). */
static inline double check_uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

#endif
