/* tests/unit/queue/users_test.c - users, tokens, accounts, datasets, results, workers. */
#include "tests/unit/queue/help.h"

static ff_err call_add(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_users_add(tx, c->text, c->number != 0, c->in, c->out, ctx);
}
static ff_err call_remove_user(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_users_remove(tx, ((struct call *)arg)->id, ctx);
}
static ff_err call_list_users(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_users_list(tx, ((struct call *)arg)->out, ctx);
}
static ff_err call_get_user(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_users_get(tx, c->id, c->out, ctx);
}
static ff_err call_add_token(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tokens_add(tx, c->text, "laptop", c->out2, c->out, ctx);
}
static ff_err call_list_tokens(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tokens_list(tx, c->who, c->out, ctx);
}
static ff_err call_remove_token(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_tokens_remove(tx, c->who, c->id, ctx);
}
static ff_err call_usage(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_usage_get(tx, c->who, c->out, ctx);
}

struct checked {
    const char *token;
    struct ff_who who;
    char name[64];
};
static ff_err call_check(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct checked *c = arg;
    return ff_tokens_check(tx, c->token, &c->who, c->name, ctx);
}

static ff_err write_call(struct place *p, ff_queue_fn fn, struct call c, ff_ctx *ctx)
{
    return ff_queue_write(p->q, fn, &c, ctx);
}

static json_t *list_of(struct place *p, ff_queue_fn fn, struct call c, const char *key)
{
    ff_ctx ctx = {0};
    json_t *out;
    c.out = &out;
    expect_ok(ff_queue_read(p->q, fn, &c, &ctx), &ctx, key);
    json_t *list = json_incref(json_object_get(out, key));
    json_decref(out);
    assert_true(json_is_array(list));
    return list;
}

/* ---- users ---- */

static void user_is_added_shown_and_removed(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE], again[FF_ID_SIZE];
    ff_ctx ctx = {0};
    const struct ff_quotas quotas = {.queued = 5, .result_bytes = 1e9};
    expect_ok(write_call(p, call_add, (struct call){.text = "eve", .in = &quotas, .out = id}, &ctx), &ctx, "add");
    assert_true(ff_id_valid("us_", id));
    expect_err(FF_ECONFLICT, write_call(p, call_add, (struct call){.text = "eve", .out = again}, &ctx), &ctx, "again");
    json_t *user;
    struct call get = {.id = id, .out = &user};
    expect_ok(ff_queue_read(p->q, call_get_user, &get, &ctx), &ctx, "get");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(user, "quotas"), "queued")), 5);
    assert_string_equal(json_string_value(json_object_get(user, "name")), "eve");
    json_decref(user);
    expect_ok(write_call(p, call_remove_user, (struct call){.id = id}, &ctx), &ctx, "remove");
    expect_err(FF_ENOTFOUND, write_call(p, call_remove_user, (struct call){.id = id}, &ctx), &ctx, "remove again");
    expect_err(FF_ENOTFOUND, ff_queue_read(p->q, call_get_user, &get, &ctx), &ctx, "get");
    json_t *all = list_of(p, call_list_users, (struct call){0}, "users");
    assert_int_equal(json_array_size(all), 3);
    json_decref(all);
    expect_ok(write_call(p, call_add, (struct call){.text = "eve", .out = again}, &ctx), &ctx, "the name is free");
    assert_string_not_equal(id, again);
}

static void bad_names_and_quotas_are_refused(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE], large[70];
    ff_ctx ctx = {0};
    memset(large, 'x', 64);
    large[64] = '\0';
    const char *const names[] = {"", "a b", "a\n", "\xc3\xa9", "'; --", large};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect_err(FF_EBADREQUEST, write_call(p, call_add, (struct call){.text = names[i], .out = id}, &ctx), &ctx,
                   "name");
    const struct ff_quotas quotas = {.running = -1};
    expect_err(FF_EBADREQUEST, write_call(p, call_add, (struct call){.text = "eve", .in = &quotas, .out = id}, &ctx),
               &ctx, "quota");
}

static json_t *user_row(struct place *p, const char *name)
{
    json_t *all = list_of(p, call_list_users, (struct call){0}, "users"), *user;
    size_t i;
    json_array_foreach(all, i, user)
    {
        if (strcmp(json_string_value(json_object_get(user, "name")), name) != 0) continue;
        json_incref(user);
        json_decref(all);
        return user;
    }
    fail_msg("no user %s", name);
    return NULL;
}

