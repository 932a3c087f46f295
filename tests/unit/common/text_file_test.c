/* tests/unit/common/text_file_test.c - small files of text: whole or not at all, and never over another one unless told to. */
#include <sys/stat.h>
#include <unistd.h>

#include "common/publish.h"
#include "common/text_file.h"
#include "tests/unit/common/help.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ff_text_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* Fails where a test left anything but the file. */
static int remove_folder(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/key", folder);
    unlink(path);
    return rmdir(folder);
}

static const char *key(const char *suffix)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/key%s", folder, suffix);
    return path;
}

static void expect_text(const char *expected, mode_t mode)
{
    char *text;
    size_t size;
    struct stat st;
    ff_ctx ctx = {0};
    if (ff_text_file_read(&text, &size, key(""), 100, &ctx)) fail_msg("%s", ctx.message);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
    free(text);
    assert_int_equal(stat(key(""), &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
}

static void a_line_is_written_and_replaced(void **state)
{
    ff_ctx ctx = {0};
    (void)state;
    FILE *stale = fopen(key(".part"), "w"); /* of a killed process, readable by all */
    assert_non_null(stale);
    fputs("longer than what follows", stale);
    fclose(stale);
    chmod(key(".part"), 0666);
    assert_int_equal(ff_text_file_write(key(""), "secret", 0600, true, &ctx), FF_OK);
    expect_text("secret\n", 0600);
    assert_int_equal(ff_text_file_write(key(""), "", 0400, true, &ctx), FF_OK);
    expect_text("\n", 0400);
}

static void a_new_file_never_takes_the_place_of_another(void **state)
{
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(ff_text_file_write(key(""), "first", 0600, false, &ctx), FF_OK);
    expect_text("first\n", 0600);
    assert_int_equal(ff_text_file_write(key(""), "second", 0600, false, &ctx), FF_EUSAGE);
    assert_non_null(strstr(ctx.message, key("")));
    expect_text("first\n", 0600);
}

static void what_cannot_be_written_leaves_nothing(void **state)
{
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(ff_text_file_write(key("/none"), "x", 0600, true, &ctx), FF_EIO);
    assert_non_null(strstr(ctx.message, key("/none")));
    assert_int_equal(mkdir(key(".folder"), 0700), 0);
    assert_int_equal(ff_text_file_write(key(".folder"), "x", 0600, true, &ctx), FF_EIO); /* it is no file */
    assert_int_equal(rmdir(key(".folder")), 0);
}

static void a_part_that_cannot_be_published_is_left_to_the_caller(void **state)
{
    ff_ctx ctx = {0};
    (void)state;
    char part[128];
    snprintf(part, sizeof part, "%s", key(".part"));
    fclose(fopen(part, "w"));
    assert_int_not_equal(ff_publish(part, key("/none/x"), &ctx), FF_OK);
    assert_int_equal(access(part, F_OK), 0);
    ff_part_drop(part);
    assert_int_not_equal(access(part, F_OK), 0);
    ff_part_drop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        T(a_line_is_written_and_replaced),
        T(a_new_file_never_takes_the_place_of_another),
        T(what_cannot_be_written_leaves_nothing),
        T(a_part_that_cannot_be_published_is_left_to_the_caller),
#undef T
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
