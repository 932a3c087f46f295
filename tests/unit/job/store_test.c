/* Stores of records: what was put comes back, in another process's file too, and nothing that is torn or foreign does. */
#include "tests/unit/job/job_helper.h"

#include <fcntl.h>

#include "worker/io/folder.h"
#include "worker/io/store.h"

enum { RECORD = 40, NRECORDS = 5 };

struct fixture {
    char folder[256], path[300];
};

static int set_up(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    temporary_folder(f->folder);
    snprintf(f->path, sizeof f->path, "%s/a.store", f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ff_ctx ctx = {0};
    const ff_err err = ff_folder_remove(f->folder, &ctx);
    free(f);
    return err;
}

static ff_err open_as(const struct fixture *f, const char *identity, const char *origin, bool resume, ff_store **store,
                      bool *other, ff_ctx *ctx)
{
    const struct ff_store_config config = {.path = f->path,
                                           .identity = identity,
                                           .origin = origin,
                                           .record = RECORD,
                                           .nrecords = NRECORDS,
                                           .resume = resume};
    return ff_store_open(store, &config, other, ctx);
}

static void fill(char *record, int i)
{
    for (int k = 0; k < RECORD; k++) record[k] = (char)(31 * i + k);
}

static void put_some(const struct fixture *f)
{
    ff_store *s;
    ff_ctx ctx = {0};
    bool other;
    char record[RECORD];
    check_ok(open_as(f, "job-hash", "here", false, &s, &other, &ctx), &ctx);
    for (int i = 0; i < NRECORDS; i += 2) {
        fill(record, i);
        check_ok(ff_store_put(s, i, record, &ctx), &ctx);
    }
    ff_store_close(s);
}

static void records_survive_and_holes_are_known(void **state)
{
    const struct fixture *f = *state;
    ff_store *s;
    ff_ctx ctx = {0};
    bool other;
    put_some(f);
    check_ok(open_as(f, "job-hash", "here", true, &s, &other, &ctx), &ctx);
    assert_false(other);
    for (int i = 0; i < NRECORDS; i++) {
        char record[RECORD], expected[RECORD];
        fill(expected, i);
        assert_int_equal(ff_store_get(s, i, record), i % 2 == 0);
        if (i % 2 == 0) assert_memory_equal(record, expected, RECORD);
    }
    ff_store_close(s);
}

static void without_resume_nothing_is_kept(void **state)
{
    const struct fixture *f = *state;
    ff_store *s;
    ff_ctx ctx = {0};
    bool other;
    char record[RECORD];
    put_some(f);
    check_ok(open_as(f, "job-hash", "here", false, &s, &other, &ctx), &ctx);
    assert_false(ff_store_get(s, 0, record));
    ff_store_close(s);
}

static void every_damaged_byte_makes_its_record_missing(void **state)
{
    const struct fixture *f = *state;
    ff_store *s;
    ff_ctx ctx = {0};
    bool other;
    char record[RECORD];
    put_some(f);
    check_ok(open_as(f, "job-hash", "here", true, &s, &other, &ctx), &ctx);
    const int fd = open(f->path, O_RDWR);
    assert_true(fd >= 0);
    for (off_t at = 0; at < RECORD + 8; at++) { /* record 2 and its checksum */
        const off_t place = 4096 + 2 * (RECORD + 8) + at;
        char byte, bad;
        assert_int_equal(pread(fd, &byte, 1, place), 1);
        bad = (char)(byte ^ 16);
        assert_int_equal(pwrite(fd, &bad, 1, place), 1);
        if (ff_store_get(s, 2, record)) fail_msg("byte %ld was changed and the record was taken", (long)at);
        assert_true(ff_store_get(s, 4, record));
        assert_int_equal(pwrite(fd, &byte, 1, place), 1);
    }
    assert_true(ff_store_get(s, 2, record));
    close(fd);
    ff_store_close(s);
}

static void a_record_in_another_place_is_not_taken(void **state)
{
    const struct fixture *f = *state;
    ff_store *s;
    ff_ctx ctx = {0};
    bool other;
    char record[RECORD], bytes[RECORD + 8];
    put_some(f);
    const int fd = open(f->path, O_RDWR);
    assert_int_equal(pread(fd, bytes, sizeof bytes, 4096), sizeof bytes);
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, 4096 + RECORD + 8), sizeof bytes);
    close(fd);
    check_ok(open_as(f, "job-hash", "here", true, &s, &other, &ctx), &ctx);
    assert_false(ff_store_get(s, 1, record));
    ff_store_close(s);
}

static void a_reader_makes_and_changes_nothing(void **state)
{
    const struct fixture *f = *state;
    ff_store *s;
    ff_ctx ctx = {0};
    bool other;
    char record[RECORD] = {0};
    struct ff_store_config config = {.path = f->path,
                                     .identity = "job-hash",
                                     .origin = "here",
                                     .record = RECORD,
                                     .nrecords = NRECORDS,
                                     .read_only = true};
    assert_int_equal(ff_store_open(&s, &config, &other, &ctx), FF_EIO);
    assert_int_equal(access(f->path, F_OK), -1);
    put_some(f);
    check_ok(ff_store_open(&s, &config, &other, &ctx), &ctx);
    assert_true(ff_store_get(s, 2, record));
    assert_int_equal(ff_store_put(s, 1, record, &ctx), FF_EIO);
    assert_false(ff_store_get(s, 1, record));
    ff_store_close(s);
    assert_int_equal(truncate(f->path, 100), 0); /* the header is cut: not made anew */
    assert_int_equal(ff_store_open(&s, &config, &other, &ctx), FF_EIO);
    config.identity = "another-hash";
    put_some(f);
    assert_int_equal(ff_store_open(&s, &config, &other, &ctx), FF_ECHECKPOINT);
}

static void the_store_of_another_job_is_refused(void **state)
{
    const struct fixture *f = *state;
    ff_store *s;
    ff_ctx ctx = {0};
    bool other;
    put_some(f);
    assert_int_equal(open_as(f, "another-hash", "here", true, &s, &other, &ctx), FF_ECHECKPOINT);
    assert_null(s);
    check_ok(open_as(f, "job-hash", "elsewhere", true, &s, &other, &ctx), &ctx);
    assert_true(other);
    ff_store_close(s);
}

static void a_file_cut_anywhere_opens(void **state)
{
    const struct fixture *f = *state;
    for (off_t size = 0; size < 4400; size += 97) {
        ff_store *s;
        ff_ctx ctx = {0};
        bool other;
        char record[RECORD], expected[RECORD];
        put_some(f);
        assert_int_equal(truncate(f->path, size), 0);
        check_ok(open_as(f, "job-hash", "here", true, &s, &other, &ctx), &ctx);
        fill(expected, 0);
        if (ff_store_get(s, 0, record)) assert_memory_equal(record, expected, RECORD);
        assert_false(ff_store_get(s, 1, record));
        ff_store_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_survive_and_holes_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_resume_nothing_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_damaged_byte_makes_its_record_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_in_another_place_is_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_makes_and_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_store_of_another_job_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_cut_anywhere_opens, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
