/* client/ffctl/reading.c - see reading.h. The child packs: size of the JSON text (8 bytes), the text, the numbers. */
#include "client/ffctl/reading.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "files/guard.h"

static const size_t max_bytes = (size_t)6 << 30;
static const long max_elements = 1L << 28;
enum { MAX_SECONDS = 300, MAX_SPEC_BYTES = FF_JOB_MAX_BYTES, MAX_TEXT_BYTES = 4096 };

json_t *ff_reading_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

const char *ff_text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_t *ff_json_path(const json_t *object, ...)
{
    va_list names;
    va_start(names, object);
    json_t *at = json_object_get(object, va_arg(names, const char *));
    for (const char *name = va_arg(names, const char *); name && at; name = va_arg(names, const char *)) {
        at = json_object_get(at, name);
    }
    va_end(names);
    return at;
}

json_t *ff_reading_truth(const json_t *meta, const char *name)
{
    json_t *parameters = ff_json_path(meta, "spec", "data", "mock", "parameters", NULL);
    json_t *given = json_object_get(parameters, name);
    if (given) return json_incref(given);
    json_t *omega_c = json_object_get(parameters, "omega_c"), *omega_b = json_object_get(parameters, "omega_b");
    if (!omega_c || !omega_b) return NULL;
    double omega_m = json_number_value(omega_c) + json_number_value(omega_b);
    if (strcmp(name, "omega_m") == 0) return ff_reading_number(omega_m);
    json_t *sigma8 = json_object_get(parameters, "sigma8");
    if (strcmp(name, "S8") == 0 && sigma8) return ff_reading_number(json_number_value(sigma8) * sqrt(omega_m / 0.3));
    return NULL;
}

/* What the child is asked for. */
struct request {
    const char *path;
    ff_reading_body body;
    const void *arg;
};

static ff_err pack(const json_t *meta, const double *data, long n, void **bytes, size_t *size, ff_ctx *ctx)
{
    char *text = json_dumps(meta, JSON_COMPACT);
    if (!text) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "a text of the file is not UTF-8");
    uint64_t length = strlen(text);
    size_t total = sizeof length + length + (size_t)n * sizeof *data;
    char *out = malloc(total);
    if (!out) {
        free(text);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu bytes of a result", total);
    }
    memcpy(out, &length, sizeof length);
    memcpy(out + sizeof length, text, length);
    if (n) memcpy(out + sizeof length + length, data, (size_t)n * sizeof *data);
    free(text);
    *bytes = out;
    *size = total;
    return FF_OK;
}

/* Errors name the file they are about. */
static void name_file(ff_ctx *ctx, const char *path)
{
    char message[FF_MESSAGE_SIZE];
    snprintf(message, sizeof message, "%s", ctx->message);
    ff_fail(ctx, ctx->code, FF_HERE, "%.300s: %s", path, message);
}

static ff_err read_in_child(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    const struct request *request = arg;
    ff_h5r *file = NULL;
    json_t *meta = json_object();
    double *data = NULL;
    long n = 0;
    ff_err err = ff_h5r_open(&file, request->path, ctx);
    if (!err) err = request->body(file, request->arg, meta, &data, &n, ctx);
    if (!err) err = pack(meta, data, n, bytes, size, ctx);
    if (err && !strstr(ctx->message, request->path)) name_file(ctx, request->path);
    free(data);
    json_decref(meta);
    ff_h5r_close(file);
    return err;
}

static ff_err unpack(struct ff_reading *out, const char *path, const char *bytes, size_t size, ff_ctx *ctx)
{
    uint64_t length = 0;
    if (size >= sizeof length) memcpy(&length, bytes, sizeof length);
    if (size < sizeof length || length > size - sizeof length || (size - sizeof length - length) % sizeof(double)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: its reader returned %zu bytes that make no sense", path, size);
    }
    ff_err err = ff_json_parse(&out->meta, bytes + sizeof length, length, ctx);
    if (err) return err;
    if (!json_is_object(out->meta))
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: its reader returned no object", path);
    size_t left = size - sizeof length - length;
    out->n = (long)(left / sizeof(double));
    out->data = malloc(left + 1);
    if (!out->data) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu bytes of %s", left, path);
    memcpy(out->data, bytes + sizeof length + length, left);
    return FF_OK;
}

ff_err ff_reading_take(struct ff_reading *out, const char *path, ff_reading_body body, const void *arg, ff_ctx *ctx)
{
    *out = (struct ff_reading){0};
    struct request request = {.path = path, .body = body, .arg = arg};
    void *bytes = NULL;
    size_t size = 0;
    ff_err err = ff_guard(path, read_in_child, &request, max_bytes, MAX_SECONDS, &bytes, &size, ctx);
    if (!err) err = unpack(out, path, bytes, size, ctx);
    free(bytes);
    if (err) ff_reading_done(out);
    return err;
}

