/* client/ffctl/logs.c - `ffctl logs ID`: log lines and states of a job; -f: and those to come, until it ends. A connection
** that drops does not end it (client/lib): exit code 0 means that the log is complete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/watching.h"
#include "common/clock.h"

struct values {
    bool follow;
    const char *since, *task;
    long tail, attempt;
    double patience_s;
};

static const struct ff_option options[] = {
    {"follow", 'f', FF_OPTION_FLAG, offsetof(struct values, follow), .help = "go on until the job has ended"},
    {"since", 0, FF_OPTION_TEXT, offsetof(struct values, since), "TIME",
     .help = "only newer lines: 90s, 10m, 2h, 1d ago, or 2026-01-31T12:00:00Z"},
    {"tail", 0, FF_OPTION_INT, offsetof(struct values, tail), "N", .low = 0, .high = 10000,
     .help = "only the last N lines of those there are"},
    {"task", 0, FF_OPTION_TEXT, offsetof(struct values, task), "TASK", .help = "only of this task, e.g. chain-0"},
    {"attempt", 0, FF_OPTION_INT, offsetof(struct values, attempt), "N", .low = 1, .high = 1e6,
     .help = "only of this attempt of a task"},
    {"patience", 0, FF_OPTION_REAL, offsetof(struct values, patience_s), "S", .low = 0.1, .high = 1e6,
     .help = "with -f: give up when the server is silent for so many seconds (default: 60)"},
    {0}};

static const struct values defaults = {.tail = -1, .patience_s = 60};

/* "10m" -> the time ten minutes ago, RFC 3339; other texts are times already and left to the server. */
static ff_err read_since(const char *text, char out[FF_TIME_SIZE], ff_ctx *ctx)
{
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    double number = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (end == text || *end != units[i].unit || end[1] || !(number >= 0 && number < 1e9)) continue;
        ff_time_text_s(ff_now_ms() - (int64_t)(number * units[i].seconds * 1000), out);
        return FF_OK;
    }
    if (strlen(text) >= 20 && strlen(text) < FF_TIME_SIZE && text[10] == 'T') {
        snprintf(out, FF_TIME_SIZE, "%s", text);
        return FF_OK;
    }
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--since is '%s'; allowed: 90s, 10m, 2h, 1d or 2026-01-31T12:00:00Z", text);
}

/* Lines as they come, in any pieces. */
struct reader {
    struct ff_cli *cli;
    const struct values *values;
    char since[FF_TIME_SIZE];
    char *line;
    size_t size, room;
    long seen;
    bool ended;
};

/* "12:34:56 chain-0 warning: words" */
static void print_line(const json_t *event)
{
    const char *time_ = ff_text_of(event, "time"), *task = ff_text_of(event, "task"), *type = ff_text_of(event, "type");
    const char *level = ff_text_of(event, "level"), *message = ff_text_of(event, "message");
    const char *state = ff_text_of(event, "state"), *reason = ff_text_of(event, "reason");
    printf("%.19s %-10s ", time_, *task ? task : "job");
    if (strcmp(type, "log") == 0) {
        printf("%s: %s\n", *level ? level : "info", message);
    } else {
        printf("%s%s%s%s%s%s\n", state, *reason ? " (" : "", reason, *reason ? ")" : "", *message ? ": " : "", message);
    }
}

/* What a log shows: the server says the same of what has been, this is for what comes. */
static bool wanted(const struct reader *r, const json_t *event)
{
    const char *type = ff_text_of(event, "type");
    const struct values *v = r->values;
    bool kind = strcmp(type, "log") == 0 || strcmp(type, "state") == 0 || strcmp(type, "end") == 0;
    if (!kind) return false;
    if (v->task && strcmp(v->task, ff_text_of(event, "task")) != 0) return false;
    return !v->attempt || json_integer_value(json_object_get(event, "attempt")) == v->attempt;
}

static bool show(struct reader *r, const char *text, const json_t *event)
{
    if (r->cli->json) {
        printf("%s\n", text);
    } else {
        print_line(event);
    }
    return fflush(stdout) == 0;
}

static bool on_event(void *self, const char *text, json_t *event)
{
    struct reader *r = self;
    return !wanted(r, event) || show(r, text, event);
}

