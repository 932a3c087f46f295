/* Tasks run one by one, in processes of their own and folders of their own, killed and resumed: the same result as the job in one piece. */
#include "tests/unit/job/task_helper.h"

#include <sys/stat.h>

#include "files/chunks.h"
#include "files/npy.h"

#define MODEL(bins)                                                                                                    \
    "\"model\":{\"simulator\":\"lognormal\",\"field\":{\"size_deg\":5,\"npix\":16,\"ra_deg\":10,\"dec_deg\":-5},"      \
    "\"sources\":{\"gaussian\":[" bins "]},\"sigma_e\":0.26,\"power\":\"linear\","                                     \
    "\"parameters\":{\"omega_c\":{\"normal\":[0.27,0.06],\"low\":0.05},\"sigma8\":{\"uniform\":[0.4,1.3]}}}"
#define ONE_BIN "{\"z\":1,\"sd\":0.2,\"n_per_arcmin2\":30}"
#define POSTERIOR(sampler)                                                                                             \
    "{\"kind\":\"posterior\",\"seed\":3," MODEL(ONE_BIN) ",\"data\":{\"mock\":{\"seed\":7}},\"sampler\":{" sampler "}" \
                                                         "}"
#define HMC "\"algorithm\":\"hmc\",\"warmup\":12,"

static const char FIXED[] = POSTERIOR(HMC "\"chains\":2,\"draws\":30,\"fields\":{\"keep\":\"thin\",\"every\":4}");
static const char UNTIL[] = POSTERIOR(HMC "\"chains\":2,\"until\":{\"ess\":150,\"rhat\":1.2,\"max_draws\":300}");
static const struct fate WHOLE = {0};

static void chains_killed_and_carried_between_folders_give_the_bits_of_the_job(void **state)
{
    (void)state;
    struct farm f;
    farm_init(&f, FIXED);
    check_done(farm_run(&f, 0, "chain-0", 1, 0, 0, WHOLE));
    /* Killed in warm-up, then among the draws, each time gone on with elsewhere. */
    struct outcome o = farm_run(&f, 1, "chain-1", 1, 0, 0, (struct fate){.kill_after = 9, .checkpoint_s = 1e-9});
    assert_int_equal(o.signal, SIGKILL);
    o = farm_run(&f, 1, "chain-1", 2, 1, 0, (struct fate){.kill_after = 20, .checkpoint_s = 1e-9});
    assert_int_equal(o.signal, SIGKILL);
    o = farm_run(&f, 1, "chain-1", 3, 2, 0, (struct fate){.threads = 2});
    check_done(o);
    assert_in_range(o.samples, 1, 15); /* it did go on: 42 transitions, 27 done before */
    check_done(farm_run(&f, 2, "reduce", 1, 0, 0, WHOLE));
    assert_in_range(check_same_as_job(&f, 2, "reduce"), 30, 200);
    farm_done(&f);
}

/* Dying at every place where a checkpoint is written, and once more after it. */
static void a_chain_that_dies_while_it_is_saved_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    static const char *const points[] = {
        "checkpoint_begin:3", "checkpoint_before_current:3", "checkpoint_done:3", "chain_saved:3",
        "transition:8",       "checkpoint_begin:1",          "task_end:1"};
    enum { N = sizeof points / sizeof *points };
    struct farm f;
    farm_init(&f, FIXED);
    check_done(farm_run(&f, 0, "chain-0", 1, 0, 0, WHOLE));
    for (int i = 0; i < N; i++) {
        setenv("FF_CRASH_AT", points[i], 1);
        const struct outcome o = farm_run(&f, 1, "chain-1", i + 1, i, 0, (struct fate){.checkpoint_s = 1e-9});
        unsetenv("FF_CRASH_AT");
        if (o.status != 137) fail_msg("at %s: status %d", points[i], o.status);
        /* The sixth died before its folder had a checkpoint: the seventh starts over, and says so. */
        assert_int_equal(o.warnings, i == 6);
    }
    const struct outcome o = farm_run(&f, 1, "chain-1", N + 1, N, 0, WHOLE);
    check_done(o);
    assert_int_equal(o.samples, 0); /* all had been done before the last one died */
    check_done(farm_run(&f, 2, "reduce", 1, 0, 0, WHOLE));
    check_same_as_job(&f, 2, "reduce");
    farm_done(&f);
}

