/* tests/unit/http/server_test.c - jobs, results and rights through a running server. */
#include "tests/unit/http/service.h"

static void a_job_is_accepted_once_per_key(void **state)
{
    struct service *s = *state;
    static const char *const key = AS_JSON "Idempotency-Key: k1\r\n";
    struct answer first = ask(s, 0, "POST", "/v1/jobs", key, "{\"kind\":\"noop\",\"count\":2}");
    struct answer again = ask(s, 0, "POST", "/v1/jobs", key, "{ \"count\": 2, \"kind\": \"noop\" }");
    expect_number("first", 202, first.status);
    expect_number("again", 202, again.status);
    expect_word("the same answer", first.body, again.body);
    expect_number("another request", 422, status_of(s, 0, "POST", "/v1/jobs", key, "{\"kind\":\"noop\"}"));
    expect_number("another user", 202, status_of(s, 1, "POST", "/v1/jobs", key, "{\"kind\":\"noop\"}"));
    json_t *body = json_loads(first.body, 0, NULL);
    char location[96];
    snprintf(location, sizeof location, "Location: /v1/jobs/%s", json_string_value(json_object_get(body, "id")));
    expect_header(&first, location);
    json_decref(body);
    free(first.body);
    free(again.body);
}

static void bad_bodies_say_where(void **state)
{
    static const struct {
        const char *body, *pointer;
        int status;
    } cases[] = {
        {"{\"kind\":\"noop\",\"count\":0}", "/count", 400},
        {"{\"kind\":\"noop\",\"colour\":1}", "/colour", 400},
        {"{\"kind\":\"noop\",\"count\":1,\"count\":2}", NULL, 400},
        {"{\"kind\":\"noop\",\"sleep_s\":NaN}", NULL, 400},
        {"{\"kind\":\"noop\",\"sleep_s\":1e400}", NULL, 400},
        {"{\"kind\":", NULL, 400},
        {"", NULL, 400},
        {"[]", NULL, 400},
    };
    struct service *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer a = ask(s, 0, "POST", "/v1/jobs", AS_JSON, cases[i].body);
        expect_number(cases[i].body, cases[i].status, a.status);
        expect_header(&a, "Content-Type: application/problem+json");
        json_t *problem = json_loads(a.body, 0, NULL);
        assert_non_null(json_object_get(problem, "request_id"));
        if (cases[i].pointer)
            expect_word("pointer", cases[i].pointer, json_string_value(json_object_get(problem, "pointer")));
        json_decref(problem);
        free(a.body);
    }
}

static void a_connection_survives_a_bad_request(void **state)
{
    struct service *s = *state;
    struct heard h = {0};
    const int fd = dial(s);
    send_request(s, fd, 0, "POST", "/v1/jobs", AS_JSON, "{\"kind\":");
    assert_true(hear_word(fd, &h, "bad-json"));
    send_request(s, fd, 0, "GET", "/v1/nothing", NULL, NULL);
    assert_true(hear_word(fd, &h, "not-found"));
    send_request(s, fd, 0, "GET", "/healthz", NULL, NULL);
    assert_true(hear_word(fd, &h, "{\"status\":\"ok\"}"));
    heard_free(&h);
    close(fd);
}

static void rights_are_checked(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE], path[160];
    post_noop(s, id);
    static const char *const below[] = {"", "/logs", "/events", "/samples", "/draws", "/result", "/maps/a"};
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        snprintf(path, sizeof path, "/v1/jobs/%s%s", id, below[i]);
        expect_number(path, 404, status_of(s, 1, "GET", path, NULL, NULL));
    }
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    expect_number("foreign cancel", 404, status_of(s, 1, "DELETE", path, NULL, NULL));
    expect_number("own", 200, status_of(s, 0, "GET", path, NULL, NULL));
    expect_number("owner of the socket is admin", 200, status_of(s, -1, "GET", path, NULL, NULL));
    expect_number("no admin", 403, status_of(s, 0, "GET", "/v1/users", NULL, NULL));
    expect_number("admin", 200, status_of(s, -1, "GET", "/v1/users", NULL, NULL));
    expect_number("jobs of others", 403, status_of(s, 0, "GET", "/v1/jobs?all=1", NULL, NULL));
    expect_number("token for another", 403, status_of(s, 0, "POST", "/v1/tokens", AS_JSON, "{\"user\":\"bob\"}"));
    struct answer a = ask(s, -1, "GET", "/v1/jobs",
                          "Authorization: Bearer ff_"
                          "0000000000000000000000000000000000000000000000000000000000000000\r\n",
                          NULL);
    expect_number("an unknown token", 401, a.status); /* on the socket too: who shows a token is who it says */
    expect_header(&a, "WWW-Authenticate: Bearer realm=\"fullfield\"");
    free(a.body);
    expect_number("another scheme", 401, status_of(s, -1, "GET", "/v1/jobs", "Authorization: Basic YTpi\r\n", NULL));
}

