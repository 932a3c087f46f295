/* client/ffctl/wait.c - `ffctl wait ID...`: until each has ended (or runs); the exit code is the largest of theirs. */
#include <stdio.h>
#include <string.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"
#include "common/clock.h"

struct values {
    const char *until;
    double timeout_s, patience_s;
};

static const struct ff_option options[] = {
    {"for", 0, FF_OPTION_TEXT, offsetof(struct values, until), "STATE", "running|done",
     .help = "what to wait for: running, or done, whatever the end (default: done)"},
    {"timeout", 0, FF_OPTION_REAL, offsetof(struct values, timeout_s), "S", .low = 0, .high = 1e9,
     .help = "give up after so many seconds, exit code 7 (default: never)"},
    {"patience", 0, FF_OPTION_REAL, offsetof(struct values, patience_s), "S", .low = 0.1, .high = 1e6,
     .help = "give up when the server is unreachable for so many seconds (default: 60)"},
    {0}};

static const struct values defaults = {.until = "done", .timeout_s = -1, .patience_s = 60};
static const double first_poll_s = 0.1, slowest_poll_s = 2;

struct waited {
    const char *id;
    char state[16]; /* "" : not known yet */
    int code;
    bool over;
};

/* Looks at one job. What concerns it alone (not found) ends its waiting; the rest is returned. */
static ff_err look(struct ff_remote *r, struct waited *w, bool for_running)
{
    json_t *job;
    ff_err err = ff_remote_get(r, &job, "/v1/jobs/%s", w->id);
    if (err == FF_ENOTFOUND) {
        snprintf(w->state, sizeof w->state, "%s", ff_code_slug(err));
        w->code = ff_code_exit(err);
        w->over = true;
        return FF_OK;
    }
    if (err) return err;
    const char *state = ff_text_of(job, "state");
    snprintf(w->state, sizeof w->state, "%s", state);
    if (ff_state_ended(state)) {
        w->code = ff_job_verdict(r->cli, job);
        w->over = true;
    } else if (for_running && strcmp(state, "running") == 0) {
        w->code = 0;
        w->over = true;
    }
    json_decref(job);
    return FF_OK;
}

/* One round over all that are not over; *left: how many are not. */
static ff_err look_at_all(struct ff_remote *r, struct waited *w, int n, bool for_running, int *left)
{
    ff_err err = FF_OK;
    *left = 0;
    for (int i = 0; i < n && !err; i++) {
        if (!w[i].over) err = look(r, &w[i], for_running);
        *left += !w[i].over;
    }
    return err;
}

static ff_err wait_for_all(struct ff_remote *r, const struct values *v, struct waited *w, int n)
{
    const bool for_running = strcmp(v->until, "running") == 0;
    const double started_s = ff_clock_s();
    double heard_s = started_s, poll_s = first_poll_s;
    for (;;) {
        int left;
        ff_err err = look_at_all(r, w, n, for_running, &left);
        const bool silent = err == FF_EUNREACHABLE || err == FF_EBUSY;
        if (!err && left == 0) return FF_OK;
        if (!err) heard_s = ff_clock_s();
        if (err && (!silent || ff_clock_s() - heard_s > v->patience_s)) return err;
        if (err) ff_ctx_clear(&r->cli->ctx);
        if (v->timeout_s >= 0 && ff_clock_s() - started_s >= v->timeout_s) {
            return ff_fail(&r->cli->ctx, FF_ETIMEOUT, FF_HERE, "after %.10g s %d of %d jobs %s not %s", v->timeout_s,
                           left, n, left == 1 ? "is" : "are", for_running ? "running" : "done");
        }
        double rest_s = v->timeout_s >= 0 ? started_s + v->timeout_s - ff_clock_s() : slowest_poll_s;
        err = ff_client_pause(r->client, rest_s < poll_s ? rest_s : poll_s, &r->cli->ctx);
        if (err) return err;
        poll_s = 2 * poll_s < slowest_poll_s ? 2 * poll_s : slowest_poll_s;
    }
}

/* What is known of each, whether the waiting ended well or not. */
static int report(struct ff_cli *cli, const struct waited *w, int n)
{
    json_t *list = json_array();
    int code = 0;
    for (int i = 0; i < n; i++) {
        if (w[i].over && w[i].code > code) code = w[i].code;
        if (!cli->json && w[i].state[0]) printf("%s %s\n", w[i].id, w[i].state);
        json_array_append_new(list, json_pack("{ss ss}", "id", w[i].id, "state", w[i].state));
    }
    int failed = cli->json ? ff_cli_json(cli, json_pack("{sO}", "jobs", list)) : 0;
    json_decref(list);
    return failed > code ? failed : code;
}

static int wait_(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    struct waited w[FF_MAX_ARGS] = {0};
    struct ff_remote r;
    ff_err err = FF_OK;
    for (int i = 0; i < nargs && !err; i++) {
        w[i].id = args[i];
        err = ff_id_check("job_", args[i], "a job's id", &cli->ctx);
    }
    if (!err) err = ff_remote_open(&r, cli);
    if (err) return ff_cli_failed(cli);
    err = wait_for_all(&r, values, w, nargs);
    int code = ff_remote_end(&r, err, 0), worst = report(cli, w, nargs);
    return worst > code ? worst : code;
}

const struct ff_command ff_command_wait = {
    .name = "wait",
    .summary = "wait until jobs have ended, or run",
    .usage = "ID... [--timeout S] [--for running|done]",
    .examples = "  ffctl wait job_0123456789abcdefghijklmnop && ffctl download job_0123456789abcdefghijklmnop\n"
                "  ffctl wait job_0123456789abcdefghijklmnop --timeout 600\n"
                "  ffctl wait job_0123456789abcdefghijklmnop --for running\n",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .least = 1,
    .most = FF_MAX_ARGS,
    .remote = true,
    .run = wait_,
};
