/* common/job_model.c - "model" of a job: simulator, field, observable, log-normal shifts (docs/job.md). What
** a preset has that the simulator makes no use of is left out; the same in the job itself is refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/job_parts.h"
#include "common/preset.h"

enum { MIN_NPIX = 8, MAX_NPIX = 8192 };

static const struct ff_choice simulators[] = {{"gaussian", FF_SIM_GAUSSIAN, false},
                                              {"lognormal", FF_SIM_LOGNORMAL, false},
                                              {"lpt", FF_SIM_LPT, false},
                                              {"pm", FF_SIM_PM, true},
                                              {NULL, 0, false}};
static const struct ff_choice presets[] = {{"lsst-y10", 0, false},    {"cosmos", 0, false},
                                           {"porqueres23", 0, false}, {"lsst-y10-lpt", 0, false},
                                           {"des-y3-lpt", 0, false},  {NULL, 0, false}};
static const struct ff_choice observables[] = {{"convergence", FF_CONVERGENCE, false},
                                               {"shear", FF_SHEAR, false},
                                               {"reduced_shear", FF_REDUCED_SHEAR, false},
                                               {NULL, 0, false}};
static const struct ff_choice variances[] = {
    {"theory", FF_VARIANCE_THEORY, false}, {"empirical", FF_VARIANCE_EMPIRICAL, false}, {NULL, 0, false}};
static const struct ff_choice powers[] = {
    {"halofit", FF_POWER_HALOFIT, false}, {"linear", FF_POWER_LINEAR, false}, {NULL, 0, false}};

/* Members that only some simulators make use of. */
static const struct {
    const char *key;
    unsigned users; /* bits of enum ff_simulator */
} own_members[] = {
    {"lognormal", 1 << FF_SIM_LOGNORMAL},
    {"lpt", 1 << FF_SIM_LPT},
};

/* Only such sizes have fast transforms. */
static bool product_of_235(int n)
{
    static const int primes[] = {2, 3, 5};
    for (int i = 0; i < 3; i++) {
        while (n % primes[i] == 0) n /= primes[i];
    }
    return n == 1;
}

void ff_job_check_fast(struct ff_scope *scope, const char *key, int n, int low, int high)
{
    if (!ff_failed(scope) && !product_of_235(n))
        ff_scope_fail(scope, key, FF_EBADJOB, FF_HERE, "%d is not a product of 2, 3 and 5; allowed: %d to %d", n, low,
                      high);
}

static void read_field(struct ff_scope *scope, struct ff_model *model)
{
    struct ff_scope field;
    if (!ff_scope_has(scope, "field"))
        ff_scope_fail(scope, "field", FF_EBADJOB, FF_HERE,
                      "missing; a model needs a \"preset\", or \"field\", \"sources\" and \"sigma_e\"");
    ff_scope_object(&field, scope, "field");
    model->size_deg = ff_read_real(&field, "size_deg", (struct ff_range){0, 20, true, false}, NAN);
    model->npix = (int)ff_read_integer(&field, "npix", MIN_NPIX, MAX_NPIX, FF_REQUIRED);
    ff_job_check_fast(&field, "npix", model->npix, MIN_NPIX, MAX_NPIX);
    model->padding = (int)ff_read_integer(&field, "padding", 1, 2, 1);
    model->pixel_window = ff_read_bool(&field, "pixel_window", false);
    model->ra_deg = ff_read_real(&field, "ra_deg", (struct ff_range){-360, 360, false, false}, 0);
    model->dec_deg = ff_read_real(&field, "dec_deg", (struct ff_range){-90, 90, false, false}, 0);
    ff_scope_close(&field);
}

/* null: every mode. A cut below the field's largest scale would leave nothing to infer. */
static void read_l_max(struct ff_scope *scope, struct ff_model *model)
{
    model->l_max = 0;
    if (!ff_scope_has(scope, "l_max") || json_is_null(json_object_get(scope->in, "l_max"))) {
        if (!ff_failed(scope)) ff_scope_keep(scope, "l_max", json_null());
        return;
    }
    if (model->simulator == FF_SIM_LPT)
        ff_scope_fail(scope, "l_max", FF_EBADJOB, FF_HERE,
                      "the mesh of the simulator lpt decides which modes there are; allowed: null");
    double fundamental = 360 / (model->size_deg * model->padding);
    model->l_max = ff_read_real(scope, "l_max", (struct ff_range){fundamental, 1e6, false, false}, NAN);
}

static void read_shift(struct ff_scope *lognormal, struct ff_model *model)
{
    const json_t *shift = ff_scope_has(lognormal, "shift") ? json_object_get(lognormal->in, "shift") : NULL;
    if (json_is_array(shift)) {
        struct ff_scope list;
        int n = ff_scope_list(&list, lognormal, "shift", model->sources.nbins, model->sources.nbins);
        model->shift_kind = FF_SHIFT_NUMBERS;
        for (int i = 0; i < n; i++)
            model->shift_numbers[i] = ff_read_element(&list, i, (struct ff_range){0, 10, true, false});
    } else if (json_is_object(shift)) {
        struct ff_scope table;
        ff_scope_object(&table, lognormal, "shift");
        model->shift_kind = FF_SHIFT_TABLE;
        ff_read_dataset(&table, "table", &model->shift_table);
        ff_scope_close(&table);
    } else {
        static const struct ff_choice words[] = {{"perturbation", FF_SHIFT_PERTURBATION, false}, {NULL, 0, false}};
        model->shift_kind = (enum ff_shift_kind)ff_read_choice(lognormal, "shift", words, "perturbation");
    }
}

