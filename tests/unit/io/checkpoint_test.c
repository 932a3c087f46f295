/* tests/unit/io/checkpoint_test.c - checkpoints survive truncation, kills, full disks; foreign ones are refused. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/io/checkpoint.h"

enum { SIZE = 5000 };

/* A folder for one test, DIR/ckpt being the checkpoint's, and the identity of a run. */
struct place {
    char root[64], dir[96];
    json_t *identity;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    snprintf(p->root, sizeof p->root, "/tmp/ff_ckpt_XXXXXX");
    if (!mkdtemp(p->root)) return -1;
    snprintf(p->dir, sizeof p->dir, "%s/ckpt", p->root);
    p->identity = json_pack("{s{ss si ss} s{ss ss}}", "must", "spec", "0123abcd", "format", 1, "task", "chain-0",
                            "should", "build", "b1", "cpu", "avx2");
    *state = p;
    return 0;
}

/* The folder with the files of checkpoints in it; anything else in it keeps it there. */
static void remove_checkpoints(const char *dir)
{
    static const char *const ends[] = {"a", "b", "CURRENT", "tmp"};
    DIR *folder = opendir(dir);
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        const char *dot = strrchr(e->d_name, '.');
        for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
            if (strcmp(dot + 1, ends[i]) == 0) unlinkat(dirfd(folder), e->d_name, 0);
    }
    if (folder) closedir(folder);
    rmdir(dir);
}

static int teardown(void **state)
{
    struct place *p = *state;
    remove_checkpoints(p->dir);
    int gone = access(p->dir, F_OK);
    rmdir(p->root);
    json_decref(p->identity);
    free(p);
    return gone ? 0 : -1;
}

/* The payload of write number n: every byte depends on n. */
static void fill(unsigned char bytes[SIZE], int n)
{
    for (int i = 0; i < SIZE; i++) bytes[i] = (unsigned char)(i * 31 + n);
}

static void put(const struct place *p, int n)
{
    unsigned char bytes[SIZE];
    ff_ctx ctx = {0};
    fill(bytes, n);
    if (ff_checkpoint_write(p->dir, "chain-0", p->identity, bytes, SIZE, &ctx))
        fail_msg("write %d: %s", n, ctx.message);
}

/* Reads; the payload has to be write n's (-1: none). Returns fell_back. */
static bool get(const struct place *p, int n)
{
    unsigned char bytes[SIZE];
    ff_ctx ctx = {0};
    struct ff_checkpoint c;
    if (ff_checkpoint_read(p->dir, "chain-0", p->identity, &c, &ctx))
        fail_msg("expected write %d, got: %s", n, ctx.message);
    if (n < 0) {
        assert_null(c.bytes);
        return false;
    }
    fill(bytes, n);
    assert_int_equal(c.size, SIZE);
    if (memcmp(c.bytes, bytes, SIZE) != 0) fail_msg("expected write %d, got %d", n, *(unsigned char *)c.bytes);
    bool fell_back = c.fell_back;
    ff_checkpoint_done(&c);
    ff_checkpoint_done(&c);
    return fell_back;
}

static const char *file_of(const struct place *p, const char *suffix)
{
    static _Thread_local char path[160];
    snprintf(path, sizeof path, "%s/chain-0%s", p->dir, suffix);
    return path;
}

static void the_last_write_is_read(void **state)
{
    const struct place *p = *state;
    get(p, -1);
    for (int n = 0; n < 5; n++) {
        put(p, n);
        assert_false(get(p, n));
    }
    assert_int_equal(access(file_of(p, ".CURRENT.tmp"), F_OK), -1);
}

static void empty_payloads_and_other_names_are_fine(void **state)
{
    const struct place *p = *state;
    ff_ctx ctx = {0};
    struct ff_checkpoint c;
    put(p, 1);
    assert_int_equal(ff_checkpoint_write(p->dir, "draws", p->identity, "", 0, &ctx), FF_OK);
    assert_int_equal(ff_checkpoint_read(p->dir, "draws", p->identity, &c, &ctx), FF_OK);
    assert_non_null(c.bytes);
    assert_int_equal(c.size, 0);
    ff_checkpoint_done(&c);
    assert_int_equal(ff_checkpoint_write(p->dir, "../draws", p->identity, "", 0, &ctx), FF_EBUG);
    get(p, 1);
}

