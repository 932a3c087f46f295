/* tests/fuzz/job_fuzz.c - any text as a job file, as a job posted to a server and as a job sent to a gang. What is accepted
** is written out in full, and that text is the same job again, with tasks. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "common/job.h"

enum form { FILES, POSTED, TASK };

static const char *path_of(void *self, const char *id)
{
    must(strlen(id) == 29, "ids are whole");
    return self;
}

static ff_err parse(struct ff_job **job, enum form form, const char *text, size_t size, ff_ctx *ctx)
{
    if (form == FILES) return ff_job_parse(job, text, size, "/base", ctx);
    if (form == POSTED) return ff_job_parse_posted(job, text, size, true, ctx);
    return ff_job_parse_task(job, text, size, path_of, "/store/d.h5", ctx);
}

/* An error is text that JSON can hold. */
static void check_error(const ff_ctx *ctx, ff_err err, const struct ff_job *job)
{
    must(ctx->code == err && !job, "an error is in the context and there is no job");
    json_t *message = json_string(ctx->message), *pointer = json_string(ctx->pointer);
    must(message && pointer, "an error is text");
    json_decref(message);
    json_decref(pointer);
}

static void check_tasks(const struct ff_job *job)
{
    struct ff_task *tasks;
    int n;
    ff_ctx ctx = {0};
    if (job->count / (job->chunk ? job->chunk : 1) > 1000) return;
    must(!ff_tasks_split(job, &tasks, &n, &ctx) && n >= 1, "a job has tasks");
    free(tasks);
}

static void check_job(const struct ff_job *job, enum form form)
{
    const char *ids[FF_MAX_DATASETS];
    char *text = json_dumps(job->spec, JSON_COMPACT), *text_again;
    struct ff_job *again;
    ff_ctx ctx = {0};
    must(text != NULL, "a full spec can be written");
    must(!parse(&again, form, text, strlen(text), &ctx), "a full spec is a job");
    text_again = json_dumps(again->spec, JSON_COMPACT);
    must(!strcmp(text, text_again), "a full spec is its own full spec");
    must(ff_job_datasets(job, ids) <= FF_MAX_DATASETS, "datasets fit");
    check_tasks(job);
    ff_job_free(again);
    free(text_again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    setenv("FF_TEST_KINDS", "1", 1);
    for (int form = FILES; form <= TASK; form++) {
        struct ff_job *job;
        ff_ctx ctx = {0};
        ff_err err = parse(&job, (enum form)form, (const char *)data, size, &ctx);
        if (err) {
            check_error(&ctx, err, job);
        } else {
            check_job(job, (enum form)form);
        }
        ff_job_free(job);
    }
    return 0;
}
