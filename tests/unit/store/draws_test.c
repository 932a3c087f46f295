/* tests/unit/store/draws_test.c - rows of draws, of a result and of the finished chunks of a running job: the same
** bytes. */
#include "help.h"

#include "files/chunks.h"

enum { NDRAWS = 23, CHUNK = 5, NPAR = 3, NX = 12 }; /* x is (draw, 3, 2, 2) */
#define RESULT "results/" JOB "/manifest.1.h5"

struct draws {
    double theta[NDRAWS][NPAR], score[NDRAWS][NPAR];
    float x[NDRAWS][NX];
    uint8_t valid[NDRAWS];
};

static void fill(struct draws *d)
{
    for (int i = 0; i < NDRAWS; i++) {
        for (int k = 0; k < NPAR; k++) d->theta[i][k] = i + 0.1 * k;
        for (int k = 0; k < NPAR; k++) d->score[i][k] = -i - 0.25 * k;
        for (int k = 0; k < NX; k++) d->x[i][k] = (float)(100 * i + k);
        d->valid[i] = i % 4 != 0;
    }
}

static void write_result(struct shop *shop, const struct draws *d, bool scores)
{
    ff_ctx ctx = {0};
    ff_h5 *f;
    make_folders(in(shop, RESULT));
    assert_ok(ff_h5_create(&f, in(shop, RESULT), &ctx), &ctx);
    assert_ok(ff_h5_group(f, "draws", &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "draws", "draw", NDRAWS, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "draws", "parameter", NPAR, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "draws", "bin", 3, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "draws", "y", 2, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "draws", "z", 2, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "draws", "theta", FF_F64_T, "draw parameter", d->theta, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "draws", "x", FF_F32_T, "draw bin y z", d->x, &ctx), &ctx);
    assert_ok(ff_h5_put(f, "draws", "valid", FF_U8_T, "draw", d->valid, &ctx), &ctx);
    if (scores) assert_ok(ff_h5_put(f, "draws", "score", FF_F64_T, "draw parameter", d->score, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
}

static void write_npy(struct shop *shop, int chunk, const char *name, enum ff_type type, int rank, const long *shape,
                      const void *data)
{
    ff_ctx ctx = {0};
    char path[256];
    snprintf(path, sizeof path, "work/" JOB "/draws-%d.1/%s.npy", chunk, name);
    make_folders(in(shop, path));
    assert_ok(ff_npy_write(in(shop, path), type, rank, shape, data, &ctx), &ctx);
}

static void write_chunk(struct shop *shop, const struct draws *d, int chunk, bool scores)
{
    const int first = chunk * CHUNK, rows = NDRAWS - first < CHUNK ? NDRAWS - first : CHUNK;
    const long theta[2] = {rows, NPAR}, x[4] = {rows, 3, 2, 2};
    write_npy(shop, chunk, "theta", FF_F64_T, 2, theta, d->theta[first]);
    write_npy(shop, chunk, "x", FF_F32_T, 4, x, d->x[first]);
    write_npy(shop, chunk, "valid", FF_U8_T, 1, x, d->valid + first);
    if (scores) write_npy(shop, chunk, "score", FF_F64_T, 2, theta, d->score[first]);
}

/* The answer holds rows start .. start+count of d. */
static void check(const unsigned char *bytes, size_t size, const struct draws *d, long start, long count, bool scores)
{
    const unsigned char *end = bytes + size;
    struct array theta, x, valid, score;
    const unsigned char *at = take_array(take_array(take_array(bytes, end, &theta), end, &x), end, &valid);
    assert_string_equal(theta.descr, "<f8");
    assert_string_equal(x.descr, "<f4");
    assert_string_equal(valid.descr, "|u1");
    assert_int_equal(theta.rank, 2);
    assert_int_equal(x.rank, 4);
    assert_int_equal(x.shape[1], 3);
    assert_int_equal(valid.rank, 1);
    assert_int_equal(theta.shape[0], count);
    assert_int_equal(x.shape[0], count);
    assert_int_equal(valid.shape[0], count);
    assert_memory_equal(theta.data, d->theta[start], (size_t)count * sizeof d->theta[0]);
    assert_memory_equal(x.data, d->x[start], (size_t)count * sizeof d->x[0]);
    assert_memory_equal(valid.data, d->valid + start, (size_t)count);
    if (scores) {
        at = take_array(at, end, &score);
        assert_string_equal(score.descr, "<f4");
        assert_int_equal(score.shape[0], count);
        for (long i = 0; i < count * NPAR; i++) {
            float got;
            memcpy(&got, score.data + 4 * i, 4);
            assert_true(got == (float)d->score[start + i / NPAR][i % NPAR]);
        }
    }
    assert_ptr_equal(at, end);
}

static void rows_of_a_result_and_of_chunks_are_the_same(void **state)
{
    struct shop *shop = *state;
    static const long rows[][2] = {{0, 23}, {0, 5}, {3, 4}, {5, 5}, {7, 0}, {22, 1}, {20, 1000}, {23, 4}, {0, 0}};
    struct draws d;
    fill(&d);
    for (int scores = 0; scores < 2; scores++) {
        json_t *attempts = json_object();
        write_result(shop, &d, scores);
        for (int c = 0; c * CHUNK < NDRAWS; c++) {
            char task[32];
            snprintf(task, sizeof task, "draws-%d", c);
            write_chunk(shop, &d, c, scores);
            json_object_set_new(attempts, task, json_integer(1));
        }
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            for (int running = 0; running < 2; running++) {
                ff_ctx ctx = {0};
                const struct ff_draws_request r = {.job = JOB,
                                                   .result = running ? NULL : RESULT,
                                                   .attempts = attempts,
                                                   .start = rows[i][0],
                                                   .count = rows[i][1]};
                void *bytes;
                size_t size;
                assert_ok(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), &ctx);
                const long left = NDRAWS - r.start;
                check(bytes, size, &d, r.start, r.count < left ? r.count : left, scores);
                free(bytes);
            }
        }
        json_decref(attempts);
    }
}

