/* tests/unit/dispatch/files_test.c - results that are checked before they count, and files of gangs that do not share the
** store: chunks in, chunks out, each gang its own only. */
#include <fcntl.h>

#include "tests/unit/dispatch/help.h"

static void write_work(struct house *h, const struct gang *g, const char *name, const void *bytes, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "mkdir -p %s/work/%s/%s.%d", h->dir, g->job, g->task, g->attempt);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "%s/work/%s/%s.%d/%s", h->dir, g->job, g->task, g->attempt, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void commit_result(struct gang *g, const char *name, size_t size, const char *sha256)
{
    json_t *body = attempt_name(g);
    json_object_set_new(body, "outcome", json_string("succeeded"));
    json_object_set_new(body, "result", json_string("result.h5"));
    json_object_set_new(body, "files",
                        json_pack("[{ss sI ss}]", "name", name, "size", (json_int_t)size, "sha256", sha256));
    gang_send(g, FF_WIRE_COMMIT, body);
}

static void a_result_is_checked_and_moved_before_its_job_succeeds(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {.shared = true};
    char id[FF_ID_SIZE], hash[65], path[256];
    open_busy(&h, &g, 1, "", id);
    write_work(&h, &g, "result.h5", "the answer", 10);
    ff_hash_bytes("the answer", 10, hash);
    for (int i = 0; i < 2; i++) commit_result(&g, "result.h5", 10, hash); /* impatient */
    gang_verdict(&g, "committed");
    wait_state(&h, id, "succeeded");
    json_t *job = job_of(&h, id);
    assert_string_equal(word(json_object_get(job, "result"), "sha256"), hash);
    json_decref(job);
    snprintf(path, sizeof path, "%s/results/%s/noop-0.1.h5", h.dir, id);
    assert_int_equal(access(path, R_OK), 0);
    commit_result(&g, "result.h5", 10, hash); /* its answer was lost: asked again later */
    gang_verdict(&g, "committed");
    gang_close(&g);
    house_close(&h);
}

static void refused_result(const char *name, size_t size, const char *content, const char *reason)
{
    struct house h = {0};
    struct gang g = {.shared = true};
    char id[FF_ID_SIZE], hash[65];
    open_busy(&h, &g, 1, "", id);
    if (content) write_work(&h, &g, "result.h5", content, strlen(content));
    ff_hash_bytes("the answer", 10, hash);
    commit_result(&g, name, size, hash);
    gang_verdict(&g, "committed"); /* that it did not work */
    wait_state(&h, id, "queued");
    assert_true(count_events(&h, id, reason) >= 1);
    json_t *job = job_of(&h, id);
    assert_true(json_is_null(json_object_get(job, "result")));
    json_decref(job);
    gang_close(&g);
    house_close(&h);
}

static void a_result_that_is_not_what_was_said_does_not_count(void **state)
{
    (void)state;
    refused_result("result.h5", 10, "the answeR", "result_corrupt");
    refused_result("result.h5", 9, "the answer", "result_corrupt");
    refused_result("result.h5", 10, NULL, "storage");
    refused_result("other.h5", 10, "the answer", "no_result");
}

static void put(struct gang *g, const char *name, const char *whole, size_t offset, size_t n)
{
    char hash[65];
    json_t *body = attempt_name(g);
    ff_hash_bytes(whole, strlen(whole), hash);
    json_object_set_new(body, "name", json_string(name));
    json_object_set_new(body, "offset", json_integer((json_int_t)offset));
    json_object_set_new(body, "size", json_integer((json_int_t)strlen(whole)));
    json_object_set_new(body, "sha256", json_string(hash));
    gang_send_blob(g, FF_WIRE_PUT, body, whole + offset, n);
}

static int64_t stored(struct gang *g, const char *name)
{
    json_t *body = gang_expect(g, FF_WIRE_STORED);
    assert_string_equal(word(body, "name"), name);
    int64_t have = json_integer_value(json_object_get(body, "have"));
    json_decref(body);
    return have;
}