/* Cut at every 100 bytes, the newest file is not believed, the one before it is, and the next write spares that one. */
static void truncated_newest_falls_back(void **state)
{
    const struct place *p = *state;
    struct stat info;
    put(p, 1);
    assert_int_equal(stat(file_of(p, ".a"), &info), 0);
    int cuts = 0;
    for (off_t size = 0; size < info.st_size; size += 100, cuts++) {
        remove_checkpoints(p->dir);
        put(p, 1);
        put(p, 2);
        assert_int_equal(truncate(file_of(p, ".b"), size), 0);
        assert_true(get(p, 1));
        assert_false(get(p, 1)); /* the pointer has been put right */
        put(p, 3);
        assert_false(get(p, 3));
        assert_int_equal(truncate(file_of(p, ".b"), size), 0);
        assert_true(get(p, 1));
    }
    assert_true(cuts > 50);
}

/* From a folder of somebody else the older checkpoint is taken too, but nothing there is put right. */
static void looking_changes_nothing(void **state)
{
    const struct place *p = *state;
    ff_ctx ctx = {0};
    struct ff_checkpoint c;
    unsigned char bytes[SIZE];
    char current[2] = "";
    put(p, 1);
    put(p, 2);
    assert_int_equal(truncate(file_of(p, ".b"), 300), 0);
    fill(bytes, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ff_checkpoint_look(p->dir, "chain-0", p->identity, &c, &ctx), FF_OK);
        assert_true(c.fell_back);
        assert_memory_equal(c.bytes, bytes, SIZE);
        ff_checkpoint_done(&c);
        int fd = open(file_of(p, ".CURRENT"), O_RDONLY);
        assert_int_equal(read(fd, current, 2), 2);
        close(fd);
        assert_int_equal(current[0], 'b');
    }
    assert_int_equal(ff_checkpoint_look(p->root, "chain-1", p->identity, &c, &ctx), FF_OK);
    assert_null(c.bytes);
}

static void any_flipped_byte_is_noticed(void **state)
{
    const struct place *p = *state;
    struct stat info;
    put(p, 1);
    assert_int_equal(stat(file_of(p, ".a"), &info), 0);
    for (off_t at = 0; at < info.st_size; at += at < 200 ? 1 : 97) {
        remove_checkpoints(p->dir);
        put(p, 1);
        put(p, 2);
        int fd = open(file_of(p, ".b"), O_RDWR);
        unsigned char byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
        if (!get(p, 1)) fail_msg("a flipped byte at %ld was not noticed", (long)at);
    }
}

static void nothing_whole_is_an_error_and_kept(void **state)
{
    const struct place *p = *state;
    ff_ctx ctx = {0};
    struct ff_checkpoint c;
    put(p, 1);
    assert_int_equal(truncate(file_of(p, ".a"), 700), 0);
    assert_int_equal(ff_checkpoint_read(p->dir, "chain-0", p->identity, &c, &ctx), FF_ECHECKPOINT);
    assert_null(c.bytes);
    assert_non_null(strstr(ctx.message, "chain-0"));
    assert_int_equal(access(file_of(p, ".a"), F_OK), 0);
}

/* A kill between the steps of a write leaves one of these. */
static void half_done_writes_do_not_count(void **state)
{
    const struct place *p = *state;
    put(p, 1);
    unlink(file_of(p, ".CURRENT"));
    assert_int_equal(truncate(file_of(p, ".a"), 300), 0);
    get(p, -1); /* the very first write was not finished */
    remove_checkpoints(p->dir);
    put(p, 1);
    unlink(file_of(p, ".CURRENT"));
    assert_false(get(p, 1)); /* it was, but for its CURRENT */
    put(p, 2);
    put(p, 3); /* into .a; then back to where CURRENT still says .b */
    FILE *file = fopen(file_of(p, ".CURRENT"), "w");
    fputs("b\n", file);
    fclose(file);
    file = fopen(file_of(p, ".CURRENT.tmp"), "w");
    fclose(file);
    assert_false(get(p, 2));
    file = fopen(file_of(p, ".CURRENT"), "w");
    fputs("?", file);
    fclose(file);
    assert_true(get(p, 3)); /* CURRENT unreadable: the younger of the two, and it is said */
}

static void foreign_checkpoints_are_refused_with_their_keys(void **state)
{
    const struct place *p = *state;
    static const char *const keys[] = {"spec", "format", "task"};
    put(p, 1);
    for (int i = 0; i < 3; i++) {
        ff_ctx ctx = {0};
        struct ff_checkpoint c;
        json_t *other = json_deep_copy(p->identity);
        json_object_set_new(json_object_get(other, "must"), keys[i], json_string("different"));
        assert_int_equal(ff_checkpoint_read(p->dir, "chain-0", other, &c, &ctx), FF_ECHECKPOINT);
        assert_null(c.bytes);
        for (int k = 0; k < 3; k++) {
            char named[32];
            snprintf(named, sizeof named, "%s (", keys[k]);
            if ((strstr(ctx.message, named) != NULL) != (i == k))
                fail_msg("expected the key %s and no other, got: %s", keys[i], ctx.message);
        }
        json_decref(other);
    }
    json_t *more = json_deep_copy(p->identity);
    json_object_set_new(json_object_get(more, "must"), "grid", json_integer(64));
    ff_ctx ctx = {0};
    struct ff_checkpoint c;
    assert_int_equal(ff_checkpoint_read(p->dir, "chain-0", more, &c, &ctx), FF_ECHECKPOINT);
    assert_non_null(strstr(ctx.message, "grid (nothing there, 64 here)"));
    json_decref(more);
    get(p, 1); /* kept */
}