static void removed_user_has_no_tokens_and_no_jobs(void **state)
{
    struct place *p = *state;
    char queued[FF_ID_SIZE], running[FF_ID_SIZE], token[FF_TOKEN_SIZE], id[FF_ID_SIZE];
    ff_ctx ctx = {0};
    struct ff_lease lease;
    submit(p, p->bob, FF_SPECTRUM, 0, running);
    lease_drop(p, running, NULL);
    submit(p, p->bob, FF_SPECTRUM, 0, queued);
    expect_ok(write_call(p, call_add_token, (struct call){.text = "bob", .out = token, .out2 = id}, &ctx), &ctx,
              "token");
    json_t *bob = user_row(p, "bob");
    const char *row_id = json_string_value(json_object_get(bob, "id"));
    expect_ok(write_call(p, call_remove_user, (struct call){.id = row_id}, &ctx), &ctx, "remove");
    json_decref(bob);
    expect_state(p, queued, "cancelled");
    expect_state(p, running, "cancelling");
    assert_false(try_lease(p, &small_gang, &lease));
    struct checked c = {.token = token};
    expect_err(FF_EAUTH, ff_queue_read(p->q, call_check, &c, &ctx), &ctx, "his token");
    char none[FF_ID_SIZE];
    bool again;
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    const struct ff_submission s = {.who = p->bob, .job = &job, .spec = "{}"};
    expect_err(FF_EAUTH, try_submit(p, &s, none, &again, &ctx), &ctx, "his submit");
}

static void last_administrator_stays(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    json_t *admin = user_row(p, "admin");
    const char *id = json_string_value(json_object_get(admin, "id"));
    expect_err(FF_ECONFLICT, write_call(p, call_remove_user, (struct call){.id = id}, &ctx), &ctx, "remove");
    user_called(p, "second", true);
    expect_ok(write_call(p, call_remove_user, (struct call){.id = id}, &ctx), &ctx, "remove");
    json_decref(admin);
}

/* ---- tokens ---- */

static void token_is_known_until_revoked_and_kept_as_a_hash(void **state)
{
    struct place *p = *state;
    char token[FF_TOKEN_SIZE], id[FF_ID_SIZE], bad[FF_TOKEN_SIZE];
    ff_ctx ctx = {0};
    expect_ok(write_call(p, call_add_token, (struct call){.text = "ann", .out = token, .out2 = id}, &ctx), &ctx,
              "token");
    assert_int_equal(strlen(token), 67);
    struct checked c = {.token = token};
    expect_ok(ff_queue_read(p->q, call_check, &c, &ctx), &ctx, "check");
    assert_string_equal(c.name, "ann");
    assert_int_equal(c.who.user, p->ann.user);
    assert_false(c.who.admin);
    memcpy(bad, token, sizeof bad);
    bad[66] = bad[66] == '0' ? '1' : '0';
    const char *const wrong[] = {bad, "", "ff_", token + 1};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        c.token = wrong[i];
        expect_err(FF_EAUTH, ff_queue_read(p->q, call_check, &c, &ctx), &ctx, "a wrong token");
        assert_int_equal(c.who.user, 0);
    }
    json_t *mine = list_of(p, call_list_tokens, (struct call){.who = &p->ann}, "tokens");
    json_t *his = list_of(p, call_list_tokens, (struct call){.who = &p->bob}, "tokens");
    json_t *all = list_of(p, call_list_tokens, (struct call){.who = &p->admin}, "tokens");
    assert_int_equal(json_array_size(mine), 1);
    assert_int_equal(json_array_size(his), 0);
    assert_int_equal(json_array_size(all), 1);
    json_decref(mine);
    json_decref(his);
    json_decref(all);
    expect_err(FF_ENOTFOUND, write_call(p, call_remove_token, (struct call){.who = &p->bob, .id = id}, &ctx), &ctx,
               "bob revokes ann's");
    expect_ok(write_call(p, call_remove_token, (struct call){.who = &p->ann, .id = id}, &ctx), &ctx, "revoke");
    c.token = token;
    expect_err(FF_EAUTH, ff_queue_read(p->q, call_check, &c, &ctx), &ctx, "a revoked token");
    /* its text is nowhere in the files */
    ff_queue_close(p->q);
    p->q = NULL;
    FILE *file = fopen(p->path, "rb");
    char *bytes = malloc(1 << 22);
    size_t n = fread(bytes, 1, 1 << 22, file);
    assert_true(n > 4096 && n < 1 << 22);
    for (size_t i = 0; i + 64 <= n; i++) assert_int_not_equal(memcmp(bytes + i, token + 3, 64), 0);
    fclose(file);
    free(bytes);
}

/* ---- accounts ---- */