static void a_stopped_chain_keeps_everything_in_its_own_folder(void **state)
{
    (void)state;
    struct farm f;
    char gone[400], command[500];
    farm_init(&f, FIXED);
    check_done(farm_run(&f, 0, "chain-0", 1, 0, 0, WHOLE));
    for (int attempt = 1; attempt <= 3;
         attempt++) { /* nothing but the last folder is left, as when machines come and go */
        const struct outcome o = farm_run(&f, 1, "chain-1", attempt, attempt - 1, 0, (struct fate){.stop_after = 10});
        assert_int_equal(o.err, FF_EINTERRUPTED);
        assert_int_equal(o.samples, 10);
        assert_in_range(o.saves, 1, 2);
        folder_of(&f, "chain-1", attempt - 1, gone);
        snprintf(command, sizeof command, "rm -rf '%s'", gone);
        assert_int_equal(system(command), 0);
    }
    check_done(farm_run(&f, 1, "chain-1", 4, 3, 0, WHOLE));
    check_done(farm_run(&f, 2, "reduce", 1, 0, 0, WHOLE));
    check_same_as_job(&f, 2, "reduce");
    farm_done(&f);
}

static void reduce_asks_for_more_until_the_rule_is_content(void **state)
{
    (void)state;
    struct farm f;
    farm_init(&f, UNTIL);
    struct outcome o = {.draws = 0};
    long asked[10] = {0};
    int round = 0;
    do {
        asked[round++] = o.draws;
        assert_in_range(round, 1, 9);
        for (int c = 0; c < 2; c++) {
            const char *name = c ? "chain-1" : "chain-0";
            const struct outcome chain = farm_run(&f, c, name, round, round - 1, o.draws, WHOLE);
            check_done(chain);
            assert_true(chain.ess > 0);
        }
        o = farm_run(&f, 2, "reduce", round, 0, 0, WHOLE);
        assert_int_equal(o.err, 0);
        assert_int_equal(o.signal, 0);
    } while (o.end == FF_TASK_MORE);
    assert_in_range(round, 2, 9);
    for (int i = 1; i < round; i++) {
        const long before = i > 1 ? asked[i - 1] : 75; /* the first look: ceil25(150 / 2) */
        assert_int_equal(asked[i] % 25, 0);
        assert_in_range(asked[i], before + 25, 2 * before);
    }
    check_same_as_job(&f, 2, "reduce");
    farm_done(&f);
}

static void a_finished_chain_goes_on_to_more_draws(void **state)
{
    (void)state;
    static const char FIRST[] = POSTERIOR(HMC "\"chains\":2,\"draws\":11,\"fields\":{\"keep\":\"thin\",\"every\":4}");
    struct farm old, new;
    farm_init(&old, FIRST);
    farm_init(&new, FIXED);
    for (int c = 0; c < 2; c++) {
        char from[400];
        const char *name = c ? "chain-1" : "chain-0";
        check_done(farm_run(&old, c, name, 1, 0, 0, WHOLE));
        folder_of(&old, name, 1, from);
        const struct outcome o = farm_run_from(&new, c, 1, from, 0, WHOLE);
        check_done(o);
        assert_int_equal(o.samples, 30 - 11);
    }
    farm_done(&old);
    check_done(farm_run(&new, 2, "reduce", 1, 0, 0, WHOLE));
    check_same_as_job(&new, 2, "reduce");
    /* The other way round is refused with the numbers, and so is another model. */
    char from[400];
    folder_of(&new, "chain-0", 1, from);
    farm_init(&old, FIRST);
    struct outcome o = farm_run_from(&old, 0, 1, from, 0, WHOLE);
    assert_int_equal(o.err, FF_ECHECKPOINT);
    assert_non_null(strstr(o.message, "30 draws"));
    old.job = POSTERIOR("\"algorithm\":\"hmc\",\"warmup\":13,\"chains\":2,\"draws\":30");
    o = farm_run_from(&old, 0, 2, from, 0, WHOLE);
    assert_int_equal(o.err, FF_ECHECKPOINT);
    farm_done(&old);
    farm_done(&new);
}

