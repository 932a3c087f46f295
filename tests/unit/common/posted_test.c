/* tests/unit/common/posted_test.c - jobs as a server and a gang read them: datasets by id, resources, jobs of tests. */
#include "tests/unit/common/help.h"

#define ID_A "ds_aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "ds_0123456789abcdefghijklmnop"
#define ID_C "ds_zzzzzzzzzzzzzzzzzzzzzzzzz9"

static const char two_datasets[] =
    "{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\",\"sources\":{\"tables\":[{\"nz\":\"" ID_A
    "\",\"n_per_arcmin2\":5},{\"nz\":\"" ID_B "\",\"n_per_arcmin2\":5},{\"nz\":\"" ID_A
    "\",\"n_per_arcmin2\":5}]},\"lognormal\":{\"shift\":{\"table\":\"" ID_C "\"}}},\"data\":{\"mock\":{\"mask\":\"" ID_B
    "\"}}}";

static struct ff_job *posted(const char *text, bool test_kinds)
{
    ff_ctx ctx = {0};
    struct ff_job *job;
    if (ff_job_parse_posted(&job, text, strlen(text), test_kinds, &ctx))
        fail_msg("expected a job, got: %s: %s\n%s", ctx.pointer, ctx.message, text);
    return job;
}

static void refused(const char *text, ff_err code, const char *pointer, const char *says)
{
    ff_ctx ctx = {0};
    struct ff_job *job = (void *)1;
    ff_err err = ff_job_parse_posted(&job, text, strlen(text), true, &ctx);
    if (err != code || strcmp(ctx.pointer, pointer) != 0 || !strstr(ctx.message, says) || job)
        fail_msg("expected %s at \"%s\" saying \"%s\", got %s at \"%s\": %s\n%s", ff_code_slug(code), pointer, says,
                 ff_code_slug(err), ctx.pointer, ctx.message, text);
}

static void datasets_are_ids(void **state)
{
    const char *ids[FF_MAX_DATASETS];
    (void)state;
    struct ff_job *job = posted(two_datasets, false);
    expect_word("mask", ID_B, job->data.mask.path);
    expect_word("pointer", "/data/mock/mask", job->data.mask.pointer);
    assert_int_equal(ff_job_datasets(job, ids), 3);
    expect_word("table", ID_C, ids[0]);
    expect_word("mask and n(z)", ID_B, ids[1]);
    expect_word("n(z) twice", ID_A, ids[2]);
    ff_job_free(job);
    job = posted("{\"kind\":\"posterior\",\"model\":{\"preset\":\"cosmos\"},\"data\":{\"mock\":{}}}", false);
    assert_int_equal(ff_job_datasets(job, ids), 0);
    ff_job_free(job);
}

/* All that a job can name at once, each another: they have to fit. */
static void the_most_datasets_fit(void **state)
{
    char text[4096];
    const char *ids[FF_MAX_DATASETS];
    int n = snprintf(text, sizeof text,
                     "{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\",\"sources\":{\"tables\":[");
    (void)state;
    for (int i = 0; i < FF_MAX_BINS; i++)
        n +=
            snprintf(text + n, sizeof text - (size_t)n, "%s{\"nz\":\"ds_%026d\",\"n_per_arcmin2\":1}", i ? "," : "", i);
    snprintf(text + n, sizeof text - (size_t)n,
             "]},\"lognormal\":{\"shift\":{\"table\":\"" ID_C "\"}}},\"data\":{\"mock\":{\"mask\":\"" ID_A "\"}}}");
    struct ff_job *job = posted(text, false);
    assert_int_equal(ff_job_datasets(job, ids), FF_MAX_BINS + 2);
    ff_job_free(job);
}

static void files_and_half_ids_are_refused(void **state)
{
    static const char *const bad[] = {"ds_",
                                      "ds_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                      "ds_aaaaaaaaaaaaaaaaaaaaaaaaa",
                                      ID_A "a",
                                      "dx_aaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      "ds_../../../../../../../etc/pa",
                                      "x",
                                      ""};
    char text[256];
    (void)state;
    refused("{\"kind\":\"posterior\",\"model\":{\"preset\":\"cosmos\"},\"data\":{\"dataset\":\"@d.h5\"}}", FF_EBADJOB,
            "/data/dataset", "ffctl upload");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text,
                 "{\"kind\":\"posterior\",\"model\":{\"preset\":\"cosmos\"},\"data\":{\"dataset\":\"%s\"}}", bad[i]);
        refused(text, FF_EBADJOB, "/data/dataset", "is no dataset");
    }
}