/* A result that says of the chunks' files what they are, and leaves the arrays in them. */
static json_t *write_chunked(struct shop *shop, const struct draws *d, bool scores)
{
    enum { NCHUNKS = (NDRAWS + CHUNK - 1) / CHUNK };
    static struct ff_chunk chunk[NCHUNKS];
    const struct ff_chunks c = {.total = NCHUNKS,
                                .n = NCHUNKS,
                                .narrays = scores ? FF_CHUNK_ARRAYS : FF_CHUNK_SCORE,
                                .observable = "convergence",
                                .noise = "none",
                                .chunk = chunk};
    json_t *attempts = json_object();
    ff_ctx ctx = {0};
    ff_h5 *f;
    for (int i = 0; i < NCHUNKS; i++) {
        char path[256], task[32];
        struct stat st;
        write_chunk(shop, d, i, scores);
        chunk[i] = (struct ff_chunk){.first = i * CHUNK, .count = i + 1 < NCHUNKS ? CHUNK : NDRAWS - i * CHUNK};
        for (int a = 0; a < c.narrays; a++) {
            snprintf(path, sizeof path, "work/" JOB "/draws-%d.1/%s.npy", i, ff_chunk_arrays[a].name);
            assert_ok(ff_hash_file(in(shop, path), chunk[i].sha256[a], &ctx), &ctx);
            assert_int_equal(stat(in(shop, path), &st), 0);
            chunk[i].size[a] = st.st_size;
        }
        snprintf(task, sizeof task, "draws-%d", i);
        json_object_set_new(attempts, task, json_integer(1));
    }
    make_folders(in(shop, RESULT));
    assert_ok(ff_h5_create(&f, in(shop, RESULT), &ctx), &ctx);
    assert_ok(ff_chunks_put(f, &c, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
    return attempts;
}

static void rows_of_a_result_in_many_files_are_the_same(void **state)
{
    struct shop *shop = *state;
    static const long rows[][2] = {{0, 23}, {3, 4}, {5, 5}, {7, 0}, {20, 1000}, {23, 4}};
    struct draws d;
    fill(&d);
    for (int scores = 0; scores < 2; scores++) {
        json_t *attempts = write_chunked(shop, &d, scores);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            ff_ctx ctx = {0};
            void *bytes;
            size_t size;
            const struct ff_draws_request r = {.job = JOB,
                                               .result = RESULT,
                                               .chunked = true,
                                               .attempts = attempts,
                                               .start = rows[i][0],
                                               .count = rows[i][1]};
            assert_ok(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), &ctx);
            check(bytes, size, &d, r.start, r.count < NDRAWS - r.start ? r.count : NDRAWS - r.start, scores);
            free(bytes);
        }
        json_decref(attempts);
    }
}

