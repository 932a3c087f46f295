/* tests/unit/gang/transfer_test.c - files on the wire: the window, going on after a break, what comes back broken. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/gang/help.h"
#include "worker/gang/fetch.h"
#include "worker/gang/upload.h"

enum { MIB = 1 << 20 };

/* ---- upload ---- */

struct receiver {
    struct {
        char name[FF_FILE_NAME];
        int64_t offset;
        size_t size;
        unsigned char first; /* byte of the chunk */
    } put[64];
    int n;
    bool deaf;
};

static bool receive(void *self, const struct ff_upload_file *file, int64_t offset, const void *bytes, size_t size)
{
    struct receiver *r = self;
    if (r->deaf) return false;
    assert_true(r->n < 64);
    snprintf(r->put[r->n].name, sizeof r->put[r->n].name, "%s", file->name);
    r->put[r->n].offset = offset;
    r->put[r->n].size = size;
    r->put[r->n++].first = size ? *(const unsigned char *)bytes : 0;
    return true;
}

/* A file whose byte i is (i >> 20) + 1; its path is freed by the caller. */
static char *make_file(size_t size)
{
    char path[] = "/tmp/ff_transfer_XXXXXX";
    const int fd = mkstemp(path);
    for (size_t at = 0; at < size; at += MIB) {
        unsigned char *block = malloc(MIB);
        const size_t n = size - at < MIB ? size - at : MIB;
        memset(block, (int)(at / MIB) + 1, MIB);
        assert_int_equal(write(fd, block, n), (ssize_t)n);
        free(block);
    }
    close(fd);
    return strdup(path);
}

static void add(struct ff_upload *u, const char *name, char *path, int64_t size, bool remove)
{
    struct ff_upload_file file = {.sha256 = HASH, .size = size, .path = path, .remove = remove};
    ff_ctx ctx = {0};
    snprintf(file.name, sizeof file.name, "%s", name);
    assert_int_equal(ff_upload_add(u, &file, &ctx), FF_OK);
}

static void expect_put(const struct receiver *r, int i, const char *name, int64_t offset, size_t size)
{
    assert_true(i < r->n);
    assert_string_equal(r->put[i].name, name);
    expect_long("offset", (long)offset, (long)r->put[i].offset);
    expect_long("size", (long)size, (long)r->put[i].size);
    if (size) expect_long("first byte", (long)(offset / MIB) + 1, r->put[i].first);
}

static void chunks_keep_to_the_window_and_files_to_their_order(void **state)
{
    struct ff_upload u;
    struct receiver r = {0};
    char *big = make_file(6 * MIB + 5), *empty = make_file(0);
    (void)state;
    ff_upload_init(&u);
    add(&u, "big", big, 6 * MIB + 5, true);
    add(&u, "empty", empty, 0, true);
    assert_true(ff_upload_send(&u, receive, &r));
    assert_false(ff_upload_send(&u, receive, &r));
    expect_long("chunks in the window", 4, r.n);
    for (int i = 0; i < 4; i++) expect_put(&r, i, "big", (int64_t)i * MIB, MIB);
    assert_true(ff_upload_stored(&u, "big", MIB));
    assert_false(ff_upload_stored(&u, "other", MIB));
    assert_false(ff_upload_stored(&u, "big", 7 * MIB)); /* more than there is */
    ff_upload_send(&u, receive, &r);
    expect_put(&r, 4, "big", 4 * MIB, MIB);
    for (int i = 2; i <= 5; i++) ff_upload_stored(&u, "big", (int64_t)i * MIB), ff_upload_send(&u, receive, &r);
    expect_put(&r, 6, "big", 6 * MIB, 5);
    ff_upload_stored(&u, "big", 6 * MIB);
    expect_long("chunks of the first file", 7, r.n);
    assert_int_equal(access(big, F_OK), 0);
    assert_true(ff_upload_stored(&u, "big", 6 * MIB + 5));
    assert_int_not_equal(access(big, F_OK), 0); /* a copy made for sending */
    ff_upload_send(&u, receive, &r);
    expect_put(&r, 7, "empty", 0, 0);
    assert_true(ff_upload_stored(&u, "empty", 0));
    assert_false(ff_upload_busy(&u));
    assert_false(u.failed);
    free(big);
    free(empty);
}

static void a_broken_upload_goes_on_from_what_the_server_has(void **state)
{
    struct ff_upload u;
    struct receiver r = {0};
    char *path = make_file(8 * MIB);
    (void)state;
    ff_upload_init(&u);
    add(&u, "f", path, 8 * MIB, false);
    ff_upload_send(&u, receive, &r);
    ff_upload_stored(&u, "f", 2 * MIB);
    ff_upload_rewind(&u); /* the connection broke */
    r.n = 0;
    ff_upload_send(&u, receive, &r);
    expect_put(&r, 0, "f", 2 * MIB, MIB);
    ff_upload_stored(&u, "f", 7 * MIB); /* it had more than it had told */
    r.n = 0;
    ff_upload_send(&u, receive, &r);
    expect_put(&r, 0, "f", 7 * MIB, MIB);
    ff_upload_stored(&u, "f", 3 * MIB); /* it lost some of it */
    r.n = 0;
    ff_upload_send(&u, receive, &r);
    expect_put(&r, 0, "f", 3 * MIB, MIB);
    r.deaf = true;
    ff_upload_rewind(&u);
    assert_false(ff_upload_send(&u, receive, &r));
    assert_true(ff_upload_stored(&u, "f", 8 * MIB));
    assert_false(ff_upload_busy(&u));
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    free(path);
}

