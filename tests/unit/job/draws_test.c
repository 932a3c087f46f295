/* Draws jobs: whatever stops them, however many threads and chunks, the result has the same bits. */
#include "tests/unit/job/job_helper.h"

#include "files/h5.h"
#include "worker/io/folder.h"
#include "worker/job/run.h"

static const char form[] = "{\"kind\":\"draws\",\"seed\":%d,\"count\":%d,\"chunk\":%d,\"scores\":true,"
                           "\"model\":{\"simulator\":\"lognormal\",\"field\":{\"size_deg\":4,\"npix\":16},"
                           "\"sources\":{\"gaussian\":[{\"z\":0.5,\"sd\":0.12,\"n_per_arcmin2\":7},{\"z\":1,\"sd\":0."
                           "15,\"n_per_arcmin2\":9}]},"
                           "\"sigma_e\":0.26,\"parameters\":{\"omega_c\":{\"uniform\":[0.1,0.5]},\"sigma8\":{"
                           "\"normal\":[0.8,0.1],\"low\":0.3},"
                           "\"m_1\":{\"normal\":[0,0.01]}}}}";
enum { COUNT = 11, NFREE = 3, NOBS = 2 * 16 * 16 };

struct fixture {
    char folder[256], out[300], ckpt[310];
    volatile sig_atomic_t stop;
    int stop_after; /* chunks */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    temporary_folder(f->folder);
    snprintf(f->out, sizeof f->out, "%s/out.h5", f->folder);
    snprintf(f->ckpt, sizeof f->ckpt, "%s.ckpt", f->out);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ff_ctx ctx = {0};
    ff_err err = ff_folder_remove(f->ckpt, &ctx);
    if (!err) err = ff_folder_remove(f->folder, &ctx);
    free(f);
    return err;
}

/* Stops the run once so many chunks have succeeded. */
static void watch(void *self, const char *task, json_t *event)
{
    struct fixture *f = self;
    const char *state = json_string_value(json_object_get(event, "state"));
    if (task && state && !strcmp(state, "succeeded") && --f->stop_after == 0) f->stop = 1;
    json_decref(event);
}

static ff_err run(struct fixture *f, int seed, int chunk, int threads, int stop_after, bool resume, ff_ctx *ctx)
{
    char text[1024];
    struct ff_prepared prepared;
    snprintf(text, sizeof text, form, seed, COUNT, chunk);
    f->stop = 0;
    f->stop_after = stop_after;
    check_ok(ff_prepare(&prepared, job_from(text), threads, ctx), ctx);
    const struct ff_run run = {.prepared = &prepared,
                               .out = f->out,
                               .ckpt_dir = f->ckpt,
                               .threads = threads,
                               .resume = resume,
                               .sink = {.self = f, .emit = watch},
                               .stop = &f->stop};
    const ff_err err = ff_run_job(&run, ctx);
    ff_prepared_done(&prepared);
    return err;
}

struct result {
    double *theta, *score;
    float *x;
    uint8_t *valid;
};

static void *get(ff_h5r *f, const char *name, enum ff_type type, long elements)
{
    void *data;
    int rank;
    long shape[FF_MAX_RANK], n = 1;
    ff_ctx ctx = {0};
    check_ok(ff_h5r_get(f, name, type, elements, &data, &rank, shape, &ctx), &ctx);
    for (int i = 0; i < rank; i++) n *= shape[i];
    assert_int_equal(n, elements);
    return data;
}

static struct result read_result(const struct fixture *f)
{
    ff_h5r *file;
    ff_ctx ctx = {0};
    check_ok(ff_h5r_open(&file, f->out, &ctx), &ctx);
    const struct result r = {get(file, "draws/theta", FF_F64_T, COUNT * NFREE),
                             get(file, "draws/score", FF_F64_T, COUNT * NFREE),
                             get(file, "draws/x", FF_F32_T, COUNT * NOBS), get(file, "draws/valid", FF_U8_T, COUNT)};
    ff_h5r_close(file);
    return r;
}

static void result_done(struct result *r)
{
    free(r->theta);
    free(r->score);
    free(r->x);
    free(r->valid);
}

static void check_same(const struct result *a, const struct result *b)
{
    assert_memory_equal(a->theta, b->theta, sizeof(double) * COUNT * NFREE);
    assert_memory_equal(a->score, b->score, sizeof(double) * COUNT * NFREE);
    assert_memory_equal(a->x, b->x, sizeof(float) * COUNT * NOBS);
    assert_memory_equal(a->valid, b->valid, COUNT);
}

static struct result reference(struct fixture *f)
{
    ff_ctx ctx = {0};
    check_ok(run(f, 3, 4, 1, 0, false, &ctx), &ctx);
    assert_int_not_equal(access(f->ckpt, F_OK), 0); /* nothing is left behind */
    return read_result(f);
}

static void bits_do_not_depend_on_threads_or_chunks(void **state)
{
    struct fixture *f = *state;
    struct result a = reference(f);
    const int cases[][2] = {{4, 2}, {4, 3}, {1, 1}, {11, 2}, {7, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ff_ctx ctx = {0};
        check_ok(run(f, 3, cases[i][0], cases[i][1], 0, false, &ctx), &ctx);
        struct result b = read_result(f);
        check_same(&a, &b);
        result_done(&b);
    }
    result_done(&a);
}

static void a_stopped_job_goes_on_to_the_same_bits(void **state)
{
    struct fixture *f = *state;
    struct result a = reference(f);
    for (int chunks = 1; chunks <= 3; chunks++) {
        ff_ctx ctx = {0};
        assert_int_equal(unlink(f->out), 0);
        assert_int_equal(run(f, 3, 4, 2, chunks, false, &ctx), FF_EINTERRUPTED);
        assert_int_not_equal(access(f->out, F_OK), 0);
        assert_int_equal(access(f->ckpt, F_OK), 0);
        ff_ctx_clear(&ctx);
        check_ok(run(f, 3, 4, 1, 0, true, &ctx), &ctx);
        struct result b = read_result(f);
        check_same(&a, &b);
        result_done(&b);
    }
    result_done(&a);
}

static void the_checkpoint_of_another_job_is_refused_and_kept(void **state)
{
    struct fixture *f = *state;
    ff_ctx ctx = {0};
    char path[400];
    assert_int_equal(run(f, 3, 4, 1, 1, false, &ctx), FF_EINTERRUPTED);
    ff_ctx_clear(&ctx);
    assert_int_equal(run(f, 4, 4, 1, 0, true, &ctx), FF_ECHECKPOINT);
    snprintf(path, sizeof path, "%s/draws-0.store", f->ckpt);
    assert_int_equal(access(path, F_OK), 0);
    ff_ctx_clear(&ctx);
    check_ok(run(f, 3, 4, 1, 0, true, &ctx), &ctx);
}

static void draws_are_finite_and_invalid_ones_are_zero(void **state)
{
    struct fixture *f = *state;
    struct result a = reference(f);
    int valid = 0;
    for (int d = 0; d < COUNT; d++) {
        valid += a.valid[d];
        for (int i = 0; i < NOBS; i++) {
            assert_true(isfinite(a.x[d * NOBS + i]));
            if (!a.valid[d]) assert_true(a.x[d * NOBS + i] == 0);
        }
        for (int i = 0; i < NFREE; i++) assert_true(isfinite(a.score[d * NFREE + i]));
    }
    assert_true(valid > COUNT / 2);
    result_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bits_do_not_depend_on_threads_or_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stopped_job_goes_on_to_the_same_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_checkpoint_of_another_job_is_refused_and_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(draws_are_finite_and_invalid_ones_are_zero, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