static void files_of_a_result_are_served_counted_and_kept(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct draws d;
    int64_t bytes, size, sum = 0;
    char sha256[65], expected[65];
    int fd;
    fill(&d);
    json_t *attempts = write_chunked(shop, &d, false);
    struct ff_chunk_request r = {.job = JOB, .result = RESULT, .attempts = attempts, .task = "draws-4", .name = "x"};
    assert_ok(ff_storehouse_open_chunk(shop->s, &r, &fd, &size, sha256, &ctx), &ctx);
    assert_int_equal(lseek(fd, 0, SEEK_END), size);
    close(fd);
    assert_ok(ff_hash_file(in(shop, "work/" JOB "/draws-4.1/x.npy"), expected, &ctx), &ctx);
    assert_string_equal(sha256, expected);
    static const char *const others[][2] = {{"draws-5", "x"},  {"draws-4", "score"}, {"draws-", "x"},  {"draws-4", "y"},
                                            {"draws-4x", "x"}, {"draws--1", "x"},    {"manifest", "x"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        r.task = others[i][0];
        r.name = others[i][1];
        assert_int_equal(ff_storehouse_open_chunk(shop->s, &r, &fd, &size, sha256, &ctx), FF_ENOTFOUND);
        assert_int_equal(fd, -1);
    }
    for (int i = 0; i < 5; i++) {
        static const char *const names[] = {"theta", "x", "valid"};
        for (int a = 0; a < 3; a++) {
            char path[256];
            struct stat st;
            snprintf(path, sizeof path, "work/" JOB "/draws-%d.1/%s.npy", i, names[a]);
            assert_int_equal(stat(in(shop, path), &st), 0);
            sum += st.st_size;
        }
    }
    assert_ok(ff_storehouse_chunk_bytes(shop->s, RESULT, &bytes, &ctx), &ctx);
    assert_int_equal(bytes, sum);
    write_bytes(in(shop, "work/" JOB "/draws-4.1/draws-4.store"), "records", 7);
    write_bytes(in(shop, "work/" JOB "/manifest.1/rest"), "rest", 4);
    ff_storehouse_drop_draws(shop->s, JOB, true);
    assert_false(exists(in(shop, "work/" JOB "/draws-4.1/draws-4.store")));
    assert_true(exists(in(shop, "work/" JOB "/draws-4.1/x.npy")));
    assert_false(exists(in(shop, "work/" JOB "/manifest.1")));
    ff_storehouse_drop_draws(shop->s, JOB, false);
    assert_false(exists(in(shop, "work/" JOB)));
    r.task = "draws-4";
    r.name = "x";
    assert_fails(ff_storehouse_open_chunk(shop->s, &r, &fd, &size, sha256, &ctx), FF_ECORRUPT, &ctx, "not there");
    write_result(shop, &d, false);
    assert_ok(ff_storehouse_chunk_bytes(shop->s, RESULT, &bytes, &ctx), &ctx);
    assert_int_equal(bytes, 0);
    json_decref(attempts);
}

static void files_with_other_bytes_than_the_result_says_are_corrupt(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct draws d;
    void *bytes;
    size_t n;
    int64_t size;
    char sha256[65];
    int fd;
    fill(&d);
    json_t *attempts = write_chunked(shop, &d, false);
    struct ff_draws_request r = {
        .job = JOB, .result = RESULT, .chunked = true, .attempts = attempts, .start = 4, .count = 7};
    const struct ff_chunk_request one = {
        .job = JOB, .result = RESULT, .attempts = attempts, .task = "draws-1", .name = "valid"};
    d.valid[7] = 7;
    write_chunk(shop, &d, 1, false); /* good .npy files, but others */
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &n, &ctx), FF_ECORRUPT, &ctx, "SHA-256");
    assert_null(bytes);
    assert_fails(ff_storehouse_open_chunk(shop->s, &one, &fd, &size, sha256, &ctx), FF_ECORRUPT, &ctx, "SHA-256");
    assert_int_equal(fd, -1);
    r.count = 1; /* of the chunk before */
    assert_ok(ff_storehouse_draws(shop->s, &r, &bytes, &n, &ctx), &ctx);
    free(bytes);
    assert_int_equal(unlink(in(shop, "work/" JOB "/draws-0.1/x.npy")), 0);
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &n, &ctx), FF_ECORRUPT, &ctx, "is not there");
    json_decref(attempts);
}

