/* common/clock.h - the two clocks: one that only grows, for what lasts, and the time of day, for people. */
#ifndef FF_COMMON_CLOCK_H
#define FF_COMMON_CLOCK_H

#include <stdint.h>

/* Seconds on the monotonic clock: only differences mean anything. */
double ff_clock_s(void);

/* Milliseconds since 1970. */
int64_t ff_now_ms(void);

/* RFC 3339 in UTC: "2025-01-31T23:59:59.123Z". */
enum { FF_TIME_SIZE = 40 };
void ff_time_text(int64_t ms, char out[FF_TIME_SIZE]);
/* The same to the second, "2025-01-31T23:59:59Z", and in a form for names of files, "20250131T235959Z". */
void ff_time_text_s(int64_t ms, char out[FF_TIME_SIZE]);
void ff_time_stamp(int64_t ms, char out[FF_TIME_SIZE]);

#endif