void ff_reading_done(struct ff_reading *reading)
{
    json_decref(reading->meta);
    free(reading->data);
    *reading = (struct ff_reading){0};
}

/* A root attribute that may be absent. */
static void copy_text(ff_h5r *file, const char *name, json_t *meta)
{
    ff_ctx ignored = {0};
    char *text = NULL;
    if (ff_h5r_attr_text(file, "", name, MAX_TEXT_BYTES, &text, &ignored) == FF_OK) {
        json_object_set_new(meta, name, json_string(text));
    }
    free(text);
}

static void copy_number(ff_h5r *file, const char *name, json_t *meta)
{
    ff_ctx ignored = {0};
    double value;
    if (ff_h5r_attr_number(file, "", name, &value, &ignored) != FF_OK) return;
    json_object_set_new(meta, name,
                        value == floor(value) && fabs(value) < 9e15 ? json_integer((json_int_t)value)
                                                                    : ff_reading_number(value));
}

ff_err ff_reading_root(ff_h5r *file, json_t *meta, ff_ctx *ctx)
{
    char *text = NULL;
    json_t *spec = NULL;
    ff_err err = ff_h5r_attr_text(file, "", "spec", MAX_SPEC_BYTES, &text, ctx);
    if (!err) err = ff_json_parse(&spec, text, strlen(text), ctx);
    free(text);
    if (!err && !json_is_object(spec)) err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "it is not an object");
    if (err) {
        char why[FF_MESSAGE_SIZE];
        snprintf(why, sizeof why, "%s", ctx->message);
        json_decref(spec);
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "the root attribute 'spec' holds no job, so this is no result: %.500s", why);
    }
    static const char *const texts[] = {"version", "build", "backend", "device", "created_at"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) copy_text(file, texts[i], meta);
    copy_number(file, "gradients", meta);
    copy_number(file, "model_evaluations", meta);
    static const char *const members[] = {"kind", "name", "seed"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_t *value = json_object_get(spec, members[i]);
        if (value) json_object_set(meta, members[i], value);
    }
    json_object_set_new(meta, "spec", spec);
    return FF_OK;
}

static bool derived(const char *name)
{
    return strcmp(name, "omega_m") == 0 || strcmp(name, "S8") == 0;
}

/* Names of /posterior over (chain, draw), free parameters first, and their common shape. */
static ff_err list_parameters(ff_h5r *file, json_t *names, json_t *meta, long *shape, ff_ctx *ctx)
{
    char **members = NULL;
    int n = 0;
    long nfree = 0;
    ff_err err = ff_h5r_list(file, "posterior", &members, &n, ctx);
    for (int last = 0; !err && last < 2; last++) {
        for (int i = 0; !err && i < n; i++) {
            if (derived(members[i]) != last) continue;
            char path[FF_NAME_SIZE + 64];
            int rank = 0;
            long found[FF_MAX_RANK] = {0};
            if (snprintf(path, sizeof path, "posterior/%s", members[i]) >= (int)sizeof path) continue;
            err = ff_h5r_shape(file, path, &rank, found, ctx);
            if (err || rank != 2) continue;
            if (json_array_size(names) == 0) {
                shape[0] = found[0];
                shape[1] = found[1];
            } else if (found[0] != shape[0] || found[1] != shape[1]) {
                err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "/%s is %ld x %ld, the parameters before it are %ld x %ld",
                              path, found[0], found[1], shape[0], shape[1]);
            }
            json_array_append_new(names, json_string(members[i]));
            nfree += !last;
        }
    }
    json_object_set_new(meta, "nfree", json_integer(nfree));
    ff_names_free(members, n);
    return err;
}

static ff_err append_column(ff_h5r *file, const char *path, const long *shape, double *out, ff_ctx *ctx)
{
    void *column = NULL;
    int rank = 0;
    long found[FF_MAX_RANK] = {0}, n = shape[0] * shape[1];
    ff_err err = ff_h5r_get(file, path, FF_F64_T, n, &column, &rank, found, ctx);
    if (!err && (rank != 2 || found[0] != shape[0] || found[1] != shape[1])) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "/%s is not (%ld chains, %ld draws)", path, shape[0], shape[1]);
    }
    if (!err) memcpy(out, column, (size_t)n * sizeof *out);
    free(column);
    return err;
}