static void a_file_thrown_away_too_often_or_unreadable_is_given_up(void **state)
{
    struct ff_upload u;
    struct receiver r = {0};
    char *path = make_file(2 * MIB), *short_one = make_file(10);
    (void)state;
    ff_upload_init(&u);
    add(&u, "f", path, 2 * MIB, true);
    for (int i = 0; i < FF_UPLOAD_TRIES; i++) {
        assert_true(ff_upload_busy(&u));
        ff_upload_send(&u, receive, &r);
        ff_upload_stored(&u, "f", MIB);
        ff_upload_stored(&u, "f", 0);
    }
    assert_false(ff_upload_busy(&u));
    assert_true(u.failed);
    ff_upload_clear(&u);
    assert_false(u.failed);
    char missing[] = "/tmp/ff_transfer_missing";
    add(&u, "g", missing, 5, false);
    add(&u, "h", short_one, 20, false); /* it had 20 bytes when it was hashed */
    assert_false(ff_upload_send(&u, receive, &r));
    assert_true(u.failed && !ff_upload_busy(&u));
    ff_upload_clear(&u);
    unlink(short_one);
    free(path);
    free(short_one);
}

/* ---- fetch ---- */

static json_t *chunk(const char *name, int64_t offset, bool eof)
{
    return json_pack("{ss ss si ss sI sI sb}", "job", JOB, "task", "chain-0", "attempt", 2, "name", name, "offset",
                     (json_int_t)offset, "size", (json_int_t)0, "eof", eof);
}

static bool give_chunk(struct ff_fetch *f, const char *name, int64_t offset, bool eof, const char *bytes)
{
    json_t *body = chunk(name, offset, eof);
    const bool news = ff_fetch_chunk(f, body, bytes, strlen(bytes));
    json_decref(body);
    return news;
}

static struct ff_fetch_want want(const char *path, int64_t size)
{
    return (struct ff_fetch_want){
        .job = JOB, .task = "chain-0", .name = "chain-0.a", .attempt = 2, .size = size, .path = path};
}

static void a_file_is_put_together_in_order_and_appears_whole(void **state)
{
    struct ff_fetch f;
    const struct ff_fetch_want w = want("/tmp/ff_fetch_test", 6);
    ff_ctx ctx = {0};
    char text[16] = "";
    (void)state;
    unlink(w.path);
    assert_int_equal(ff_fetch_start(&f, &w, &ctx), FF_OK);
    json_t *ask = ff_fetch_ask(&f);
    expect_long("asked for", 0, integer_of(ask, "offset"));
    json_decref(ask);
    assert_false(give_chunk(&f, "chain-0.b", 0, false, "abc"));
    assert_false(give_chunk(&f, "chain-0.a", 3, false, "def")); /* before its time */
    assert_true(give_chunk(&f, "chain-0.a", 0, false, "abc"));
    assert_false(give_chunk(&f, "chain-0.a", 0, false, "abc")); /* twice */
    assert_true(ff_fetch_busy(&f));
    assert_int_not_equal(access(w.path, F_OK), 0);
    ask = ff_fetch_ask(&f);
    expect_long("asked for", 3, integer_of(ask, "offset"));
    json_decref(ask);
    assert_true(give_chunk(&f, "chain-0.a", 3, true, "def"));
    assert_false(ff_fetch_busy(&f));
    assert_int_equal(ff_fetch_end(&f, &ctx), FF_OK);
    FILE *file = fopen(w.path, "r");
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "abcdef");
    unlink(w.path);
    assert_int_equal(ff_fetch_end(&f, &ctx), FF_OK);
}

static void what_is_not_the_file_leaves_nothing(void **state)
{
    const struct ff_fetch_want w = want("/tmp/ff_fetch_test", 6);
    const struct {
        const char *bytes;
        bool eof;
    } bad[] = {{"abcdefg", true}, {"abcdefg", false}, {"abc", true}, {"", true}, {"", false}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ff_fetch f;
        ff_ctx ctx = {0};
        assert_int_equal(ff_fetch_start(&f, &w, &ctx), FF_OK);
        assert_true(give_chunk(&f, "chain-0.a", 0, bad[i].eof, bad[i].bytes));
        assert_int_equal(ff_fetch_end(&f, &ctx), FF_ESTORAGE);
        assert_int_not_equal(access(w.path, F_OK), 0);
        assert_int_not_equal(access("/tmp/ff_fetch_test.part", F_OK), 0);
    }
    struct ff_fetch f;
    ff_ctx ctx = {0};
    assert_int_equal(ff_fetch_start(&f, &w, &ctx), FF_OK);
    assert_int_equal(ff_fetch_end(&f, &ctx), FF_EINTERRUPTED); /* given up half-way */
    assert_int_not_equal(access("/tmp/ff_fetch_test.part", F_OK), 0);
    const struct ff_fetch_want nowhere = want("/tmp/ff_no_such_folder/x", 6);
    assert_int_equal(ff_fetch_start(&f, &nowhere, &ctx), FF_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_keep_to_the_window_and_files_to_their_order),
        cmocka_unit_test(a_broken_upload_goes_on_from_what_the_server_has),
        cmocka_unit_test(a_file_thrown_away_too_often_or_unreadable_is_given_up),
        cmocka_unit_test(a_file_is_put_together_in_order_and_appears_whole),
        cmocka_unit_test(what_is_not_the_file_leaves_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
