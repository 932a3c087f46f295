/* common/job_model.c - "model" of a job: simulator, field, observable, log-normal shifts (docs/job.md). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/job_parts.h"
#include "common/preset.h"

enum { MIN_NPIX = 8, MAX_NPIX = 8192 };

static const struct ff_choice simulators[] = {{"gaussian", FF_SIM_GAUSSIAN, false},
                                              {"lognormal", FF_SIM_LOGNORMAL, false},
                                              {"lpt", FF_SIM_LPT, true},
                                              {"pm", FF_SIM_PM, true},
                                              {NULL, 0, false}};
static const struct ff_choice presets[] = {{"lsst-y10", 0, false},    {"cosmos", 0, false},    {"porqueres23", 0, true},
                                           {"lsst-y10-lpt", 0, true}, {"des-y3-lpt", 0, true}, {NULL, 0, false}};
static const struct ff_choice observables[] = {{"convergence", FF_CONVERGENCE, false},
                                               {"shear", FF_SHEAR, false},
                                               {"reduced_shear", FF_REDUCED_SHEAR, false},
                                               {NULL, 0, false}};
static const struct ff_choice variances[] = {
    {"theory", FF_VARIANCE_THEORY, false}, {"empirical", FF_VARIANCE_EMPIRICAL, false}, {NULL, 0, false}};
static const struct ff_choice powers[] = {
    {"halofit", FF_POWER_HALOFIT, false}, {"linear", FF_POWER_LINEAR, false}, {NULL, 0, false}};

/* Only such sizes have fast transforms. */
static bool product_of_235(int n)
{
    static const int primes[] = {2, 3, 5};
    for (int i = 0; i < 3; i++) {
        while (n % primes[i] == 0) n /= primes[i];
    }
    return n == 1;
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
    if (!ff_failed(&field) && !product_of_235(model->npix))
        ff_scope_fail(&field, "npix", FF_EBADJOB, FF_HERE, "%d is not a product of 2, 3 and 5; allowed: %d to %d",
                      model->npix, MIN_NPIX, MAX_NPIX);
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
    model->power = (enum ff_power)ff_read_choice(scope, "power", powers, "halofit");
    ff_refuse_unbuilt(scope, "lpt");
    ff_refuse_unbuilt(scope, "pm");
}

/* Another simulator has no use for "lognormal": a preset's is left out, the job's own is refused. */
static void drop_lognormal(struct ff_scope *scope, json_t *merged, const json_t *raw)
{
    const char *simulator = json_string_value(json_object_get(merged, "simulator"));
    if (!simulator || strcmp(simulator, "gaussian") != 0) return;
    const json_t *own = json_object_get(raw, "lognormal");
    if (own && !(json_is_object(own) && json_object_size(own) == 0))
        ff_scope_fail(scope, "lognormal", FF_EBADJOB, FF_HERE,
                      "the simulator gaussian has no log-normal shift or variance; allowed: nothing, or \"simulator\": "
                      "\"lognormal\"");
    json_object_del(merged, "lognormal");
}

void ff_job_read_model(struct ff_scope *root, struct ff_model *model)
{
    struct ff_scope scope;
    const json_t *raw = ff_scope_has(root, "model") ? json_object_get(root->in, "model") : NULL;
    json_t *merged = NULL;
    if (ff_failed(root)) return;
    if (json_is_object(raw)) {
        root->reader->err = ff_preset_merge(&merged, raw, root->reader->ctx);
        if (ff_failed(root)) return;
    }
    ff_scope_object_from(&scope, root, "model", merged ? merged : raw);
    drop_lognormal(&scope, merged, raw);
    read_members(&scope, model);
    ff_scope_close(&scope);
    json_decref(merged);
}
