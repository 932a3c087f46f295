/* client/ffctl/job_show.c - see job_show.h. */
#include "client/ffctl/job_show.h"

#include <string.h>

#include "client/ffctl/follow.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"
#include "client/ffctl/table.h"

static const struct ff_column facts[] = {{"id", "id", false},
                                         {"name", "name", false},
                                         {"kind", "kind", false},
                                         {"state", "state", false},
                                         {"user", "user", false},
                                         {"pool", "pool", false},
                                         {"priority", "priority", false},
                                         {"created", "created", false},
                                         {"started", "started", false},
                                         {"finished", "finished", false},
                                         {"attempts", "attempts", false},
                                         {0}};

static const struct ff_column task_columns[] = {{"TASK", "name", false},      {"STATE", "state", false},
                                                {"ATTEMPT", "attempt", true}, {"WORKER", "worker", false},
                                                {"REASON", "reason", false},  {0}};

/* Codes of `reason`, in words. */
static const struct {
    const char *reason, *words;
} reasons[] = {
    {"worker_lost", "the gang that computed a task was lost; the task goes to another one"},
    {"drained", "its gang was drained; it goes on from the checkpoint elsewhere"},
    {"shutdown", "the server or its gang was shut down; it goes on from the checkpoint"},
    {"walltime", "it used the walltime of its resources; its checkpoints are kept"},
    {"disk_full", "a gang's disk was full; it is tried again"},
    {"storage", "the store could not be written; it is tried again"},
    {"no_memory", "no gang had the memory it needs at the time"},
    {"quota", "the user's quota of running tasks is used up"},
    {"no_workers", "no gang is connected that it fits; 'ffctl workers' lists them"},
    {"poisoned", "its tasks crashed gangs before; it waits longer each time"},
    {"user", "its user asked for it"},
    {"admin", "an administrator asked for it"},
};

static const char *reason_words(const char *reason)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(reasons[i].reason, reason) == 0) return reasons[i].words;
    }
    return "";
}

/* Tasks are counts in one form of a job and a list in the other. */
static void show_tasks(FILE *out, const json_t *job)
{
    const json_t *tasks = json_object_get(job, "tasks");
    if (!json_is_object(tasks)) return;
    fprintf(out, "tasks     %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " done\n",
            json_integer_value(json_object_get(tasks, "done")), json_integer_value(json_object_get(tasks, "total")));
}

void ff_job_show(FILE *out, const json_t *job)
{
    char line[320];
    const json_t *progress = json_object_get(job, "progress"), *result = json_object_get(job, "result");
    ff_facts_print(out, job, facts);
    show_tasks(out, job);
    if (json_is_object(progress) && !ff_state_ended(ff_text_of(job, "state"))) {
        ff_progress_line(progress, 0, 0, line, sizeof line);
        fprintf(out, "progress  %s\n", line);
    }
    if (json_is_object(result)) {
        fprintf(out, "result    %" JSON_INTEGER_FORMAT " bytes, SHA-256 %s\n",
                json_integer_value(json_object_get(result, "size")), ff_text_of(result, "sha256"));
    }
}

static void explain_state(FILE *out, const json_t *job)
{
    const char *reason = ff_text_of(job, "reason"), *message = ff_text_of(job, "message");
    const json_t *error = json_object_get(job, "error");
    if (*reason) fprintf(out, "  %s%s%s\n", reason, *reason_words(reason) ? ": " : "", reason_words(reason));
    if (*message) fprintf(out, "  %s\n", message);
    if (!json_is_object(error)) return;
    fprintf(out, "  %s: %s\n", ff_text_of(error, "title"), ff_text_of(error, "detail"));
    if (*ff_text_of(error, "pointer")) fprintf(out, "  where: %s\n", ff_text_of(error, "pointer"));
}

void ff_job_explain(FILE *out, const json_t *job, bool colour)
{
    const char *bold = colour ? "\033[1m" : "", *plain = colour ? "\033[0m" : "";
    const json_t *list = json_object_get(job, "task_list");
    const char *old = ff_text_of(job, "retry_of"), *shorter = ff_text_of(job, "extend_of");
    if (!json_is_array(list)) list = json_object_get(job, "tasks");
    ff_job_show(out, job);
    if (*old) fprintf(out, "retry of  %s\n", old);
    if (*shorter) fprintf(out, "extends   %s\n", shorter);
    if (*ff_text_of(job, "reason") || *ff_text_of(job, "message") || json_is_object(json_object_get(job, "error"))) {
        fprintf(out, "\n%swhy%s\n", bold, plain);
        explain_state(out, job);
    }
    if (json_is_array(list) && json_array_size(list) > 0) {
        fprintf(out, "\n%stasks%s\n", bold, plain);
        ff_table_print(out, list, task_columns);
    }
}

void ff_job_next(FILE *out, const json_t *job)
{
    const char *id = ff_text_of(job, "id"), *state = ff_text_of(job, "state");
    const bool posterior = strcmp(ff_text_of(job, "kind"), "posterior") == 0;
    fputs("\nnext:\n", out);
    if (!ff_state_ended(state)) {
        fprintf(out, "  ffctl watch %s\n  ffctl cancel %s\n", id, id);
    } else if (ff_state_exit(state) == 0) {
        fprintf(out, "  ffctl download %s\n", id);
        if (posterior) {
            fprintf(out, "  ffctl export %s --format corner -o corner.png\n  ffctl extend %s --draws 400\n", id, id);
        }
    } else {
        fprintf(out, "  ffctl logs %s\n  ffctl retry %s\n", id, id);
    }
}