static void cut_short(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 100), 0);
}

static void reduce_misses_a_chain_and_mends_a_damaged_one(void **state)
{
    (void)state;
    struct farm f;
    char folder[400], path[450];
    farm_init(&f, FIXED);
    check_done(farm_run(&f, 0, "chain-0", 1, 0, 0, WHOLE));
    struct outcome o = farm_run(&f, 2, "reduce", 1, 0, 0, WHOLE);
    assert_int_equal(o.err, FF_ECHECKPOINT);
    assert_non_null(strstr(o.message, "chain-1"));
    /* Two checkpoints: 20 draws, then all 30. The newest is damaged: the draws lost are asked for again. */
    check_done(farm_run(&f, 1, "chain-1", 1, 0, 20, WHOLE));
    check_done(farm_run(&f, 1, "chain-1", 1, 1, 0, WHOLE));
    folder_of(&f, "chain-1", 1, folder);
    snprintf(path, sizeof path, "%s/chain-1.b", folder);
    cut_short(path);
    o = farm_run(&f, 2, "reduce", 1, 0, 0, WHOLE);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.end, FF_TASK_MORE);
    assert_int_equal(o.draws, 30);
    assert_int_equal(o.warnings, 1);
    o = farm_run(&f, 1, "chain-1", 2, 1, 30, WHOLE);
    check_done(o);
    assert_int_equal(o.samples, 10);
    check_done(farm_run(&f, 2, "reduce", 2, 0, 0, WHOLE));
    check_same_as_job(&f, 2, "reduce");
    farm_done(&f);
}

static void a_preview_shows_what_the_chain_has_gathered(void **state)
{
    (void)state;
    struct farm f;
    ff_ctx ctx = {0};
    char folder[400], path[450];
    farm_init(&f, POSTERIOR(HMC "\"chains\":1,\"draws\":8"));
    struct outcome o = farm_run(&f, 0, "chain-0", 1, 0, 0, (struct fate){.checkpoint_s = 1e-9});
    check_done(o);
    assert_int_equal(o.maps, 8); /* none in warm-up; before each draw but the first, and at the end */
    assert_in_range(o.saves, o.maps, 30);
    check_done(farm_run(&f, 1, "reduce", 1, 0, 0, WHOLE));
    folder_of(&f, "chain-0", 1, folder);
    snprintf(path, sizeof path, "%s/maps.npy", folder);
    double *maps;
    int rank;
    long shape[FF_MAX_RANK];
    check_ok(ff_npy_read(path, 1 << 20, &maps, &rank, shape, &ctx), &ctx);
    assert_int_equal(rank, 4);
    assert_int_equal(shape[0], 2);
    assert_int_equal(shape[1], 1);
    assert_int_equal(shape[3], 16);
    ff_h5r *result;
    void *mean, *sd;
    char out[450];
    folder_of(&f, "reduce", 1, folder);
    snprintf(out, sizeof out, "%s/result.h5", folder);
    check_ok(ff_h5r_open(&result, out, &ctx), &ctx);
    check_ok(ff_h5r_get(result, "maps/convergence_mean", FF_F64_T, 256, &mean, &rank, shape, &ctx), &ctx);
    check_ok(ff_h5r_get(result, "maps/convergence_sd", FF_F64_T, 256, &sd, &rank, shape, &ctx), &ctx);
    assert_memory_equal(maps, mean, 256 * sizeof(double));
    assert_memory_equal(maps + 256, sd, 256 * sizeof(double));
    ff_h5r_close(result);
    free(maps);
    free(mean);
    free(sd);
    folder_of(&f, "chain-0", 1, folder);
    snprintf(path, sizeof path, "%s/maps.json", folder);
    json_t *facts = json_load_file(path, 0, NULL);
    assert_non_null(facts);
    assert_int_equal(json_integer_value(json_object_get(facts, "draws")), 8);
    assert_int_equal(json_integer_value(json_object_get(facts, "npix")), 16);
    check_close("size_deg", json_number_value(json_object_get(facts, "size_deg")), 5, 0);
    check_close("dec_deg", json_number_value(json_object_get(facts, "dec_deg")), -5, 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(facts, "names"), 1)), "convergence_sd");
    json_decref(facts);
    farm_done(&f);
}

