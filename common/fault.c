/* common/fault.c - see fault.h. What is counted here is the state of this process and no other, so it is static. */
#include "common/fault.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct point {
    char name[64]; /* "": none */
    double number;
};

static struct point crash, sleeper;
static long fail_first, fail_last; /* 0: none */
static atomic_long crash_passes, sleep_passes, io_calls;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "NAME:NUMBER"; anything else is no point. */
static struct point point_of(const char *text)
{
    struct point p = {"", 0};
    const char *colon = text ? strrchr(text, ':') : NULL;
    if (!colon || (size_t)(colon - text) >= sizeof p.name) return p;
    snprintf(p.name, sizeof p.name, "%.*s", (int)(colon - text), text);
    p.number = strtod(colon + 1, NULL);
    return p;
}

static void read_environment(void)
{
    crash = point_of(getenv("FF_CRASH_AT"));
    sleeper = point_of(getenv("FF_SLEEP_AT"));
    const char *fail = getenv("FF_FAIL_IO_AT");
    if (!fail) return;
    char *end;
    fail_first = strtol(fail, &end, 10);
    fail_last = *end == '-' ? strtol(end + 1, NULL, 10) : fail_first;
}

static void sleep_for(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left)) continue;
}

void ff_crash_point(const char *name)
{
    pthread_once(&once, read_environment);
    if (sleeper.name[0] && !strcmp(name, sleeper.name) && atomic_fetch_add(&sleep_passes, 1) == 0)
        sleep_for(sleeper.number);
    if (crash.name[0] && !strcmp(name, crash.name) && atomic_fetch_add(&crash_passes, 1) + 1 == (long)crash.number)
        _exit(137);
}

bool ff_fail_io(void)
{
    pthread_once(&once, read_environment);
    if (fail_first <= 0) return false;
    const long call = atomic_fetch_add(&io_calls, 1) + 1;
    return call >= fail_first && call <= fail_last;
}