static void only_the_chunks_up_to_a_gap_are_there(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct draws d;
    void *bytes;
    size_t size;
    fill(&d);
    json_t *attempts = json_pack("{s:i,s:i}", "draws-1", 1, "draws-3", 1);
    struct ff_draws_request r = {.job = JOB, .attempts = attempts, .start = 0, .count = 100};
    write_chunk(shop, &d, 1, false);
    write_chunk(shop, &d, 3, false);
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND, &ctx, "yet");
    json_object_set_new(attempts, "draws-0", json_integer(1));
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND, &ctx, "yet"); /* not written */
    write_chunk(shop, &d, 0, false);
    assert_ok(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), &ctx);
    check(bytes, size, &d, 0, 2 * CHUNK, false);
    free(bytes);
    r.start = 2 * CHUNK + 1;
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ERANGE, &ctx, "10 draws");
    assert_null(bytes);
    json_decref(attempts);
}

static void bad_requests_and_other_results_are_refused(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct draws d;
    void *bytes;
    size_t size;
    fill(&d);
    write_result(shop, &d, false);
    struct ff_draws_request r = {.job = JOB, .result = RESULT, .start = -1, .count = 1};
    assert_int_equal(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_EBADREQUEST);
    r.start = 0;
    r.count = -1;
    assert_int_equal(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_EBADREQUEST);
    r.start = 24;
    r.count = 1;
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ERANGE, &ctx, "23 draws");
    r.start = LONG_MAX;
    r.count = LONG_MAX;
    assert_int_equal(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ERANGE);
    ff_h5 *f;
    assert_ok(ff_h5_create(&f, in(shop, RESULT), &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "", "bin", 2, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
    r.start = 0;
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ENOTFOUND, &ctx, "no draws");
}

/* A chunk whose arrays do not fit to the others, or that lacks the scores the others have. */
static void chunks_that_do_not_fit_are_errors(void **state)
{
    struct shop *shop = *state;
    ff_ctx ctx = {0};
    struct draws d;
    void *bytes;
    size_t size;
    fill(&d);
    json_t *attempts = json_pack("{s:i,s:i}", "draws-0", 1, "draws-1", 1);
    const struct ff_draws_request r = {.job = JOB, .attempts = attempts, .start = 0, .count = 10};
    const long short_x[2] = {CHUNK, 7}, few[4] = {CHUNK - 1, 3, 2, 2}, theta[2] = {CHUNK, NPAR};
    write_chunk(shop, &d, 0, false);
    write_chunk(shop, &d, 1, false);
    write_npy(shop, 1, "x", FF_F32_T, 2, short_x, d.x);
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ECORRUPT, &ctx, "\"x\"");
    write_npy(shop, 1, "x", FF_F32_T, 4, few, d.x);
    assert_int_equal(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ECORRUPT);
    write_chunk(shop, &d, 1, true); /* scores in one chunk only: none in the answer */
    assert_ok(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), &ctx);
    check(bytes, size, &d, 0, 10, false);
    free(bytes);
    write_npy(shop, 1, "theta", FF_F32_T, 2, theta, d.x);
    assert_fails(ff_storehouse_draws(shop->s, &r, &bytes, &size, &ctx), FF_ECORRUPT, &ctx, "type of number");
    assert_null(bytes);
    json_decref(attempts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_of_a_result_and_of_chunks_are_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_of_a_result_in_many_files_are_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(files_of_a_result_are_served_counted_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(files_with_other_bytes_than_the_result_says_are_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_chunks_up_to_a_gap_are_there, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_requests_and_other_results_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_that_do_not_fit_are_errors, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