static void check_npy(const char *folder, const char *name, const double *expected, long n)
{
    char path[450];
    double *data;
    int rank;
    long shape[FF_MAX_RANK], elements = 1;
    ff_ctx ctx = {0};
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    check_ok(ff_npy_read(path, 1 << 20, &data, &rank, shape, &ctx), &ctx);
    for (int i = 0; i < rank; i++) elements *= shape[i];
    assert_int_equal(elements, n);
    assert_memory_equal(data, expected, (size_t)n * sizeof *data);
    free(data);
}

/* The rows of chunk 1 (draws 4 .. 7) of the result. */
static void check_export(const struct farm *f)
{
    static const struct {
        const char *name;
        long row;
    } parts[] = {{"theta", 2}, {"x", 256}, {"valid", 1}, {"score", 2}};
    char folder[400], path[450], dataset[32];
    ff_ctx ctx = {0};
    ff_h5r *result;
    snprintf(path, sizeof path, "%s/job.h5", f->base);
    folder_of(f, "draws-1", f->newest[1], folder);
    check_ok(ff_h5r_open(&result, path, &ctx), &ctx);
    for (int i = 0; i < 4; i++) {
        void *rows;
        int rank;
        long shape[FF_MAX_RANK];
        snprintf(dataset, sizeof dataset, "draws/%s", parts[i].name);
        check_ok(ff_h5r_rows(result, dataset, FF_F64_T, 4, 4, 1 << 20, &rows, &rank, shape, &ctx), &ctx);
        check_npy(folder, parts[i].name, rows, 4 * parts[i].row);
        free(rows);
    }
    ff_h5r_close(result);
}

static void chunks_killed_and_carried_between_folders_give_the_bits_of_the_job(void **state)
{
    (void)state;
    static const char DRAWS[] =
        "{\"kind\":\"draws\",\"seed\":5,\"count\":10,\"chunk\":4,\"scores\":true," MODEL(ONE_BIN) "}";
    struct farm f;
    farm_init(&f, DRAWS);
    struct outcome o = farm_run(&f, 3, "manifest", 1, 0, 0, WHOLE);
    assert_int_equal(o.err, FF_ECHECKPOINT);
    check_done(farm_run(&f, 0, "draws-0", 1, 0, 0, (struct fate){.threads = 2}));
    setenv("FF_CRASH_AT", "draw_kept:3", 1);
    o = farm_run(&f, 1, "draws-1", 1, 0, 0, WHOLE);
    assert_int_equal(o.status, 137);
    unsetenv("FF_CRASH_AT");
    o = farm_run(&f, 1, "draws-1", 2, 1, 0, WHOLE);
    check_done(o);
    assert_int_equal(o.saves, 1);
    check_done(farm_run(&f, 2, "draws-2", 7, 0, 0, WHOLE)); /* two draws */
    check_done(farm_run(&f, 3, "manifest", 2, 0, 0, WHOLE));
    check_same_as_job(&f, 3, "manifest");
    check_export(&f);
    farm_done(&f);
}

