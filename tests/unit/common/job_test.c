/* tests/unit/common/job_test.c - good jobs: defaults, presets, overriding, priors, data; the full spec says the same. */
#include <math.h>
#include <unistd.h>

#include "tests/unit/common/help.h"

static const char *const small_model = "{\"field\":{\"size_deg\":5,\"npix\":60},\"sigma_e\":0.3,"
                                       "\"sources\":{\"gaussian\":[{\"z\":0.5,\"sd\":0.1,\"n_per_arcmin2\":7},"
                                       "{\"z\":1,\"sd\":0.2,\"n_per_arcmin2\":8.5}]}}";

/* A job of the small model: its other members as text after it. */
static struct ff_job *small_job(const char *kind, const char *rest)
{
    char text[2048];
    snprintf(text, sizeof text, "{\"kind\":\"%s\",\"model\":%s%s}", kind, small_model, rest);
    return job_of(text);
}

static void every_default_is_the_contracts(void **state)
{
    (void)state;
    struct ff_job *job = small_job("posterior", ",\"data\":{\"dataset\":\"@x.h5\"}");
    const struct ff_model *m = &job->model;
    const struct ff_sampler *s = &job->sampler;
    assert_int_equal(job->kind, FF_POSTERIOR);
    assert_int_equal(job->seed, 1);
    assert_int_equal(m->simulator, FF_SIM_LOGNORMAL);
    expect_word("preset", "", m->preset);
    assert_int_equal(m->padding, 1);
    assert_false(m->pixel_window);
    assert_int_equal(m->observable, FF_CONVERGENCE);
    expect_number("l_max", 0, m->l_max, 0);
    assert_int_equal(m->shift_kind, FF_SHIFT_PERTURBATION);
    assert_int_equal(m->variance, FF_VARIANCE_THEORY);
    assert_int_equal(m->power, FF_POWER_HALOFIT);
    for (int par = 0; par < m->npars; par++) {
        assert_int_equal(m->par[par].kind, FF_PRIOR_FIXED);
        expect_number("parameter", ff_par_default(2, par), m->par[par].value, 0);
    }
    assert_int_equal(s->algorithm, FF_JOB_NUTS);
    assert_int_equal(s->chains, 4);
    assert_int_equal(s->warmup, 100);
    assert_int_equal(s->draws, 400);
    assert_false(s->until);
    expect_number("target_accept", 0.8, s->target_accept, 0);
    assert_int_equal(s->max_depth, 10);
    assert_int_equal(s->integrator, FF_JOB_ROTATION);
    assert_int_equal(s->whiten, FF_JOB_WHITEN_AUTO);
    assert_false(s->thin);
    assert_int_equal(s->every, 10);
    assert_int_equal(job->resources.ranks, 1);
    assert_int_equal(job->resources.threads, 0);
    expect_word("pool", "default", job->resources.pool);
    assert_int_equal(job->resources.priority, 0);
    expect_number("walltime", 3600, job->resources.walltime_s, 0);
    char *resources = json_dumps(json_object_get(job->spec, "resources"), JSON_COMPACT);
    expect_word("resources", "{\"ranks\":1,\"threads\":0,\"pool\":\"default\",\"priority\":0,\"walltime\":\"1h\"}",
                resources);
    free(resources);
    ff_job_free(job);
}