static void a_revoked_token_ends_at_once(void **state)
{
    struct service *s = *state;
    struct answer a = ask(s, 0, "POST", "/v1/tokens", AS_JSON, "{\"label\":\"x\"}");
    expect_number("made", 201, a.status);
    json_t *body = json_loads(a.body, 0, NULL);
    char header[160], path[96];
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", json_string_value(json_object_get(body, "token")));
    snprintf(path, sizeof path, "/v1/tokens/%s", json_string_value(json_object_get(body, "id")));
    expect_number("good", 200, status_of(s, -1, "GET", "/v1/jobs", header, NULL));
    expect_number("remembered", 200, status_of(s, -1, "GET", "/v1/jobs", header, NULL));
    expect_number("foreign", 404, status_of(s, 1, "DELETE", path, NULL, NULL));
    expect_number("revoked", 204, status_of(s, 0, "DELETE", path, NULL, NULL));
    expect_number("gone", 401, status_of(s, -1, "GET", "/v1/jobs", header, NULL));
    json_decref(body);
    free(a.body);
}

/* A finished job of ann's whose result are these bytes. */
static void finish_with(struct service *s, char id[FF_ID_SIZE], const char *bytes, char path[160], char sha256[65])
{
    char folder[160], whole[300];
    post_noop(s, id);
    struct ff_lease l = lease(s);
    expect_word("leased", id, l.job);
    snprintf(folder, sizeof folder, "%s/results/%s", s->dir, id);
    mkdir(folder, 0700);
    snprintf(path, 160, "results/%s/%s.%d.h5", id, l.task, l.attempt);
    snprintf(whole, sizeof whole, "%s/%s", s->dir, path);
    FILE *file = fopen(whole, "wb");
    assert_non_null(file);
    fwrite(bytes, 1, strlen(bytes), file);
    fclose(file);
    ff_hash_bytes(bytes, strlen(bytes), sha256);
    commit(s, &l, path, sha256, (int64_t)strlen(bytes));
    ff_lease_done(&l);
}

static void results_are_served_in_ranges(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE], path[160], url[96], sha256[65], tag[96], header[160];
    finish_with(s, id, "0123456789", path, sha256);
    snprintf(url, sizeof url, "/v1/jobs/%s/result", id);
    struct answer a = ask(s, 0, "GET", url, NULL, NULL);
    expect_number("whole", 200, a.status);
    expect_word("bytes", "0123456789", a.body);
    snprintf(tag, sizeof tag, "\"sha256-%s\"", sha256);
    snprintf(header, sizeof header, "ETag: %s", tag);
    expect_header(&a, header);
    expect_header(&a, "Accept-Ranges: bytes");
    expect_header(&a, "Cache-Control: private, max-age=31536000, immutable");
    free(a.body);
    a = ask(s, 0, "GET", url, "Range: bytes=3-5\r\n", NULL);
    expect_number("part", 206, a.status);
    expect_word("bytes", "345", a.body);
    expect_header(&a, "Content-Range: bytes 3-5/10");
    free(a.body);
    a = ask(s, 0, "GET", url, "Range: bytes=10-\r\n", NULL);
    expect_number("outside", 416, a.status);
    expect_header(&a, "Content-Range: bytes */10");
    free(a.body);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", tag);
    expect_number("the same", 304, status_of(s, 0, "GET", url, header, NULL));
    snprintf(header, sizeof header, "Range: bytes=3-5\r\nIf-Range: \"other\"\r\n");
    expect_number("another file", 200, status_of(s, 0, "GET", url, header, NULL));
    a = ask(s, 0, "HEAD", url, NULL, NULL);
    expect_number("head", 200, a.status);
    expect_header(&a, "Content-Length: 10");
    expect_number("no body", 0, (long long)a.size);
    free(a.body);
    expect_number("foreign", 404, status_of(s, 1, "GET", url, NULL, NULL));
}

static void changed_bytes_are_not_served(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE], path[160], url[96], sha256[65], whole[300];
    finish_with(s, id, "abcdefghij", path, sha256);
    snprintf(url, sizeof url, "/v1/jobs/%s/result", id);
    expect_number("whole", 200, status_of(s, 0, "GET", url, NULL, NULL));
    snprintf(whole, sizeof whole, "%s/%s", s->dir, path);
    chmod(whole, 0600);
    FILE *file = fopen(whole, "r+b");
    fputc('X', file);
    fclose(file);
    struct answer a = ask(s, 0, "GET", url, NULL, NULL);
    expect_number("corrupt", 500, a.status);
    assert_non_null(strstr(a.body, "urn:fullfield:error:result-corrupt"));
    assert_null(strstr(a.body, s->dir)); /* no path of ours */
    free(a.body);
    snprintf(url, sizeof url, "/v1/jobs/%s", id);
    a = ask(s, 0, "GET", url, NULL, NULL);
    assert_non_null(strstr(a.body, "\"corrupt\":true"));
    assert_non_null(strstr(a.body, "\"state\":\"succeeded\""));
    free(a.body);
}

