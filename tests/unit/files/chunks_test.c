/* tests/unit/files/chunks_test.c - draws in files of their own: the list of them, one of them, and a file that shows
** them as one. */
#include "help.h"

#include <hdf5.h>

#include "files/chunk_file.h"
#include "files/npy.h"

enum {
    NCHUNKS = 3,
    CHUNK = 4,
    NDRAWS = 10,
    NPAR = 2,
    NPIX = 3,
    NX = 2 * 2 * NPIX * NPIX
}; /* x: 2 bins, 2 components */

struct draws {
    double theta[NDRAWS][NPAR], score[NDRAWS][NPAR];
    float x[NDRAWS][NX];
    uint8_t valid[NDRAWS];
};

static void fill(struct draws *d)
{
    for (int i = 0; i < NDRAWS; i++) {
        for (int k = 0; k < NPAR; k++) d->theta[i][k] = i + 0.1 * k;
        for (int k = 0; k < NPAR; k++) d->score[i][k] = -i - 1e-17 * k;
        for (int k = 0; k < NX; k++) d->x[i][k] = (float)(100 * i + k) / 3;
        d->valid[i] = i != 7;
    }
}

static void npy_paths(void **state, int chunk, char paths[FF_CHUNK_ARRAYS][1024], const char *out[FF_CHUNK_ARRAYS])
{
    for (int a = 0; a < FF_CHUNK_ARRAYS; a++) {
        char name[64];
        snprintf(name, sizeof name, "%d.%s.npy", chunk, ff_chunk_arrays[a].name);
        out[a] = scratch(state, name, paths[a]);
    }
}

/* The .npy files of every chunk, and what they are. */
static void write_npy(void **state, const struct draws *d, struct ff_chunk chunks[NCHUNKS])
{
    for (int i = 0; i < NCHUNKS; i++) {
        const long first = i * CHUNK, n = NDRAWS - first < CHUNK ? NDRAWS - first : CHUNK;
        const long two[] = {n, NPAR}, x[] = {n, 2, 2, NPIX, NPIX};
        const void *const data[] = {d->theta[first], d->x[first], d->valid + first, d->score[first]};
        char paths[FF_CHUNK_ARRAYS][1024];
        const char *npy[FF_CHUNK_ARRAYS];
        npy_paths(state, i, paths, npy);
        chunks[i] = (struct ff_chunk){.first = first, .count = n, .valid = n - (i == 1)};
        for (int a = 0; a < FF_CHUNK_ARRAYS; a++) {
            ff_ctx ctx = {0};
            struct stat st;
            assert_ok(ff_npy_write(npy[a], ff_chunk_arrays[a].type,
                                   a == FF_CHUNK_X       ? 5
                                   : a == FF_CHUNK_VALID ? 1
                                                         : 2,
                                   a == FF_CHUNK_X ? x : two, data[a], &ctx),
                      &ctx);
            assert_ok(ff_hash_file(npy[a], chunks[i].sha256[a], &ctx), &ctx);
            assert_int_equal(stat(npy[a], &st), 0);
            chunks[i].size[a] = st.st_size;
        }
    }
}

static struct ff_chunks list_of(struct ff_chunk *chunks)
{
    return (struct ff_chunks){.total = NCHUNKS,
                              .n = NCHUNKS,
                              .narrays = FF_CHUNK_ARRAYS,
                              .observable = "shear",
                              .noise = "included",
                              .chunk = chunks};
}

