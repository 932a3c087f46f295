/* tests/fuzz/fuzz.h - what the fuzz targets share: a property that does not hold ends the process, which libFuzzer reports
** with the input; bytes as a file for readers that take a path. */
#ifndef FF_TESTS_FUZZ_H
#define FF_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Called by libFuzzer for every input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(int holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "does not hold: %s\n", what);
    __builtin_trap();
}

/* A file in memory, overwritten by every call; its path. */
static inline const char *file_of(const uint8_t *data, size_t size)
{
    static char path[64] = "/dev/shm/ff_fuzz_XXXXXX";
    static int fd = -1;
    if (fd < 0) {
        fd = mkstemp(path);
        must(fd >= 0 && !unlink(path), "a file can be made");
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    must(!ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size, "a file can be written");
    return path;
}

#endif