static void work_is_accounted_to_its_user(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    const struct ff_commit c = {.job = id,
                                .task = "spectrum",
                                .attempt = 1,
                                .sha256 = "ab",
                                .path = "results/x.h5",
                                .size = 300,
                                .chunk_bytes = 200,
                                .core_seconds = 7200,
                                .gpu_seconds = 1800};
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    assert_int_equal(commit(p, &c), FF_COMMITTED); /* counted once */
    json_t *mine = list_of(p, call_usage, (struct call){.who = &p->ann}, "users"), *ann = json_array_get(mine, 0);
    assert_int_equal(json_array_size(mine), 1);
    assert_true(json_real_value(json_object_get(ann, "core_hours")) == 2);
    assert_true(json_real_value(json_object_get(ann, "gpu_hours")) == 0.5);
    assert_int_equal(json_integer_value(json_object_get(ann, "result_bytes")), 500);
    assert_int_equal(json_integer_value(json_object_get(ann, "jobs")), 1);
    json_decref(mine);
    json_t *all = list_of(p, call_usage, (struct call){.who = &p->admin}, "users");
    assert_int_equal(json_array_size(all), 3);
    json_decref(all);
}

/* ---- datasets ---- */

static ff_err call_add_dataset(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_datasets_add(tx, c->who, c->out, ctx);
}
static ff_err call_find_dataset(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_datasets_find(tx, c->who, c->id, c->out, ctx);
}
static ff_err call_remove_dataset(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_datasets_remove(tx, c->who, c->id, c->out, ctx);
}
static ff_err call_list_datasets(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_datasets_list(tx, c->who, 10, NULL, c->out, ctx);
}

static struct ff_dataset_row add_dataset(struct place *p, struct ff_who who, char fill, int64_t size)
{
    ff_ctx ctx = {0};
    struct ff_dataset_row row = {.kind = "nz", .name = "curves", .size = size};
    memset(row.sha256, fill, 64);
    expect_ok(write_call(p, call_add_dataset, (struct call){.who = &who, .out = &row}, &ctx), &ctx, "add");
    return row;
}

static void dataset_lives_as_long_as_a_job_needs_it(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    char job_id[FF_ID_SIZE];
    bool orphan, again;
    struct ff_dataset_row a = add_dataset(p, p->ann, 'a', 100), same = add_dataset(p, p->ann, 'a', 100);
    struct ff_dataset_row his = add_dataset(p, p->bob, 'a', 100), found;
    assert_string_equal(a.id, same.id);
    assert_string_not_equal(a.id, his.id);
    expect_err(FF_ENOTFOUND,
               write_call(p, call_find_dataset, (struct call){.who = &p->bob, .id = a.id, .out = &found}, &ctx), &ctx,
               "a foreign dataset");
    struct ff_job job = job_of(FF_SPECTRUM, 0);
    const char *names[] = {a.id, his.id};
    struct ff_submission s = {.who = p->ann, .job = &job, .spec = "{}", .datasets = names, .ndatasets = 2};
    expect_err(FF_ENOTFOUND, try_submit(p, &s, job_id, &again, &ctx), &ctx, "a job with a foreign dataset");
    s.ndatasets = 1;
    expect_ok(try_submit(p, &s, job_id, &again, &ctx), &ctx, "submit");
    const struct call remove_a = {.who = &p->ann, .id = a.id, .out = &orphan};
    expect_err(FF_ECONFLICT, write_call(p, call_remove_dataset, remove_a, &ctx), &ctx, "in use");
    expect_ok(cancel(p, p->ann, job_id, &ctx), &ctx, "cancel");
    expect_ok(write_call(p, call_remove_dataset, remove_a, &ctx), &ctx, "remove");
    assert_false(orphan); /* bob has the same bytes */
    expect_err(FF_ENOTFOUND, write_call(p, call_remove_dataset, remove_a, &ctx), &ctx, "remove again");
    const struct call remove_his = {.who = &p->bob, .id = his.id, .out = &orphan};
    expect_ok(write_call(p, call_remove_dataset, remove_his, &ctx), &ctx, "remove");
    assert_true(orphan);
    json_t *left = list_of(p, call_list_datasets, (struct call){.who = &p->ann}, "datasets");
    assert_int_equal(json_array_size(left), 0);
    json_decref(left);
}

static void bytes_are_limited(void **state)
{
    struct place *p = *state;
    ff_ctx ctx = {0};
    ff_quotas_set_defaults(p->q, &(struct ff_quotas){.result_bytes = 150});
    struct ff_dataset_row b = {.kind = "nz", .size = 60}, a = add_dataset(p, p->ann, 'a', 100);
    memset(b.sha256, 'b', 64);
    bool orphan;
    expect_err(FF_EQUOTA, write_call(p, call_add_dataset, (struct call){.who = &p->ann, .out = &b}, &ctx), &ctx, "add");
    const struct call remove_a = {.who = &p->ann, .id = a.id, .out = &orphan};
    expect_ok(write_call(p, call_remove_dataset, remove_a, &ctx), &ctx, "remove");
    expect_ok(write_call(p, call_add_dataset, (struct call){.who = &p->ann, .out = &b}, &ctx), &ctx, "add");
}

