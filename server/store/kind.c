/* server/store/kind.c - is a file a dataset, and of which kind (inside.h)? A stranger's file: it is opened in a
** limited child only, which looks at the names in it and has the reader of that kind (files/dataset.h, a child of
** its own) check every number. The arrays stay in those children: the server's memory does not grow with what a
** small file unpacks to. */
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"
#include "files/guard.h"
#include "files/h5.h"
#include "server/store/inside.h"

/* Address space of the check, its CPU time (the inner child's limit is of this form, too, and smaller). */
static const size_t max_bytes = (size_t)12 << 30;
enum { SECONDS = 40, BYTES_PER_SECOND = 1 << 24, KIND = 16 };

enum what { MAPS, NZ, SHIFT };

/* By the names that only one kind has; a file of none goes to the reader of maps, which says what it misses. */
static ff_err look(const char *path, enum what *what, ff_ctx *ctx)
{
    ff_h5r *f;
    ff_err err = ff_h5r_open(&f, path, ctx);
    if (err) return err;
    const bool maps = ff_h5r_has(f, "convergence") || ff_h5r_has(f, "shear");
    const bool nz = ff_h5r_has(f, "z") && ff_h5r_has(f, "n"), shift = ff_h5r_has(f, "shift");
    ff_h5r_close(f);
    if (maps + nz + shift != 1) {
        return ff_fail(
            ctx, FF_EBADFILE, FF_HERE,
            "%s is %s dataset: one has /convergence or /shear (maps), /z and /n (a redshift distribution) or "
            "/shift (a table of shifts)",
            path, maps + nz + shift ? "more than one" : "no");
    }
    *what = maps ? MAPS : nz ? NZ : SHIFT;
    return FF_OK;
}

static ff_err read_whole(const char *path, enum what what, const char **kind, ff_ctx *ctx)
{
    struct ff_maps maps;
    struct ff_curve curve;
    struct ff_shift_table shift;
    ff_err err = FF_OK;
    switch (what) {
    case MAPS:
        err = ff_maps_read(&maps, path, ctx);
        if (err) break;
        *kind = maps.observable == FF_CONVERGENCE ? "convergence" : "shear";
        ff_maps_done(&maps);
        break;
    case NZ:
        err = ff_curve_read(&curve, path, ctx);
        if (err) break;
        *kind = "nz";
        ff_curve_done(&curve);
        break;
    case SHIFT:
        err = ff_shift_read(&shift, path, ctx);
        if (err) break;
        *kind = "shift";
        ff_shift_done(&shift);
        break;
    }
    return err;
}

static ff_err check_in_child(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    const char *path = arg, *kind = "";
    enum what what = MAPS;
    ff_err err = look(path, &what, ctx);
    if (!err) err = read_whole(path, what, &kind, ctx);
    if (err) return err;
    char *text = calloc(1, KIND);
    if (!text) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory");
    snprintf(text, KIND, "%s", kind);
    *bytes = text;
    *size = KIND;
    return FF_OK;
}

/* The child may say anything. */
static ff_err take_kind(const char *bytes, size_t size, char kind[KIND], ff_ctx *ctx)
{
    static const char *const kinds[] = {"convergence", "shear", "nz", "shift"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (size != KIND || strncmp(bytes, kinds[i], KIND)) continue;
        snprintf(kind, KIND, "%s", kinds[i]);
        return FF_OK;
    }
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the file is damaged: its reader was damaged by it");
}

ff_err ff_house_dataset_kind(ff_storehouse *s, int fd, int64_t size, char kind[16], ff_ctx *ctx)
{
    char path[64];
    void *bytes;
    size_t nbytes;
    kind[0] = '\0';
    ff_house_fd_path(fd, path);
    ff_err err = ff_house_reader_enter(s, ctx);
    if (err) return err;
    err =
        ff_guard(path, check_in_child, path, max_bytes, SECONDS + (int)(size / BYTES_PER_SECOND), &bytes, &nbytes, ctx);
    ff_house_reader_leave(s);
    if (!err)
        err = take_kind(bytes, nbytes, kind, ctx);
    else
        ff_house_hide(ctx, path, "the file");
    free(bytes);
    return err;
}
