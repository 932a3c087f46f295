/* tests/unit/queue/speed_test.c - the cost of a query, counted in steps of SQLite's machine, does not grow with the queue;
** rates are printed, not judged. */
#include <pthread.h>
#include <time.h>

#include "server/queue/inner.h"
#include "tests/unit/queue/help.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

enum { THREADS = 16, EACH = 250, CYCLES = 3000 };
struct submitter {
    struct place *p;
    double worst_s;
};
static void *submit_many(void *arg)
{
    struct submitter *s = arg;
    char id[FF_ID_SIZE];
    for (int i = 0; i < EACH; i++) {
        double begun = seconds();
        submit(s->p, s->p->ann, FF_SPECTRUM, 0, id);
        double took = seconds() - begun;
        if (took > s->worst_s) s->worst_s = took;
    }
    return NULL;
}

static void many_threads_submit(void **state)
{
    struct place *p = *state;
    pthread_t thread[THREADS];
    struct submitter s[THREADS];
    double begun = seconds(), worst = 0;
    for (int i = 0; i < THREADS; i++) {
        s[i] = (struct submitter){.p = p};
        assert_int_equal(pthread_create(&thread[i], NULL, submit_many, &s[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        if (s[i].worst_s > worst) worst = s[i].worst_s;
    }
    print_message("%.0f durable submits/s from %d threads, slowest %.1f ms\n", THREADS * EACH / (seconds() - begun),
                  THREADS, 1e3 * worst);
    by_hand(p, "CREATE TEMP TABLE t (n CHECK (n = 4000)); INSERT INTO t SELECT count(*) FROM jobs;"
               "INSERT INTO t SELECT queued FROM users WHERE name = 'ann'");
}

static ff_err submit_n(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    const struct ff_submission s = {.who = *c->who, .job = &job, .spec = "{}"};
    ff_err err = FF_OK;
    for (int i = 0; i < c->number && !err; i++) {
        char id[FF_ID_SIZE];
        bool again;
        err = ff_jobs_submit(tx, &s, id, &again, ctx);
    }
    return err;
}

static ff_err lease_and_commit(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    int n = *(int *)arg;
    ff_err err = FF_OK;
    for (int i = 0; i < n && !err; i++) {
        struct ff_lease lease;
        bool found;
        enum ff_verdict verdict = FF_STALE;
        err = ff_tasks_lease(tx, &small_gang, &lease, &found, ctx);
        if (err || !found) return ff_fail(ctx, FF_EBUG, FF_HERE, "nothing to lease");
        const struct ff_commit c = {
            .job = lease.job, .task = lease.task, .attempt = lease.attempt, .core_seconds = .01};
        err = ff_tasks_commit(tx, &c, &verdict, ctx);
        if (!err && verdict != FF_COMMITTED) err = ff_fail(ctx, FF_EBUG, FF_HERE, "stale");
        ff_lease_done(&lease);
    }
    return err;
}

static void batches_of_leases_and_commits(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    int batch = 100;
    struct call c = {.who = &p->ann, .number = CYCLES};
    expect_ok(ff_queue_write(p->q, submit_n, &c, &ctx), &ctx, "submit");
    double begun = seconds();
    for (int i = 0; i < CYCLES; i += batch)
        expect_ok(ff_queue_write(p->q, lease_and_commit, &batch, &ctx), &ctx, "cycle");
    print_message("%.0f lease and commit cycles/s in batches of %d\n", CYCLES / (seconds() - begun), batch);
    by_hand(p, "CREATE TEMP TABLE t (n CHECK (n = 3000)); INSERT INTO t SELECT count(*) FROM jobs "
               "WHERE state = 'succeeded'; CREATE TEMP TABLE z (n CHECK (n = 0));"
               "INSERT INTO z SELECT queued + running + running_cores + running_since FROM users WHERE name = 'ann'");
}

/* ---- how the cost grows ---- */

enum { STEP = 5 }; /* of the machine, a call */
static int count_steps(void *arg)
{
    *(long *)arg += STEP;
    return 0;
}

struct cost {
    const struct ff_who *who;
    const struct ff_job_filter *filter;
    const struct ff_gang *gang; /* NULL: the small one */
    bool found;
    long steps;
    double s;
};

static ff_err cost_of_a_lease(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct cost *c = arg;
    struct ff_lease lease;
    double begun = seconds();
    sqlite3_progress_handler(tx->db, STEP, count_steps, &c->steps);
    ff_err err = ff_tasks_lease(tx, c->gang ? c->gang : &small_gang, &lease, &c->found, ctx);
    sqlite3_progress_handler(tx->db, 0, NULL, NULL);
    c->s = seconds() - begun;
    ff_lease_done(&lease);
    return err;
}

static ff_err cost_of_a_submit(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct cost *c = arg;
    struct call one = {.who = c->who, .number = 1};
    double begun = seconds();
    sqlite3_progress_handler(tx->db, STEP, count_steps, &c->steps);
    ff_err err = submit_n(tx, &one, ctx);
    sqlite3_progress_handler(tx->db, 0, NULL, NULL);
    c->s = seconds() - begun;
    return err;
}

static ff_err cost_of_a_page(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct cost *c = arg;
    json_t *out;
    double begun = seconds();
    sqlite3_progress_handler(tx->db, STEP, count_steps, &c->steps);
    ff_err err = ff_jobs_list(tx, c->who, c->filter, &out, ctx);
    sqlite3_progress_handler(tx->db, 0, NULL, NULL);
    c->s = seconds() - begun;
    assert_int_equal(json_array_size(json_object_get(out, "jobs")), c->filter->limit);
    json_decref(out);
    return err;
}

enum { PAGES = 4, COSTS = 2 + PAGES };
static void measure(struct place *p, struct cost costs[COSTS])
{
    static const struct ff_job_filter filters[PAGES] = {{.limit = 50},
                                                        {.limit = 50, .state = "queued"},
                                                        {.limit = 50, .all_users = true},
                                                        {.limit = 50, .all_users = true, .state = "queued"}};
    ff_ctx ctx = {0};
    costs[0] = (struct cost){0};
    expect_ok(ff_queue_write(p->q, cost_of_a_lease, &costs[0], &ctx), &ctx, "lease");
    assert_true(costs[0].found);
    costs[1] = (struct cost){.who = &p->ann};
    expect_ok(ff_queue_write(p->q, cost_of_a_submit, &costs[1], &ctx), &ctx, "submit");
    for (int i = 0; i < PAGES; i++) {
        costs[2 + i] = (struct cost){.who = filters[i].all_users ? &p->admin : &p->ann, .filter = &filters[i]};
        expect_ok(ff_queue_read(p->q, cost_of_a_page, &costs[2 + i], &ctx), &ctx, "page");
    }
}

static void cost_does_not_grow_with_the_queue(void **state)
{
    static const char *const names[COSTS] = {"lease",         "submit",      "page",
                                             "page by state", "page of all", "page of all by state"};
    struct place *p = *state;
    ff_ctx ctx = {0};
    struct call ann = {.who = &p->ann, .number = 500}, bob = {.who = &p->bob, .number = 500};
    struct cost before[COSTS], after[COSTS];
    expect_ok(ff_queue_write(p->q, submit_n, &ann, &ctx), &ctx, "submit");
    expect_ok(ff_queue_write(p->q, submit_n, &bob, &ctx), &ctx, "submit");
    measure(p, before);
    ann.number = bob.number = 9500;
    expect_ok(ff_queue_write(p->q, submit_n, &ann, &ctx), &ctx, "submit");
    expect_ok(ff_queue_write(p->q, submit_n, &bob, &ctx), &ctx, "submit");
    measure(p, after);
    for (int i = 0; i < COSTS; i++) {
        print_message("%-22s %5ld steps %.2f ms of 1000 jobs, %5ld steps %.2f ms of 20000\n", names[i], before[i].steps,
                      1e3 * before[i].s, after[i].steps, 1e3 * after[i].s);
        if (after[i].steps > 2 * before[i].steps + 200) fail_msg("the cost of a %s grows with the queue", names[i]);
    }
    struct ff_gang narrow = small_gang; /* for which nothing fits: the index alone is looked through */
    narrow.ranks = 0;
    struct cost none = {.gang = &narrow};
    expect_ok(ff_queue_write(p->q, cost_of_a_lease, &none, &ctx), &ctx, "lease");
    assert_false(none.found);
    print_message("a lease where none of 20000 fits: %.2f ms\n", 1e3 * none.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(many_threads_submit),
        T(batches_of_leases_and_commits),
        T(cost_does_not_grow_with_the_queue),
#undef T
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
