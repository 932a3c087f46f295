/* server/store/maps_chains.c - a map of a running posterior, merged over its chains. Each chain's attempt leaves
** maps.npy (map,bin,y,x) and maps.json {"names","draws","size_deg","ra_deg","dec_deg"} of the draws it has gathered;
** they are pooled as means and sums of squares are (Chan, Golub, LeVeque 1983): X_mean weighted by draws, X_sd from
** X_sd and X_mean. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/job.h"
#include "server/store/maps.h"
#include "server/store/rows.h"

enum { MAX_JSON = 1 << 16 };

/* The preview of one chain. */
struct preview {
    json_t *facts;
    struct ff_house_npy npy;
    long draws;
};

/* What the chains gave so far. */
struct pool {
    const struct ff_map_request *r;
    long bins, npix; /* of the file */
    long nbins;      /* wanted */
    long n;          /* numbers wanted */
    long draws;
    double *mean, *m2; /* (n) */
    float *block;      /* (npix, npix) */
    char names[512];   /* of the first preview */
    struct ff_house_map *out;
};

static void preview_done(struct preview *p)
{
    json_decref(p->facts);
    ff_house_npy_close(&p->npy);
}

static ff_err read_facts(int folder, json_t **out, ff_ctx *ctx)
{
    int fd;
    struct stat st;
    size_t got = 0;
    ff_err err = ff_house_open_at(folder, "maps.json", "maps.json", &fd, &st, ctx);
    if (err) return err;
    char *text = malloc(MAX_JSON);
    err = text ? ff_house_read_at(fd, text, MAX_JSON, 0, &got, "maps.json", ctx)
               : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for maps.json");
    close(fd);
    if (!err) err = ff_json_parse(out, text, got, ctx);
    free(text);
    return err;
}

static ff_err open_preview(struct preview *p, int folder, ff_ctx *ctx)
{
    *p = (struct preview){.npy.fd = -1};
    ff_err err = read_facts(folder, &p->facts, ctx);
    if (!err) err = ff_house_npy_open(&p->npy, folder, "maps.npy", ctx);
    if (err) {
        preview_done(p);
        return err;
    }
    const json_int_t draws = json_integer_value(json_object_get(p->facts, "draws"));
    const size_t names = json_array_size(json_object_get(p->facts, "names"));
    const long *shape = p->npy.head.shape;
    p->draws = draws > 0 && draws < INT32_MAX ? (long)draws : 0;
    if (p->npy.head.rank == 4 && shape[2] == shape[3] && (size_t)shape[0] == names) return FF_OK;
    preview_done(p);
    return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                   "the preview of a chain's maps is not (map,bin,y,x) of the maps it names");
}

/* Place of a map among those of a preview, -1: not there. */
static long place_of(const struct preview *p, const char *name)
{
    const json_t *names = json_object_get(p->facts, "names");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *text = json_string_value(json_array_get(names, i));
        if (text && !strcmp(text, name)) return (long)i;
    }
    return -1;
}

static void list_names(const struct preview *p, char *out, size_t size)
{
    const json_t *names = json_object_get(p->facts, "names");
    size_t used = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *text = json_string_value(json_array_get(names, i));
        if (!text || !ff_house_plain(text)) continue;
        const int put = snprintf(out + used, size - used, "%s%s", used ? ", " : "", text);
        if (put < 0 || (size_t)put >= size - used) break;
        used += (size_t)put;
    }
}

static double fact(const struct preview *p, const char *key)
{
    const double value = json_number_value(json_object_get(p->facts, key));
    return isfinite(value) ? value : 0;
}

/* The first preview says how large the maps are; the others have to agree. */
static ff_err fit(struct pool *pool, const struct preview *p, ff_ctx *ctx)
{
    const long *shape = p->npy.head.shape;
    if (pool->mean) {
        if (shape[1] == pool->bins && shape[2] == pool->npix) return FF_OK;
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the maps of the chains differ in shape");
    }
    pool->bins = pool->nbins = shape[1];
    pool->npix = shape[2];
    ff_err err = ff_house_map_check(pool->r, &pool->nbins, 0, pool->npix, ctx);
    if (err) return err;
    pool->n = pool->nbins * pool->npix * pool->npix;
    pool->mean = calloc((size_t)pool->n, sizeof *pool->mean);
    pool->m2 = calloc((size_t)pool->n, sizeof *pool->m2);
    pool->block = malloc((size_t)(pool->npix * pool->npix) * sizeof *pool->block);
    if (!pool->mean || !pool->m2 || !pool->block) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to merge maps");
    pool->out->size_deg = fact(p, "size_deg");
    pool->out->ra_deg = fact(p, "ra_deg");
    pool->out->dec_deg = fact(p, "dec_deg");
    return FF_OK;
}

/* Where in the file one wanted bin of a map starts. */
static long start_of(const struct pool *pool, long map, long bin)
{
    const long first = pool->r->bin < 0 ? 0 : pool->r->bin;
    return (map * pool->bins + first + bin) * pool->npix * pool->npix;
}

