/* common/job.c - see job.h: a job from its text. The parts are read in job_*.c, in the order of the contract. */
#include "common/job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/job_parts.h"
#include "common/text_file.h"

static const struct ff_choice kinds[] = {{"simulate", FF_SIMULATE, false},
                                         {"draws", FF_DRAWS, false},
                                         {"posterior", FF_POSTERIOR, false},
                                         {"spectrum", FF_SPECTRUM, false},
                                         {"implicit", FF_IMPLICIT, true},
                                         {"compare", FF_COMPARE, true},
                                         {"noop", FF_NOOP, true},
                                         {NULL, 0, false}};
/* "noop" is not in the build of anybody but the tests of the service. */
static const struct ff_choice kinds_of_tests[] = {{"noop", FF_NOOP, false}, {NULL, 0, false}};

const char *ff_kind_name(enum ff_kind kind)
{
    for (const struct ff_choice *c = kinds; c->word; c++) {
        if (c->value == (int)kind) return c->word;
    }
    return "?";
}

static const struct ff_choice *kinds_of(const struct ff_scope *root)
{
    const json_t *kind = json_object_get(root->in, "kind");
    bool noop = root->reader->test_kinds && json_is_string(kind) && !strcmp(json_string_value(kind), "noop");
    return noop ? kinds_of_tests : kinds;
}

static void read_job(struct ff_scope *root, struct ff_job *job)
{
    job->kind = (enum ff_kind)ff_read_choice(root, "kind", kinds_of(root), NULL);
    ff_read_text(root, "name", job->name, sizeof job->name, "");
    job->seed = (uint64_t)ff_read_integer(root, "seed", 0, INT64_MAX, 1);
    if (job->kind != FF_NOOP) {
        ff_job_read_model(root, &job->model);
        ff_job_read_data(root, job);
    }
    ff_job_read_kind(root, job);
    ff_job_read_resources(root, job);
    ff_scope_close(root);
}

static ff_err job_from_json(struct ff_job **out, const json_t *json, struct ff_reader *reader)
{
    struct ff_scope root;
    struct ff_job *job = calloc(1, sizeof *job);
    if (!job) return ff_fail(reader->ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    job->spec = json_object();
    if (job->spec) {
        ff_scope_root(&root, reader, json, job->spec);
        read_job(&root, job);
    } else {
        reader->err = ff_fail(reader->ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    }
    if (reader->err) {
        ff_job_free(job);
        job = NULL;
    }
    *out = job;
    return reader->err;
}

static ff_err job_from_text(struct ff_job **out, const char *text, size_t size, struct ff_reader *reader)
{
    json_t *json;
    *out = NULL;
    ff_err err = ff_json_parse(&json, text, size, reader->ctx);
    if (err) return err;
    err = job_from_json(out, json, reader);
    json_decref(json);
    return err;
}

ff_err ff_job_parse(struct ff_job **out, const char *text, size_t size, const char *base_dir, ff_ctx *ctx)
{
    struct ff_reader reader = {.ctx = ctx, .base_dir = base_dir && *base_dir ? base_dir : "."};
    return job_from_text(out, text, size, &reader);
}

ff_err ff_job_parse_posted(struct ff_job **out, const char *text, size_t size, bool test_kinds, ff_ctx *ctx)
{
    struct ff_reader reader = {.ctx = ctx, .datasets = FF_DATASETS_IDS, .test_kinds = test_kinds};
    return job_from_text(out, text, size, &reader);
}

ff_err ff_job_parse_task(struct ff_job **out, const char *text, size_t size,
                         const char *(*path_of)(void *self, const char *id), void *self, ff_ctx *ctx)
{
    const char *tests = getenv("FF_TEST_KINDS");
    struct ff_reader reader = {.ctx = ctx,
                               .datasets = FF_DATASETS_GANG,
                               .path_of = path_of,
                               .path_self = self,
                               .test_kinds = tests && !strcmp(tests, "1")};
    return job_from_text(out, text, size, &reader);
}

static int add_id(const struct ff_dataset_ref *ref, const char **ids, int n)
{
    if (strncmp(ref->path, "ds_", 3) != 0) return n;
    for (int i = 0; i < n; i++) {
        if (!strcmp(ids[i], ref->path)) return n;
    }
    ids[n] = ref->path;
    return n + 1;
}

int ff_job_datasets(const struct ff_job *job, const char *ids[FF_MAX_DATASETS])
{
    int n = add_id(&job->model.shift_table, ids, 0);
    n = add_id(&job->data.dataset, ids, n);
    n = add_id(&job->data.mask, ids, n);
    for (int i = 0; i < job->model.sources.nbins; i++) n = add_id(&job->model.nz[i], ids, n);
    return n;
}

ff_err ff_job_read(struct ff_job **out, const char *path, ff_ctx *ctx)
{
    char *text;
    size_t size = 0;
    *out = NULL;
    ff_err err = ff_text_file_read(&text, &size, path, FF_JOB_MAX_BYTES, ctx);
    if (err) return err;
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    err = folder ? ff_job_parse(out, text, size, folder, ctx)
                 : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to read %s", path);
    if (err) ff_note(ctx, FF_HERE, "while reading %s", path);
    free(folder);
    free(text);
    return err;
}

void ff_job_free(struct ff_job *job)
{
    if (!job) return;
    free(job->ell);
    json_decref(job->spec);
    free(job);
}

double ff_model_noise_sd(const struct ff_model *model, int bin)
{
    double pixel_arcmin = model->size_deg * 60 / model->npix;
    return model->sigma_e / sqrt(model->sources.n_per_arcmin2[bin] * pixel_arcmin * pixel_arcmin);
}

int ff_model_free(const struct ff_model *model, int *place)
{
    int n = 0;
    for (int par = 0; par < model->npars; par++) {
        if (model->par[par].kind != FF_PRIOR_FIXED) place[n++] = par;
    }
    return n;
}
