/* Arrays of a light-cone for judges from outside (tests/py/test_lpt.py): the tables at the centre of a job's prior, a white
** latent, convergence maps, as .npy files.
** FF_LPT_JOB=JOB.json FF_LPT_OUT=FOLDER [FF_LPT_DRAWS=N] in the environment: of that job, into that folder; alone: of a
** small one, into a folder that goes away. amplitude (nk), nodes (lnk0, dlnk), d1, d2 (nz), weight (nbins, nz) f64; latent
** (ny, nz, nx/2+1, 2) of draw 0; convergence (N, nbins, npix, npix) of draws 0 .. N-1. */
#include "tests/unit/job/job_helper.h"

#include "files/npy.h"
#include "worker/core/rng.h"
#include "worker/job/engine.h"
#include "worker/job/prior.h"

static const char small[] =
    "{\"kind\":\"draws\",\"count\":1,\"seed\":5,\"model\":{\"preset\":\"porqueres23\",\"field\":{"
    "\"npix\":8},\"lpt\":{\"mesh\":[8,10,16],\"order\":2}}}";
static const char *const names[] = {"amplitude", "nodes", "d1", "d2", "weight", "latent", "convergence"};

static void put(const char *folder, const char *name, enum ff_type type, int rank, const long *shape, const void *data)
{
    char path[512];
    ff_ctx ctx = {0};
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    check_ok(ff_npy_write(path, type, rank, shape, data, &ctx), &ctx);
}

static void put_tables(const char *folder, const struct ff_engine *e)
{
    const struct ff_light_tables *t = &e->light_tables;
    const struct ff_sim_light light = ff_sim_light(e->sim);
    put(folder, "amplitude", FF_F64_T, 1, (long[]){t->nk}, t->amplitude);
    put(folder, "nodes", FF_F64_T, 1, (long[]){2}, (double[]){light.lnk0, light.dlnk});
    put(folder, "d1", FF_F64_T, 1, (long[]){t->nz}, t->d1);
    put(folder, "d2", FF_F64_T, 1, (long[]){t->nz}, t->d2);
    put(folder, "weight", FF_F64_T, 2, (long[]){t->nbins, t->nz}, t->weight);
}

static void put_maps(const char *folder, const struct ff_job *job, const struct ff_engine *e, long draws)
{
    const struct ff_model *m = &job->model;
    const long nmap = ff_sim_nmap(e->sim);
    float *z = malloc((size_t)ff_sim_nlatent(e->sim) * sizeof *z),
          *maps = malloc((size_t)(draws * nmap) * sizeof *maps);
    ff_ctx ctx = {0};
    assert_true(z && maps);
    for (long i = 0; i < draws; i++) {
        ff_sim_draw_latent(e->sim, job->seed, FF_RNG_LATENT, (uint32_t)i, z);
        check_ok(ff_sim_forward(e->sim, z, maps + i * nmap, NULL, &ctx), &ctx);
        const long shape[] = {m->lpt.mesh[1], m->lpt.mesh[2], m->lpt.mesh[0] / 2 + 1, 2};
        if (i == 0) put(folder, "latent", FF_F32_T, 4, shape, z);
    }
    put(folder, "convergence", FF_F32_T, 4, (long[]){draws, m->sources.nbins, m->npix, m->npix}, maps);
    free(z), free(maps);
}

static void put_all(const char *text, const char *folder, long draws)
{
    ff_ctx ctx = {0};
    struct ff_engine e;
    double theta[FF_MAX_PARS];
    bool inside;
    struct ff_job *job = job_from(text);
    check_ok(ff_engine_init(&e, &job->model, NULL, FF_F32, 1, NULL, false, &ctx), &ctx);
    ff_prior_centre(&job->model, theta);
    check_ok(ff_engine_set(&e, theta, &inside, &ctx), &ctx);
    assert_true(inside);
    put_tables(folder, &e);
    put_maps(folder, job, &e, draws);
    ff_engine_done(&e);
    ff_job_free(job);
}

static void put_job(const char *path, const char *folder, long draws)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    put_all(text, folder, draws);
}

static void arrays_are_what_was_asked_for(void **state)
{
    (void)state;
    static const long sizes[] = {512, 2, 16, 16, 4 * 16, 10 * 16 * 5 * 2, 2 * 4 * 8 * 8};
    const char *job = getenv("FF_LPT_JOB"), *out = getenv("FF_LPT_OUT"), *draws = getenv("FF_LPT_DRAWS");
    char folder[256], path[512];
    if (job && out) {
        put_job(job, out, draws ? atol(draws) : 1);
        return;
    }
    temporary_folder(folder);
    put_all(small, folder, 2);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ff_ctx ctx = {0};
        double *data, square = 0;
        int rank;
        long shape[FF_MAX_RANK], size = 1;
        snprintf(path, sizeof path, "%s/%s.npy", folder, names[i]);
        check_ok(ff_npy_read(path, 1 << 20, &data, &rank, shape, &ctx), &ctx);
        for (int a = 0; a < rank; a++) size *= shape[a];
        assert_int_equal(size, sizes[i]);
        for (long k = 0; k < size; k++) square += data[k] * data[k];
        assert_true(isfinite(square) && square > 0);
        free(data);
        unlink(path);
    }
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_what_was_asked_for),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
