/* common/clock.c - see clock.h. */
#include "common/clock.h"

#include <stdio.h>
#include <time.h>

double ff_clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t ff_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t write_time(int64_t ms, const char *format, char out[FF_TIME_SIZE])
{
    const time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    return strftime(out, FF_TIME_SIZE, format, &utc);
}

void ff_time_text(int64_t ms, char out[FF_TIME_SIZE])
{
    const size_t n = write_time(ms, "%Y-%m-%dT%H:%M:%S", out);
    snprintf(out + n, FF_TIME_SIZE - n, ".%03dZ", (int)(ms % 1000));
}

void ff_time_text_s(int64_t ms, char out[FF_TIME_SIZE])
{
    write_time(ms, "%Y-%m-%dT%H:%M:%SZ", out);
}

void ff_time_stamp(int64_t ms, char out[FF_TIME_SIZE])
{
    write_time(ms, "%Y%m%dT%H%M%SZ", out);
}