/* Means of a chain into the pool, which has pool->draws draws so far. */
static ff_err add_mean(struct pool *pool, const struct preview *p, long map, ff_ctx *ctx)
{
    const long pixels = pool->npix * pool->npix;
    const double n = (double)pool->draws, m = (double)p->draws, all = n + m;
    for (long b = 0; b < pool->nbins; b++) {
        ff_err err = ff_house_npy_read(&p->npy, FF_F32_T, start_of(pool, map, b), pixels, pool->block, ctx);
        if (err) return err;
        for (long i = 0; i < pixels; i++) {
            double *mean = &pool->mean[b * pixels + i];
            const double difference = (double)pool->block[i] - *mean;
            *mean += difference * m / all;
            pool->m2[b * pixels + i] += difference * difference * n * m / all;
        }
    }
    return FF_OK;
}

/* Spread within a chain. */
static ff_err add_sd(struct pool *pool, const struct preview *p, long map, ff_ctx *ctx)
{
    const long pixels = pool->npix * pool->npix;
    for (long b = 0; b < pool->nbins; b++) {
        ff_err err = ff_house_npy_read(&p->npy, FF_F32_T, start_of(pool, map, b), pixels, pool->block, ctx);
        if (err) return err;
        for (long i = 0; i < pixels; i++) {
            const double sd = (double)pool->block[i];
            pool->m2[b * pixels + i] += sd * sd * (double)(p->draws - 1);
        }
    }
    return FF_OK;
}

/* "X_mean" for "X_sd"; false: the name is of another form. */
static bool mean_name(const char *name, char *out, size_t size)
{
    const size_t n = strlen(name);
    if (n < 3 || strcmp(name + n - 3, "_sd")) return false;
    snprintf(out, size, "%.*s_mean", (int)(n - 3), name);
    return true;
}

static ff_err add_chain(struct pool *pool, const struct preview *p, ff_ctx *ctx)
{
    char mean[128];
    if (!pool->names[0]) list_names(p, pool->names, sizeof pool->names);
    const long place = place_of(p, pool->r->name);
    if (place < 0 || p->draws < 1) return FF_OK;
    const bool sd = mean_name(pool->r->name, mean, sizeof mean);
    const long mean_place = sd ? place_of(p, mean) : place;
    if (mean_place < 0) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "a chain has \"%s\" without its mean", pool->r->name);
    ff_err err = fit(pool, p, ctx);
    if (!err) err = add_mean(pool, p, mean_place, ctx);
    if (!err && sd) err = add_sd(pool, p, place, ctx);
    if (!err) pool->draws += p->draws;
    return err;
}

static ff_err add_all(ff_storehouse *s, struct pool *pool, ff_ctx *ctx)
{
    const char *task;
    json_t *attempt;
    ff_err err = FF_OK;
    json_object_foreach((json_t *)pool->r->attempts, task, attempt)
    {
        const int folder = ff_house_attempt_folder(s, pool->r->job, task, json_integer_value(attempt));
        if (folder < 0) continue;
        struct preview p;
        err = open_preview(&p, folder, ctx);
        close(folder);
        if (err == FF_ENOTFOUND) { /* nothing gathered yet */
            err = FF_OK;
            continue;
        }
        if (err) return err;
        err = add_chain(pool, &p, ctx);
        preview_done(&p);
        if (err) return err;
    }
    return err;
}

/* The pooled numbers as the map that was asked for. */
static ff_err give(struct pool *pool, ff_ctx *ctx)
{
    char unused[128];
    float *map = malloc((size_t)pool->n * sizeof *map);
    if (!map) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a map");
    const bool sd = mean_name(pool->r->name, unused, sizeof unused);
    for (long i = 0; i < pool->n; i++) {
        const double spread = pool->draws > 1 ? sqrt(pool->m2[i] / (double)(pool->draws - 1)) : 0;
        map[i] = (float)(sd ? spread : pool->mean[i]);
    }
    pool->out->map = map;
    pool->out->nbins = (int)pool->nbins;
    pool->out->npix = (int)pool->npix;
    pool->out->one_bin = pool->r->bin >= 0;
    return FF_OK;
}

ff_err ff_house_map_of_chains(ff_storehouse *s, const struct ff_map_request *r, struct ff_house_map *out, ff_ctx *ctx)
{
    struct pool pool = {.r = r, .out = out};
    *out = (struct ff_house_map){0};
    /* The sums are the largest thing here: as few at the same time as children that read files. */
    ff_err err = ff_house_reader_enter(s, ctx);
    if (err) return err;
    err = add_all(s, &pool, ctx);
    if (!err && pool.mean) {
        err = give(&pool, ctx);
    } else if (!err && pool.names[0]) {
        err = ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "there is no map \"%s\" of draws yet; there are %s", r->name,
                      pool.names);
    } else if (!err) {
        err = ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "there is no map \"%s\" yet; there are none", r->name);
    }
    free(pool.mean);
    free(pool.m2);
    free(pool.block);
    ff_house_reader_leave(s);
    return err;
}
