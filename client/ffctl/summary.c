/* client/ffctl/summary.c - ff_summary_read of summary.h. */
#include "client/ffctl/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/ffctl/reading.h"

static const long max_elements = 1L << 26;
enum { MAX_LISTED = 256 }; /* numbers of a diagnostic that are put into the summary */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, long n, double q)
{
    double place = q * (double)(n - 1);
    long i = (long)place;
    return i + 1 < n ? sorted[i] + (place - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* Mean, sd, median and 68 % interval of x, which is sorted. */
static void put_moments(json_t *entry, double *x, long n)
{
    double mean = 0, square = 0;
    for (long i = 0; i < n; i++) mean += x[i] / (double)n;
    for (long i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    qsort(x, (size_t)n, sizeof *x, ascending);
    const double half = 0.341344746068543; /* of a normal within one sd, on one side */
    json_object_set_new(entry, "mean", ff_reading_number(mean));
    json_object_set_new(entry, "sd", ff_reading_number(n > 1 ? sqrt(square / (double)(n - 1)) : NAN));
    json_object_set_new(entry, "median", ff_reading_number(quantile(x, n, 0.5)));
    json_object_set_new(entry, "low68", ff_reading_number(quantile(x, n, 0.5 - half)));
    json_object_set_new(entry, "high68", ff_reading_number(quantile(x, n, 0.5 + half)));
}

/* A small array of numbers, or NULL. */
static double *numbers_of(ff_h5r *file, const char *path, long *n)
{
    ff_ctx ignored = {0};
    void *data = NULL;
    int rank = 0;
    long shape[FF_MAX_RANK] = {0};
    *n = 0;
    if (!ff_h5r_has(file, path) || ff_h5r_get(file, path, FF_F64_T, MAX_LISTED, &data, &rank, shape, &ignored))
        return NULL;
    *n = 1;
    for (int i = 0; i < rank; i++) *n *= shape[i];
    return data;
}

static void copy_scalar(ff_h5r *file, const char *group, const char *name, json_t *meta)
{
    char path[128];
    long n;
    snprintf(path, sizeof path, "%s/%s", group, name);
    double *value = numbers_of(file, path, &n);
    if (value && n == 1) {
        bool whole = isfinite(*value) && *value == floor(*value) && fabs(*value) < 9e15 && strcmp(name, "seconds") != 0;
        json_object_set_new(meta, name, whole ? json_integer((json_int_t)*value) : ff_reading_number(*value));
    }
    free(value);
}

/* rhat, ess_bulk and ess_tail of /diagnostics into the parameters' entries. */
static void add_diagnostics(ff_h5r *file, json_t *parameters)
{
    static const char *const kinds[] = {"rhat", "ess_bulk", "ess_tail"};
    char **labels = NULL;
    int nlabels = 0;
    ff_ctx ignored = {0};
    if (!ff_h5r_has(file, "diagnostics/parameter")) return;
    if (ff_h5r_labels(file, "diagnostics/parameter", &labels, &nlabels, &ignored)) return;
    for (int k = 0; k < 3; k++) {
        char path[64];
        long n;
        snprintf(path, sizeof path, "diagnostics/%s", kinds[k]);
        double *values = numbers_of(file, path, &n);
        size_t i;
        json_t *entry;
        json_array_foreach(parameters, i, entry)
        {
            for (int label = 0; label < nlabels && label < n; label++) {
                if (strcmp(labels[label], ff_text_of(entry, "name")) != 0) continue;
                json_object_set_new(entry, kinds[k], ff_reading_number(values[label]));
            }
        }
        free(values);
    }
    ff_names_free(labels, nlabels);
}

static ff_err add_parameters(ff_h5r *file, json_t *meta, ff_ctx *ctx)
{
    char **names = NULL;
    int n = 0;
    json_t *parameters = json_array();
    json_object_set_new(meta, "parameters", parameters);
    ff_err err = ff_h5r_list(file, "posterior", &names, &n, ctx);
    for (int i = 0; !err && i < n; i++) {
        char path[160];
        int rank = 0;
        long shape[FF_MAX_RANK] = {0};
        void *data = NULL;
        if (snprintf(path, sizeof path, "posterior/%s", names[i]) >= (int)sizeof path) continue;
        err = ff_h5r_shape(file, path, &rank, shape, ctx);
        if (err || rank != 2) continue;
        err = ff_h5r_get(file, path, FF_F64_T, max_elements, &data, &rank, shape, ctx);
        if (!err && shape[0] * shape[1] > 0) {
            json_t *entry = json_pack("{ss}", "name", names[i]), *truth = ff_reading_truth(meta, names[i]);
            put_moments(entry, data, shape[0] * shape[1]);
            if (truth) json_object_set_new(entry, "truth", truth);
            json_array_append_new(parameters, entry);
            json_object_set_new(meta, "chains", json_integer(shape[0]));
            json_object_set_new(meta, "draws", json_integer(shape[1]));
        }
        free(data);
    }
    ff_names_free(names, n);
    if (!err) add_diagnostics(file, parameters);
    return err;
}

/* The smallest bulk ESS over free parameters, and what one of its effective samples cost. */
static void add_cost(json_t *meta)
{
    double least = INFINITY;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(meta, "parameters"), i, entry)
    {
        const char *name = ff_text_of(entry, "name");
        json_t *ess = json_object_get(entry, "ess_bulk");
        if (!json_is_number(ess) || strcmp(name, "omega_m") == 0 || strcmp(name, "S8") == 0) continue;
        least = fmin(least, json_number_value(ess));
    }
    json_t *gradients = json_object_get(meta, "gradients");
    if (!isfinite(least)) return;
    json_object_set_new(meta, "min_ess", ff_reading_number(least));
    if (gradients && least > 0) {
        json_object_set_new(meta, "gradients_per_min_ess", ff_reading_number(json_number_value(gradients) / least));
    }
}

static bool is_p_value(const char *name)
{
    size_t n = strlen(name);
    return n > 2 && strcmp(name + n - 2, "_p") == 0;
}

static ff_err add_p_values(ff_h5r *file, json_t *meta, ff_ctx *ctx)
{
    char **names = NULL;
    int n = 0;
    if (!ff_h5r_has(file, "posterior_predictive")) return FF_OK;
    ff_err err = ff_h5r_list(file, "posterior_predictive", &names, &n, ctx);
    json_t *values = json_object();
    for (int i = 0; !err && i < n; i++) {
        char path[160];
        long count;
        if (!is_p_value(names[i])) continue;
        if (snprintf(path, sizeof path, "posterior_predictive/%s", names[i]) >= (int)sizeof path) continue;
        double *p = numbers_of(file, path, &count);
        json_t *list = json_array();
        for (long k = 0; k < count; k++) json_array_append_new(list, ff_reading_number(p[k]));
        json_object_set_new(values, names[i], list);
        free(p);
    }
    ff_names_free(names, n);
    json_object_set_new(meta, "p_values", values);
    return err;
}

/* Draws in files of their own (files/chunks.h) are counted by chunks. */
static ff_err add_chunks(ff_h5r *file, json_t *meta, ff_ctx *ctx)
{
    static const char *const columns[] = {"chunks/count", "chunks/valid"};
    json_int_t sum[2] = {0};
    long chunks = 0;
    for (int k = 0; k < 2; k++) {
        void *data = NULL;
        int rank = 0;
        long shape[FF_MAX_RANK] = {0};
        const ff_err err = ff_h5r_get(file, columns[k], FF_I64_T, max_elements, &data, &rank, shape, ctx);
        if (err) return err;
        chunks = rank == 1 ? shape[0] : 0;
        for (long i = 0; i < chunks; i++) sum[k] += ((int64_t *)data)[i];
        free(data);
    }
    json_object_set_new(meta, "count", json_integer(sum[0]));
    json_object_set_new(meta, "invalid", json_integer(sum[0] - sum[1]));
    json_object_set_new(meta, "chunks", json_integer(chunks));
    return FF_OK;
}

static ff_err add_draws(ff_h5r *file, json_t *meta, ff_ctx *ctx)
{
    void *valid = NULL;
    int rank = 0;
    long shape[FF_MAX_RANK] = {0}, invalid = 0;
    if (ff_h5r_has(file, "chunks")) return add_chunks(file, meta, ctx);
    ff_err err = ff_h5r_get(file, "draws/valid", FF_U8_T, max_elements, &valid, &rank, shape, ctx);
    if (err) return err;
    for (long i = 0; i < shape[0]; i++) invalid += ((unsigned char *)valid)[i] == 0;
    free(valid);
    json_object_set_new(meta, "count", json_integer(shape[0]));
    json_object_set_new(meta, "invalid", json_integer(invalid));
    return FF_OK;
}

/* Is a member of one axis the label of a dimension? (/draws/x has more axes and is none.) */
static bool is_dimension(const char *name, int rank)
{
    static const char *const dims[] = {"chain", "draw", "field_draw", "parameter", "bin",  "component", "y",
                                       "x",     "pair", "side",       "band",      "edge", "pixel_y",   "pixel_x"};
    for (size_t i = 0; rank == 1 && i < sizeof dims / sizeof *dims; i++) {
        if (strcmp(name, dims[i]) == 0) return true;
    }
    return false;
}

/* Shapes of the arrays of one group ("" is the root). */
static ff_err add_shapes(ff_h5r *file, const char *group, json_t *shapes, ff_ctx *ctx)
{
    char **names = NULL;
    int n = 0;
    ff_err err = ff_h5r_list(file, group, &names, &n, ctx);
    for (int i = 0; !err && i < n; i++) {
        char path[160];
        int rank = 0;
        long shape[FF_MAX_RANK] = {0};
        ff_ctx ignored = {0};
        if (snprintf(path, sizeof path, "%s%s%s", group, *group ? "/" : "", names[i]) >= (int)sizeof path) continue;
        if (ff_h5r_shape(file, path, &rank, shape, &ignored)) continue; /* a group */
        if (is_dimension(names[i], rank)) continue;
        json_t *sizes = json_array();
        for (int k = 0; k < rank; k++) json_array_append_new(sizes, json_integer(shape[k]));
        json_object_set_new(shapes, path, sizes);
    }
    ff_names_free(names, n);
    return err;
}

static ff_err add_groups(ff_h5r *file, json_t *meta, ff_ctx *ctx)
{
    static const char *const groups[] = {"maps", "simulation", "spectra", "draws"};
    json_t *shapes = json_object();
    json_object_set_new(meta, "arrays", shapes);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        ff_err err = ff_h5r_has(file, groups[i]) ? add_shapes(file, groups[i], shapes, ctx) : FF_OK;
        if (err) return err;
    }
    return FF_OK;
}

/* A dataset has no job in it: its arrays and where it lies on the sky. */
static ff_err describe_dataset(ff_h5r *file, json_t *meta, ff_ctx *ctx)
{
    static const char *const kinds[][2] = {{"shear", "dataset of shear maps"},
                                           {"convergence", "dataset of convergence maps"},
                                           {"shift", "dataset of a shift table"},
                                           {"n", "dataset of an n(z)"}};
    static const char *const numbers[] = {"size_deg", "ra_deg", "dec_deg"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!ff_h5r_has(file, kinds[i][0])) continue;
        json_t *shapes = json_object();
        json_object_set_new(meta, "kind", json_string(kinds[i][1]));
        json_object_set_new(meta, "arrays", shapes);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            double value;
            ff_ctx ignored = {0};
            if (ff_h5r_attr_number(file, "", numbers[k], &value, &ignored)) continue;
            json_object_set_new(meta, numbers[k], ff_reading_number(value));
        }
        return add_shapes(file, "", shapes, ctx);
    }
    return ff_reading_root(file, meta, ctx); /* which says what a result would have */
}

static ff_err summary_body(ff_h5r *file, const void *arg, json_t *meta, double **data, long *n, ff_ctx *ctx)
{
    (void)arg;
    *data = NULL;
    *n = 0;
    ff_ctx no_job = {0};
    if (ff_reading_root(file, meta, &no_job)) return describe_dataset(file, meta, ctx);
    ff_err err = add_groups(file, meta, ctx);
    if (!err && ff_h5r_has(file, "draws")) err = add_draws(file, meta, ctx);
    if (err || !ff_h5r_has(file, "posterior")) return err;
    err = add_parameters(file, meta, ctx);
    static const char *const scalars[] = {"divergences", "warmup_divergences", "gradients", "seconds"};
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) copy_scalar(file, "diagnostics", scalars[i], meta);
    add_cost(meta);
    return err ? err : add_p_values(file, meta, ctx);
}

ff_err ff_summary_read(json_t **out, const char *path, ff_ctx *ctx)
{
    *out = NULL;
    struct ff_reading reading;
    ff_err err = ff_reading_take(&reading, path, summary_body, NULL, ctx);
    if (err) return err;
    *out = json_incref(reading.meta);
    ff_reading_done(&reading);
    json_object_set_new(*out, "file", json_string(path));
    return FF_OK;
}
