/* server/http/route.c - the table of routes and matching (route.h). */
#include "server/http/route.h"

#include <stdio.h>
#include <string.h>

#include "server/http/handlers.h"
#include "server/queue/queue.h"

/* clang-format off */
const struct ff_route ff_routes[] = {
    /* method, pattern, handler, who, body, at once, query */
    {"GET", "/", ff_get_root, FF_OPEN, FF_BODY_NONE, true, ""},
    {"GET", "/healthz", ff_get_health, FF_OPEN, FF_BODY_NONE, true, ""},
    {"GET", "/readyz", ff_get_ready, FF_OPEN, FF_BODY_NONE, false, ""},
    {"GET", "/metrics", ff_get_metrics, FF_USERS, FF_BODY_NONE, false, ""},
    {"GET", "/ui", ff_get_root, FF_OPEN, FF_BODY_NONE, true, ""},
    {"GET", "/ui/", ff_get_ui, FF_OPEN, FF_BODY_NONE, true, ""},
    {"GET", "/ui/{file}", ff_get_ui_file, FF_OPEN, FF_BODY_NONE, true, ""},
    {"GET", "/v1/version", ff_get_version, FF_OPEN, FF_BODY_NONE, true, ""},
    {"GET", "/v1/openapi.json", ff_get_openapi, FF_OPEN, FF_BODY_NONE, true, ""},
    {"POST", "/v1/jobs", ff_post_job, FF_USERS, FF_BODY_JOB, false, "dry_run"},
    {"GET", "/v1/jobs", ff_get_jobs, FF_USERS, FF_BODY_NONE, false, "limit cursor state kind all"},
    {"GET", "/v1/jobs/{job}", ff_get_job, FF_USERS, FF_BODY_NONE, false, ""},
    {"DELETE", "/v1/jobs/{job}", ff_delete_job, FF_USERS, FF_BODY_NONE, false, ""},
    {"POST", "/v1/jobs/{job}/retry", ff_post_retry, FF_USERS, FF_BODY_OPTIONAL, false, ""},
    {"POST", "/v1/jobs/{job}/extend", ff_post_extend, FF_USERS, FF_BODY_JSON, false, ""},
    {"GET", "/v1/jobs/{job}/logs", ff_get_logs, FF_USERS, FF_BODY_NONE, false, "after since tail task attempt"},
    {"GET", "/v1/jobs/{job}/events", ff_get_events, FF_USERS, FF_BODY_NONE, false, "after"},
    {"GET", "/v1/jobs/{job}/samples", ff_get_samples, FF_USERS, FF_BODY_NONE, false, "from limit format"},
    {"GET", "/v1/jobs/{job}/draws", ff_get_draws, FF_USERS, FF_BODY_NONE, false, "start count"},
    {"GET", "/v1/jobs/{job}/chunks/{chunk}/{array}", ff_get_chunk, FF_USERS, FF_BODY_NONE, false, ""},
    {"GET", "/v1/jobs/{job}/maps/{name}", ff_get_map, FF_USERS, FF_BODY_NONE, false, "bin component format"},
    {"GET", "/v1/jobs/{job}/result", ff_get_result, FF_USERS, FF_BODY_NONE, false, ""},
    {"POST", "/v1/datasets", ff_post_dataset, FF_USERS, FF_BODY_FILE, false, "name"},
    {"GET", "/v1/datasets", ff_get_datasets, FF_USERS, FF_BODY_NONE, false, "limit cursor"},
    {"GET", "/v1/datasets/{dataset}", ff_get_dataset, FF_USERS, FF_BODY_NONE, false, ""},
    {"DELETE", "/v1/datasets/{dataset}", ff_delete_dataset, FF_USERS, FF_BODY_NONE, false, ""},
    {"GET", "/v1/workers", ff_get_workers, FF_USERS, FF_BODY_NONE, false, ""},
    {"POST", "/v1/workers/{worker}/drain", ff_post_drain, FF_ADMINS, FF_BODY_OPTIONAL, false, ""},
    {"POST", "/v1/users", ff_post_user, FF_ADMINS, FF_BODY_JSON, false, ""},
    {"GET", "/v1/users", ff_get_users, FF_ADMINS, FF_BODY_NONE, false, ""},
    {"GET", "/v1/users/{user}", ff_get_user, FF_ADMINS, FF_BODY_NONE, false, ""},
    {"DELETE", "/v1/users/{user}", ff_delete_user, FF_ADMINS, FF_BODY_NONE, false, ""},
    {"POST", "/v1/tokens", ff_post_token, FF_USERS, FF_BODY_OPTIONAL, false, ""},
    {"GET", "/v1/tokens", ff_get_tokens, FF_USERS, FF_BODY_NONE, false, ""},
    {"DELETE", "/v1/tokens/{token}", ff_delete_token, FF_USERS, FF_BODY_NONE, false, ""},
    {"GET", "/v1/usage", ff_get_usage, FF_USERS, FF_BODY_NONE, false, ""},
};
/* clang-format on */
const int ff_nroutes = (int)(sizeof ff_routes / sizeof ff_routes[0]);