static void lsst_y10_preset_is_the_one_of_the_physics(void **state)
{
    (void)state;
    struct ff_job *job = job_of("{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\"},\"data\":{\"mock\":{}}}");
    const struct ff_model *m = &job->model;
    assert_int_equal(m->npix, 256);
    assert_int_equal(m->sources.nbins, 5);
    assert_int_equal(m->npars, FF_NGLOBAL + 10);
    for (int bin = 0; bin < 5; bin++) {
        expect_number("density", 5.4, m->sources.n_per_arcmin2[bin], 1e-12);
        expect_number("noise sd", 0.0477381, ff_model_noise_sd(m, bin), 5e-8);
    }
    int place[FF_MAX_PARS];
    static const int free_ones[] = {FF_OMEGA_C, FF_OMEGA_B, FF_H, FF_N_S, FF_SIGMA8, FF_W0};
    assert_int_equal(ff_model_free(m, place), 6);
    for (int i = 0; i < 6; i++) assert_int_equal(place[i], free_ones[i]);
    expect_number("omega_c low", 0, m->par[FF_OMEGA_C].low, 0);
    assert_true(isinf(m->par[FF_OMEGA_C].high));
    assert_true(isinf(m->par[FF_N_S].low) && m->par[FF_N_S].low < 0);
    expect_number("w0 low", -2, m->par[FF_W0].low, 0);
    expect_number("w0 high", -0.3, m->par[FF_W0].high, 0);
    expect_number("w0 sd", 0.9, m->par[FF_W0].sd, 0);
    assert_int_equal(job->data.kind, FF_DATA_MOCK);
    assert_int_equal(job->data.seed, 2);
    expect_number("truth of sigma8", 0.831, job->data.parameters[FF_SIGMA8], 0);
    ff_job_free(job);
}

static void cosmos_preset_holds_everything_but_priors(void **state)
{
    (void)state;
    struct ff_job *job = job_of("{\"kind\":\"posterior\",\"model\":{\"preset\":\"cosmos\",\"parameters\":{\"sigma8\":"
                                "{\"uniform\":[0.3,1.5]}}},\"data\":{\"dataset\":\"@c.h5\"}}");
    const struct ff_model *m = &job->model;
    int place[FF_MAX_PARS];
    assert_int_equal(m->observable, FF_SHEAR);
    assert_int_equal(m->padding, 2);
    assert_true(m->pixel_window);
    assert_int_equal(m->sources.nbins, 1);
    expect_number("sigma_z", 0, m->sources.sigma_z, 0);
    expect_number("density", 251958 / (1.36 * 1.33 * 3600), m->sources.n_per_arcmin2[0], 0.01);
    assert_int_equal(ff_model_free(m, place), 1);
    assert_int_equal(place[0], FF_SIGMA8);
    expect_number("sigma8 centre", 0.9, m->par[FF_SIGMA8].value, 1e-15);
    expect_word("dataset", "/base/c.h5", job->data.dataset.path);
    expect_word("pointer", "/data/dataset", job->data.dataset.pointer);
    ff_job_free(job);
}

static void a_preset_keeps_the_lognormal_members_not_named(void **state)
{
    (void)state;
    struct ff_job *job = job_of("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"lsst-y10\",\"lognormal\":{\"variance\":"
                                "\"empirical\"}}}");
    assert_int_equal(job->model.shift_kind, FF_SHIFT_PERTURBATION);
    assert_int_equal(job->model.variance, FF_VARIANCE_EMPIRICAL);
    ff_job_free(job);
}

static void presets_are_overridden_by_member_and_sources_as_a_whole(void **state)
{
    (void)state;
    struct ff_job *job =
        job_of("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"lsst-y10\",\"simulator\":\"gaussian\","
               "\"field\":{\"npix\":64},\"sources\":{\"tables\":[{\"nz\":\"@a/n.h5\",\"n_per_arcmin2\":3},"
               "{\"nz\":\"@/abs/n.h5\",\"n_per_arcmin2\":4}]},\"l_max\":3000,\"parameters\":{\"h\":0.7,"
               "\"m_2\":{\"normal\":[0,0.01]}}}}");
    const struct ff_model *m = &job->model;
    int place[FF_MAX_PARS];
    assert_int_equal(m->simulator, FF_SIM_GAUSSIAN);
    assert_int_equal(m->npix, 64);
    expect_number("size_deg", 10, m->size_deg, 0);
    assert_int_equal(m->sources.kind, FF_NZ_TABLE);
    assert_int_equal(m->sources.nbins, 2);
    expect_word("relative path", "/base/a/n.h5", m->nz[0].path);
    expect_word("absolute path", "/abs/n.h5", m->nz[1].path);
    expect_word("pointer", "/model/sources/tables/1/nz", m->nz[1].pointer);
    expect_number("l_max", 3000, m->l_max, 0);
    assert_null(json_object_get(json_object_get(job->spec, "model"), "lognormal"));
    assert_int_equal(ff_model_free(m, place), 6);
    assert_int_equal(place[5], ff_par_m(1));
    expect_number("h", 0.7, m->par[FF_H].value, 0);
    ff_job_free(job);
}