static void write_list(const char *path, const struct ff_chunks *c)
{
    ff_ctx ctx = {0};
    ff_h5 *f;
    assert_ok(ff_h5_create(&f, path, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "draws", "draw", NDRAWS, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "draws", "parameter", NPAR, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "draws", "bin", 2, &ctx), &ctx);
    assert_ok(ff_h5_dim(f, "draws", "component", 2, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "draws", "pixel_y", NPIX, &ctx), &ctx);
    assert_ok(ff_h5_dim_plain(f, "draws", "pixel_x", NPIX, &ctx), &ctx);
    if (c) assert_ok(ff_chunks_put(f, c, &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
}

static void the_list_comes_back_whole_and_in_parts(void **state)
{
    struct draws d;
    struct ff_chunk chunks[NCHUNKS];
    struct ff_chunks c = list_of(chunks), got;
    char path[1024];
    ff_ctx ctx = {0};
    fill(&d);
    write_npy(state, &d, chunks);
    write_list(scratch(state, "list.h5", path), &c);
    for (long from = 0; from < NCHUNKS; from++) {
        for (long most = 1; most <= 4; most++) {
            assert_ok(ff_chunks_read(&got, path, from, most, &ctx), &ctx);
            assert_int_equal(got.total, NCHUNKS);
            assert_int_equal(got.n, most < NCHUNKS - from ? most : NCHUNKS - from);
            assert_int_equal(got.narrays, FF_CHUNK_ARRAYS);
            assert_string_equal(got.observable, "shear");
            assert_string_equal(got.noise, "included");
            assert_memory_equal(got.chunk, chunks + from, (size_t)got.n * sizeof *chunks);
            ff_chunks_done(&got);
        }
    }
    assert_fails(ff_chunks_read(&got, path, NCHUNKS, 1, &ctx), FF_ERANGE, &ctx, "3 chunks");
    write_list(path, NULL);
    assert_fails(ff_chunks_read(&got, path, 0, 1, &ctx), FF_ENOTFOUND, &ctx, "no files of their own");
    c.narrays = FF_CHUNK_SCORE;
    for (int i = 0; i < NCHUNKS; i++) {
        chunks[i].size[FF_CHUNK_SCORE] = 0;
        memset(chunks[i].sha256[FF_CHUNK_SCORE], 0, FF_HASH_SIZE);
    }
    write_list(path, &c);
    assert_ok(ff_chunks_read(&got, path, 0, 4, &ctx), &ctx);
    assert_int_equal(got.narrays, 3);
    assert_memory_equal(got.chunk, chunks, sizeof chunks);
    ff_chunks_done(&got);
}

static void a_list_that_makes_no_sense_is_refused(void **state)
{
    struct draws d;
    struct ff_chunk chunks[NCHUNKS], bad[NCHUNKS];
    const struct ff_chunks c = list_of(bad);
    char path[1024];
    fill(&d);
    write_npy(state, &d, chunks);
    scratch(state, "bad.h5", path);
    for (int fault = 0; fault < 6; fault++) {
        struct ff_chunks got;
        ff_ctx ctx = {0};
        memcpy(bad, chunks, sizeof bad);
        int64_t *const members[] = {&bad[1].first, &bad[1].count,   &bad[2].valid,
                                    &bad[0].first, &bad[2].size[0], &bad[0].size[3]};
        static const int64_t values[] = {5, 0, 3, 1, -1, INT64_MAX};
        *members[fault] = values[fault];
        write_list(path, &c);
        assert_fails(ff_chunks_read(&got, path, 0, 4, &ctx), FF_EBADFILE, &ctx, "damaged");
        assert_null(got.chunk);
    }
}

/* Chunk i as an HDF5 file, NAME.d/draws-I.h5. */
static void write_file(void **state, const struct ff_chunk *chunks, int i, char path[1024])
{
    char name[64], paths[FF_CHUNK_ARRAYS][1024];
    const char *npy[FF_CHUNK_ARRAYS];
    ff_ctx ctx = {0};
    snprintf(name, sizeof name, "draws-%d.h5", i);
    npy_paths(state, i, paths, npy);
    assert_ok(ff_chunk_file_write(scratch(state, name, path), npy, &chunks[i], FF_CHUNK_ARRAYS, &ctx), &ctx);
}

static void a_file_is_known_by_the_hashes_of_its_chunk(void **state)
{
    struct draws d;
    struct ff_chunk chunks[NCHUNKS];
    char path[1024], paths[FF_CHUNK_ARRAYS][1024];
    const char *npy[FF_CHUNK_ARRAYS];
    ff_ctx ctx = {0};
    fill(&d);
    write_npy(state, &d, chunks);
    for (int i = 0; i < NCHUNKS; i++) {
        write_file(state, chunks, i, path);
        for (int k = 0; k < NCHUNKS; k++) {
            const ff_err err = ff_chunk_file_check(path, &chunks[k], FF_CHUNK_ARRAYS, &ctx);
            assert_int_equal(err, i == k ? FF_OK : FF_ECORRUPT);
        }
    }
    const int kept = d.valid[5];
    d.valid[5] = 2; /* a chunk of other draws */
    struct ff_chunk others[NCHUNKS];
    write_npy(state, &d, others);
    write_file(state, others, 1, path);
    assert_fails(ff_chunk_file_check(path, &chunks[1], FF_CHUNK_ARRAYS, &ctx), FF_ECORRUPT, &ctx, "draws/valid");
    d.valid[5] = (uint8_t)kept;
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    write_bytes(path, bytes, size / 2);
    free(bytes);
    assert_fails(ff_chunk_file_check(path, &chunks[1], FF_CHUNK_ARRAYS, &ctx), FF_ECORRUPT, &ctx, "draws-1.h5");
    unlink(path);
    assert_fails(ff_chunk_file_check(path, &chunks[1], FF_CHUNK_ARRAYS, &ctx), FF_ENOFILE, &ctx, "not there");
    npy_paths(state, 1, paths, npy);
    const char *const swapped[] = {npy[1], npy[0], npy[2], npy[3]}; /* arrays that are others */
    assert_fails(ff_chunk_file_write(path, swapped, &chunks[1], FF_CHUNK_ARRAYS, &ctx), FF_EBADFILE, &ctx, "theta");
    assert_fails(ff_chunk_file_write(path, npy, &chunks[2], FF_CHUNK_ARRAYS, &ctx), FF_EBADFILE, &ctx, "2 draws");
    assert_false(exists(path));
}

/* Numbers of a dataset as any program of HDF5 sees them. */
static void read_all(const char *path, const char *name, hid_t type, void *out)
{
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), id = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(id >= 0);
    assert_true(H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Dclose(id);
    H5Fclose(file);
}

static void one_file_shows_the_arrays_of_many(void **state)
{
    struct draws d, got;
    struct ff_chunk chunks[NCHUNKS];
    struct ff_chunks c = list_of(chunks);
    struct ff_h5_source sources[NCHUNKS];
    char list[1024], path[1024], file[1024];
    ff_ctx ctx = {0};
    ff_h5 *f;
    ff_h5r *r;
    fill(&d);
    write_npy(state, &d, chunks);
    write_list(scratch(state, "list.h5", list), &c);
    scratch(state, "all.h5", path);
    assert_ok(ff_h5_create_from(&f, path, list, &ctx), &ctx);
    for (int i = 0; i < NCHUNKS; i++) {
        write_file(state, chunks, i, file);
        snprintf(sources[i].file, sizeof sources[i].file, "draws-%d.h5", i);
        sources[i].count = (long)chunks[i].count;
    }
    for (int a = 0; a < FF_CHUNK_ARRAYS; a++)
        assert_ok(ff_h5_put_virtual(f, "draws", ff_chunk_arrays[a].name, ff_chunk_arrays[a].type,
                                    ff_chunk_dims(a, true), sources, NCHUNKS, &ctx),
                  &ctx);
    assert_ok(ff_h5_attr_text(f, "draws/x", "observable", "shear", &ctx), &ctx);
    assert_ok(ff_h5_close(f, &ctx), &ctx);
    read_all(path, "draws/theta", H5T_NATIVE_DOUBLE, got.theta);
    read_all(path, "draws/score", H5T_NATIVE_DOUBLE, got.score);
    read_all(path, "draws/x", H5T_NATIVE_FLOAT, got.x);
    read_all(path, "draws/valid", H5T_NATIVE_UINT8, got.valid);
    assert_memory_equal(got.theta, d.theta, sizeof d.theta);
    assert_memory_equal(got.score, d.score, sizeof d.score);
    assert_memory_equal(got.x, d.x, sizeof d.x);
    assert_memory_equal(got.valid, d.valid, sizeof d.valid);
    assert_ok(ff_chunks_read(&c, path, 0, 10, &ctx), &ctx); /* what the base had is there */
    ff_chunks_done(&c);
    assert_ok(ff_h5r_open(&r, path, &ctx), &ctx);
    void *data;
    int rank;
    long shape[FF_MAX_RANK];
    assert_fails(ff_h5r_get(r, "draws/x", FF_F32_T, 10000, &data, &rank, shape, &ctx), FF_EBADFILE, &ctx,
                 "lie in another file");
    ff_h5r_close(r);
}

static void arrays_that_do_not_fit_are_refused(void **state)
{
    struct ff_h5_source sources[2] = {{"a.h5", 4}, {"b.h5", 5}}; /* a draw too few */
    char list[1024], path[1024];
    ff_ctx ctx = {0};
    ff_h5 *f;
    write_list(scratch(state, "list.h5", list), NULL);
    scratch(state, "all.h5", path);
    unlink(path);
    assert_ok(ff_h5_create_from(&f, path, list, &ctx), &ctx);
    assert_fails(ff_h5_put_virtual(f, "draws", "valid", FF_U8_T, "draw", sources, 2, &ctx), FF_EIO, &ctx,
                 "draws/valid");
    sources[1].count = 7;
    assert_fails(ff_h5_put_virtual(f, "draws", "valid", FF_U8_T, "draw", sources, 2, &ctx), FF_EIO, &ctx,
                 "draws/valid");
    assert_fails(ff_h5_put_virtual(f, "draws", "valid", FF_U8_T, "pixel", sources, 2, &ctx), FF_EBADFILE, &ctx,
                 "draws/pixel");
    ff_h5_abandon(f);
    assert_false(exists(path));
    write_bytes(list, "no HDF5", 7);
    assert_fails(ff_h5_create_from(&f, path, list, &ctx), FF_EBADFILE, &ctx, "list.h5");
    assert_null(f);
    unlink(list);
    assert_fails(ff_h5_create_from(&f, path, list, &ctx), FF_ENOFILE, &ctx, "list.h5");
    assert_false(exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_comes_back_whole_and_in_parts),
        cmocka_unit_test(a_list_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_file_is_known_by_the_hashes_of_its_chunk),
        cmocka_unit_test(one_file_shows_the_arrays_of_many),
        cmocka_unit_test(arrays_that_do_not_fit_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
