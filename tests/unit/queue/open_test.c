/* tests/unit/queue/open_test.c - what is opened, migrated, refused; copies made while everything runs. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "common/hash.h"
#include "server/queue/inner.h"
#include "tests/unit/queue/help.h"

/* Runs the statements of a file of the tree (tests run in its root). */
static void by_hand_from(const struct place *p, const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 16);
    if (!file) fail_msg("%s is missing", path);
    size_t n = fread(text, 1, (1 << 16) - 1, file);
    assert_true(n > 0 && n < (1 << 16) - 1);
    fclose(file);
    by_hand(p, text);
    free(text);
}

static void close_queue(struct place *p)
{
    ff_queue_close(p->q);
    p->q = NULL;
}

static off_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) ? -1 : info.st_size;
}

/* Opening has to fail so, naming the file, and to leave its bytes alone. */
static void expect_refused(struct place *p, ff_err expected, const char *words)
{
    ff_ctx ctx = {0};
    char before[FF_HASH_SIZE], after[FF_HASH_SIZE];
    const struct ff_queue_config config = {.path = p->path, .readers = 1};
    expect_ok(ff_hash_file(p->path, before, &ctx), &ctx, "hash");
    expect_err(expected, ff_queue_open(&p->q, &config, &ctx), &ctx, "open");
    assert_null(p->q);
    if (!strstr(ctx.message, p->path)) fail_msg("the file is not named: %s", ctx.message);
    if (!strstr(ctx.message, words)) fail_msg("expected \"%s\" in: %s", words, ctx.message);
    expect_ok(ff_hash_file(p->path, after, NULL), NULL, "hash");
    assert_string_equal(before, after);
}

static void database_is_the_owners_only(void **state)
{
    struct place *p = *state;
    struct stat info;
    assert_int_equal(stat(p->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void jobs_are_there_after_a_restart(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_POSTERIOR, 2, id);
    lease_drop(p, id, "chain-0");
    reopen(p);
    expect_task(p, id, "chain-0", "running", 1);
    assert_true(holding(p, id, "chain-0", 1).current);
    lease_drop(p, id, "chain-1");
}

/* ---- schemas ---- */

/* A database of the first schema takes the place's, with rows. */
static void make_old(struct place *p)
{
    snprintf(p->path, sizeof p->path, "%s/old.db", p->dir);
    fclose(fopen(p->path, "w"));
    by_hand_from(p, "migrations/0001_queue.sql");
    by_hand_from(p, "tests/unit/queue/v1_rows.sql");
}

static void old_schema_is_migrated_with_its_rows(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    close_queue(p);
    make_old(p);
    assert_int_equal(open_queue(p), 0);
    memset(id, 0, sizeof id);
    memset(memcpy(id, "job_", 4) + 4, 'b', 26);
    p->admin = user_called(p, "admin", true);
    json_t *job = get_job(p, p->admin, id);
    assert_string_equal(json_string_value(json_object_get(job, "name")), "first");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(job, "result"), "size")), 5);
    json_decref(job);
    memset(id + 4, 'c', 26);
    lease_drop(p, id, "spectrum");
    expect_end(p, id, "spectrum", 1, FF_TASK_SUCCEEDED);
    reopen(p); /* once is enough */
    expect_state(p, id, "succeeded");
    by_hand(p, "SELECT count(*) FROM workers");
}

static void newer_schema_is_refused_with_both_numbers(void **state)
{
    struct place *p = *state;
    char words[64];
    close_queue(p);
    by_hand(p, "PRAGMA user_version = 99");
    snprintf(words, sizeof words, "has schema 99, this build knows up to %d", FF_SCHEMA_VERSION);
    expect_refused(p, FF_EVERSION, words);
}

static void database_of_another_program_is_refused(void **state)
{
    struct place *p = *state;
    close_queue(p);
    snprintf(p->path, sizeof p->path, "%s/other.db", p->dir);
    fclose(fopen(p->path, "w"));
    by_hand(p, "CREATE TABLE cooks (name TEXT)");
    expect_refused(p, FF_EDATABASE, "another program");
}

static void *open_one(void *arg)
{
    struct place *p = arg;
    open_queue(p);
    return NULL;
}

static void first_starts_at_the_same_time_migrate_once(void **state)
{
    enum { N = 4 };
    struct place *p = *state, other[N];
    pthread_t thread[N];
    for (int i = 0; i < N; i++) {
        other[i] = (struct place){0};
        snprintf(other[i].path, sizeof other[i].path, "%s/fresh.db", p->dir);
        assert_int_equal(pthread_create(&thread[i], NULL, open_one, &other[i]), 0);
    }
    for (int i = 0; i < N; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < N; i++) {
        assert_non_null(other[i].q);
        ff_queue_close(other[i].q);
    }
}

/* ---- damage ---- */

