/* common/program.c - see program.h. */
#include "common/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* folder (size bytes)/name when that is a program, else NULL. */
static char *program_in(const char *folder, size_t size, const char *name)
{
    size_t room = size + strlen(name) + 2;
    char *path = malloc(room);
    if (!path) return NULL;
    snprintf(path, room, "%.*s/%s", (int)size, folder, name);
    if (access(path, X_OK) == 0) return path;
    free(path);
    return NULL;
}

ff_err ff_program_find(char **path, const char *name, ff_ctx *ctx)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(self, '/');
    *path = slash ? program_in(self, (size_t)(slash - self), name) : NULL;
    const char *at = getenv("PATH");
    while (!*path && at && *at) {
        size_t size = strcspn(at, ":");
        if (size > 0) *path = program_in(at, size, name);
        at += size + (at[size] == ':');
    }
    if (*path) return FF_OK;
    return ff_fail(ctx, FF_ENOFILE, FF_HERE, "no program %s beside %s or in PATH; 'make' builds all", name, self);
}