static void expect_box(const struct ff_lpt *lpt, const int mesh[3], const double box_mpch[3])
{
    assert_memory_equal(lpt->mesh, mesh, sizeof lpt->mesh);
    assert_memory_equal(lpt->box_mpch, box_mpch, sizeof lpt->box_mpch);
    assert_int_equal(lpt->order, 1);
    expect_number("offset", 0.5, lpt->offset, 0);
    assert_false(lpt->spectral);
    assert_int_equal(lpt->paint, FF_PAINT_CIC);
    assert_false(lpt->decic);
}

/* The field is wider than the box where its sources are: allowed, the box is periodic. */
static void porqueres23_preset_is_the_one_of_the_physics(void **state)
{
    static const double z[4] = {0.5, 1, 1.5, 2}, n[4] = {7, 8.5, 7.5, 7};
    (void)state;
    struct ff_job *job =
        job_of("{\"kind\":\"posterior\",\"model\":{\"preset\":\"porqueres23\"},\"data\":{\"mock\":{}}}");
    const struct ff_model *m = &job->model;
    int place[FF_MAX_PARS];
    assert_int_equal(m->simulator, FF_SIM_LPT);
    assert_int_equal(m->power, FF_POWER_LINEAR);
    expect_box(&m->lpt, (int[]){64, 64, 128}, (double[]){1000, 1000, 4500});
    expect_number("size_deg", 16, m->size_deg, 0);
    assert_int_equal(m->npix, 64);
    expect_number("sigma_e", 0.3, m->sigma_e, 0);
    assert_int_equal(m->sources.kind, FF_NZ_GAUSSIAN);
    assert_int_equal(m->sources.nbins, 4);
    for (int i = 0; i < 4; i++) {
        expect_number("z", z[i], m->sources.z[i], 0);
        expect_number("sd", 0.12, m->sources.sd[i], 0);
        expect_number("density", n[i], m->sources.n_per_arcmin2[i], 0);
    }
    assert_int_equal(ff_model_free(m, place), 2);
    assert_int_equal(place[0], FF_OMEGA_C);
    assert_int_equal(place[1], FF_SIGMA8);
    expect_number("omega_c low", 0.1, m->par[FF_OMEGA_C].low, 0);
    expect_number("omega_c high", 0.5, m->par[FF_OMEGA_C].high, 0);
    expect_number("sigma8 low", 0.7, m->par[FF_SIGMA8].low, 0);
    expect_number("sigma8 high", 0.9, m->par[FF_SIGMA8].high, 0);
    static const int fixed[] = {FF_OMEGA_B, FF_H, FF_N_S};
    static const double at[] = {0.049, 0.677, 0.9624};
    for (int i = 0; i < 3; i++) {
        expect_number("fixed parameter", at[i], m->par[fixed[i]].value, 0);
        expect_number("truth of it", at[i], job->data.parameters[fixed[i]], 0);
    }
    expect_number("truth of omega_c", 0.2589, job->data.parameters[FF_OMEGA_C], 0);
    expect_number("truth of sigma8", 0.8, job->data.parameters[FF_SIGMA8], 0);
    expect_number("truth of w0", -1, job->data.parameters[FF_W0], 0);
    assert_int_equal(job->outputs, 0);
    assert_null(json_object_get(json_object_get(job->spec, "model"), "fiducial"));
    ff_job_free(job);
}