static void fill_some(struct place *p)
{
    char id[FF_ID_SIZE];
    for (int i = 0; i < 200; i++) submit(p, p->ann, FF_POSTERIOR, 2, id);
    lease_drop(p, NULL, NULL);
}

static void overwrite(const char *path, off_t at, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), size);
    close(fd);
}

static void damaged_page_is_refused(void **state)
{
    struct place *p = *state;
    char junk[512];
    fill_some(p);
    close_queue(p);
    assert_true(size_of(p->path) > 21 * 4096);
    memset(junk, 0xa5, sizeof junk);
    overwrite(p->path, 20 * 4096, junk, sizeof junk);
    expect_refused(p, FF_EDATABASE, "docs/ops.md");
}

static void damaged_head_is_refused(void **state)
{
    struct place *p = *state;
    close_queue(p);
    overwrite(p->path, 0, "SQLite format 4", 15);
    expect_refused(p, FF_EDATABASE, "--restore BACKUP");
}

static void row_that_was_changed_is_refused(void **state)
{
    struct place *p = *state;
    close_queue(p);
    by_hand(p, "UPDATE users SET admin = 1 WHERE name = 'bob'");
    expect_refused(p, FF_EDATABASE, "1 rows of users");
}

static void result_row_that_was_changed_is_refused(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    const struct ff_commit c = {
        .job = id, .task = "spectrum", .attempt = 1, .sha256 = "ab", .path = "results/x.h5", .size = 77};
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    reopen(p);
    close_queue(p);
    by_hand(p, "UPDATE results SET sha256 = 'cd'");
    expect_refused(p, FF_EDATABASE, "1 rows of results");
}

/* A copy of the database and its log as a killed server leaves them, the log cut by `cut` bytes. */
static void copy_file(const char *from, const char *to, off_t size)
{
    char *bytes = malloc((size_t)size + 1);
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(in >= 0 && out >= 0);
    assert_int_equal(read(in, bytes, (size_t)size), size);
    assert_int_equal(write(out, bytes, (size_t)size), size);
    close(in);
    close(out);
    free(bytes);
}

static void truncated_log_opens_with_the_last_whole_commit(void **state)
{
    enum { JOBS = 12 };
    struct place *p = *state, copy = {0};
    char id[JOBS][FF_ID_SIZE], log[128], log_copy[160];
    off_t end[JOBS];
    snprintf(log, sizeof log, "%s-wal", p->path);
    by_hand(p, "PRAGMA wal_checkpoint(TRUNCATE)");
    for (int i = 0; i < JOBS; i++) {
        submit(p, p->ann, FF_SPECTRUM, 0, id[i]);
        end[i] = size_of(log);
    }
    copy.admin = p->admin;
    snprintf(copy.dir, sizeof copy.dir, "%s", p->dir);
    snprintf(copy.path, sizeof copy.path, "%s/copy.db", p->dir);
    snprintf(log_copy, sizeof log_copy, "%s-wal", copy.path);
    for (int cut = 1; cut < 40000; cut = cut * 3 + 1) {
        off_t left = end[JOBS - 1] - cut;
        int whole = 0;
        while (whole < JOBS && end[whole] <= left) whole++;
        copy_file(p->path, copy.path, size_of(p->path));
        copy_file(log, log_copy, left);
        assert_int_equal(open_queue(&copy), 0);
        for (int i = 0; i < whole; i++) expect_state(&copy, id[i], "queued");
        ff_ctx ctx = {0};
        struct ff_job_row row;
        struct call c = {.who = &p->admin, .id = id[JOBS - 1], .out = &row};
        expect_err(FF_ENOTFOUND, ff_queue_read(copy.q, call_find, &c, &ctx), &ctx, "the job that was cut off");
        ff_queue_close(copy.q);
    }
}

/* ---- where a database may be ---- */

static void network_file_systems_are_known(void **state)
{
    (void)state;
    assert_string_equal(ff_network_fs(0x6969), "NFS");
    assert_string_equal(ff_network_fs((unsigned long)(int)0xff534d42), "CIFS"); /* as a signed word has it */
    assert_string_equal(ff_network_fs(0x0bd00bd0), "Lustre");
    assert_null(ff_network_fs(0xef53));     /* ext4 */
    assert_null(ff_network_fs(0x58465342)); /* xfs */
    assert_null(ff_network_fs(0x01021994)); /* tmpfs */
}

static void missing_folder_is_an_error(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    ff_queue *q;
    char path[128];
    snprintf(path, sizeof path, "%s/none/queue.db", p->dir);
    const struct ff_queue_config config = {.path = path, .readers = 1};
    expect_err(FF_EIO, ff_queue_open(&q, &config, &ctx), &ctx, "open");
}

/* ---- backup ---- */