static void a_retry_is_a_new_job(void **state)
{
    struct service *s = *state;
    char id[FF_ID_SIZE], url[96], word[96];
    post_noop(s, id);
    snprintf(url, sizeof url, "/v1/jobs/%s/retry", id);
    expect_number("not ended", 409, status_of(s, 0, "POST", url, NULL, ""));
    snprintf(url, sizeof url, "/v1/jobs/%s", id);
    expect_number("cancel", 202, status_of(s, 0, "DELETE", url, NULL, NULL));
    expect_number("twice", 409, status_of(s, 0, "DELETE", url, NULL, NULL));
    snprintf(url, sizeof url, "/v1/jobs/%s/retry", id);
    struct answer a = ask(s, 0, "POST", url, NULL, "");
    expect_number("retry", 202, a.status);
    json_t *body = json_loads(a.body, 0, NULL);
    snprintf(url, sizeof url, "/v1/jobs/%s", json_string_value(json_object_get(body, "id")));
    free(a.body);
    json_decref(body);
    a = ask(s, 0, "GET", url, NULL, NULL);
    snprintf(word, sizeof word, "\"retry_of\":\"%s\"", id);
    assert_non_null(strstr(a.body, word));
    free(a.body);
    snprintf(url, sizeof url, "/v1/jobs/%s/extend", id);
    expect_number("only posteriors", 409, status_of(s, 0, "POST", url, AS_JSON, "{\"draws\":5}"));
    expect_number("how many", 400, status_of(s, 0, "POST", url, AS_JSON, "{}"));
}

static json_t *warm_sample(long number)
{
    const bool warmup = number <= 2;
    return json_pack("{ss si si sb sf s{sf} s{}}", "type", "sample", "chain", 0, "draw",
                     (int)(warmup ? number - 1 : number - 3), "warmup", warmup, "lp", -1., "parameters", "sigma8", 0.8,
                     "stats");
}

/* A posterior with this sampler that succeeds after `nsamples` samples, extended by 5 draws: the new spec's draws. */
static long draws_of_extension(struct service *s, const char *sampler, long nsamples)
{
    char body[512], url[96];
    snprintf(body, sizeof body,
             "{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\",\"field\":{\"npix\":64}},"
             "\"data\":{\"mock\":{}},\"sampler\":{\"chains\":1,\"warmup\":2,%s}}",
             sampler);
    struct answer a = ask(s, 0, "POST", "/v1/jobs", AS_JSON, body);
    expect_number("submitted", 202, a.status);
    free(a.body);
    struct ff_lease chain = lease(s);
    report(s, &chain, 1, nsamples, warm_sample);
    commit(s, &chain, NULL, NULL, 0);
    struct ff_lease reduce = lease(s);
    expect_word("then", "reduce", reduce.task);
    commit(s, &reduce, NULL, NULL, 0);
    snprintf(url, sizeof url, "/v1/jobs/%s/extend", chain.job);
    a = ask(s, 0, "POST", url, AS_JSON, "{\"draws\":5}");
    expect_number("extended", 202, a.status);
    json_t *answer = json_loads(a.body, 0, NULL);
    snprintf(url, sizeof url, "/v1/jobs/%s", json_string_value(json_object_get(answer, "id")));
    json_decref(answer);
    free(a.body);
    a = ask(s, 0, "GET", url, NULL, NULL);
    json_t *job = json_loads(a.body, 0, NULL), *got = json_object_get(json_object_get(job, "spec"), "sampler");
    const long draws = (long)json_integer_value(json_object_get(got, "draws"));
    expect_word("extend_of", chain.job, json_string_value(json_object_get(job, "extend_of")));
    assert_null(json_object_get(got, "until"));
    expect_number("stop it", 202, status_of(s, 0, "DELETE", url, NULL, NULL));
    json_decref(job);
    free(a.body);
    ff_lease_done(&chain);
    ff_lease_done(&reduce);
    return draws;
}

static void an_extension_goes_on_from_what_is_held(void **state)
{
    struct service *s = *state;
    expect_number("draws of the job and 5", 8, draws_of_extension(s, "\"draws\":3", 5));
    expect_number("draws where the rule stopped and 5", 25,
                  draws_of_extension(s, "\"until\":{\"ess\":10,\"max_draws\":50}", 22));
}

static void plans_change_nothing(void **state)
{
    struct service *s = *state;
    struct answer before = ask(s, 0, "GET", "/v1/jobs?limit=500", NULL, NULL);
    struct answer a = ask(s, 0, "POST", "/v1/jobs?dry_run=1", AS_JSON, "{\"kind\":\"noop\",\"count\":3}");
    struct answer after = ask(s, 0, "GET", "/v1/jobs?limit=500", NULL, NULL);
    expect_number("plan", 200, a.status);
    assert_non_null(strstr(a.body, "\"ntasks\":3"));
    expect_word("jobs", before.body, after.body);
    free(a.body);
    free(before.body);
    free(after.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_is_accepted_once_per_key, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_bodies_say_where, setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_survives_a_bad_request, setup, teardown),
        cmocka_unit_test_setup_teardown(rights_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revoked_token_ends_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(results_are_served_in_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_bytes_are_not_served, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_is_a_new_job, setup, teardown),
        cmocka_unit_test_setup_teardown(an_extension_goes_on_from_what_is_held, setup, teardown),
        cmocka_unit_test_setup_teardown(plans_change_nothing, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