static void read_lognormal(struct ff_scope *scope, struct ff_model *model)
{
    struct ff_scope lognormal;
    ff_scope_object(&lognormal, scope, "lognormal");
    read_shift(&lognormal, model);
    model->variance = (enum ff_variance)ff_read_choice(&lognormal, "variance", variances, "theory");
    ff_scope_close(&lognormal);
}

/* The particles of lpt make the nonlinear structure: halofit on top would count it twice. */
static void read_power(struct ff_scope *scope, struct ff_model *model)
{
    const bool lpt = model->simulator == FF_SIM_LPT;
    model->power = (enum ff_power)ff_read_choice(scope, "power", powers, lpt ? "linear" : "halofit");
    if (lpt && model->power == FF_POWER_HALOFIT)
        ff_scope_fail(scope, "power", FF_EBADJOB, FF_HERE,
                      "the simulator lpt starts from the linear spectrum and makes the nonlinear one itself; allowed: "
                      "\"linear\"");
}

static void read_members(struct ff_scope *scope, struct ff_model *model)
{
    model->simulator = (enum ff_simulator)ff_read_choice(scope, "simulator", simulators, "lognormal");
    if (ff_scope_has(scope, "preset")) {
        ff_read_choice(scope, "preset", presets, NULL);
        if (!ff_failed(scope))
            snprintf(model->preset, sizeof model->preset, "%s",
                     json_string_value(json_object_get(scope->in, "preset")));
    }
    read_field(scope, model);
    ff_job_read_sources(scope, model);
    model->sigma_e = ff_read_real(scope, "sigma_e", (struct ff_range){0, 10, true, false}, NAN);
    model->observable = (enum ff_observable)ff_read_choice(scope, "observable", observables, "convergence");
    read_l_max(scope, model);
    ff_job_read_priors(scope, model);
    if (model->simulator == FF_SIM_LOGNORMAL) read_lognormal(scope, model);
    if (model->simulator == FF_SIM_LPT) ff_job_read_lpt(scope, &model->lpt);
    read_power(scope, model);
    ff_refuse_unbuilt(scope, "pm");
}

/* The simulator that a merged model names; NULL: not one of this build, which is said when it is read. */
static const struct ff_choice *simulator_of(const json_t *merged)
{
    const json_t *member = json_object_get(merged, "simulator");
    const char *word = member ? json_string_value(member) : "lognormal";
    const struct ff_choice *c = simulators;
    while (c->word && !(word && strcmp(c->word, word) == 0)) c++;
    return c->word && !c->missing ? c : NULL;
}

static bool says_nothing(const json_t *value)
{
    return !value || (json_is_object(value) && json_object_size(value) == 0);
}

static void drop_unused(struct ff_scope *scope, json_t *merged, const json_t *raw)
{
    const struct ff_choice *simulator = simulator_of(merged);
    if (!simulator) return;
    for (size_t i = 0; i < sizeof own_members / sizeof own_members[0]; i++) {
        const char *key = own_members[i].key;
        if ((own_members[i].users >> simulator->value) & 1) continue;
        if (!says_nothing(json_object_get(raw, key)))
            ff_scope_fail(scope, key, FF_EBADJOB, FF_HERE,
                          "the simulator %s makes no use of \"%s\"; allowed: nothing, or another \"simulator\"",
                          simulator->word, key);
        json_object_del(merged, key);
    }
    /* What a preset for maps says of the power is not for particles. */
    if (simulator->value == FF_SIM_LPT && !json_object_get(raw, "power")) json_object_del(merged, "power");
}

/* The preset's fiducial point, this product's where it names nothing. */
static void set_fiducial(struct ff_model *model, const json_t *fiducial)
{
    for (int par = 0; par < FF_MAX_PARS; par++) {
        char name[FF_NAME_SIZE];
        ff_par_name(FF_MAX_BINS, par, name);
        const json_t *value = json_object_get(fiducial, name);
        model->fiducial[par] = value ? json_number_value(value) : ff_par_default(FF_MAX_BINS, par);
    }
}

void ff_job_read_model(struct ff_scope *root, struct ff_model *model)
{
    struct ff_scope scope;
    const json_t *raw = ff_scope_has(root, "model") ? json_object_get(root->in, "model") : NULL;
    json_t *merged = NULL, *fiducial = NULL;
    if (ff_failed(root)) return;
    if (json_is_object(raw)) {
        root->reader->err = ff_preset_merge(&merged, &fiducial, raw, root->reader->ctx);
        if (ff_failed(root)) return;
    }
    ff_scope_object_from(&scope, root, "model", merged ? merged : raw);
    set_fiducial(model, fiducial);
    drop_unused(&scope, merged, raw);
    read_members(&scope, model);
    ff_scope_close(&scope);
    json_decref(merged);
    json_decref(fiducial);
}