/* ---- results ---- */

static ff_err count_result(void *self, const struct ff_result_row *row, ff_ctx *ctx)
{
    (void)ctx;
    *(int *)self += row->corrupt ? 100 : 1;
    return FF_OK;
}
static ff_err call_each(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_results_each(tx, count_result, arg, ctx);
}
static ff_err call_flag(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_results_flag_corrupt(tx, ((struct call *)arg)->id, ctx);
}
static ff_err call_result(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_results_find(tx, c->who, c->id, c->out, ctx);
}

static void damaged_result_is_flagged_and_the_job_stays_succeeded(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    ff_ctx ctx = {0};
    int count = 0;
    struct ff_result_row row;
    struct call find = {.who = &p->ann, .id = id, .out = &row};
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    expect_err(FF_ENOTFOUND, ff_queue_read(p->q, call_result, &find, &ctx), &ctx, "no result yet");
    lease_drop(p, id, NULL);
    const struct ff_commit c = {
        .job = id, .task = "spectrum", .attempt = 1, .sha256 = "ab", .path = "results/x.h5", .size = 500};
    assert_int_equal(commit(p, &c), FF_COMMITTED);
    expect_ok(ff_queue_read(p->q, call_result, &find, &ctx), &ctx, "result");
    assert_string_equal(row.path, "results/x.h5");
    assert_string_equal(row.task, "spectrum");
    expect_ok(ff_queue_read(p->q, call_each, &count, &ctx), &ctx, "each");
    assert_int_equal(count, 1);
    expect_ok(write_call(p, call_flag, (struct call){.id = id}, &ctx), &ctx, "flag");
    expect_ok(ff_queue_read(p->q, call_each, &count, &ctx), &ctx, "each");
    assert_int_equal(count, 101);
    expect_state(p, id, "succeeded");
    reopen(p); /* the flag is not part of what the hash covers */
}

/* ---- workers ---- */

static ff_err call_put(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_workers_put(tx, ((struct call *)arg)->in, ctx);
}
static ff_err call_state(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_workers_state(tx, c->id, c->text, ctx);
}
static ff_err call_workers(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct call *c = arg;
    return ff_workers_list(tx, c->number != 0, c->out, ctx);
}

static void workers_are_listed_with_what_they_do(void **state)
{
    struct place *p = *state;
    char id[FF_ID_SIZE];
    ff_ctx ctx = {0};
    struct ff_worker_row row = {.name = "node1:77", .pool = "default", .backend = "cpu", .state = "idle", .ranks = 2};
    snprintf(row.id, sizeof row.id, "%s", small_gang.worker);
    expect_ok(write_call(p, call_put, (struct call){.in = &row}, &ctx), &ctx, "put");
    expect_ok(write_call(p, call_put, (struct call){.in = &row}, &ctx), &ctx, "put again");
    submit(p, p->ann, FF_SPECTRUM, 0, id);
    lease_drop(p, id, NULL);
    expect_ok(write_call(p, call_state, (struct call){.id = row.id, .text = "busy"}, &ctx), &ctx, "state");
    for (int admin = 0; admin < 2; admin++) {
        json_t *all = list_of(p, call_workers, (struct call){.number = admin}, "workers"),
               *one = json_array_get(all, 0);
        const json_t *task = json_object_get(one, "task");
        assert_int_equal(json_array_size(all), 1);
        assert_string_equal(json_string_value(json_object_get(one, "state")), "busy");
        assert_string_equal(json_string_value(json_object_get(task, "task")), "spectrum");
        if (admin) {
            assert_string_equal(json_string_value(json_object_get(task, "job")), id);
        } else {
            assert_true(json_is_null(json_object_get(task, "job")));
        }
        json_decref(all);
    }
    expect_err(FF_ENOTFOUND, write_call(p, call_state, (struct call){.id = "wk_none", .text = "gone"}, &ctx), &ctx,
               "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(user_is_added_shown_and_removed),
        T(bad_names_and_quotas_are_refused),
        T(removed_user_has_no_tokens_and_no_jobs),
        T(last_administrator_stays),
        T(token_is_known_until_revoked_and_kept_as_a_hash),
        T(work_is_accounted_to_its_user),
        T(dataset_lives_as_long_as_a_job_needs_it),
        T(bytes_are_limited),
        T(damaged_result_is_flagged_and_the_job_stays_succeeded),
        T(workers_are_listed_with_what_they_do),
#undef T
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