static void lpt_presets_lie_over_other_presets(void **state)
{
    (void)state;
    struct ff_job *lpt = job_of("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"lsst-y10-lpt\"}}");
    struct ff_job *maps = job_of("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"lsst-y10\"}}");
    struct ff_job *des = job_of("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"des-y3-lpt\",\"sources\":{\"tables\":"
                                "[{\"nz\":\"@n1.h5\",\"n_per_arcmin2\":1.476},{\"nz\":\"@n2.h5\",\"n_per_arcmin2\":"
                                "1.479}]}}}");
    expect_word("preset", "lsst-y10-lpt", lpt->model.preset);
    assert_int_equal(lpt->model.simulator, FF_SIM_LPT);
    assert_int_equal(lpt->model.power, FF_POWER_LINEAR);
    expect_box(&lpt->model.lpt, (int[]){300, 300, 128}, (double[]){400, 400, 4000});
    expect_number("size_deg", 5, lpt->model.size_deg, 0);
    assert_int_equal(lpt->model.npix, 60);
    expect_number("sigma_e", 0.26, lpt->model.sigma_e, 0);
    assert_memory_equal(&lpt->model.sources, &maps->model.sources, sizeof maps->model.sources);
    assert_memory_equal(lpt->model.par, maps->model.par, sizeof maps->model.par);
    assert_memory_equal(lpt->model.fiducial, maps->model.fiducial, sizeof maps->model.fiducial);
    assert_null(json_object_get(json_object_get(lpt->spec, "model"), "lognormal"));
    expect_word("preset", "des-y3-lpt", des->model.preset);
    expect_box(&des->model.lpt, lpt->model.lpt.mesh, lpt->model.lpt.box_mpch);
    expect_number("sigma_e", 0.267, des->model.sigma_e, 0);
    assert_int_equal(des->model.sources.nbins, 2);
    ff_job_free(lpt);
    ff_job_free(maps);
    ff_job_free(des);
}

/* What a simulator has no use for and the job did not ask for is left out, whoever's preset it was. */
static void simulators_change_under_a_preset(void **state)
{
    (void)state;
    struct ff_job *job =
        job_of("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"lsst-y10\",\"simulator\":\"lpt\",\"lpt\":"
               "{\"mesh\":[8,9,4096],\"box_mpch\":[1,2,3.5]}},\"resources\":{\"ranks\":3}}");
    expect_box(&job->model.lpt, (int[]){8, 9, 4096}, (double[]){1, 2, 3.5});
    assert_int_equal(job->model.power, FF_POWER_LINEAR);
    assert_int_equal(job->resources.ranks, 3);
    ff_job_free(job);
    job = job_of("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"lsst-y10-lpt\",\"simulator\":\"lognormal\"}}");
    assert_int_equal(job->model.power, FF_POWER_HALOFIT);
    assert_int_equal(job->model.lpt.mesh[0], 0);
    assert_null(json_object_get(json_object_get(job->spec, "model"), "lpt"));
    assert_non_null(json_object_get(json_object_get(job->spec, "model"), "lognormal"));
    ff_job_free(job);
    job = job_of("{\"kind\":\"simulate\",\"model\":{\"preset\":\"porqueres23\",\"power\":\"linear\",\"l_max\":null},"
                 "\"outputs\":[\"density\"]}");
    assert_int_equal(job->outputs, FF_OUT_DENSITY);
    ff_job_free(job);
}

/* The support is the prior's cut by the parameter's edges; the centre is inside of it, never on its edge. */
static void supports_are_cut_and_hold_their_centre(void **state)
{
    (void)state;
    struct ff_job *job =
        job_of("{\"kind\":\"draws\",\"model\":{\"preset\":\"lsst-y10\",\"parameters\":{"
               "\"omega_c\":{\"uniform\":[-1,0.5]},\"omega_b\":{\"normal\":[-0.1,0.2]},"
               "\"h\":{\"normal\":[0.9,0.1],\"low\":0.5,\"high\":0.8},\"n_s\":{\"normal\":[1,0.1],\"high\":0.99}}}}");
    const struct ff_prior *p = job->model.par;
    expect_number("omega_c low", 0, p[FF_OMEGA_C].low, 0);
    expect_number("omega_c high", 0.5, p[FF_OMEGA_C].high, 0);
    expect_number("omega_c centre", 0.25, p[FF_OMEGA_C].value, 0);
    expect_number("omega_b low", 0, p[FF_OMEGA_B].low, 0);
    expect_number("h low", 0.5, p[FF_H].low, 0);
    assert_true(isinf(p[FF_N_S].low));
    expect_number("sigma8 of the preset", 0.14, p[FF_SIGMA8].sd, 0);
    for (int par = 0; par <= FF_N_S; par++) assert_true(p[par].low < p[par].value && p[par].value < p[par].high);
    ff_job_free(job);
}

