/* tests/unit/server/config_test.c - what an operator may set: defaults, bounds, file and command line, addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/main/config.h"

static ff_err read_config(struct ff_server_config *c, const char *file, const char *options, ff_ctx *ctx)
{
    json_t *json = json_loads(options, 0, NULL);
    assert_non_null(json);
    const ff_err err = ff_config_read(c, file, json, ctx);
    json_decref(json);
    return err;
}

static void defaults_are_safe(void **unused)
{
    (void)unused;
    struct ff_server_config c;
    ff_ctx ctx = {0};
    assert_int_equal(read_config(&c, NULL, "{\"data\":\"d\"}", &ctx), FF_OK);
    assert_string_equal(c.listen, "127.0.0.1:8470");
    assert_string_equal(c.dispatch, "");
    assert_int_equal(c.workers, 0);
    assert_true(c.lease_ms == 60000 && c.heartbeat_ms == 2000 && c.deadline_s == 30);
    assert_false(c.test_kinds || c.i_have_tls || c.private_run);
    assert_int_equal(c.quotas.queued, 20000);
}

static void refused(const char *options, ff_err expected, const char *pointer)
{
    struct ff_server_config c;
    ff_ctx ctx = {0};
    const ff_err err = read_config(&c, NULL, options, &ctx);
    if (err != expected || strcmp(ctx.pointer, pointer) != 0)
        print_error("%s: %s at \"%s\": %s\n", options, ff_code_slug(err), ctx.pointer, ctx.message);
    assert_int_equal(err, expected);
    assert_string_equal(ctx.pointer, pointer);
    assert_true(ctx.message[0] != 0);
}

static void what_is_wrong_is_named(void **unused)
{
    (void)unused;
    refused("{}", FF_EUSAGE, "/data");
    refused("{\"data\":\"d\",\"worker\":1}", FF_EUSAGE, "/worker");
    refused("{\"data\":\"d\",\"workers\":-1}", FF_EUSAGE, "/workers");
    refused("{\"data\":\"d\",\"workers\":\"2\"}", FF_EUSAGE, "/workers");
    refused("{\"data\":\"d\",\"quotas\":{\"queued\":0}}", FF_EUSAGE, "/quotas/queued");
    refused("{\"data\":\"d\",\"quotas\":{\"other\":1}}", FF_EUSAGE, "/quotas/other");
    refused("{\"data\":\"d\",\"tls_cert\":\"c.pem\"}", FF_EUSAGE, "/tls_cert");
    refused("{\"data\":\"d\",\"lease_ms\":3000,\"heartbeat_ms\":2000}", FF_EUSAGE, "/lease_ms");
}

static void tokens_do_not_cross_a_network_in_the_clear(void **unused)
{
    (void)unused;
    struct ff_server_config c;
    ff_ctx ctx = {0};
    static const char *const open[] = {
        "0.0.0.0:1", "[::]:1", "192.168.1.2:80", "example.org:80", ":80", "127.0.0.1.example.org:1", "1270.0.0.1:1"};
    static const char *const local[] = {"127.0.0.1:0", "127.8.9.1:80", "[::1]:80", "localhost:80", "unix:/tmp/s"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        char options[200];
        assert_false(ff_address_is_local(open[i]));
        snprintf(options, sizeof options, "{\"data\":\"d\",\"listen\":\"%s\"}", open[i]);
        refused(options, FF_EUSAGE, "/listen");
        snprintf(options, sizeof options, "{\"data\":\"d\",\"listen\":\"%s\",\"i_have_tls\":true}", open[i]);
        assert_int_equal(read_config(&c, NULL, options, &ctx), FF_OK);
    }
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) assert_true(ff_address_is_local(local[i]));
}

static void the_command_line_wins_over_the_file(void **unused)
{
    (void)unused;
    char path[] = "/tmp/ff-config-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "{\"data\":\"of-file\",\"workers\":3,\"lease_ms\":9000}") > 0);
    close(fd);
    struct ff_server_config c;
    ff_ctx ctx = {0};
    assert_int_equal(read_config(&c, path, "{\"workers\":5}", &ctx), FF_OK);
    assert_string_equal(c.data, "of-file");
    assert_int_equal(c.workers, 5);
    assert_int_equal(c.lease_ms, 9000);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("[1]", file);
    fclose(file);
    assert_int_equal(read_config(&c, path, "{}", &ctx), FF_EBADJSON); /* no object */
    assert_int_equal(truncate(path, 2), 0);
    assert_int_equal(read_config(&c, path, "{}", &ctx), FF_EBADJSON);
    unlink(path);
    assert_int_equal(read_config(&c, path, "{}", &ctx), FF_ENOFILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_safe),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(tokens_do_not_cross_a_network_in_the_clear),
        cmocka_unit_test(the_command_line_wins_over_the_file),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