/* Beyond the limit the arrays stay where they are, and the result says what they are; as many bytes as the limit are still
** one file. */
static void draws_beyond_the_limit_stay_in_their_files(void **state)
{
    (void)state;
    static const char DRAWS[] =
        "{\"kind\":\"draws\",\"seed\":5,\"count\":10,\"chunk\":4,\"scores\":true," MODEL(ONE_BIN) "}";
    enum { ROW = 2 * 8 + 256 * 4 + 1 + 2 * 8 };
    struct farm f;
    struct ff_chunks c;
    ff_h5r *result;
    char folder[400], path[450], sha256[FF_HASH_SIZE];
    ff_ctx ctx = {0};
    farm_init(&f, DRAWS);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"draws-0", "draws-1", "draws-2"};
        check_done(farm_run(&f, i, names[i], 1, 0, 0, WHOLE));
    }
    check_done(farm_run(&f, 3, "manifest", 1, 0, 0, (struct fate){.assemble_bytes = 10 * ROW}));
    check_same_as_job(&f, 3, "manifest");
    check_done(farm_run(&f, 3, "manifest", 2, 0, 0, (struct fate){.assemble_bytes = 10 * ROW - 1}));
    folder_of(&f, "manifest", 2, folder);
    snprintf(path, sizeof path, "%s/result.h5", folder);
    check_ok(ff_chunks_read(&c, path, 0, 100, &ctx), &ctx);
    assert_int_equal(c.total, 3);
    assert_int_equal(c.narrays, 4);
    assert_string_equal(c.observable, "convergence");
    assert_string_equal(c.noise, "included");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c.chunk[i].first, 4 * i);
        assert_int_equal(c.chunk[i].count, i < 2 ? 4 : 2);
        assert_int_equal(c.chunk[i].valid, c.chunk[i].count);
        for (int a = 0; a < 4; a++) {
            struct stat st;
            char name[24];
            snprintf(name, sizeof name, "draws-%d", i);
            folder_of(&f, name, 1, folder);
            snprintf(path, sizeof path, "%s/%s.npy", folder, ff_chunk_arrays[a].name);
            check_ok(ff_hash_file(path, sha256, &ctx), &ctx);
            assert_string_equal(c.chunk[i].sha256[a], sha256);
            assert_int_equal(stat(path, &st), 0);
            assert_int_equal(c.chunk[i].size[a], st.st_size);
        }
    }
    ff_chunks_done(&c);
    folder_of(&f, "manifest", 2, folder);
    snprintf(path, sizeof path, "%s/result.h5", folder);
    check_ok(ff_h5r_open(&result, path, &ctx), &ctx);
    assert_false(ff_h5r_has(result, "draws/x"));
    assert_true(ff_h5r_has(result, "draws/parameter"));
    ff_h5r_close(result);
    folder_of(&f, "draws-1", 1, folder); /* one bit of a file flips: it is not vouched for */
    snprintf(path, sizeof path, "%s/x.npy", folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, 1000, SEEK_SET);
    const int byte = fgetc(file);
    fseek(file, 1000, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
    const struct outcome o = farm_run(&f, 3, "manifest", 3, 0, 0, (struct fate){.assemble_bytes = 1});
    assert_int_equal(o.err, FF_EIO);
    assert_non_null(strstr(o.message, "x.npy"));
    farm_done(&f);
}

static void jobs_of_one_task_are_that_task(void **state)
{
    (void)state;
    static const char *const jobs[][2] = {
        {"simulate",
         "{\"kind\":\"simulate\",\"seed\":5,\"count\":3,\"outputs\":[\"convergence\",\"spectra\"]," MODEL(ONE_BIN) "}"},
        {"spectrum", "{\"kind\":\"spectrum\",\"ell\":[50,100],\"derivatives\":true," MODEL(ONE_BIN) "}"}};
    for (int i = 0; i < 2; i++) {
        struct farm f;
        farm_init(&f, jobs[i][1]);
        check_done(farm_run(&f, 0, jobs[i][0], 1, 0, 0, WHOLE));
        assert_in_range(check_same_as_job(&f, 0, jobs[i][0]), 3, 50);
        farm_done(&f);
    }
}

/* ---- a task that does nothing ---- */