static void chunks_arrive_in_order_and_once(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang g = {0};
    char id[FF_ID_SIZE], hash[65];
    open_idle(&h, &g);
    assert_string_equal(g.store, "");
    submit(&h, 1, "", id);
    gang_await_task(&g);
    put(&g, "result.h5", "the answer", 0, 4);
    assert_int_equal(stored(&g, "result.h5"), 4);
    put(&g, "result.h5", "the answer", 0, 4);
    assert_int_equal(stored(&g, "result.h5"), 4);
    put(&g, "result.h5", "the answer", 4, 6);
    assert_int_equal(stored(&g, "result.h5"), 10);
    ff_hash_bytes("the answer", 10, hash);
    commit_result(&g, "result.h5", 10, hash);
    gang_verdict(&g, "committed");
    wait_state(&h, id, "succeeded");
    gang_close(&g);
    house_close(&h);
}

static void nobody_writes_into_a_foreign_attempt(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang a = {0}, b = {0};
    char id[FF_ID_SIZE], path[256];
    open_busy(&h, &a, 1, "", id);
    gang_open(&b, &h, "b");
    memcpy(b.job, a.job, sizeof b.job);
    memcpy(b.task, a.task, sizeof b.task);
    b.attempt = a.attempt;
    put(&b, "x.bin", "xx", 0, 2);
    gang_stop(&b, "fenced");
    snprintf(path, sizeof path, "%s/work/%s", h.dir, id);
    assert_int_not_equal(access(path, F_OK), 0);
    gang_close(&a);
    gang_close(&b);
    house_close(&h);
}

static json_t *get(struct gang *g, const char *job, const char *task, int attempt, const char *name, size_t offset,
                   void **blob, size_t *nblob)
{
    gang_send(g, FF_WIRE_GET,
              json_pack("{ss ss si ss sI}", "job", job, "task", task, "attempt", attempt, "name", name, "offset",
                        (json_int_t)offset));
    const int64_t end = now_ms() + 1500;
    while (now_ms() < end) {
        enum ff_wire_type type;
        json_t *body = gang_receive(g, 100, &type, blob, nblob);
        if (body && type == FF_WIRE_CHUNK) return body;
        if (body) free(*blob);
        json_decref(body);
    }
    return NULL;
}

static void the_next_attempt_is_told_of_the_files_of_the_last_and_gets_them(void **state)
{
    (void)state;
    struct house h = {0};
    struct gang a = {0}, other = {0};
    char id[FF_ID_SIZE], foreign[FF_ID_SIZE];
    void *blob;
    size_t n;
    open_busy(&h, &a, 1, "", id);
    put(&a, "chain.a", "a checkpoint", 0, 12);
    assert_int_equal(stored(&a, "chain.a"), 12);
    gang_commit(&a, "released");
    gang_verdict(&a, "committed");

    json_t *task = gang_expect(&a, FF_WIRE_TASK);
    assert_int_equal(json_integer_value(json_object_get(task, "attempt")), 2);
    assert_int_equal(json_integer_value(json_object_get(task, "resume")), 1);
    const json_t *files = json_object_get(task, "files"), *file = json_array_get(files, 0);
    assert_int_equal(json_array_size(files), 1);
    assert_string_equal(word(file, "name"), "chain.a");
    assert_int_equal(json_integer_value(json_object_get(file, "attempt")), 1);
    json_t *chunk = get(&a, word(file, "job"), word(file, "task"), 1, "chain.a", 2, &blob, &n);
    assert_non_null(chunk);
    assert_true(json_is_true(json_object_get(chunk, "eof")));
    assert_int_equal(json_integer_value(json_object_get(chunk, "size")), 12);
    assert_int_equal(n, 10);
    assert_memory_equal(blob, "checkpoint", 10);
    free(blob);
    json_decref(chunk);
    json_decref(task);

    gang_open(&other, &h, "other"); /* another user's task: the first one's files are none of its business */
    submit(&h, 1, "", foreign);
    gang_await_task(&other);
    assert_null(get(&other, id, "noop-0", 1, "chain.a", 0, &blob, &n));
    assert_null(get(&other, "", "", 0, "ds_aaaaaaaaaaaaaaaaaaaaaaaaaa", 0, &blob, &n));
    gang_close(&a);
    gang_close(&other);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_checked_and_moved_before_its_job_succeeds),
        cmocka_unit_test(a_result_that_is_not_what_was_said_does_not_count),
        cmocka_unit_test(chunks_arrive_in_order_and_once),
        cmocka_unit_test(nobody_writes_into_a_foreign_attempt),
        cmocka_unit_test(the_next_attempt_is_told_of_the_files_of_the_last_and_gets_them),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