static const char *path_of(void *self, const char *id)
{
    return strcmp(id, ID_B) != 0 ? self : NULL;
}

static void a_gang_gets_files_and_keeps_ids_in_the_spec(void **state)
{
    static const char text[] =
        "{\"kind\":\"posterior\",\"model\":{\"preset\":\"cosmos\"},\"data\":{\"dataset\":\"" ID_A "\"}}";
    char path[2 * FF_PATH_SIZE] = "/store/a.h5";
    ff_ctx ctx = {0};
    struct ff_job *server = posted(text, false), *gang;
    (void)state;
    char *spec = json_dumps(server->spec, JSON_COMPACT);
    assert_int_equal(ff_job_parse_task(&gang, spec, strlen(spec), path_of, path, &ctx), FF_OK);
    expect_word("file", "/store/a.h5", gang->data.dataset.path);
    expect_word("pointer", "/data/dataset", gang->data.dataset.pointer);
    assert_true(json_equal(server->spec, gang->spec));
    ff_job_free(gang);
    memset(path, 'x', sizeof path - 1);
    assert_int_equal(ff_job_parse_task(&gang, spec, strlen(spec), path_of, path, &ctx), FF_EBADJOB);
    assert_non_null(strstr(ctx.message, "at most 1023"));
    assert_int_equal(ff_job_parse_task(&gang, two_datasets, strlen(two_datasets), path_of, "/a", &ctx), FF_ENOFILE);
    expect_word("unknown dataset", "/model/sources/tables/1/nz", ctx.pointer);
    assert_int_equal(ff_job_parse_task(&gang, two_datasets, strlen(two_datasets), NULL, NULL, &ctx), FF_ENOFILE);
    assert_null(gang);
    free(spec);
    ff_job_free(server);
}

static void expect_walltime(const char *written, double seconds, const char *canonical)
{
    char text[256];
    snprintf(text, sizeof text, "{\"kind\":\"noop\",\"resources\":{\"walltime\":%s}}", written);
    struct ff_job *job = posted(text, true);
    expect_number(written, seconds, job->resources.walltime_s, 0);
    json_t *value = json_object_get(json_object_get(job->spec, "resources"), "walltime");
    char *got = json_dumps(value, JSON_ENCODE_ANY);
    expect_word(written, canonical, got);
    /* The canonical form is its own canonical form. */
    if (strcmp(written, canonical) != 0) expect_walltime(canonical, seconds, canonical);
    free(got);
    ff_job_free(job);
}

static void walltimes_have_one_form(void **state)
{
    (void)state;
    expect_walltime("\"90s\"", 90, "\"90s\"");
    expect_walltime("\"10m\"", 600, "\"10m\"");
    expect_walltime("\"60m\"", 3600, "\"1h\"");
    expect_walltime("\"48h\"", 172800, "\"2d\"");
    expect_walltime("\"366d\"", 31622400, "\"366d\"");
    expect_walltime("3600", 3600, "\"1h\"");
    expect_walltime("3601.0", 3601, "\"3601s\"");
    expect_walltime("0.5", 0.5, "0.5");
    expect_walltime("0", 0, "\"0s\"");
    expect_walltime("\"0d\"", 0, "\"0s\"");
    expect_walltime("-0.0", 0, "\"0s\"");
}

static void resources_of_a_server(void **state)
{
    (void)state;
    struct ff_job *job = posted("{\"kind\":\"noop\",\"resources\":{\"ranks\":65536,\"threads\":3,\"pool\":"
                                "\"A-z_9.xxxxxxxxxxxxxxxxxxxxxxxxx\",\"priority\":-100}}",
                                true);
    assert_int_equal(job->resources.ranks, 65536);
    assert_int_equal(job->resources.threads, 3);
    assert_int_equal(job->resources.priority, -100);
    expect_word("pool", "A-z_9.xxxxxxxxxxxxxxxxxxxxxxxxx", job->resources.pool);
    ff_job_free(job);
    refused("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"cosmos\"},\"resources\":{\"ranks\":2}}", FF_ENOTBUILT,
            "/resources/ranks", "not in this build");
}

