/* server/store/maps_encode.c - a map as .npy, FITS or picture in memory. The writers of FITS and PNG (files/) want a
** path: they write into uploads/ under a random name, and what they wrote is read back and removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/fits.h"
#include "files/npy.h"
#include "files/picture.h"
#include "server/store/maps.h"

enum { MAX_FILE = 1 << 30 };

static ff_err to_npy(const struct ff_house_map *map, void **bytes, size_t *size, ff_ctx *ctx)
{
    char head[FF_NPY_HEAD];
    long shape[4];
    int rank = 0;
    if (!map->one_bin) shape[rank++] = map->nbins;
    if (map->ncomp) shape[rank++] = map->ncomp;
    shape[rank++] = map->npix;
    shape[rank++] = map->npix;
    const size_t n = ff_npy_head(head, FF_F32_T, rank, shape);
    const size_t planes = (size_t)map->nbins * (size_t)(map->ncomp ? map->ncomp : 1);
    const size_t length = planes * (size_t)map->npix * (size_t)map->npix * sizeof(float);
    char *out = malloc(n + length);
    if (!out) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a map");
    memcpy(out, head, n);
    memcpy(out + n, map->map, length);
    *bytes = out;
    *size = n + length;
    return FF_OK;
}

/* "bin 2", and which component where that is another than the first. */
static void describe(const struct ff_map_request *r, char out[48])
{
    if (r->component > 0)
        snprintf(out, 48, "bin %d, component %d", r->bin, r->component);
    else
        snprintf(out, 48, "bin %d", r->bin);
}

static ff_err write_fits(const char *path, const struct ff_map_request *r, const struct ff_house_map *map, ff_ctx *ctx)
{
    char lines[2][160], which[48];
    const char *history[3] = {lines[0], lines[1], NULL};
    const long npixels = (long)map->npix * map->npix;
    describe(r, which);
    snprintf(lines[0], sizeof lines[0], "job %.60s", r->job);
    snprintf(lines[1], sizeof lines[1], "map %.60s, %s%s", r->name, which, r->result ? "" : ", of a running job");
    /* The writer mirrors x, and knows of one component only: the sign that component 1 changes with the mirror is
    ** ours. */
    for (long i = 0; r->component == 1 && i < npixels; i++) map->map[i] = -map->map[i];
    return ff_fits_write_map(path, r->name, map->map, 1, map->npix, map->size_deg, map->ra_deg, map->dec_deg, history,
                             ctx);
}

static ff_err write_png(const char *path, const struct ff_map_request *r, const struct ff_house_map *map, ff_ctx *ctx)
{
    char title[160], which[48];
    bool signs = false;
    for (long i = 0; i < (long)map->npix * map->npix; i++) signs |= map->map[i] < 0;
    describe(r, which);
    snprintf(title, sizeof title, "%.100s, %s", r->name, which);
    return ff_picture_map(path, title, map->map, map->npix, map->size_deg, map->ra_deg, map->dec_deg, signs, ctx);
}

static ff_err read_back(int folder, const char *name, void **bytes, size_t *size, ff_ctx *ctx)
{
    int fd;
    struct stat st;
    ff_err err = ff_house_open_at(folder, name, "the picture", &fd, &st, ctx);
    if (err) return err;
    if (st.st_size > MAX_FILE) err = ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "the file of the map is too large");
    char *out = err ? NULL : malloc((size_t)st.st_size + 1);
    if (!err && !out) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the file of a map");
    if (!err) err = ff_house_read_at(fd, out, (size_t)st.st_size, 0, size, "the picture", ctx);
    close(fd);
    if (err) {
        free(out);
        return err;
    }
    *bytes = out;
    return FF_OK;
}

ff_err ff_house_map_encode(ff_storehouse *s, const struct ff_map_request *r, const struct ff_house_map *map,
                           void **bytes, size_t *size, ff_ctx *ctx)
{
    if (!strcmp(r->format, "npy")) return to_npy(map, bytes, size, ctx);
    if (!(map->size_deg > 0)) {
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "map \"%s\" has no place on the sky: it comes as npy only",
                       r->name);
    }
    const bool fits = !strcmp(r->format, "fits");
    char name[48], path[128];
    const int folder = ff_house_subfolder(s->fd, "uploads", false);
    if (folder < 0) return ff_house_fail(ctx, errno, "cannot open the folder for", "the picture");
    ff_house_random_name(name, sizeof name, fits ? ".fits" : ".png");
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder, name);
    pthread_mutex_lock(&s->picture_lock);
    ff_err err = fits ? write_fits(path, r, map, ctx) : write_png(path, r, map, ctx);
    pthread_mutex_unlock(&s->picture_lock);
    if (err)
        ff_house_hide(ctx, path, "the picture");
    else
        err = read_back(folder, name, bytes, size, ctx);
    unlinkat(folder, name, 0);
    close(folder);
    return err;
}
