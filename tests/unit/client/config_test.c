/* tests/unit/client/config_test.c - contexts, tokens in files, and which of flags, environment and contexts decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/ffctl/config.h"

static char folder[64]; /* of the running test */

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ff_config_XXXXXX");
    if (!mkdtemp(folder)) return -1;
    unsetenv("FFCTL_CONFIG");
    unsetenv("FFCTL_SERVER");
    unsetenv("FFCTL_TOKEN_FILE");
    setenv("XDG_CONFIG_HOME", folder, 1);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* A file in the folder; its path is good until the next call of the same slot. */
static const char *put(int slot, const char *name, const char *text, mode_t mode)
{
    static char path[4][128];
    snprintf(path[slot], sizeof path[slot], "%s/%s", folder, name);
    FILE *file = fopen(path[slot], "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path[slot], mode), 0);
    return path[slot];
}

static void store(const char *text)
{
    json_t *config, *wanted = json_loads(text, 0, NULL);
    char *path;
    ff_ctx ctx = {0};
    assert_non_null(wanted);
    assert_int_equal(ff_config_read(&config, &path, &ctx), FF_OK);
    json_decref(config);
    if (ff_config_write(wanted, path, &ctx)) fail_msg("%s", ctx.message);
    json_decref(wanted);
    free(path);
}

static void a_config_is_kept_for_its_owner_only(void **state)
{
    (void)state;
    struct stat info;
    json_t *config;
    char *path, expected[96];
    ff_ctx ctx = {0};
    assert_int_equal(ff_config_read(&config, &path, &ctx), FF_OK);
    assert_int_equal(json_object_size(json_object_get(config, "contexts")), 0);
    json_decref(config);
    free(path);
    store("{\"current\":\"a\",\"contexts\":{\"a\":{\"server\":\"http://a\"}}}");
    assert_int_equal(ff_config_read(&config, &path, &ctx), FF_OK);
    snprintf(expected, sizeof expected, "%s/ffctl/config", folder);
    assert_string_equal(path, expected);
    assert_string_equal(json_string_value(json_object_get(config, "current")), "a");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    json_decref(config);
    free(path);
}

static void a_broken_config_is_an_error_that_names_it(void **state)
{
    (void)state;
    static const char *const texts[] = {"{", "[]", "{}", "{\"contexts\":[]}", ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *config;
        char *path;
        ff_ctx ctx = {0};
        setenv("FFCTL_CONFIG", put(0, "config", texts[i], 0600), 1);
        assert_int_equal(ff_config_read(&config, &path, &ctx), FF_EBADFILE);
        assert_null(config);
        assert_null(path);
        assert_non_null(strstr(ctx.message, "/config"));
    }
}

static void a_token_file_is_ours_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mode_t mode;
        ff_err err;
    } cases[] = {{"ff_abc\n", 0600, FF_OK},         {"ff_abc", 0400, FF_OK},          {"ff_abc\r\n\n", 0600, FF_OK},
                 {"ff_abc\n", 0640, FF_EBADFILE},   {"ff_abc\n", 0604, FF_EBADFILE},  {"", 0600, FF_EBADFILE},
                 {"\nff_abc\n", 0600, FF_EBADFILE}, {"one\ntwo\n", 0600, FF_EBADFILE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *token;
        ff_ctx ctx = {0};
        ff_err err = ff_token_read(&token, put(0, "token", cases[i].text, cases[i].mode), &ctx);
        if (err != cases[i].err) fail_msg("case %zu: %s (%s)", i, ff_code_slug(err), ctx.message);
        if (err) {
            assert_null(token);
            assert_null(strstr(ctx.message, "ff_abc")); /* a message may be logged */
        } else {
            assert_string_equal(token, "ff_abc");
        }
        free(token);
        unlink(put(0, "token", "", 0600));
    }
    char *token;
    ff_ctx ctx = {0};
    assert_int_equal(ff_token_read(&token, "/no/such/token", &ctx), FF_ENOFILE);
    assert_int_equal(ff_token_read(&token, folder, &ctx), FF_EBADFILE);
}

/* The server and token that are chosen, as "server token". */
static void assert_chosen(const struct ff_access *flags, const char *expected)
{
    struct ff_target target;
    ff_ctx ctx = {0};
    char chosen[128];
    if (ff_target_find(&target, flags, &ctx)) fail_msg("%s: %s", expected, ctx.message);
    snprintf(chosen, sizeof chosen, "%s %s", target.server, target.token ? target.token : "-");
    assert_string_equal(chosen, expected);
    ff_target_done(&target);
}

static void flags_come_before_environment_before_context(void **state)
{
    (void)state;
    char text[512];
    const char *a = put(0, "a.token", "ta\n", 0600), *b = put(1, "b.token", "tb\n", 0600);
    const char *c = put(2, "c.token", "tc\n", 0600);
    snprintf(text, sizeof text,
             "{\"current\":\"a\",\"contexts\":{\"a\":{\"server\":\"http://a\",\"token_file\":\"%s\"},"
             "\"b\":{\"server\":\"http://b\",\"token_file\":\"%s\"}}}",
             a, b);
    store(text);
    assert_chosen(&(struct ff_access){0}, "http://a ta");
    assert_chosen(&(struct ff_access){.context = "b"}, "http://b tb");
    assert_chosen(&(struct ff_access){.token_file = c}, "http://a tc");
    /* a context's token is for its own server */
    assert_chosen(&(struct ff_access){.server = "http://elsewhere"}, "http://elsewhere -");
    assert_chosen(&(struct ff_access){.server = "http://a"}, "http://a ta");
    setenv("FFCTL_SERVER", "http://env", 1);
    assert_chosen(&(struct ff_access){0}, "http://env -");
    assert_chosen(&(struct ff_access){.context = "b"}, "http://b tb");
    setenv("FFCTL_TOKEN_FILE", c, 1);
    assert_chosen(&(struct ff_access){0}, "http://env tc");
    assert_chosen(&(struct ff_access){.server = "http://flag", .token_file = b}, "http://flag tb");
}

static void no_server_anywhere_is_a_usage_error(void **state)
{
    (void)state;
    struct ff_target target;
    struct ff_access none = {0}, unknown = {.context = "zzz"}, flag = {.server = "http://x"};
    ff_ctx ctx = {0};
    assert_int_equal(ff_target_find(&target, &none, &ctx), FF_EUSAGE);
    assert_non_null(strstr(ctx.message, "ffctl login"));
    assert_int_equal(ff_target_find(&target, &unknown, &ctx), FF_EUSAGE);
    assert_false(ff_target_named(&none));
    assert_true(ff_target_named(&flag));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        TEST(a_config_is_kept_for_its_owner_only), TEST(a_broken_config_is_an_error_that_names_it),
        TEST(a_token_file_is_ours_alone),          TEST(flags_come_before_environment_before_context),
        TEST(no_server_anywhere_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
