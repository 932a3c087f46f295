/* tests/unit/http/route_test.c - paths find their route; the table of routes and proto/openapi.json say the same. */
#include <jansson.h>

#include "server/http/embed.h"
#include "server/http/query.h"
#include "server/http/route.h"
#include "tests/unit/http/help.h"

#define JOB "job_0123456789abcdefghijklmnop"

static void paths_find_their_route(void **state)
{
    struct ff_match m;
    ff_ctx ctx = {0};
    (void)state;
    expect_number("list", FF_OK, ff_route_match(&m, "GET", "/v1/jobs", &ctx));
    expect_word("list", "/v1/jobs", m.route->pattern);
    expect_number("submit", FF_OK, ff_route_match(&m, "POST", "/v1/jobs", &ctx));
    expect_word("submit", "POST", m.route->method);
    expect_number("head", FF_OK, ff_route_match(&m, "HEAD", "/v1/jobs", &ctx));
    expect_word("head", "GET", m.route->method);
    expect_number("map", FF_OK, ff_route_match(&m, "GET", "/v1/jobs/" JOB "/maps/convergence_mean", &ctx));
    expect_word("job", JOB, m.args[0]);
    expect_word("name", "convergence_mean", m.args[1]);
    expect_number("chunk", FF_OK, ff_route_match(&m, "GET", "/v1/jobs/" JOB "/chunks/draws-12/x", &ctx));
    expect_word("job", JOB, m.args[0]);
    expect_word("chunk", "draws-12", m.args[1]);
    expect_word("array", "x", m.args[2]);
    expect_number("page", FF_OK, ff_route_match(&m, "GET", "/ui/", &ctx));
    expect_word("page", "/ui/", m.route->pattern);
    expect_number("file", FF_OK, ff_route_match(&m, "GET", "/ui/app.js", &ctx));
    expect_word("file", "app.js", m.args[0]);
}

static void other_paths_find_nothing(void **state)
{
    static const char *const paths[] = {
        "",
        "v1/jobs",
        "//v1/jobs",
        "/v1/jobs/",
        "/v1//jobs",
        "/v1/jobs/" JOB "/",
        "/v1/jobs/" JOB "/nothing",
        "/v1/jobs/job_0123",                      /* short */
        "/v1/jobs/ds_0123456789abcdefghijklmnop", /* another prefix */
        "/v1/jobs/job_0123456789ABCDEFGHIJKLMNOP",
        "/v1/jobs/..",
        "/v1/jobs/%2e%2e",
        "/v1/jobs/" JOB "/maps/../result",
        "/v1/jobs/" JOB "/chunks/draws-1/x.npy",
        "/v1/jobs/" JOB "/chunks/../x",
        "/v1/jobs/" JOB "/chunks/draws-1",
        "/v1/jobs/" JOB "/maps/..",
        "/v1/jobs/" JOB "/maps/a%2fb",
        "/v1/jobs/" JOB "/maps/",
        "/ui/../healthz",
        "/ui/..",
        "/ui/.hidden",
        "/V1/jobs",
        "/v1/jobs;x=1",
        "*",
        "http://host/v1/jobs",
    };
    struct ff_match m;
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        ff_ctx ctx = {0};
        expect_number(paths[i], FF_ENOTFOUND, ff_route_match(&m, "GET", paths[i], &ctx));
        assert_null(m.route);
    }
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    struct ff_match m;
    ff_ctx ctx = {0};
    (void)state;
    expect_number("put", FF_EMETHOD, ff_route_match(&m, "PUT", "/v1/jobs", &ctx));
    expect_word("allow", "POST, GET, HEAD", m.allow);
    expect_number("post", FF_EMETHOD, ff_route_match(&m, "POST", "/v1/jobs/" JOB, &ctx));
    expect_word("allow", "GET, HEAD, DELETE", m.allow);
    expect_number("lower case", FF_EMETHOD, ff_route_match(&m, "get", "/v1/jobs", &ctx));
}

/* ---- the document ---- */
static json_t *document(void)
{
    json_error_t error;
    json_t *doc =
        json_loadb(ff_openapi.text, (size_t)(ff_openapi.end - ff_openapi.text), JSON_REJECT_DUPLICATES, &error);
    if (!doc) print_error("proto/openapi.json, line %d: %s\n", error.line, error.text);
    assert_non_null(doc);
    return doc;
}

static const struct ff_route *route_of(const char *path, const char *method)
{
    for (int i = 0; i < ff_nroutes; i++) {
        if (strcmp(ff_routes[i].pattern, path) == 0 && strcasecmp(ff_routes[i].method, method) == 0)
            return &ff_routes[i];
    }
    return NULL;
}

