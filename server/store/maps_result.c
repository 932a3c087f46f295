/* server/store/maps_result.c - a map of a finished result: read in a limited child (files/guard.h), which sends a
** head and the numbers. The parent believes neither. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/guard.h"
#include "files/h5.h"
#include "server/store/maps.h"

enum { SECONDS = 30, WORK_BYTES = 1 << 28, NAMES = 512 };

struct wanted {
    const char *path;
    const struct ff_map_request *r;
};

struct head {
    int64_t nbins, ncomp, npix;
    double size_deg, ra_deg, dec_deg;
};

/* (bin,y,x) or (bin,component,y,x) of square maps? */
static bool is_map(int rank, const long *shape)
{
    return (rank == 3 || rank == 4) && shape[rank - 1] == shape[rank - 2];
}

/* "a, b, c": the maps of /maps. */
static void list_maps(ff_h5r *f, char out[NAMES])
{
    char **names = NULL;
    int n = 0;
    size_t used = 0;
    out[0] = '\0';
    if (!ff_h5r_has(f, "maps") || ff_h5r_list(f, "maps", &names, &n, NULL)) return;
    for (int i = 0; i < n; i++) {
        char path[256];
        int rank;
        long shape[FF_MAX_RANK];
        snprintf(path, sizeof path, "maps/%.200s", names[i]);
        if (!ff_house_plain(names[i]) || ff_h5r_shape(f, path, &rank, shape, NULL) || !is_map(rank, shape)) continue;
        const int put = snprintf(out + used, NAMES - used, "%s%s", used ? ", " : "", names[i]);
        if (put < 0 || (size_t)put >= NAMES - used) break;
        used += (size_t)put;
    }
    ff_names_free(names, n);
}

static ff_err not_there(ff_h5r *f, const char *name, ff_ctx *ctx)
{
    char names[NAMES];
    list_maps(f, names);
    return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "the result has no map \"%s\"; it has %s", name,
                   names[0] ? names : "none");
}

/* One of two components of each of `nbins` bins, moved to the front. */
static void pick_component(float *map, long nbins, long component, long npixels)
{
    for (long b = 0; b < nbins; b++)
        memmove(map + b * npixels, map + (2 * b + component) * npixels, (size_t)npixels * sizeof *map);
}

static ff_err read_map(const struct wanted *w, ff_h5r *f, struct head *head, void **numbers, ff_ctx *ctx)
{
    const struct ff_map_request *r = w->r;
    char path[160];
    int rank = 0;
    long shape[FF_MAX_RANK] = {0};
    snprintf(path, sizeof path, "maps/%s", r->name);
    if (!ff_h5r_has(f, path)) return not_there(f, r->name, ctx);
    ff_err err = ff_h5r_shape(f, path, &rank, shape, ctx);
    if (err) return err;
    if (!is_map(rank, shape)) return not_there(f, r->name, ctx);
    long nbins = shape[0], ncomp = rank == 4 ? shape[1] : 0, npix = shape[rank - 1];
    err = ff_house_map_check(r, &nbins, ncomp, npix, ctx);
    if (!err) {
        err = ff_h5r_rows(f, path, FF_F32_T, r->bin < 0 ? 0 : r->bin, nbins, ff_house_max_map, numbers, &rank, shape,
                          ctx);
    }
    if (err) return err;
    if (ncomp && r->component >= 0) {
        pick_component(*numbers, nbins, r->component, npix * npix);
        ncomp = 0;
    }
    *head = (struct head){.nbins = nbins, .ncomp = ncomp, .npix = npix};
    /* Absent: the maps have no place on the sky. */
    if (ff_h5r_attr_number(f, "maps", "size_deg", &head->size_deg, NULL)) head->size_deg = 0;
    if (ff_h5r_attr_number(f, "maps", "ra_deg", &head->ra_deg, NULL)) head->ra_deg = 0;
    if (ff_h5r_attr_number(f, "maps", "dec_deg", &head->dec_deg, NULL)) head->dec_deg = 0;
    return FF_OK;
}

static ff_err read_in_child(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    const struct wanted *w = arg;
    ff_h5r *f;
    struct head head = {0};
    void *numbers = NULL;
    ff_err err = ff_h5r_open(&f, w->path, ctx);
    if (err) return err;
    err = read_map(w, f, &head, &numbers, ctx);
    ff_h5r_close(f);
    if (err) return err;
    const size_t length = sizeof(float) * (size_t)(head.nbins * (head.ncomp ? head.ncomp : 1) * head.npix * head.npix);
    char *block = malloc(sizeof head + length);
    if (!block) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a map");
    memcpy(block, &head, sizeof head);
    memcpy(block + sizeof head, numbers, length);
    *bytes = block;
    *size = sizeof head + length;
    return FF_OK;
}

/* The block of the child into out: its array is moved to the front of the same memory. */
static ff_err take(void *block, size_t size, const struct wanted *w, struct ff_house_map *out, ff_ctx *ctx)
{
    struct head h = {0};
    if (size >= sizeof h) memcpy(&h, block, sizeof h);
    const int64_t planes = h.ncomp ? 2 : 1; /* of a bin */
    bool good = size >= sizeof h && h.npix >= 1 && h.npix <= FF_HOUSE_MAX_NPIX && h.nbins >= 1 &&
                (h.ncomp == 0 || (h.ncomp == 2 && w->r->component < 0)) &&
                h.nbins <= ff_house_max_map / h.npix / h.npix / planes && (w->r->bin < 0 || h.nbins == 1);
    good = good && size == sizeof h + sizeof(float) * (size_t)(h.nbins * planes * h.npix * h.npix);
    if (!good || !isfinite(h.size_deg) || !isfinite(h.ra_deg) || !isfinite(h.dec_deg)) {
        free(block);
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the result is damaged: its reader was damaged by it");
    }
    memmove(block, (char *)block + sizeof h, size - sizeof h);
    *out = (struct ff_house_map){.nbins = (int)h.nbins,
                                 .npix = (int)h.npix,
                                 .ncomp = (int)h.ncomp,
                                 .one_bin = w->r->bin >= 0,
                                 .size_deg = h.size_deg,
                                 .ra_deg = h.ra_deg,
                                 .dec_deg = h.dec_deg,
                                 .map = block};
    return FF_OK;
}

ff_err ff_house_map_of_result(ff_storehouse *s, const struct ff_map_request *r, struct ff_house_map *out, ff_ctx *ctx)
{
    int fd;
    struct stat st;
    char path[64];
    void *block = NULL;
    size_t size = 0;
    ff_err err = ff_house_open(s, r->result, &fd, &st, ctx);
    if (err) return err;
    ff_house_fd_path(fd, path);
    struct wanted w = {path, r};
    err = ff_house_reader_enter(s, ctx);
    if (!err) {
        const size_t max_bytes = 3 * sizeof(float) * (size_t)ff_house_max_map + WORK_BYTES;
        err = ff_guard(path, read_in_child, &w, max_bytes, SECONDS, &block, &size, ctx);
        ff_house_reader_leave(s);
        if (err) ff_house_hide(ctx, path, "the result");
    }
    close(fd);
    return err ? err : take(block, size, &w, out, ctx);
}