struct busy {
    struct place *p;
    _Atomic bool stop;
    _Atomic int made;
};
static void *keep_submitting(void *arg)
{
    struct busy *b = arg;
    char id[FF_ID_SIZE];
    while (!b->stop) {
        submit(b->p, b->p->bob, FF_SPECTRUM, 0, id);
        b->made++;
    }
    return NULL;
}

static void backup_opens_and_equals_while_jobs_arrive(void **state)
{
    struct place *p = *state, copy = {0};
    char id[20][FF_ID_SIZE], part[160];
    ff_ctx ctx = {0};
    pthread_t thread;
    struct busy busy = {.p = p};
    for (int i = 0; i < 20; i++) submit(p, p->ann, FF_POSTERIOR, 2, id[i]);
    lease_drop(p, id[0], "chain-0");
    snprintf(copy.path, sizeof copy.path, "%s/backup.db", p->dir);
    assert_int_equal(pthread_create(&thread, NULL, keep_submitting, &busy), 0);
    while (busy.made < 10) usleep(1000);
    for (int i = 0; i < 3; i++) expect_ok(ff_queue_backup(p->q, copy.path, &ctx), &ctx, "backup");
    busy.stop = true;
    pthread_join(thread, NULL);
    snprintf(part, sizeof part, "%s.part", copy.path);
    assert_int_equal(access(part, F_OK), -1);
    snprintf(part, sizeof part, "%s-wal", copy.path);
    assert_int_equal(access(part, F_OK), -1); /* one file */
    copy.admin = p->admin;
    assert_int_equal(open_queue(&copy), 0);
    for (int i = 0; i < 20; i++) {
        json_t *a = get_job(p, p->admin, id[i]), *b = get_job(&copy, p->admin, id[i]);
        assert_true(json_equal(a, b));
        json_decref(a);
        json_decref(b);
        json_decref(events_after(&copy, id[i], 0));
    }
    ff_queue_close(copy.q);
}

static int version_of(const struct place *p)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    const int version = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return version;
}

static void copy_of_an_older_schema_migrates_nothing(void **state)
{
    struct place *p = *state, copy = {0};
    char before[FF_HASH_SIZE], after[FF_HASH_SIZE], id[FF_ID_SIZE] = "job_";
    ff_ctx ctx = {0};
    close_queue(p);
    make_old(p);
    expect_ok(ff_hash_file(p->path, before, &ctx), &ctx, "hash");
    snprintf(copy.path, sizeof copy.path, "%s/backup.db", p->dir);
    expect_ok(ff_queue_copy(p->path, copy.path, &ctx), &ctx, "copy");
    expect_ok(ff_hash_file(p->path, after, &ctx), &ctx, "hash");
    assert_string_equal(before, after);
    assert_int_equal(version_of(p), 1);
    assert_int_equal(version_of(&copy), 1);
    assert_int_equal(open_queue(&copy), 0); /* a start with it does what a start with the original would */
    copy.admin = user_called(&copy, "admin", true);
    memset(id + 4, 'b', 26);
    expect_state(&copy, id, "succeeded");
    ff_queue_close(copy.q);
    assert_int_equal(version_of(&copy), FF_SCHEMA_VERSION);
}

static void copy_of_what_this_build_does_not_know_is_refused(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    char path[128], empty[128];
    snprintf(path, sizeof path, "%s/backup.db", p->dir);
    snprintf(empty, sizeof empty, "%s/empty.db", p->dir);
    close_queue(p);
    by_hand(p, "PRAGMA user_version = 99");
    expect_err(FF_EVERSION, ff_queue_copy(p->path, path, &ctx), &ctx, "copy");
    fclose(fopen(empty, "w"));
    expect_err(FF_EDATABASE, ff_queue_copy(empty, path, &ctx), &ctx, "copy");
    assert_int_equal(access(path, F_OK), -1);
}

static void backup_into_a_missing_folder_leaves_nothing(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/none/backup.db", p->dir);
    expect_err(FF_EIO, ff_queue_backup(p->q, path, &ctx), &ctx, "backup");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(database_is_the_owners_only),
        T(jobs_are_there_after_a_restart),
        T(old_schema_is_migrated_with_its_rows),
        T(newer_schema_is_refused_with_both_numbers),
        T(database_of_another_program_is_refused),
        T(first_starts_at_the_same_time_migrate_once),
        T(damaged_page_is_refused),
        T(damaged_head_is_refused),
        T(row_that_was_changed_is_refused),
        T(result_row_that_was_changed_is_refused),
        T(truncated_log_opens_with_the_last_whole_commit),
        T(network_file_systems_are_known),
        T(missing_folder_is_an_error),
        T(backup_opens_and_equals_while_jobs_arrive),
        T(copy_of_an_older_schema_migrates_nothing),
        T(copy_of_what_this_build_does_not_know_is_refused),
        T(backup_into_a_missing_folder_leaves_nothing),
#undef T
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