static void shifts_come_as_numbers_or_as_a_table(void **state)
{
    (void)state;
    struct ff_job *job =
        job_of("{\"kind\":\"simulate\",\"model\":{\"preset\":\"cosmos\",\"lognormal\":{\"shift\":[0.02]}},"
               "\"count\":3,\"noise\":false,\"outputs\":[\"shear\",\"spectra\"]}");
    assert_int_equal(job->model.shift_kind, FF_SHIFT_NUMBERS);
    expect_number("shift", 0.02, job->model.shift_numbers[0], 0);
    assert_int_equal(job->count, 3);
    assert_false(job->noise);
    assert_int_equal(job->outputs, FF_OUT_SHEAR | FF_OUT_SPECTRA);
    ff_job_free(job);
    job = job_of(
        "{\"kind\":\"simulate\",\"model\":{\"preset\":\"cosmos\",\"lognormal\":{\"shift\":{\"table\":\"@t.h5\"}}}}");
    assert_int_equal(job->model.shift_kind, FF_SHIFT_TABLE);
    expect_word("table", "/base/t.h5", job->model.shift_table.path);
    assert_int_equal(job->outputs, FF_OUT_CONVERGENCE);
    ff_job_free(job);
}

static void mocks_take_the_fiducial_where_they_name_nothing(void **state)
{
    (void)state;
    struct ff_job *job = small_job("posterior", ",\"seed\":9223372036854775807,\"data\":{\"mock\":{\"mask\":\"@m.h5\","
                                                "\"parameters\":{\"sigma8\":0.7,\"dz_2\":0.05}}}");
    assert_true(job->seed == INT64_MAX);
    assert_int_equal(job->data.seed, 0);
    expect_number("sigma8", 0.7, job->data.parameters[FF_SIGMA8], 0);
    expect_number("dz_2", 0.05, job->data.parameters[ff_par_dz(2, 1)], 0);
    expect_number("h", 0.6727, job->data.parameters[FF_H], 0);
    expect_word("mask", "/base/m.h5", job->data.mask.path);
    ff_job_free(job);
}

