/* tests/unit/http/help.h - what the tests of this room share. */
#ifndef FF_TESTS_HTTP_HELP_H
#define FF_TESTS_HTTP_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

static inline void expect_word(const char *what, const char *expected, const char *got)
{
    if (!expected || !got || strcmp(expected, got) != 0)
        print_error("%s: expected \"%s\", got \"%s\"\n", what, expected ? expected : "(null)", got ? got : "(null)");
    assert_true(expected && got && strcmp(expected, got) == 0);
}

static inline void expect_number(const char *what, long long expected, long long got)
{
    if (expected != got) print_error("%s: expected %lld, got %lld\n", what, expected, got);
    assert_true(expected == got);
}

#endif
