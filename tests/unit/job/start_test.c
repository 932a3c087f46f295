/* start_test.c - a chain that has no start says where it looked: the parameters by name and value. */
#include "job_helper.h"

#include "files/dataset.h"
#include "worker/job/posterior_chain.h"

static const char JOB[] =
    "{\"kind\":\"posterior\",\"seed\":3,\"model\":{\"simulator\":\"gaussian\",\"field\":{\"size_deg\":5,\"npix\":16},"
    "\"sources\":{\"gaussian\":[{\"z\":0.8,\"sd\":0.1,\"n_per_arcmin2\":30}]},\"sigma_e\":0.1,"
    "\"observable\":\"convergence\",\"parameters\":{\"sigma8\":{\"uniform\":[0.4,1.2]},\"wa\":{\"normal\":[0,60]}}},"
    "\"data\":{\"mock\":{\"parameters\":{\"sigma8\":0.8},\"seed\":5}},"
    "\"sampler\":{\"algorithm\":\"hmc\",\"chains\":1,\"warmup\":5,\"draws\":5}}";

/* The refusal of a chain whose fit says sigma8 and wa, to six digits, and whose first pixel is `pixel` (NAN: as it is). */
static ff_err refusal(double sigma8, double wa, float pixel, ff_ctx *ctx)
{
    const double mean[] = {sigma8, wa}, sd[] = {0.05, 0.5}, zero[2] = {0};
    struct ff_prepared prepared;
    struct ff_transform transform;
    struct ff_start start = {0};
    struct ff_pchain *chain = malloc(sizeof *chain);
    assert_non_null(chain);
    check_ok(ff_prepare(&prepared, job_from(JOB), 1, ctx), ctx);
    check_ok(ff_make_mock(&prepared, 1, NULL, &start.mock, ctx), ctx);
    start.data = &start.mock;
    if (!isnan(pixel)) start.mock.map[0] = pixel;
    memcpy(start.fit.mean, mean, sizeof mean);
    memcpy(start.fit.sd, sd, sizeof sd);
    ff_transform_init(&transform, &prepared.job->model);
    ff_transform_recentre(&transform, mean, sd);
    ff_transform_from_u(&transform, zero, start.fit.centre);
    for (int i = 0; i < 2; i++) start.fit.factor[3 * i] = 1e-9;
    const struct ff_run run = {.prepared = &prepared, .ckpt_dir = ".", .threads = 1, .sink = {.emit = drop_event}};
    const struct ff_pchain_listener nobody = {0};
    const ff_err err = ff_pchain_init(chain, 0, &run, &start, 1, &nobody, ctx);
    if (!err) ff_pchain_done(chain);
    free(chain);
    ff_maps_done(&start.mock);
    ff_prepared_done(&prepared);
    return err;
}

static void expect_words(const ff_ctx *ctx, const char *first, const char *second, const char *third)
{
    const char *const words[] = {first, second, third};
    for (int i = 0; i < 3; i++)
        if (!strstr(ctx->message, words[i])) fail_msg("expected \"%s\" in: %s", words[i], ctx->message);
}

static void a_good_start_is_taken(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    check_ok(refusal(0.8, 0, NAN, &ctx), &ctx);
}

static void no_start_inside_the_model_names_the_last_one(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    assert_int_equal(refusal(0.8, 60, NAN, &ctx), FF_EOUTSIDE);
    expect_words(&ctx, "no start inside the model", "sigma8 0.8,", "wa 60,");
    assert_string_equal(ctx.pointer, "/model/parameters");
}

static void a_density_that_is_not_finite_names_the_start(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    assert_int_equal(refusal(0.75, 0.25, 1e30f, &ctx), FF_ENUMERIC);
    expect_words(&ctx, "the density is not finite at the start", "sigma8 0.75,", "wa 0.25,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_start_is_taken),
        cmocka_unit_test(no_start_inside_the_model_names_the_last_one),
        cmocka_unit_test(a_density_that_is_not_finite_names_the_start),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