static void expect_same_model(const struct ff_model *a, const struct ff_model *b)
{
    assert_int_equal(a->simulator, b->simulator);
    expect_word("preset", a->preset, b->preset);
    assert_memory_equal(&a->size_deg, &b->size_deg, 3 * sizeof(double));
    assert_int_equal(a->npix, b->npix);
    assert_int_equal(a->padding, b->padding);
    assert_true(a->pixel_window == b->pixel_window);
    assert_int_equal(a->sources.kind, b->sources.kind);
    assert_int_equal(a->sources.nbins, b->sources.nbins);
    assert_memory_equal(&a->sources.a, &b->sources.a, 4 * sizeof(double));
    assert_memory_equal(a->sources.z, b->sources.z, sizeof a->sources.z);
    assert_memory_equal(a->sources.sd, b->sources.sd, sizeof a->sources.sd);
    assert_memory_equal(a->sources.n_per_arcmin2, b->sources.n_per_arcmin2, sizeof a->sources.n_per_arcmin2);
    assert_memory_equal(a->nz, b->nz, sizeof a->nz);
    expect_number("sigma_e", a->sigma_e, b->sigma_e, 0);
    assert_int_equal(a->observable, b->observable);
    expect_number("l_max", a->l_max, b->l_max, 0);
    assert_int_equal(a->npars, b->npars);
    for (int par = 0; par < a->npars; par++) {
        assert_int_equal(a->par[par].kind, b->par[par].kind);
        assert_memory_equal(&a->par[par].value, &b->par[par].value, 5 * sizeof(double));
    }
    assert_memory_equal(a->fiducial, b->fiducial, sizeof a->fiducial);
    assert_int_equal(a->shift_kind, b->shift_kind);
    assert_memory_equal(&a->shift_table, &b->shift_table, sizeof a->shift_table);
    assert_memory_equal(a->shift_numbers, b->shift_numbers, sizeof a->shift_numbers);
    assert_int_equal(a->variance, b->variance);
    assert_int_equal(a->power, b->power);
    assert_memory_equal(a->lpt.mesh, b->lpt.mesh, sizeof a->lpt.mesh);
    assert_memory_equal(a->lpt.box_mpch, b->lpt.box_mpch, sizeof a->lpt.box_mpch);
    assert_int_equal(a->lpt.order, b->lpt.order);
    expect_number("offset", a->lpt.offset, b->lpt.offset, 0);
    assert_true(a->lpt.spectral == b->lpt.spectral && a->lpt.decic == b->lpt.decic);
    assert_int_equal(a->lpt.paint, b->lpt.paint);
}

static void expect_same_job(const struct ff_job *a, const struct ff_job *b)
{
    const struct ff_sampler *s = &a->sampler, *t = &b->sampler;
    assert_int_equal(a->kind, b->kind);
    expect_word("name", a->name, b->name);
    assert_true(a->seed == b->seed);
    expect_same_model(&a->model, &b->model);
    assert_int_equal(a->data.kind, b->data.kind);
    assert_memory_equal(&a->data.dataset, &b->data.dataset, sizeof a->data.dataset);
    assert_memory_equal(a->data.parameters, b->data.parameters, sizeof a->data.parameters);
    assert_true(a->data.seed == b->data.seed);
    assert_memory_equal(&a->data.mask, &b->data.mask, sizeof a->data.mask);
    assert_int_equal(a->resources.ranks, b->resources.ranks);
    assert_int_equal(a->resources.threads, b->resources.threads);
    expect_word("pool", a->resources.pool, b->resources.pool);
    assert_int_equal(a->resources.priority, b->resources.priority);
    expect_number("walltime", a->resources.walltime_s, b->resources.walltime_s, 0);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->noise, b->noise);
    assert_int_equal(a->scores, b->scores);
    assert_int_equal(a->chunk, b->chunk);
    assert_int_equal(a->outputs, b->outputs);
    assert_int_equal(s->algorithm, t->algorithm);
    assert_memory_equal(&s->chains, &t->chains, 3 * sizeof(int));
    assert_int_equal(s->until, t->until);
    assert_memory_equal(&s->until_ess, &t->until_ess, 2 * sizeof(double));
    assert_int_equal(s->max_draws, t->max_draws);
    expect_number("target_accept", s->target_accept, t->target_accept, 0);
    assert_int_equal(s->max_depth, t->max_depth);
    assert_int_equal(s->integrator, t->integrator);
    assert_int_equal(s->whiten, t->whiten);
    assert_int_equal(s->thin, t->thin);
    assert_int_equal(s->every, t->every);
    assert_int_equal(a->nell, b->nell);
    if (a->nell) assert_memory_equal(a->ell, b->ell, (size_t)a->nell * sizeof *a->ell);
    assert_int_equal(a->derivatives, b->derivatives);
}

