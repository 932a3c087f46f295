/* tests/unit/queue/durable_test.c - group commit: what was acknowledged is on the disk, what failed changed nothing. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "server/queue/inner.h"
#include "tests/unit/queue/help.h"

/* ---- one function's error is its own ---- */

struct half {
    struct place *p;
    bool fail;
    char id[FF_ID_SIZE];
};
static ff_err submit_then_fail(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct half *h = arg;
    bool again;
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    const struct ff_submission s = {.who = h->p->ann, .job = &job, .spec = "{}"};
    ff_err err = ff_jobs_submit(tx, &s, h->id, &again, ctx);
    if (err || !h->fail) return err;
    return ff_fail(ctx, FF_EBUSY, FF_HERE, "on purpose");
}

static void *run_half(void *arg)
{
    struct half *h = arg;
    ff_ctx ctx = {0};
    ff_err err = ff_queue_write(h->p->q, submit_then_fail, h, &ctx);
    assert_int_equal(err, h->fail ? FF_EBUSY : FF_OK);
    return NULL;
}

static void failed_function_is_rolled_back_alone(void **state)
{
    enum { N = 24 };
    struct place *p = *state;
    pthread_t thread[N];
    struct half half[N];
    for (int i = 0; i < N; i++) {
        half[i] = (struct half){.p = p, .fail = i % 3 == 0};
        assert_int_equal(pthread_create(&thread[i], NULL, run_half, &half[i]), 0);
    }
    for (int i = 0; i < N; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < N; i++) {
        ff_ctx ctx = {0};
        struct ff_job_row row;
        struct call c = {.who = &p->admin, .id = half[i].id, .out = &row};
        ff_err err = ff_queue_read(p->q, call_find, &c, &ctx);
        expect_err(half[i].fail ? FF_ENOTFOUND : FF_OK, err, &ctx, "find");
    }
}

/* ---- children that end badly ---- */

enum { THREADS = 4 };
struct writer {
    struct place *p;
    int out;
};

/* Writes the id of each job to the pipe when, and only when, it was acknowledged. */
static void *submit_for_ever(void *arg)
{
    struct writer *w = arg;
    for (;;) {
        char id[FF_ID_SIZE];
        ff_ctx ctx = {0};
        bool again;
        struct ff_job job = job_of(FF_POSTERIOR, 2);
        const struct ff_submission s = {.who = w->p->ann, .job = &job, .spec = "{}"};
        if (try_submit(w->p, &s, id, &again, &ctx)) continue;
        if (write(w->out, id, FF_ID_SIZE) != FF_ID_SIZE) return NULL; /* less than PIPE_BUF: whole or not at all */
    }
}

static int child_submits(const char *path, const char *out)
{
    pthread_t thread[THREADS];
    struct place p = {0};
    struct writer w = {&p, atoi(out)};
    snprintf(p.path, sizeof p.path, "%s", path);
    if (open_queue(&p)) return 1;
    p.ann = user_called(&p, "ann", false);
    for (int i = 0; i < THREADS; i++) pthread_create(&thread[i], NULL, submit_for_ever, &w);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    return 0;
}

/* This program again as a child (faults are read from the environment once a process), with the queue closed here. Returns
** the read end of its pipe. */
static int start_child(struct place *p, const char *what, const char *variable, const char *value, pid_t *pid)
{
    int ends[2];
    char out[16];
    ff_queue_close(p->q);
    p->q = NULL;
    assert_int_equal(pipe(ends), 0);
    snprintf(out, sizeof out, "%d", ends[1]);
    *pid = fork();
    assert_true(*pid >= 0);
    if (*pid == 0) {
        close(ends[0]);
        alarm(60); /* a child that hangs is a failed test */
        if (variable) setenv(variable, value, 1);
        execl("/proc/self/exe", "durable_test", what, p->path, out, (char *)NULL);
        _exit(99);
    }
    close(ends[1]);
    return ends[0];
}

/* Every job that the child said it had submitted is there, whole. Returns how many. */
static int check_acknowledged(struct place *p, int in)
{
    char id[FF_ID_SIZE];
    int n = 0;
    assert_int_equal(open_queue(p), 0);
    for (; read(in, id, FF_ID_SIZE) == FF_ID_SIZE; n++) {
        expect_task(p, id, "chain-1", "queued", 0);
        json_decref(events_after(p, id, 0));
    }
    close(in);
    return n;
}

