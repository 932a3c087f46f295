/* files/fits.c - maps to FITS (files/fits.h), through cfitsio. The keywords follow Calabretta & Greisen 2002 (gnomonic
** TAN) and docs: conventions 4.6. */
#include "files/fits.h"

#include <errno.h>
#include <fitsio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/publish.h"

struct geometry {
    int npix;
    double size_deg, ra_deg, dec_deg;
};

static void put_wcs(fitsfile *f, const struct geometry *g, int *status)
{
    const double pixel = g->size_deg / g->npix, middle = 0.5 * (g->npix + 1);
    const double ra = fmod(fmod(g->ra_deg, 360) + 360, 360);
    fits_write_key_lng(f, "WCSAXES", 2, "", status);
    fits_write_key_str(f, "CTYPE1", "RA---TAN", "gnomonic projection", status);
    fits_write_key_str(f, "CTYPE2", "DEC--TAN", "gnomonic projection", status);
    fits_write_key_dbl(f, "CRPIX1", middle, -15, "centre of the patch", status);
    fits_write_key_dbl(f, "CRPIX2", middle, -15, "centre of the patch", status);
    fits_write_key_dbl(f, "CRVAL1", ra, -15, "[deg] right ascension of the centre", status);
    fits_write_key_dbl(f, "CRVAL2", g->dec_deg, -15, "[deg] declination of the centre", status);
    fits_write_key_dbl(f, "CDELT1", -pixel, -15, "[deg] East is left", status);
    fits_write_key_dbl(f, "CDELT2", pixel, -15, "[deg] North is up", status);
    fits_write_key_str(f, "CUNIT1", "deg", "", status);
    fits_write_key_str(f, "CUNIT2", "deg", "", status);
    fits_write_key_str(f, "RADESYS", "ICRS", "", status);
    fits_write_key_dbl(f, "LONPOLE", 180.0, -15, "", status);
    fits_write_key_dbl(f, "LATPOLE", g->dec_deg, -15, "", status);
}

/* One component, mirrored in x; the sign of component 2 turns with the mirror. */
static void put_image(fitsfile *f, const float *map /* (npix, npix) */, int component, const struct geometry *g,
                      float *row /* (npix) */, int *status)
{
    for (int y = 0; y < g->npix && !*status; y++) {
        const float *from = map + (size_t)y * (size_t)g->npix;
        for (int x = 0; x < g->npix; x++) row[x] = component == 1 ? -from[g->npix - 1 - x] : from[g->npix - 1 - x];
        long first[2] = {1, y + 1};
        fits_write_pix(f, TFLOAT, first, g->npix, row, status);
    }
}

static void put_hdu(fitsfile *f, const char *name, const float *map, int component, int ncomp, const struct geometry *g,
                    const char *const *history, float *row, int *status)
{
    long axes[2] = {g->npix, g->npix};
    fits_create_img(f, FLOAT_IMG, 2, axes, status);
    char extension[FLEN_VALUE];
    if (ncomp == 1) snprintf(extension, sizeof extension, "%s", name);
    if (ncomp > 1) snprintf(extension, sizeof extension, "%.50s_%d", name, component + 1);
    fits_write_key_str(f, "EXTNAME", extension, ncomp > 1 ? "component of a spin-2 field" : "", status);
    put_wcs(f, g, status);
    if (ncomp > 1)
        fits_write_comment(f, "component 2 has the sign of a frame whose x grows to the West, as the pixels do",
                           status);
    for (const char *const *line = history; line && *line; line++) fits_write_history(f, *line, status);
    put_image(f, map, component, g, row, status);
}

static ff_err write_part(const char *part, const char *name, const float *map, int ncomp, const struct geometry *g,
                         const char *const *history, ff_ctx *ctx)
{
    float *row = malloc((size_t)g->npix * sizeof *row); /* (npix) */
    if (!row) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", part);
    fitsfile *f = NULL;
    int status = 0, ignored = 0;
    ff_part_drop(part); /* left by a killed process; cfitsio does not overwrite */
    errno = 0;
    /* "diskfile": the name is a name, brackets in it are no selection. */
    fits_create_diskfile(&f, part, &status);
    for (int c = 0; c < ncomp && !status; c++) {
        put_hdu(f, name, map + (size_t)c * (size_t)g->npix * (size_t)g->npix, c, ncomp, g, history, row, &status);
    }
    if (f) fits_close_file(f, status ? &ignored : &status);
    const int number = errno; /* cfitsio says what failed; why a write failed is only here */
    free(row);
    if (!status) return FF_OK;
    char text[FLEN_STATUS];
    fits_get_errstatus(status, text);
    return ff_write_fail(ctx, number, part, text);
}

ff_err ff_fits_write_map(const char *path, const char *name, const float *map, int ncomp, int npix, double size_deg,
                         double ra_deg, double dec_deg, const char *const *history, ff_ctx *ctx)
{
    if (npix < 1 || ncomp < 1 || ncomp > 2 || !(size_deg > 0)) {
        return ff_fail(ctx, FF_EBUG, FF_HERE, "%s: a map of %d components, %d pixels, %g degrees", path, ncomp, npix,
                       size_deg);
    }
    char *part = ff_part_name(path);
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    const struct geometry g = {npix, size_deg, ra_deg, dec_deg};
    ff_err err = write_part(part, name, map, ncomp, &g, history, ctx);
    if (!err) err = ff_publish(part, path, ctx);
    if (err) ff_part_drop(part);
    free(part);
    return err;
}