static void a_noop_is_for_tests(void **state)
{
    static const char text[] =
        "{\"kind\":\"noop\",\"count\":3,\"sleep_s\":0.25,\"fail\":\"crash\",\"file_bytes\":4096}";
    ff_ctx ctx = {0};
    struct ff_job *job = posted("{\"kind\":\"noop\"}", true);
    (void)state;
    char *spec = json_dumps(job->spec, JSON_COMPACT);
    expect_word(
        "defaults",
        "{\"kind\":\"noop\",\"name\":\"\",\"seed\":1,\"count\":1,\"sleep_s\":0.0,\"fail\":\"\",\"file_bytes\":0,"
        "\"resources\":{\"ranks\":1,\"threads\":0,\"pool\":\"default\",\"priority\":0,\"walltime\":\"1h\"}}",
        spec);
    free(spec);
    ff_job_free(job);
    job = posted(text, true);
    expect_word("kind", "noop", ff_kind_name(job->kind));
    assert_int_equal(job->count, 3);
    expect_number("sleep_s", 0.25, job->sleep_s, 0);
    expect_word("fail", "crash", job->fail);
    assert_int_equal(job->file_bytes, 4096);
    ff_job_free(job);
    assert_int_equal(ff_job_parse_posted(&job, text, strlen(text), false, &ctx), FF_ENOTBUILT);
    expect_word("pointer", "/kind", ctx.pointer);
    unsetenv("FF_TEST_KINDS");
    assert_int_equal(ff_job_parse_task(&job, text, strlen(text), NULL, NULL, &ctx), FF_ENOTBUILT);
    setenv("FF_TEST_KINDS", "1", 1);
    assert_int_equal(ff_job_parse_task(&job, text, strlen(text), NULL, NULL, &ctx), FF_OK);
    unsetenv("FF_TEST_KINDS");
    ff_job_free(job);
    refused("{\"kind\":\"noop\",\"count\":0}", FF_EBADJOB, "/count", "from 1 to 1000000");
    refused("{\"kind\":\"noop\",\"fail\":\"fire\"}", FF_EBADJOB, "/fail", "\"crash\"");
    refused("{\"kind\":\"noop\",\"model\":{}}", FF_EBADJOB, "/model", "unknown member");
    refused("{\"kind\":\"noop\\u0000\"}", FF_EBADJOB, "/kind", "unknown");
}

static void noops_are_tasks_without_a_last_one(void **state)
{
    ff_ctx ctx = {0};
    struct ff_task *tasks;
    int n;
    (void)state;
    struct ff_job *job = posted("{\"kind\":\"noop\",\"count\":1000000}", true);
    assert_int_equal(ff_tasks_split(job, &tasks, &n, &ctx), FF_OK);
    assert_int_equal(n, 1000000);
    expect_word("first", "noop-0", tasks[0].name);
    expect_word("last", "noop-999999", tasks[n - 1].name);
    for (int i = 0; i < n; i++) {
        if (tasks[i].kind != FF_TASK_NOOP || tasks[i].first != i || tasks[i].count != 1)
            fail_msg("task %d: expected a noop of its own, got kind %d, first %ld, count %ld", i, (int)tasks[i].kind,
                     tasks[i].first, tasks[i].count);
    }
    free(tasks);
    ff_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datasets_are_ids),
        cmocka_unit_test(the_most_datasets_fit),
        cmocka_unit_test(files_and_half_ids_are_refused),
        cmocka_unit_test(a_gang_gets_files_and_keeps_ids_in_the_spec),
        cmocka_unit_test(walltimes_have_one_form),
        cmocka_unit_test(resources_of_a_server),
        cmocka_unit_test(a_noop_is_for_tests),
        cmocka_unit_test(noops_are_tasks_without_a_last_one),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
