/* The small parts of this room: differences, the spec's identity, memory, folders, the meter. */
#include "tests/unit/job/job_helper.h"

#include "worker/io/folder.h"
#include "worker/job/difference.h"
#include "worker/job/memory.h"
#include "worker/job/meter.h"
#include "worker/job/spec.h"

#include "common/clock.h"

static ff_err wave(void *self, double h, double *value, ff_ctx *ctx)
{
    (void)ctx;
    const double edge = *(const double *)self;
    *value = fabs(h) > edge ? NAN : sin(3 * (0.4 + h)) + 1e5;
    return FF_OK;
}

static void differences_reach_the_precision_of_the_values(void **state)
{
    (void)state;
    for (double edge = 1; edge > 1e-3; edge /= 30) { /* with the first steps undefined too */
        struct ff_difference d;
        ff_ctx ctx = {0};
        check_ok(ff_differentiate(wave, &edge, 0.5, &d, &ctx), &ctx);
        check_close("slope of sin 3x", d.slope, 3 * cos(1.2), 1e-11 / fmin(edge, 0.1) * 3);
        assert_true(d.curvature < 0);
    }
}

static void spec_of(const char *text, json_t **spec, char *hash)
{
    ff_ctx ctx = {0};
    struct ff_job *job = job_from(text);
    check_ok(ff_spec_resolve(spec, job, &ctx), &ctx);
    check_ok(ff_spec_hash(*spec, hash, &ctx), &ctx);
    ff_job_free(job);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void identity_is_that_of_contents(void **state)
{
    (void)state;
    static const char form[] = "{\"kind\":\"posterior\",\"seed\":%d,\"model\":{\"preset\":\"lsst-y10\"},"
                               "\"data\":{\"dataset\":\"@%s/%s.h5\"},\"resources\":{\"threads\":%d}}";
    char folder[256], path[300], text[1024], hash[5][FF_HASH_SIZE];
    temporary_folder(folder);
    const char *const names[] = {"a", "b", "c"}, *const contents[] = {"same", "same", "other"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s.h5", folder, names[i]);
        write_file(path, contents[i]);
    }
    const struct {
        int seed, file, threads;
    } cases[5] = {{1, 0, 0}, {1, 1, 0}, {1, 0, 2}, {1, 2, 0}, {2, 0, 0}};
    for (int i = 0; i < 5; i++) {
        json_t *spec;
        snprintf(text, sizeof text, form, cases[i].seed, folder, names[cases[i].file], cases[i].threads);
        spec_of(text, &spec, hash[i]);
        const char *data = json_string_value(json_object_get(json_object_get(spec, "data"), "dataset"));
        assert_non_null(data);
        assert_int_equal(strncmp(data, "sha256:", 7), 0);
        assert_int_equal(strlen(data), 7 + 64);
        json_decref(spec);
    }
    assert_string_equal(hash[0], hash[1]); /* where the file lies does not matter */
    assert_string_equal(hash[0], hash[2]); /* nor do threads */
    assert_string_not_equal(hash[0], hash[3]);
    assert_string_not_equal(hash[0], hash[4]);
    ff_ctx ctx = {0};
    check_ok(ff_folder_remove(folder, &ctx), &ctx);
}

/* A chain may go on to more draws, so how many there are to be is no part of what a checkpoint belongs to; all else is. */
static void identity_leaves_out_how_many_draws(void **state)
{
    (void)state;
    static const char form[] = "{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\"},\"data\":{\"mock\":{}},"
                               "\"sampler\":{%s}}";
    static const char *const samplers[] = {
        "\"draws\":100", "\"draws\":200", "\"until\":{\"ess\":50}", "\"until\":{\"ess\":70,\"max_draws\":10}",
        "\"warmup\":7",  "\"chains\":2",  "\"target_accept\":0.7"};
    char hash[7][FF_HASH_SIZE], text[512];
    for (int i = 0; i < 7; i++) {
        json_t *spec;
        snprintf(text, sizeof text, form, samplers[i]);
        spec_of(text, &spec, hash[i]);
        json_decref(spec);
        if (i < 4)
            assert_string_equal(hash[i], hash[0]);
        else
            assert_string_not_equal(hash[i], hash[0]);
    }
}

static void copies_are_whole_and_links_are_not_followed(void **state)
{
    (void)state;
    char folder[256], from[300], to[300], link_path[300], text[16] = "";
    bool found;
    ff_ctx ctx = {0};
    temporary_folder(folder);
    snprintf(from, sizeof from, "%s/from", folder);
    snprintf(to, sizeof to, "%s/to", folder);
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    check_ok(ff_folder_copy(from, to, &found, &ctx), &ctx);
    assert_false(found);
    assert_int_equal(access(to, F_OK), -1);
    write_file(to, "something longer");
    write_file(from, "short");
    check_ok(ff_folder_copy(from, to, &found, &ctx), &ctx);
    assert_true(found);
    FILE *f = fopen(to, "r");
    assert_int_equal(fread(text, 1, sizeof text, f), 5);
    fclose(f);
    assert_string_equal(text, "short");
    assert_int_equal(symlink(from, link_path), 0);
    assert_int_equal(ff_folder_copy(link_path, to, &found, &ctx), FF_EIO);
    assert_int_equal(ff_folder_copy(from, link_path, &found, &ctx), FF_EIO);
    ff_ctx_clear(&ctx);
    check_ok(ff_folder_remove(folder, &ctx), &ctx);
}

static void memory_that_is_not_there_is_refused_with_numbers(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    assert_true(ff_memory_available() > 1 << 20);
    check_ok(ff_memory_require(1 << 20, "/x", "less", &ctx), &ctx);
    assert_int_equal(ff_memory_require((size_t)1 << 60, "/model/field/npix", "fewer pixels", &ctx), FF_ENOMEM);
    assert_string_equal(ctx.pointer, "/model/field/npix");
    assert_non_null(strstr(ctx.message, "1073741824.00 GiB"));
    assert_non_null(strstr(ctx.message, "fewer pixels"));
}

static void results_that_could_not_be_made_are_refused(void **state)
{
    (void)state;
    char folder[256], path[300];
    ff_ctx ctx = {0};
    temporary_folder(folder);
    snprintf(path, sizeof path, "%s/no/out.h5", folder);
    assert_int_equal(ff_folder_check_out(path, &ctx), FF_ENOFILE);
    assert_int_equal(ff_folder_check_out(folder, &ctx), FF_EBADFILE);
    snprintf(path, sizeof path, "%s/out.h5", folder);
    check_ok(ff_folder_check_out(path, &ctx), &ctx);
    assert_int_equal(ff_folder_check_room(path, 1e24, "/count", &ctx), FF_EDISKFULL);
    assert_string_equal(ctx.pointer, "/count");
    check_ok(ff_folder_check_room(path, 1, "/count", &ctx), &ctx);
    check_ok(ff_folder_remove(folder, &ctx), &ctx);
    check_ok(ff_folder_remove(folder, &ctx), &ctx); /* gone already */
}

static void links_in_a_checkpoint_folder_are_removed_not_followed(void **state)
{
    (void)state;
    char folder[256], inside[300], target[300], link_path[330];
    ff_ctx ctx = {0};
    temporary_folder(folder);
    snprintf(target, sizeof target, "%s/precious", folder);
    snprintf(inside, sizeof inside, "%s/out.ckpt", folder);
    snprintf(link_path, sizeof link_path, "%s/link", inside);
    write_file(target, "x");
    check_ok(ff_folder_make(inside, &ctx), &ctx);
    assert_int_equal(symlink(target, link_path), 0);
    check_ok(ff_folder_remove(inside, &ctx), &ctx);
    assert_int_equal(access(target, F_OK), 0);
    assert_int_equal(symlink(folder, inside), 0); /* the folder itself a link: not ours to empty */
    assert_int_equal(ff_folder_remove(inside, &ctx), FF_EIO);
    assert_int_equal(access(target, F_OK), 0);
    ff_ctx_clear(&ctx);
    check_ok(ff_folder_remove(folder, &ctx), &ctx);
}

struct seen {
    int events;
    double eta;
};

static void count_event(void *self, const char *task, json_t *event)
{
    struct seen *seen = self;
    (void)task;
    seen->events++;
    seen->eta = json_number_value(json_object_get(event, "eta_s"));
    json_decref(event);
}

static void the_meter_is_not_chatty_and_always_tells_the_end(void **state)
{
    (void)state;
    struct seen seen = {0, -1};
    const struct ff_sink sink = {.self = &seen, .emit = count_event};
    struct ff_meter meter;
    ff_meter_init(&meter, &sink, "draws", 0);
    const double begun = ff_clock_s();
    for (long i = 1; i <= 1000; i++) ff_meter_count(&meter, "draws", i, 1000);
    const double allowed = 1 + (ff_clock_s() - begun) / 0.25;
    assert_true(seen.events >= 1);
    if (seen.events > allowed + 1) fail_msg("%d events where %g are allowed", seen.events, allowed);
    assert_true(seen.eta == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_reach_the_precision_of_the_values),
        cmocka_unit_test(identity_is_that_of_contents),
        cmocka_unit_test(identity_leaves_out_how_many_draws),
        cmocka_unit_test(copies_are_whole_and_links_are_not_followed),
        cmocka_unit_test(memory_that_is_not_there_is_refused_with_numbers),
        cmocka_unit_test(results_that_could_not_be_made_are_refused),
        cmocka_unit_test(links_in_a_checkpoint_folder_are_removed_not_followed),
        cmocka_unit_test(the_meter_is_not_chatty_and_always_tells_the_end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
