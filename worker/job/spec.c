/* worker/job/spec.c - see spec.h. */
#include "worker/job/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next member of a JSON pointer (RFC 6901), unescaped; returns what follows it, or NULL when it does not fit. */
static const char *next_member(const char *pointer, char *out, size_t size)
{
    size_t n = 0;
    for (pointer++; *pointer && *pointer != '/'; pointer++) {
        char c = *pointer;
        if (c == '~' && (pointer[1] == '0' || pointer[1] == '1')) c = *++pointer == '0' ? '~' : '/';
        if (n + 1 >= size) return NULL;
        out[n++] = c;
    }
    out[n] = '\0';
    return pointer;
}

/* Sets what stands at `pointer`; false when nothing does. */
static bool set_at(json_t *root, const char *pointer, json_t *value)
{
    char key[FF_POINTER_SIZE];
    for (json_t *at = root; at && *pointer == '/';) {
        pointer = next_member(pointer, key, sizeof key);
        if (!pointer) return false;
        json_t *child = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
        if (!child) return false;
        if (!*pointer)
            return !(json_is_array(at) ? json_array_set(at, strtoul(key, NULL, 10), value)
                                       : json_object_set(at, key, value));
        at = child;
    }
    return false;
}

static ff_err resolve(json_t *spec, const struct ff_dataset_ref *ref, ff_ctx *ctx)
{
    char hash[FF_HASH_SIZE];
    if (!ref->path[0]) return FF_OK;
    ff_err err = ff_hash_file(ref->path, hash, ctx);
    if (err) {
        snprintf(ctx->pointer, sizeof ctx->pointer, "%s", ref->pointer);
        return err;
    }
    json_t *text = json_sprintf("sha256:%s", hash);
    if (!text) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the spec of the job");
    if (!set_at(spec, ref->pointer, text))
        err = ff_fail_at(ctx, FF_EBUG, ref->pointer, FF_HERE, "the dataset %s has no place in the spec of the job",
                         ref->path);
    json_decref(text);
    return err;
}

ff_err ff_spec_resolve(json_t **out, const struct ff_job *job, ff_ctx *ctx)
{
    *out = NULL;
    json_t *spec = json_deep_copy(job->spec);
    if (!spec) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the spec of the job");
    ff_err err = resolve(spec, &job->model.shift_table, ctx);
    if (!err) err = resolve(spec, &job->data.dataset, ctx);
    if (!err) err = resolve(spec, &job->data.mask, ctx);
    for (int i = 0; !err && i < job->model.sources.nbins; i++) err = resolve(spec, &job->model.nz[i], ctx);
    if (err) {
        json_decref(spec);
        return err;
    }
    *out = spec;
    return FF_OK;
}

ff_err ff_spec_hash(const json_t *spec, char out[FF_HASH_SIZE], ff_ctx *ctx)
{
    out[0] = '\0';
    json_t *copy = json_deep_copy(spec);
    json_t *sampler = copy ? json_object_get(copy, "sampler") : NULL;
    if (copy) (void)json_object_del(copy, "resources");
    if (sampler) {
        (void)json_object_del(sampler, "draws");
        (void)json_object_del(sampler, "until");
    }
    char *text = copy ? json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(copy);
    if (!text) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the text of the job");
    ff_hash_bytes(text, strlen(text), out);
    free(text);
    return FF_OK;
}
