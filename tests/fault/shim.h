/* tests/fault/shim.h - what a test may change about the world of a process that runs with the shim preloaded: one page in a
** file that both map (FF_SHIM_CONTROL names it). house.py (class Shim) writes the same layout. All members 8 bytes wide, all
** zero: nothing happens. */
#ifndef FF_TESTS_FAULT_SHIM_H
#define FF_TESTS_FAULT_SHIM_H

#include <stdatomic.h>
#include <stdint.h>

enum { FF_SHIM_WRITE = 1, FF_SHIM_SYNC = 2, FF_SHIM_RENAME = 4, FF_SHIM_OPEN = 8 };

struct ff_shim_control {
    atomic_llong clock_s;  /* added to CLOCK_REALTIME */
    atomic_llong malloc_n; /* the n-th allocation from now on fails, once; counts down to 0 */
    atomic_llong malloc_hits;
    atomic_llong mask;  /* of the calls that fail, when they are about a path that has `pattern` in it */
    atomic_llong code;  /* errno they fail with */
    atomic_llong skip;  /* so many pass first */
    atomic_llong count; /* so many fail; < 0: all */
    atomic_llong hits;  /* have failed */
    char pattern[192];
};

#endif
