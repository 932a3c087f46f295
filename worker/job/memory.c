/* worker/job/memory.c - see memory.h. Sources: /proc/meminfo, control groups version 2 and 1 (the group of this process and
** all above it), RLIMIT_AS. */
#include "worker/job/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LINE = 512 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The number in a file of one number; SIZE_MAX for "max" or no file. */
static size_t read_number(const char *path)
{
    unsigned long long value;
    FILE *f = fopen(path, "re");
    if (!f) return SIZE_MAX;
    const int got = fscanf(f, "%llu", &value);
    fclose(f);
    return got == 1 ? (size_t)value : SIZE_MAX;
}

static size_t machine_available(void)
{
    char line[LINE];
    unsigned long long kib;
    size_t bytes = SIZE_MAX;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return bytes;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) bytes = (size_t)kib * 1024;
    fclose(f);
    return bytes;
}

/* Room below the limit of one group's folder. */
static size_t group_room(const char *folder, const char *limit_name, const char *usage_name)
{
    char path[3 * LINE];
    snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    const size_t limit = read_number(path);
    if (limit > SIZE_MAX / 2) return SIZE_MAX; /* version 1 writes a huge number for "none" */
    snprintf(path, sizeof path, "%s/%s", folder, usage_name);
    const size_t used = read_number(path);
    return used >= limit ? (used == SIZE_MAX ? limit : 0) : limit - used;
}

/* The least room of a group and the groups above it: `root` is where they are mounted, `group` this process's path in it. */
static size_t groups_room(const char *root, char *group, const char *limit_name, const char *usage_name)
{
    char folder[2 * LINE];
    size_t room = SIZE_MAX;
    group[strcspn(group, "\n")] = '\0';
    for (;;) {
        snprintf(folder, sizeof folder, "%s%s", root, group);
        room = smaller(room, group_room(folder, limit_name, usage_name));
        char *slash = strrchr(group, '/');
        if (!slash) return room;
        *slash = '\0';
    }
}

static size_t control_groups_room(void)
{
    char line[LINE];
    size_t room = SIZE_MAX;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return room;
    while (fgets(line, sizeof line, f)) {
        char *memory = strstr(line, ":memory:");
        if (!strncmp(line, "0::", 3)) {
            room = smaller(room, groups_room("/sys/fs/cgroup", line + 3, "memory.max", "memory.current"));
        } else if (memory) {
            room = smaller(room, groups_room("/sys/fs/cgroup/memory", memory + strlen(":memory:"),
                                             "memory.limit_in_bytes", "memory.usage_in_bytes"));
        }
    }
    fclose(f);
    return room;
}

static size_t process_room(void)
{
    struct rlimit limit;
    unsigned long long pages;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
    FILE *f = fopen("/proc/self/statm", "re");
    const int got = f ? fscanf(f, "%llu", &pages) : 0;
    if (f) fclose(f);
    const size_t used = got == 1 ? (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
    return used < limit.rlim_cur ? (size_t)limit.rlim_cur - used : 0;
}

size_t ff_memory_available(void)
{
    return smaller(machine_available(), smaller(control_groups_room(), process_room()));
}

ff_err ff_memory_require(size_t bytes, const char *pointer, const char *change, ff_ctx *ctx)
{
    const double gib = 1024.0 * 1024.0 * 1024.0;
    const size_t available = ff_memory_available();
    if (bytes <= available) return FF_OK;
    return ff_fail_at(ctx, FF_ENOMEM, pointer, FF_HERE,
                      "the job needs about %.2f GiB of memory, %.2f GiB are available: %s", (double)bytes / gib,
                      (double)available / gib, change);
}