static const struct {
    const char *pattern, *prefix; /* an id's prefix, or NULL: a plain name of `letters` */
    const char *letters;
} parameters[] = {
    {"{job}", "job_", NULL},
    {"{dataset}", "ds_", NULL},
    {"{worker}", "wk_", NULL},
    {"{user}", "us_", NULL},
    {"{token}", "tk_", NULL},
    {"{name}", NULL, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"},
    {"{chunk}", NULL, "abcdefghijklmnopqrstuvwxyz0123456789-"},
    {"{array}", NULL, "abcdefghijklmnopqrstuvwxyz"},
    {"{file}", NULL, "abcdefghijklmnopqrstuvwxyz0123456789_-."},
};

/* Does the segment of the path stand for the one of the pattern? Parameters are copied to arg. */
static bool segment_fits(const char *pattern, size_t npattern, const char *path, size_t npath, char arg[FF_ARG_SIZE])
{
    if (*pattern != '{') return npattern == npath && memcmp(pattern, path, npath) == 0;
    if (npath == 0 || npath >= FF_ARG_SIZE) return false;
    memcpy(arg, path, npath);
    arg[npath] = '\0';
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        if (strlen(parameters[i].pattern) != npattern || memcmp(parameters[i].pattern, pattern, npattern) != 0)
            continue;
        if (parameters[i].prefix) return ff_id_valid(parameters[i].prefix, arg);
        return arg[0] != '.' && strspn(arg, parameters[i].letters) == npath;
    }
    return false;
}

static bool path_fits(const char *pattern, const char *path, char args[FF_MAX_ARGS][FF_ARG_SIZE])
{
    char ignored[FF_ARG_SIZE];
    int nargs = 0;
    while (*pattern == '/' && *path == '/') {
        const size_t npattern = strcspn(++pattern, "/"), npath = strcspn(++path, "/");
        const bool parameter = *pattern == '{' && nargs < FF_MAX_ARGS;
        if (!segment_fits(pattern, npattern, path, npath, parameter ? args[nargs] : ignored)) return false;
        nargs += parameter;
        pattern += npattern;
        path += npath;
    }
    return !*pattern && !*path;
}

static void allow(struct ff_match *m, const char *method)
{
    const size_t n = strlen(m->allow);
    snprintf(m->allow + n, sizeof m->allow - n, "%s%s%s", n ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

ff_err ff_route_match(struct ff_match *out, const char *method, const char *path, ff_ctx *ctx)
{
    *out = (struct ff_match){0};
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    char args[FF_MAX_ARGS][FF_ARG_SIZE] = {0};
    for (int i = 0; i < ff_nroutes; i++) {
        if (!path_fits(ff_routes[i].pattern, path, args)) continue;
        allow(out, ff_routes[i].method);
        if (out->route || strcmp(ff_routes[i].method, wanted) != 0) continue;
        out->route = &ff_routes[i];
        memcpy(out->args, args, sizeof args);
    }
    if (out->route) return FF_OK;
    if (!*out->allow) return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "there is nothing at this path");
    return ff_fail(ctx, FF_EMETHOD, FF_HERE, "the method is not allowed at this path; allowed: %s", out->allow);
}