static struct outcome noop(const char *members, struct fate fate, long *bytes)
{
    struct farm f;
    char text[200], path[450], folder[400];
    struct stat st;
    snprintf(text, sizeof text, "{\"kind\":\"noop\",\"count\":2%s}", members);
    farm_init(&f, text);
    const struct outcome o = farm_run(&f, 1, "noop-1", 1, 0, 0, fate);
    folder_of(&f, "noop-1", 1, folder);
    snprintf(path, sizeof path, "%s/result.h5", folder);
    *bytes = stat(path, &st) ? -1 : (long)st.st_size;
    farm_done(&f);
    return o;
}

static void doing_nothing_ends_in_every_way_that_work_can(void **state)
{
    (void)state;
    long bytes;
    setenv("FF_TEST_KINDS", "1", 1);
    struct outcome o = noop(",\"sleep_s\":0.05", WHOLE, &bytes);
    check_done(o);
    assert_int_equal(bytes, -1);
    assert_in_range(o.progress, 1, 2);
    check_done(noop(",\"file_bytes\":5000", WHOLE, &bytes));
    assert_int_equal(bytes, 5000);
    o = noop(",\"fail\":\"error\"", WHOLE, &bytes);
    assert_int_equal(o.err, FF_ENUMERIC);
    o = noop(",\"fail\":\"nan\"", WHOLE, &bytes);
    assert_int_equal(o.err, FF_ENUMERIC);
    assert_non_null(strstr(o.message, "element 1 "));
    o = noop(",\"fail\":\"crash\"", WHOLE, &bytes);
    assert_int_equal(o.signal, SIGKILL);
}

static void looks_come_as_the_chains_promise(void **state)
{
    (void)state;
    struct ff_sampler s = {.chains = 4, .draws = 400, .until = true, .until_ess = 400, .max_draws = 4000};
    assert_int_equal(ff_first_look(&s), 100);
    s.until_ess = 30;
    assert_int_equal(ff_first_look(&s), 25);
    s.max_draws = 10;
    assert_int_equal(ff_first_look(&s), 10);
    s.max_draws = 60;
    s.until_ess = 1e9;
    assert_int_equal(ff_first_look(&s), 60);
    s.until = false;
    assert_int_equal(ff_first_look(&s), 400);
    s = (struct ff_sampler){.chains = 4, .until = true, .until_ess = 400, .max_draws = 4000};
    const struct {
        long held;
        double ess;
        long next;
    } cases[] = {{100, 300, 150},   {100, 200, 200}, {100, 10, 200},   {100, 399, 125},
                 {100, 800, 125},   {100, NAN, 200}, {100, 0, 200},    {2500, 200, 4000},
                 {3990, 300, 4000}, {200, 320, 250}, {130, 4000, 150}, {100, INFINITY, 200}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const long next = ff_next_look(&s, cases[i].held, cases[i].ess);
        if (next != cases[i].next)
            fail_msg("after %ld draws worth %g: %ld, expected %ld", cases[i].held, cases[i].ess, next, cases[i].next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_killed_and_carried_between_folders_give_the_bits_of_the_job),
        cmocka_unit_test(a_chain_that_dies_while_it_is_saved_goes_on_to_the_same_bits),
        cmocka_unit_test(a_stopped_chain_keeps_everything_in_its_own_folder),
        cmocka_unit_test(reduce_asks_for_more_until_the_rule_is_content),
        cmocka_unit_test(a_finished_chain_goes_on_to_more_draws),
        cmocka_unit_test(reduce_misses_a_chain_and_mends_a_damaged_one),
        cmocka_unit_test(a_preview_shows_what_the_chain_has_gathered),
        cmocka_unit_test(chunks_killed_and_carried_between_folders_give_the_bits_of_the_job),
        cmocka_unit_test(draws_beyond_the_limit_stay_in_their_files),
        cmocka_unit_test(jobs_of_one_task_are_that_task),
        cmocka_unit_test(doing_nothing_ends_in_every_way_that_work_can),
        cmocka_unit_test(looks_come_as_the_chains_promise),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
