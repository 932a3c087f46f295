/* tests/unit/gang/work_test.c - names, folders, keys, and how ends are told. */
#include <sys/stat.h>
#include <zmq.h>

#include "tests/unit/gang/help.h"
#include "worker/gang/keys.h"
#include "worker/gang/outcome.h"
#include "worker/gang/scratch.h"
#include "worker/gang/work.h"

static char base[64];

static int make_base(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/ff_gang_XXXXXX");
    return mkdtemp(base) ? 0 : -1;
}

static int remove_base(void **state)
{
    (void)state;
    ff_scratch_remove(base);
    return access(base, F_OK) ? 0 : -1;
}

static void write_text(const char *folder, const char *name, const char *text, mode_t mode)
{
    char path[FF_GANG_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

/* ---- names ---- */

static void only_plain_names_become_paths(void **state)
{
    static const char *const bad[] = {"", ".", "..", ".x", "a/b", "a b", "a\n", "\xc3\xa9", "../x", "a%2e"};
    static const char *const bad_jobs[] = {"",
                                           "job_",
                                           "../../etc",
                                           "ds_aaaaaaaaaaaaaaaaaaaaaaaaaa",
                                           "job_aaaaaaaaaaaaaaaaaaaaaaaaa/",
                                           "job_aaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                           "job_AAAAAAAAAAAAAAAAAAAAAAAAAA"};
    char out[FF_GANG_PATH], name[102];
    ff_ctx ctx = {0};
    (void)state;
    memset(name, 'a', sizeof name);
    name[101] = '\0';
    assert_false(ff_name_good(name));
    name[100] = '\0';
    assert_true(ff_name_good(name));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ff_name_good(bad[i]));
        assert_int_equal(ff_attempt_path(out, base, JOB, bad[i], 1, &ctx), FF_EBADMESSAGE);
    }
    for (size_t i = 0; i < sizeof bad_jobs / sizeof bad_jobs[0]; i++)
        assert_int_equal(ff_attempt_path(out, base, bad_jobs[i], "chain-0", 1, &ctx), FF_EBADMESSAGE);
    assert_int_equal(ff_attempt_path(out, base, JOB, "chain-0", 0, &ctx), FF_EBADMESSAGE);
    assert_int_equal(ff_attempt_path(out, "/b", JOB, "chain-0", 12, &ctx), FF_OK);
    assert_string_equal(out, "/b/work/" JOB "/chain-0.12");
}

/* ---- looks ---- */

static const struct ff_seen *seen_of(const struct ff_look *look, const char *name)
{
    for (int i = 0; i < look->n; i++)
        if (!strcmp(look->file[i].name, name)) return &look->file[i];
    return NULL;
}

static void mark(struct ff_look *look)
{
    for (int i = 0; i < look->n; i++) snprintf(look->file[i].sha256, sizeof look->file[i].sha256, HASH);
}

static void a_look_finds_what_changed_and_leaves_the_unfinished(void **state)
{
    struct ff_look look = {0};
    char folder[FF_GANG_PATH], path[FF_GANG_PATH + 16];
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(ff_attempt_make(folder, base, JOB, "chain-0", 1, &ctx), FF_OK);
    assert_int_equal(ff_attempt_make(folder, base, JOB, "chain-0", 1, &ctx), FF_OK);
    write_text(folder, "z.a", "one", 0600);
    write_text(folder, "a.CURRENT", "a", 0600);
    write_text(folder, "b.part", "no", 0600);
    write_text(folder, "c.tmp", "no", 0600);
    write_text(folder, ".send.z.a", "no", 0600);
    snprintf(path, sizeof path, "%s/link", folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(ff_look(&look, folder, &ctx), FF_OK);
    expect_long("files", 2, look.n);
    assert_string_equal(look.file[0].name, "z.a");
    assert_string_equal(look.file[1].name, "a.CURRENT"); /* last: it says that the others are whole */
    assert_string_equal(look.file[0].sha256, "");
    mark(&look);
    write_text(folder, "z.a", "other", 0600);
    write_text(folder, "new", "x", 0600);
    assert_int_equal(ff_look(&look, folder, &ctx), FF_OK);
    assert_string_equal(seen_of(&look, "z.a")->sha256, "");
    assert_string_equal(seen_of(&look, "new")->sha256, "");
    assert_string_equal(seen_of(&look, "a.CURRENT")->sha256, HASH);
    snprintf(path, sizeof path, "%s/new", folder);
    unlink(path);
    assert_int_equal(ff_look(&look, folder, &ctx), FF_OK);
    assert_null(seen_of(&look, "new"));
    ff_look_done(&look);
    ff_scratch_remove(base);
    assert_int_not_equal(access(folder, F_OK), 0);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
    assert_int_equal(ff_look(&look, folder, &ctx), FF_EIO);
}

static json_t *task_body(int attempt)
{
    return json_pack("{ss ss si ss}", "job", JOB, "task", "draws-0", "attempt", attempt, "kind", "draws");
}

/* Writes `name` into the folder of an attempt whose disk then fails; `to`: where it is kept. */
static void keep(bool shared, int attempt, const char *name, const char *text, char to[FF_GANG_PATH])
{
    struct ff_work *w = calloc(1, sizeof *w);
    ff_ctx ctx = {0};
    json_t *body = task_body(attempt);
    char path[FF_GANG_PATH + FF_FILE_NAME];
    assert_non_null(w);
    ff_work_name(w, body);
    assert_int_equal(ff_work_begin(w, base, shared, &ctx), FF_OK);
    assert_false(ff_work_keep_failed(w, to));
    write_text(w->folder, name, text, 0600);
    assert_true(ff_work_keep_failed(w, to));
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    assert_int_not_equal(access(path, F_OK), 0);
    json_decref(body);
    free(w);
}

static void a_result_that_the_disk_failed_is_kept_once_a_task(void **state)
{
    char expected[FF_GANG_PATH], to[FF_GANG_PATH], text[8] = "";
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        keep(shared, 1, "result.h5.part", "one", to);
        keep(shared, 2, "result.h5", "two", to);
        snprintf(expected, sizeof expected, "%s/%s", base, shared ? "work/" JOB "/draws-0.failed.h5" : "failed.h5");
        assert_string_equal(to, expected);
        FILE *file = fopen(to, "r");
        assert_non_null(file);
        assert_non_null(fgets(text, sizeof text, file));
        fclose(file);
        assert_string_equal(text, "two");
    }
}

static void a_copy_has_the_hash_of_what_it_is(void **state)
{
    char from[128], to[128], sha256[FF_HASH_SIZE], expected[FF_HASH_SIZE];
    int64_t size;
    ff_ctx ctx = {0};
    (void)state;
    write_text(base, "from", "abc", 0600);
    snprintf(from, sizeof from, "%s/from", base);
    snprintf(to, sizeof to, "%s/to", base);
    ff_hash_bytes("abc", 3, expected);
    assert_int_equal(ff_copy(from, to, sha256, &size, &ctx), FF_OK);
    assert_string_equal(sha256, expected);
    expect_long("bytes", 3, (long)size);
    snprintf(from, sizeof from, "%s/none", base);
    assert_int_equal(ff_copy(from, to, sha256, &size, &ctx), FF_EIO);
    snprintf(to, sizeof to, "%s/no/to", base);
    snprintf(from, sizeof from, "%s/from", base);
    assert_int_equal(ff_copy(from, to, sha256, &size, &ctx), FF_EIO);
    assert_int_equal(ff_sync(base, "from", &ctx), FF_OK);
    assert_int_equal(ff_sync(base, "none", &ctx), FF_EIO);
}

static void a_scratch_folder_goes_with_its_process(void **state)
{
    struct ff_scratch a, b;
    char stale[FF_GANG_PATH], first[FF_GANG_PATH];
    ff_ctx ctx = {0};
    (void)state;
    snprintf(stale, sizeof stale, "%s/ffworker-abcdef", base);
    assert_int_equal(mkdir(stale, 0700), 0);
    write_text(stale, "lock", "", 0600);
    write_text(stale, "left", "x", 0600);
    ff_scratch_init(&a);
    ff_scratch_init(&b);
    assert_int_equal(ff_scratch_make(&a, base, &ctx), FF_OK);
    assert_int_not_equal(access(stale, F_OK), 0);
    snprintf(first, sizeof first, "%s", a.path);
    assert_int_equal(ff_scratch_make(&a, base, &ctx), FF_OK);
    assert_string_equal(a.path, first); /* once */
    assert_int_equal(ff_scratch_make(&b, base, &ctx), FF_OK);
    assert_int_equal(access(first, F_OK), 0); /* in use */
    ff_scratch_done(&a);
    assert_int_not_equal(access(first, F_OK), 0);
    snprintf(first, sizeof first, "%s", b.path);
    b.keep = true;
    ff_scratch_done(&b);
    assert_int_equal(access(first, F_OK), 0);
    assert_int_equal(ff_scratch_make(&a, "/tmp/ff_no_such_folder", &ctx), FF_ESTORAGE);
    ff_scratch_done(&a);
}

/* ---- a task's message ---- */

static void a_task_knows_its_folders(void **state)
{
    static struct ff_work w; /* large */
    char expected[FF_GANG_PATH], words[FF_GANG_PATH + 256];
    ff_ctx ctx = {0};
    (void)state;
    json_t *body =
        json_pack("{ss ss si ss si s{si} s{si si} s[{ss ss si}]}", "job", JOB, "task", "chain-0", "attempt", 4, "kind",
                  "posterior", "resume", 3, "state", "draws", 200, "inputs", "chain-1", 2, "chain-2", 1, "datasets",
                  "id", "ds_aaaaaaaaaaaaaaaaaaaaaaaaaa", "sha256", HASH, "size", 5);
    ff_work_name(&w, body);
    assert_int_equal(ff_work_begin(&w, base, true, &ctx), FF_OK);
    snprintf(expected, sizeof expected, "%s/work/" JOB "/chain-0.4", base);
    assert_string_equal(w.folder, expected);
    assert_int_equal(access(expected, F_OK), 0);
    snprintf(expected, sizeof expected, "%s/work/" JOB "/chain-0.3", base);
    assert_string_equal(w.resume, expected);
    expect_long("draws", 200, w.draws);
    assert_true(ff_work_input(&w, "chain-1", expected));
    assert_non_null(strstr(expected, "/chain-1.2"));
    assert_false(ff_work_input(&w, "chain-7", expected));
    snprintf(expected, sizeof expected, "%s/datasets/" HASH ".h5", base);
    assert_string_equal(ff_work_dataset(&w, "ds_aaaaaaaaaaaaaaaaaaaaaaaaaa"), expected);
    assert_null(ff_work_dataset(&w, "ds_baaaaaaaaaaaaaaaaaaaaaaaaa"));
    snprintf(words, sizeof words, "%s has 3 bins; %s/x is full: %s/", expected, base, base);
    ff_work_scrub(&w, words);
    assert_string_equal(words, "ds_aaaaaaaaaaaaaaaaaaaaaaaaaa has 3 bins; x is full: ");
    json_decref(body);
}

static void an_extended_chain_goes_on_from_the_other_job(void **state)
{
    static struct ff_work w;
    ff_ctx ctx = {0};
    (void)state;
    json_t *body = json_pack("{ss ss si ss s{ss s{si}}}", "job", JOB, "task", "chain-0", "attempt", 1, "kind",
                             "posterior", "extend", "job", "job_bbbbbbbbbbbbbbbbbbbbbbbbbb", "attempts", "chain-0", 7);
    ff_work_name(&w, body);
    assert_int_equal(ff_work_begin(&w, base, true, &ctx), FF_OK);
    assert_non_null(strstr(w.resume, "work/job_bbbbbbbbbbbbbbbbbbbbbbbbbb/chain-0.7"));
    json_decref(body);
    body = json_pack("{ss ss si ss s{ss s{si}}}", "job", JOB, "task", "chain-0", "attempt", 1, "kind", "posterior",
                     "extend", "job", "../../x", "attempts", "chain-0", 7);
    ff_work_name(&w, body);
    assert_int_equal(ff_work_begin(&w, base, true, &ctx), FF_EBADMESSAGE);
    json_decref(body);
}

/* ---- ends ---- */

static void every_error_has_its_outcome(void **state)
{
    const struct ff_work_end done = {0}, more = {.more = true, .draws = 250};
    (void)state;
    assert_int_equal(ff_outcome_of(FF_OK, &done), FF_OUT_SUCCEEDED);
    assert_int_equal(ff_outcome_of(FF_OK, &more), FF_OUT_AGAIN);
    assert_int_equal(ff_outcome_of(FF_EINTERRUPTED, &done), FF_OUT_RELEASED);
    for (ff_err err = FF_OK + 1; err < FF_NCODES; err++) {
        const bool environment = err == FF_EDISKFULL || err == FF_EIO || err == FF_ESTORAGE || err == FF_ENOMEM ||
                                 err == FF_EVERSION || err == FF_EBADMESSAGE;
        const enum ff_outcome_kind expected = environment              ? FF_OUT_ENVIRONMENT
                                              : err == FF_EINTERRUPTED ? FF_OUT_RELEASED
                                                                       : FF_OUT_FAILED;
        if (ff_outcome_of(err, &done) != expected) fail_msg("%s: another outcome", ff_code_slug(err));
    }
}

static void expect_commit(json_t *commit, const char *outcome, const char *reason, bool problem, long draws)
{
    json_t *whole = attempt("chain-0", 1);
    json_object_update(whole, commit);
    const struct ff_wire message = {.type = FF_WIRE_COMMIT, .body = whole};
    void *bytes;
    size_t size;
    ff_ctx ctx = {0};
    if (ff_wire_encode(&message, &bytes, &size, &ctx)) fail_msg("no COMMIT: %s", ctx.message);
    free(bytes);
    assert_string_equal(json_string_value(json_object_get(whole, "outcome")), outcome);
    assert_string_equal(json_string_value(json_object_get(whole, "reason")), reason);
    assert_int_equal(json_is_object(json_object_get(whole, "problem")), problem);
    expect_long("draws", draws, integer_of(json_object_get(whole, "state"), "draws"));
    json_decref(whole);
    json_decref(commit);
}

static void every_outcome_is_a_commit_of_the_wire(void **state)
{
    const struct ff_work_end done = {0}, more = {.more = true, .draws = 250};
    ff_ctx ctx = {0};
    (void)state;
    expect_commit(ff_outcome_commit(FF_OUT_SUCCEEDED, &done, "", &ctx, 1), "succeeded", "", false, 0);
    expect_commit(ff_outcome_commit(FF_OUT_AGAIN, &more, "", &ctx, 1), "again", "", false, 250);
    expect_commit(ff_outcome_commit(FF_OUT_RELEASED, &done, "walltime", &ctx, 1), "released", "walltime", false, 0);
    expect_commit(ff_outcome_commit(FF_OUT_RELEASED, &done, "", &ctx, 1), "released", "drain", false, 0);
    ff_fail(&ctx, FF_EDISKFULL, FF_HERE, "full");
    expect_commit(ff_outcome_commit(FF_OUT_ENVIRONMENT, &done, "", &ctx, 1), "environment", "disk_full", true, 0);
    ff_fail_at(&ctx, FF_EBADJOB, "/model", FF_HERE, "no");
    expect_commit(ff_outcome_commit(FF_OUT_FAILED, &done, "", &ctx, 1), "failed", "bad_job", true, 0);
}

/* ---- keys ---- */

static void keys_come_from_files_of_their_owner(void **state)
{
    char public[FF_KEY_SIZE], secret[FF_KEY_SIZE], text[FF_KEY_SIZE + 4], server[128], own[128];
    struct ff_keys keys;
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(zmq_curve_keypair(public, secret), 0);
    snprintf(server, sizeof server, "%s/server.pub", base);
    snprintf(own, sizeof own, "%s/own.key", base);
    snprintf(text, sizeof text, " %s\r\n", secret);
    write_text(base, "own.key", text, 0600);
    write_text(base, "server.pub", public, 0644);
    assert_int_equal(ff_keys_read(&keys, server, own, &ctx), FF_OK);
    assert_string_equal(keys.own, public);
    assert_string_equal(keys.server, public);
    assert_string_equal(keys.secret, secret);
    assert_int_equal(ff_keys_read(&keys, public, own, &ctx), FF_OK); /* the key itself */
    write_text(base, "own.key", text, 0640);
    assert_int_equal(ff_keys_read(&keys, server, own, &ctx), FF_EBADFILE);
    assert_string_equal(ctx.pointer, "--key");
    assert_null(strstr(ctx.message, secret));
    assert_string_equal(keys.server, "");
    write_text(base, "own.key", "abc", 0600);
    assert_int_equal(ff_keys_read(&keys, server, own, &ctx), FF_EBADFILE);
    write_text(base, "own.key", text, 0600);
    assert_int_equal(ff_keys_read(&keys, "/tmp/ff_no_such_file", own, &ctx), FF_ENOFILE);
    assert_string_equal(ctx.pointer, "--server-key");
    assert_int_equal(ff_keys_read(&keys, server, secret, &ctx), FF_ENOFILE); /* a secret is never an argument */
    assert_int_equal(ff_keys_read(&keys, server, base, &ctx), FF_EBADFILE);  /* a folder */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_plain_names_become_paths, make_base, remove_base),
        cmocka_unit_test_setup_teardown(a_look_finds_what_changed_and_leaves_the_unfinished, make_base, remove_base),
        cmocka_unit_test_setup_teardown(a_result_that_the_disk_failed_is_kept_once_a_task, make_base, remove_base),
        cmocka_unit_test_setup_teardown(a_copy_has_the_hash_of_what_it_is, make_base, remove_base),
        cmocka_unit_test_setup_teardown(a_scratch_folder_goes_with_its_process, make_base, remove_base),
        cmocka_unit_test_setup_teardown(a_task_knows_its_folders, make_base, remove_base),
        cmocka_unit_test_setup_teardown(an_extended_chain_goes_on_from_the_other_job, make_base, remove_base),
        cmocka_unit_test(every_error_has_its_outcome),
        cmocka_unit_test(every_outcome_is_a_commit_of_the_wire),
        cmocka_unit_test_setup_teardown(keys_come_from_files_of_their_owner, make_base, remove_base),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