static ff_err take_line(struct reader *r, char *line)
{
    json_t *event = *line ? json_loads(line, JSON_ALLOW_NUL, NULL) : NULL;
    if (*line && !json_is_object(event)) {
        json_decref(event);
        return ff_fail(&r->cli->ctx, FF_ESERVER, FF_HERE, "a line of the log is no JSON object");
    }
    if (!event) return FF_OK;
    long seq = (long)json_integer_value(json_object_get(event, "seq"));
    if (seq > r->seen) r->seen = seq;
    r->ended |= strcmp(ff_text_of(event, "type"), "end") == 0;
    show(r, line, event);
    json_decref(event);
    return FF_OK;
}

static ff_err take(void *self, const void *bytes, size_t size)
{
    enum { MOST_LINE = 16 << 20 };
    struct reader *r = self;
    ff_err err = FF_OK;
    const char *at = bytes, *end = at + size;
    while (at < end && !err) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((newline ? newline : end) - at);
        if (r->size + n + 1 > MOST_LINE)
            return ff_fail(&r->cli->ctx, FF_ESERVER, FF_HERE, "a line of the log is endless");
        if (r->size + n + 1 > r->room) {
            char *grown = realloc(r->line, 2 * (r->size + n + 1));
            if (!grown) return ff_fail(&r->cli->ctx, FF_ENOMEM, FF_HERE, "no memory for a line of the log");
            r->line = grown;
            r->room = 2 * (r->size + n + 1);
        }
        memcpy(r->line + r->size, at, n);
        r->size += n;
        r->line[r->size] = '\0';
        if (newline) {
            err = take_line(r, r->line);
            r->size = 0;
        }
        at += n + (newline != NULL);
    }
    return err;
}

static ff_err read_log(struct ff_remote *remote, struct reader *r, const char *id)
{
    char path[512], tail[32] = "", attempt[32] = "";
    const struct values *v = r->values;
    char *task = v->task ? ff_url_escape(v->task) : NULL, *since = r->since[0] ? ff_url_escape(r->since) : NULL;
    if (v->tail >= 0) snprintf(tail, sizeof tail, "&tail=%ld", v->tail);
    if (v->attempt) snprintf(attempt, sizeof attempt, "&attempt=%ld", v->attempt);
    int n = snprintf(path, sizeof path, "/v1/jobs/%s/logs?%s%s%s%s%s%s", id, since ? "&since=" : "", since ? since : "",
                     tail, attempt, task ? "&task=" : "", task ? task : "");
    free(task);
    free(since);
    if (n < 0 || (size_t)n >= sizeof path) return ff_fail(&r->cli->ctx, FF_EUSAGE, FF_HERE, "--task is too long");
    char *query = strchr(path, '?'); /* "?&a=1" -> "?a=1", "?" -> "" */
    if (query[1] == '&') memmove(query + 1, query + 2, strlen(query + 2) + 1);
    if (query[1] == '\0') *query = '\0';
    return ff_client_fetch(remote->client, path, take, r, &r->cli->ctx);
}

static int logs(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    struct reader r = {.cli = cli, .values = v};
    struct ff_remote remote;
    ff_err err = ff_id_check("job_", args[0], "a job's id", &cli->ctx);
    if (!err && v->since) err = read_since(v->since, r.since, &cli->ctx);
    if (!err) err = ff_remote_open(&remote, cli);
    if (err) return ff_cli_failed(cli);
    err = read_log(&remote, &r, args[0]);
    if (!err && r.size > 0) err = ff_fail(&cli->ctx, FF_EUNREACHABLE, FF_HERE, "the log broke off in mid-line");
    if (!err && v->follow && !r.ended) {
        err = ff_client_events(remote.client, args[0], r.seen, v->patience_s, on_event, &r, &cli->ctx);
    }
    free(r.line);
    if (err && v->follow) ff_watch_left(&remote, err, args[0]);
    return ff_remote_end(&remote, err, 0);
}

const struct ff_command ff_command_logs = {
    .name = "logs",
    .summary = "show what a job said, and its states",
    .usage = "ID [-f] [--since TIME] [--tail N] [--attempt N] [--task TASK]",
    .examples = "  ffctl logs job_0123456789abcdefghijklmnop -f\n"
                "  ffctl logs job_0123456789abcdefghijklmnop --since 10m --tail 50\n"
                "  ffctl logs job_0123456789abcdefghijklmnop --task chain-0 --attempt 2\n",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .least = 1,
    .most = 1,
    .remote = true,
    .run = logs,
};