static void another_build_is_told_but_taken(void **state)
{
    const struct place *p = *state;
    ff_ctx ctx = {0};
    struct ff_checkpoint c;
    put(p, 1);
    json_t *other = json_deep_copy(p->identity);
    json_object_set_new(json_object_get(other, "should"), "build", json_string("b2"));
    assert_int_equal(ff_checkpoint_read(p->dir, "chain-0", other, &c, &ctx), FF_OK);
    assert_string_equal(c.differs, "build (\"b1\" there, \"b2\" here)");
    assert_false(c.fell_back);
    ff_checkpoint_done(&c);
    json_decref(other);
    assert_int_equal(ff_checkpoint_read(p->dir, "chain-0", p->identity, &c, &ctx), FF_OK);
    assert_string_equal(c.differs, "");
    ff_checkpoint_done(&c);
}

static void a_full_disk_is_named_and_spares_the_last_checkpoint(void **state)
{
    const struct place *p = *state;
    unsigned char bytes[SIZE] = {0};
    ff_ctx ctx = {0};
    put(p, 1);
    assert_int_equal(symlink("/dev/full", file_of(p, ".b")), 0);
    assert_int_equal(ff_checkpoint_write(p->dir, "chain-0", p->identity, bytes, SIZE, &ctx), FF_EDISKFULL);
    assert_non_null(strstr(ctx.message, "chain-0.b"));
    assert_false(get(p, 1));
    put(p, 2);
    assert_int_equal(symlink("/dev/full", file_of(p, ".CURRENT.tmp")), 0);
    assert_int_equal(ff_checkpoint_write(p->dir, "chain-0", p->identity, bytes, SIZE, &ctx), FF_EDISKFULL);
    assert_false(get(p, 2));
    assert_int_equal(ff_checkpoint_write("/proc/none", "chain-0", p->identity, bytes, SIZE, &ctx), FF_EIO);
}

/* A child writes 0, 1, 2, .. and says so after each; killed at any moment it leaves the last it spoke of, or the next. */
static void a_kill_at_any_moment_leaves_a_whole_checkpoint(void **state)
{
    const struct place *p = *state;
    unsigned seed = getenv("FF_TEST_SEED") ? (unsigned)atoi(getenv("FF_TEST_SEED")) : 20;
    print_message("# seed %u\n", seed);
    for (int round = 0; round < 20; round++) {
        int pipe_ends[2];
        remove_checkpoints(p->dir);
        assert_int_equal(pipe(pipe_ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            unsigned char bytes[SIZE], n = 0;
            for (;; n++) {
                ff_ctx ctx = {0};
                fill(bytes, n);
                if (ff_checkpoint_write(p->dir, "chain-0", p->identity, bytes, SIZE, &ctx)) _exit(1);
                if (write(pipe_ends[1], &n, 1) != 1) _exit(1);
            }
        }
        close(pipe_ends[1]);
        unsigned char said = 0;
        assert_int_equal(read(pipe_ends[0], &said, 1), 1);
        usleep((useconds_t)(rand_r(&seed) % 10000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(pipe_ends[0], &said, 1) == 1) continue;
        close(pipe_ends[0]);
        ff_ctx ctx = {0};
        struct ff_checkpoint c;
        if (ff_checkpoint_read(p->dir, "chain-0", p->identity, &c, &ctx)) fail_msg("round %d: %s", round, ctx.message);
        assert_non_null(c.bytes);
        unsigned char first = *(unsigned char *)c.bytes;
        ff_checkpoint_done(&c);
        if (first != said && first != (unsigned char)(said + 1))
            fail_msg("round %d: expected write %d or the next, got %d", round, said, first);
        assert_false(get(p, first));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_write_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_payloads_and_other_names_are_fine, setup, teardown),
        cmocka_unit_test_setup_teardown(truncated_newest_falls_back, setup, teardown),
        cmocka_unit_test_setup_teardown(any_flipped_byte_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_whole_is_an_error_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(half_done_writes_do_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(looking_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_checkpoints_are_refused_with_their_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(another_build_is_told_but_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_named_and_spares_the_last_checkpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kill_at_any_moment_leaves_a_whole_checkpoint, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