static bool has_parameter(json_t *operation, const char *name, const char *where)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(operation, "parameters"), i, p)
    {
        const char *n = json_string_value(json_object_get(p, "name")),
                   *in = json_string_value(json_object_get(p, "in"));
        if (n && in && strcmp(n, name) == 0 && strcmp(in, where) == 0) return true;
    }
    return false;
}

/* Everything that the table says of a route stands in its operation. */
static void check_operation(const struct ff_route *route, json_t *operation)
{
    static const char *const answers[] = {"400", "500", "503"};
    json_t *responses = json_object_get(operation, "responses"), *security = json_object_get(operation, "security");
    char what[160], word[64];
    snprintf(what, sizeof what, "%s %s", route->method, route->pattern);
    for (const char *at = route->query; *at;) {
        const size_t n = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        if (!has_parameter(operation, word, "query")) print_error("%s: ?%s= is not documented\n", what, word);
        assert_true(has_parameter(operation, word, "query"));
        at += n + (at[n] == ' ');
    }
    for (const char *at = route->pattern; (at = strchr(at, '{')) != NULL; at++) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at + 1, "}"), at + 1);
        assert_true(has_parameter(operation, word, "path"));
        assert_non_null(json_object_get(responses, "404"));
    }
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_non_null(json_object_get(responses, answers[i]));
    expect_number(what, route->access != FF_OPEN, json_array_size(security) > 0);
    expect_number(what, route->access != FF_OPEN, json_object_get(responses, "401") != NULL);
    if (route->access == FF_ADMINS) assert_non_null(json_object_get(responses, "403"));
    expect_number(what, route->body != FF_BODY_NONE, json_object_get(operation, "requestBody") != NULL);
    expect_number(what, route->body != FF_BODY_NONE, json_object_get(responses, "413") != NULL);
    expect_number(what, route->body != FF_BODY_NONE && route->body != FF_BODY_OPTIONAL,
                  json_is_true(json_object_get(json_object_get(operation, "requestBody"), "required")));
}

static void every_route_is_documented(void **state)
{
    json_t *doc = document(), *paths = json_object_get(doc, "paths");
    (void)state;
    for (int i = 0; i < ff_nroutes; i++) {
        char method[12] = "";
        for (size_t k = 0; ff_routes[i].method[k]; k++) method[k] = (char)(ff_routes[i].method[k] | 0x20);
        json_t *operation = json_object_get(json_object_get(paths, ff_routes[i].pattern), method);
        if (!operation) print_error("%s %s is not in proto/openapi.json\n", method, ff_routes[i].pattern);
        assert_non_null(operation);
        check_operation(&ff_routes[i], operation);
    }
    json_decref(doc);
}

static void everything_documented_is_a_route(void **state)
{
    json_t *doc = document(), *item, *operation;
    const char *path, *method;
    int n = 0;
    (void)state;
    json_object_foreach(json_object_get(doc, "paths"), path, item)
    {
        json_object_foreach(item, method, operation)
        {
            const struct ff_route *route = route_of(path, method);
            if (!route) print_error("%s %s is documented and no route\n", method, path);
            assert_non_null(route);
            n++;
            size_t i;
            json_t *p;
            json_array_foreach(json_object_get(operation, "parameters"), i, p)
            {
                const char *name = json_string_value(json_object_get(p, "name"));
                if (strcmp(json_string_value(json_object_get(p, "in")), "query") != 0) continue;
                if (!ff_word_listed(route->query, name, strlen(name))) print_error("%s: ?%s= is unknown\n", path, name);
                assert_true(ff_word_listed(route->query, name, strlen(name)));
            }
        }
    }
    expect_number("operations", ff_nroutes, n);
    json_decref(doc);
}

/* Every "$ref" leads somewhere. */
static void check_refs(json_t *doc, json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;
    if (json_is_array(value)) json_array_foreach(value, i, child) check_refs(doc, child);
    json_object_foreach(value, key, child)
    {
        if (strcmp(key, "$ref") != 0) {
            check_refs(doc, child);
            continue;
        }
        char kind[32], name[64];
        assert_int_equal(sscanf(json_string_value(child), "#/components/%31[^/]/%63s", kind, name), 2);
        json_t *target = json_object_get(json_object_get(json_object_get(doc, "components"), kind), name);
        if (!target) print_error("%s leads nowhere\n", json_string_value(child));
        assert_non_null(target);
    }
}

static void every_reference_leads_somewhere(void **state)
{
    json_t *doc = document();
    (void)state;
    check_refs(doc, doc);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_route),
        cmocka_unit_test(other_paths_find_nothing),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
        cmocka_unit_test(every_route_is_documented),
        cmocka_unit_test(everything_documented_is_a_route),
        cmocka_unit_test(every_reference_leads_somewhere),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