static void the_full_spec_is_the_same_job(void **state)
{
    static const char *const jobs[] = {
        "{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\"},\"data\":{\"mock\":{\"parameters\":{\"h\":0.1}}}}",
        "{\"resources\":{\"threads\":2,\"walltime\":90.5,\"priority\":-7,\"pool\":\"big.2\"},\"kind\":\"posterior\","
        "\"name\":\"caf\\u00e9\",\"model\":{\"preset\":\"cosmos\",\"l_max\":2999.3,\"parameters\":{\"omega_c\":"
        "{\"uniform\":[-0.3,0.6]},\"dz_1\":{\"normal\":[0.1,0.3],\"low\":0.2}}},\"data\":{\"dataset\":\"@../d.h5\"},"
        "\"sampler\":{\"algorithm\":\"hmc\",\"until\":{\"ess\":33.3},\"fields\":{\"keep\":\"thin\",\"every\":3},"
        "\"whiten\":\"none\",\"integrator\":\"leapfrog\"},\"seed\":7}",
        "{\"kind\":\"draws\",\"model\":{\"preset\":\"lsst-y10\",\"sources\":{\"smail\":{\"a\":1.9,\"b\":0.7,\"z0\":0."
        "13,"
        "\"bins\":7,\"n_per_arcmin2\":31.7}},\"lognormal\":{\"shift\":{\"table\":\"@/t.h5\"}}},\"scores\":true}",
        "{\"kind\":\"simulate\",\"model\":{\"simulator\":\"lognormal\",\"field\":{\"size_deg\":3.3,\"npix\":75},"
        "\"sigma_e\":0.3,\"sources\":{\"tables\":[{\"nz\":\"@n\",\"n_per_arcmin2\":0.1}]},\"observable\":"
        "\"reduced_shear\",\"lognormal\":{\"shift\":[0.1],\"variance\":\"empirical\"},\"power\":\"linear\"},"
        "\"outputs\":[\"spectra\"]}",
        "{\"kind\":\"spectrum\",\"model\":{\"preset\":\"lsst-y10\",\"simulator\":\"gaussian\",\"lognormal\":{}},"
        "\"ell\":[36,100.5],\"derivatives\":true}",
        "{\"kind\":\"posterior\",\"model\":{\"preset\":\"porqueres23\",\"lpt\":{\"order\":2,\"offset\":0.25,"
        "\"gradient\":\"spectral\",\"paint\":\"tsc\",\"decic\":true}},\"data\":{\"mock\":{}},\"outputs\":[\"density\"],"
        "\"resources\":{\"ranks\":4096}}",
        "{\"kind\":\"simulate\",\"model\":{\"preset\":\"des-y3-lpt\",\"sources\":{\"tables\":[{\"nz\":\"@n\","
        "\"n_per_arcmin2\":1.476}]},\"lognormal\":{}},\"outputs\":[\"density\",\"convergence\"]}",
        "{\"kind\":\"draws\",\"model\":{\"preset\":\"lsst-y10-lpt\",\"simulator\":\"lognormal\",\"lpt\":{}}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        struct ff_job *job = job_of(jobs[i]);
        char *text = json_dumps(job->spec, JSON_COMPACT);
        struct ff_job *again = job_of(text);
        char *text_again = json_dumps(again->spec, JSON_COMPACT);
        expect_word("spec of the spec", text, text_again);
        expect_same_job(job, again);
        free(text);
        free(text_again);
        ff_job_free(job);
        ff_job_free(again);
    }
}

static void the_full_spec_has_the_contracts_order(void **state)
{
    static const char *const order[] = {"kind", "name", "seed", "model", "data", "sampler", "likelihood", "resources"};
    (void)state;
    struct ff_job *job = job_of("{\"resources\":{},\"data\":{\"dataset\":\"@d\"},\"model\":{\"preset\":\"cosmos\"},"
                                "\"kind\":\"posterior\"}");
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach(job->spec, key, value) expect_word("member", i < 8 ? order[i++] : "nothing", key);
    assert_int_equal(i, 8);
    expect_word("dataset kept as written", "@d",
                json_string_value(json_object_get(json_object_get(job->spec, "data"), "dataset")));
    ff_job_free(job);
}

