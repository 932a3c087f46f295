/* tests/unit/server/log_test.c - the log: one line a message whatever is in it, rotation by size. */
#include <dirent.h>
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

#include "server/main/log.h"

static long lines_of(const char *path, char *last, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    long n = 0;
    while (fgets(last, (int)size, file)) n++;
    fclose(file);
    return n;
}

static void a_message_is_one_line(void **unused)
{
    (void)unused;
    char folder[] = "/tmp/ff-log-XXXXXX", path[64], line[4096];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    struct ff_log *log;
    ff_ctx ctx = {0};
    assert_int_equal(ff_log_open(&log, path, 1 << 20, 3, &ctx), FF_OK);
    ff_log_message(log, "info", "two\nlines\x1b[2J and a bell\a");
    assert_int_equal(lines_of(path, line, sizeof line), 1);
    assert_non_null(strstr(line, "info    two?lines?[2J and a bell?\n"));
    char *longer = calloc(1, 10000);
    memset(longer, 'x', 9999);
    ff_log_message(log, "error", longer);
    assert_int_equal(lines_of(path, line, sizeof line), 2);
    assert_true(strlen(line) < 2100);
    ff_log_access(log, "req1", "GET", "/v1/jobs/{id}", 200, 12, 0.5, "anna");
    assert_int_equal(lines_of(path, line, sizeof line), 3);
    assert_non_null(strstr(line, "access  req1 GET /v1/jobs/{id} 200 12 B 0.5 ms anna\n"));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07, 0);
    free(longer);
    ff_log_close(log);
    unlink(path);
    rmdir(folder);
}

static void files_are_rotated_and_few(void **unused)
{
    (void)unused;
    char folder[] = "/tmp/ff-log-XXXXXX", path[80], line[4096];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    struct ff_log *log;
    ff_ctx ctx = {0};
    assert_int_equal(ff_log_open(&log, path, 2000, 3, &ctx), FF_OK);
    for (int i = 0; i < 200; i++) ff_log_printf(log, "info", "message number %d", i);
    ff_log_close(log);
    int files = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (e->d_name[0] == '.') continue;
        struct stat status;
        char name[400];
        snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
        assert_int_equal(stat(name, &status), 0);
        assert_true(status.st_size <= 2000);
        files++;
    }
    closedir(dir);
    assert_int_equal(files, 4);
    lines_of(path, line, sizeof line);
    assert_non_null(strstr(line, "message number 199\n"));
    const char *const names[] = {"", ".1", ".2", ".3"};
    for (int i = 0; i < 4; i++) {
        char name[100];
        snprintf(name, sizeof name, "%s%s", path, names[i]);
        assert_int_equal(unlink(name), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_one_line),
        cmocka_unit_test(files_are_rotated_and_few),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