static ff_err samples_body(ff_h5r *file, const void *arg, json_t *meta, double **data, long *n, ff_ctx *ctx)
{
    (void)arg;
    json_t *names = json_array();
    json_object_set_new(meta, "names", names);
    long shape[2] = {0, 0};
    ff_err err = ff_reading_root(file, meta, ctx);
    if (!err && !ff_h5r_has(file, "posterior")) {
        err = ff_fail(ctx, FF_EUSAGE, FF_HERE,
                      "this result is of kind %s and has no /posterior; --map names an array of it",
                      ff_text_of(meta, "kind"));
    }
    if (!err) err = list_parameters(file, names, meta, shape, ctx);
    if (err) return err;
    long nnames = (long)json_array_size(names), per = shape[0] * shape[1];
    if (nnames == 0 || per < 1 || per > max_elements / (nnames + 1)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "/posterior has %ld parameters of %ld x %ld draws; at most %ld numbers are read", nnames,
                       shape[0], shape[1], max_elements);
    }
    json_object_set_new(meta, "chains", json_integer(shape[0]));
    json_object_set_new(meta, "draws", json_integer(shape[1]));
    *n = (nnames + 1) * per;
    *data = malloc((size_t)*n * sizeof **data);
    if (!*data) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld numbers", *n);
    for (long i = 0; !err && i < nnames; i++) {
        char path[FF_NAME_SIZE + 64];
        snprintf(path, sizeof path, "posterior/%s", json_string_value(json_array_get(names, (size_t)i)));
        err = append_column(file, path, shape, *data + i * per, ctx);
    }
    if (!err) err = append_column(file, "sample_stats/lp", shape, *data + nnames * per, ctx);
    return err;
}

static long integer_of(const json_t *object, const char *key)
{
    return (long)json_integer_value(json_object_get(object, key));
}

struct ff_samples ff_samples_of(const struct ff_reading *reading)
{
    return (struct ff_samples){.nnames = (long)json_array_size(json_object_get(reading->meta, "names")),
                               .nfree = integer_of(reading->meta, "nfree"),
                               .nchains = integer_of(reading->meta, "chains"),
                               .ndraws = integer_of(reading->meta, "draws"),
                               .value = reading->data};
}

ff_err ff_reading_samples(struct ff_reading *out, const char *path, ff_ctx *ctx)
{
    ff_err err = ff_reading_take(out, path, samples_body, NULL, ctx);
    if (err) return err;
    struct ff_samples s = ff_samples_of(out);
    bool sound = s.nnames > 0 && s.nfree >= 0 && s.nfree <= s.nnames && s.nchains > 0 && s.ndraws > 0 &&
                 s.nchains <= out->n / s.ndraws && (s.nnames + 1) * (s.nchains * s.ndraws) == out->n;
    if (sound) return FF_OK;
    ff_reading_done(out);
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the sizes of its posterior make no sense", path);
}

const char *ff_samples_name(const struct ff_reading *reading, long i)
{
    const char *name = json_string_value(json_array_get(json_object_get(reading->meta, "names"), (size_t)i));
    return name ? name : "";
}

static ff_err array_body(ff_h5r *file, const void *arg, json_t *meta, double **data, long *n, ff_ctx *ctx)
{
    const char *path = arg;
    int rank = 0;
    long shape[FF_MAX_RANK] = {0};
    ff_ctx no_job = {0};
    if (ff_reading_root(file, meta, &no_job) != FF_OK) { /* a dataset, not a result */
        copy_number(file, "size_deg", meta);
        copy_number(file, "ra_deg", meta);
        copy_number(file, "dec_deg", meta);
    }
    void *values = NULL;
    ff_err err = ff_h5r_get(file, path, FF_F64_T, max_elements, &values, &rank, shape, ctx);
    if (err) return err;
    json_t *sizes = json_array();
    *n = 1;
    for (int i = 0; i < rank; i++) {
        *n *= shape[i];
        json_array_append_new(sizes, json_integer(shape[i]));
    }
    *data = values;
    json_object_set_new(meta, "shape", sizes);
    json_object_set_new(meta, "dataset", json_string(path));
    return FF_OK;
}

ff_err ff_reading_array(struct ff_reading *out, const char *path, const char *name, ff_ctx *ctx)
{
    char dataset[512];
    const char *within = name[0] == '/' ? name + 1 : name;
    int size = snprintf(dataset, sizeof dataset, "%s%s", strchr(name, '/') ? "" : "maps/", within);
    if (size >= (int)sizeof dataset) {
        *out = (struct ff_reading){0};
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the name of the map, '%.40s...', is too long", name);
    }
    return ff_reading_take(out, path, array_body, dataset, ctx);
}