static void files_are_read_relative_to_their_folder(void **state)
{
    char path[] = "/tmp/ff_job_XXXXXX";
    ff_ctx ctx = {0};
    struct ff_job *job;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs("{\"kind\":\"posterior\",\"model\":{\"preset\":\"cosmos\"},\"data\":{\"dataset\":\"@d.h5\"}}", file);
    fclose(file);
    assert_int_equal(ff_job_read(&job, path, &ctx), FF_OK);
    expect_word("dataset", "/tmp/d.h5", job->data.dataset.path);
    ff_job_free(job);
    unlink(path);
    assert_int_equal(ff_job_read(&job, path, &ctx), FF_ENOFILE);
    assert_null(job);
    assert_int_equal(ff_job_read(&job, "/tmp", &ctx), FF_EBADFILE);
    assert_null(job);
    ff_job_free(NULL);
}

static void expect_task(const struct ff_task *t, enum ff_task_kind kind, const char *name, long first, long count)
{
    expect_word("task", name, t->name);
    assert_int_equal(t->kind, kind);
    assert_int_equal(t->first, first);
    assert_int_equal(t->count, count);
}

static void jobs_split_into_tasks(void **state)
{
    struct ff_task *t;
    int n;
    ff_ctx ctx = {0};
    (void)state;
    struct ff_job *job = small_job("posterior", ",\"data\":{\"mock\":{}},\"sampler\":{\"chains\":2}");
    assert_int_equal(ff_tasks_split(job, &t, &n, &ctx), FF_OK);
    assert_int_equal(n, 3);
    expect_task(&t[0], FF_TASK_CHAIN, "chain-0", 0, 1);
    expect_task(&t[1], FF_TASK_CHAIN, "chain-1", 1, 1);
    expect_task(&t[2], FF_TASK_REDUCE, "reduce", 0, 0);
    free(t);
    ff_job_free(job);
    job = small_job("draws", ",\"count\":600,\"chunk\":256");
    assert_int_equal(ff_tasks_split(job, &t, &n, &ctx), FF_OK);
    assert_int_equal(n, 4);
    expect_task(&t[1], FF_TASK_CHUNK, "draws-1", 256, 256);
    expect_task(&t[2], FF_TASK_CHUNK, "draws-2", 512, 88);
    expect_task(&t[3], FF_TASK_MANIFEST, "manifest", 0, 0);
    free(t);
    ff_job_free(job);
    job = small_job("simulate", ",\"count\":5");
    assert_int_equal(ff_tasks_split(job, &t, &n, &ctx), FF_OK);
    assert_int_equal(n, 1);
    expect_task(&t[0], FF_TASK_SIMULATE, "simulate", 0, 5);
    free(t);
    ff_job_free(job);
    job = small_job("spectrum", "");
    assert_int_equal(ff_tasks_split(job, &t, &n, &ctx), FF_OK);
    assert_int_equal(n, 1);
    expect_task(&t[0], FF_TASK_SPECTRUM, "spectrum", 0, 0);
    free(t);
    ff_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_the_contracts),
        cmocka_unit_test(lsst_y10_preset_is_the_one_of_the_physics),
        cmocka_unit_test(cosmos_preset_holds_everything_but_priors),
        cmocka_unit_test(a_preset_keeps_the_lognormal_members_not_named),
        cmocka_unit_test(presets_are_overridden_by_member_and_sources_as_a_whole),
        cmocka_unit_test(porqueres23_preset_is_the_one_of_the_physics),
        cmocka_unit_test(lpt_presets_lie_over_other_presets),
        cmocka_unit_test(simulators_change_under_a_preset),
        cmocka_unit_test(supports_are_cut_and_hold_their_centre),
        cmocka_unit_test(shifts_come_as_numbers_or_as_a_table),
        cmocka_unit_test(mocks_take_the_fiducial_where_they_name_nothing),
        cmocka_unit_test(the_full_spec_is_the_same_job),
        cmocka_unit_test(the_full_spec_has_the_contracts_order),
        cmocka_unit_test(files_are_read_relative_to_their_folder),
        cmocka_unit_test(jobs_split_into_tasks),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