static void acknowledged_jobs_survive_a_kill(void **state)
{
    struct place *p = *state;
    const char *seed_text = getenv("FF_TEST_SEED");
    unsigned seed = seed_text ? (unsigned)atoi(seed_text) : (unsigned)time(NULL);
    print_message("FF_TEST_SEED=%u\n", seed);
    srand(seed);
    for (int kills = 0; kills < 10; kills++) {
        pid_t pid;
        char id[FF_ID_SIZE];
        int status, in = start_child(p, "submit", NULL, NULL, &pid);
        assert_int_equal(read(in, id, FF_ID_SIZE), FF_ID_SIZE); /* it works */
        usleep((useconds_t)(rand() % 30000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        int n = check_acknowledged(p, in);
        if (kills == 0) print_message("%d jobs acknowledged before the first kill\n", n + 1);
        expect_task(p, id, "chain-0", "queued", 0);
    }
}

static void acknowledged_jobs_survive_every_crash_point(void **state)
{
    struct place *p = *state;
    static const char *const points[] = {"queue_begin:7", "queue_submitted:9", "queue_before_commit:5",
                                         "queue_after_commit:5"};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        pid_t pid;
        int status, in = start_child(p, "submit", "FF_CRASH_AT", points[i], &pid);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 137) fail_msg("%s: the child did not die there", points[i]);
        check_acknowledged(p, in);
    }
}

static void crash_in_a_migration_leaves_the_old_schema(void **state)
{
    struct place *p = *state;
    static const char *const points[] = {"migrate_before_commit:1", "migrate_before_commit:2",
                                         "migrate_after_commit:1"};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        pid_t pid;
        int status;
        snprintf(p->path, sizeof p->path, "%s/fresh%zu.db", p->dir, i);
        close(start_child(p, "submit", "FF_CRASH_AT", points[i], &pid));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 137);
        assert_int_equal(open_queue(p), 0);
        user_called(p, "ann", false);
    }
}

/* ---- a full disk ---- */

static int child_with_a_full_disk(const char *path)
{
    ff_ctx ctx = {0};
    struct place p = {0};
    char id[FF_ID_SIZE], lost[FF_ID_SIZE];
    bool again;
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    snprintf(p.path, sizeof p.path, "%s", path);
    if (open_queue(&p)) return 2;
    p.ann = user_called(&p, "ann", false); /* the first commit */
    const struct ff_submission s = {.who = p.ann, .job = &job, .spec = "{}"};
    if (try_submit(&p, &s, id, &again, &ctx)) return 3;
    if (try_submit(&p, &s, lost, &again, &ctx) != FF_EDISKFULL) return 4;
    if (!strstr(ctx.message, "nothing was changed")) return 5;
    if (ff_queue_probe(p.q, &ctx) != FF_EDISKFULL) return 6;
    if (ff_queue_probe(p.q, &ctx)) return 7; /* there is room again */
    if (try_submit(&p, &s, lost, &again, &ctx)) return 8;
    ff_queue_close(p.q);
    return 0;
}

static void full_disk_changes_nothing_and_passes(void **state)
{
    struct place *p = *state;
    int status;
    pid_t pid;
    close(start_child(p, "full", "FF_FAIL_IO_AT", "3-4", &pid));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(open_queue(p), 0);
    by_hand(p, "CREATE TEMP TABLE t (n CHECK (n = 2)); INSERT INTO t SELECT count(*) FROM jobs;"
               "INSERT INTO t SELECT count(*) FROM events; INSERT INTO t SELECT queued FROM users WHERE name = 'ann'");
}

/* ---- the real thing: no room in the file ---- */

static ff_err limit_pages(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    char text[64];
    snprintf(text, sizeof text, "PRAGMA max_page_count=%d", *(const int *)arg);
    return ff_sql_script(tx, text, ctx);
}

static void database_that_cannot_grow_says_so_and_recovers(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    char id[FF_ID_SIZE], last[FF_ID_SIZE];
    bool again;
    int pages = 60, many = 1000000, n = 0;
    struct ff_job job = job_of(FF_POSTERIOR, 8);
    const struct ff_submission s = {.who = p->ann, .job = &job, .spec = "{}"};
    expect_ok(ff_queue_write(p->q, limit_pages, &pages, &ctx), &ctx, "limit");
    ff_err err = FF_OK;
    for (; !err && n < 10000; n++) {
        err = try_submit(p, &s, id, &again, &ctx);
        if (!err) memcpy(last, id, sizeof last);
    }
    expect_err(FF_EDISKFULL, err, &ctx, "submit");
    expect_task(p, last, "chain-7", "queued", 0);
    expect_ok(ff_queue_write(p->q, limit_pages, &many, &ctx), &ctx, "limit");
    expect_ok(try_submit(p, &s, id, &again, &ctx), &ctx, "submit");
    reopen(p);
    expect_task(p, id, "chain-7", "queued", 0);
    struct ff_job_row row = find_job(p, id);
    assert_int_equal(row.last_seq, 1);
}

int main(int argc, char **argv)
{
    if (argc == 4) return strcmp(argv[1], "full") ? child_submits(argv[2], argv[3]) : child_with_a_full_disk(argv[2]);
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(failed_function_is_rolled_back_alone),        T(acknowledged_jobs_survive_a_kill),
        T(acknowledged_jobs_survive_every_crash_point), T(crash_in_a_migration_leaves_the_old_schema),
        T(full_disk_changes_nothing_and_passes),        T(database_that_cannot_grow_says_so_and_recovers),
#undef T
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
