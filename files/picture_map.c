/* files/picture_map.c - ff_picture_map of picture.h: one map with axes in degrees and a colour bar. Maps coarser than the
** picture are interpolated through their pixels' centres (Catmull-Rom), finer ones averaged; masked pixels are grey. */
#include "files/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/picture_axis.h"
#include "files/picture_canvas.h"

enum { LEFT = 104, TOP = 58, PANEL = 660, GAP = 26, BAR = 22, RIGHT = 92, BOTTOM = 72, MAX_NPIX = 32768 };

static const struct ff_colour ink = {25, 25, 28}, masked = {190, 190, 190};
static const double cap = 12, title_cap = 14;

struct picture {
    struct ff_canvas canvas;
    const float *map; /* (npix, npix) */
    int npix;
    double size_deg, ra_deg, dec_deg;
    enum ff_scale scale;
    double low, high; /* ends of the colour scale */
};

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Ends of the colour scale: all but the outermost half percent at either end, so that one peak does not pale the rest. */
static ff_err choose_scale(struct picture *p, ff_ctx *ctx)
{
    size_t n = (size_t)p->npix * (size_t)p->npix, kept = 0;
    float *sorted = malloc(n * sizeof *sorted);
    if (!sorted) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to draw a map of %zu pixels", n);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(p->map[i])) sorted[kept++] = p->map[i];
    }
    qsort(sorted, kept, sizeof *sorted, ascending);
    p->low = kept ? sorted[(size_t)(0.005 * (double)(kept - 1))] : -1;
    p->high = kept ? sorted[(size_t)(0.995 * (double)(kept - 1))] : 1;
    free(sorted);
    if (p->scale == FF_SCALE_DIVERGING) {
        p->high = fmax(fabs(p->low), fabs(p->high));
        p->low = -p->high;
    }
    if (!(p->high > p->low)) {
        double width = fmax(1e-6, 0.01 * fabs(p->high));
        p->low -= width;
        p->high += width;
    }
    return FF_OK;
}

static int clamp(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static void catmull_rom(double t, double *w /* (4) */)
{
    w[0] = t * (-0.5 + t * (1 - 0.5 * t));
    w[1] = 1 + t * t * (-2.5 + 1.5 * t);
    w[2] = t * (0.5 + t * (2 - 1.5 * t));
    w[3] = t * t * (-0.5 + 0.5 * t);
}

/* Value at (x, y) in map pixels; NAN on a masked pixel. Masked neighbours take the centre's value. */
static double interpolate(const struct picture *p, double x, double y)
{
    double centre = p->map[(long)clamp((int)floor(y), p->npix) * p->npix + clamp((int)floor(x), p->npix)];
    if (!isfinite(centre)) return NAN;
    double u = x - 0.5, v = y - 0.5, wx[4], wy[4], sum = 0;
    int i = (int)floor(u), j = (int)floor(v);
    catmull_rom(u - i, wx);
    catmull_rom(v - j, wy);
    for (int b = 0; b < 4; b++) {
        for (int a = 0; a < 4; a++) {
            double value = p->map[(long)clamp(j + b - 1, p->npix) * p->npix + clamp(i + a - 1, p->npix)];
            sum += wx[a] * wy[b] * (isfinite(value) ? value : centre);
        }
    }
    return sum;
}

/* Mean of the map pixels whose centres lie in a picture pixel. */
static double average(const struct picture *p, double x, double y, double side)
{
    double sum = 0;
    int n = 0;
    for (int j = (int)floor(y - side / 2); j < (int)floor(y + side / 2); j++) {
        for (int i = (int)floor(x - side / 2); i < (int)floor(x + side / 2); i++) {
            double value = p->map[(long)clamp(j, p->npix) * p->npix + clamp(i, p->npix)];
            if (!isfinite(value)) continue;
            sum += value;
            n++;
        }
    }
    return n ? sum / n : NAN;
}

static void draw_pixels(struct picture *p)
{
    double side = (double)p->npix / PANEL; /* map pixels a picture pixel */
    for (int j = 0; j < PANEL; j++) {
        for (int i = 0; i < PANEL; i++) {
            double x = p->npix - (i + 0.5) * side, y = p->npix - (j + 0.5) * side;
            double value = side > 1 ? average(p, x, y, side) : interpolate(p, x, y);
            struct ff_colour colour =
                isfinite(value) ? ff_scale_colour(p->scale, (value - p->low) / (p->high - p->low)) : masked;
            ff_canvas_blend(&p->canvas, LEFT + i, TOP + j, colour, 1);
        }
    }
}

static void draw_colour_bar(struct picture *p)
{
    double x = LEFT + PANEL + GAP;
    for (int j = 0; j < PANEL; j++) {
        struct ff_colour colour = ff_scale_colour(p->scale, 1 - (j + 0.5) / PANEL);
        ff_canvas_fill(&p->canvas, x, TOP + j, x + BAR, TOP + j + 1, colour);
    }
    ff_canvas_frame(&p->canvas, x, TOP, x + BAR, TOP + PANEL, 1, ink);
    struct ff_ticks ticks;
    ff_ticks_choose(&ticks, p->low, p->high, 8);
    struct ff_text text = {.cap = cap, .colour = ink};
    for (int k = 0; k < ticks.n; k++) {
        double y = TOP + PANEL * (p->high - ticks.at[k]) / (p->high - p->low);
        ff_canvas_line(&p->canvas, x + BAR, y, x + BAR + 5, y, 1.2, ink);
        ff_canvas_text(&p->canvas, x + BAR + 10, y + cap / 2, &text, ticks.label[k]);
    }
}

static void draw_dec_axis(struct picture *p)
{
    struct ff_ticks ticks;
    struct ff_text text = {.cap = cap, .align = 1, .colour = ink};
    ff_ticks_choose(&ticks, p->dec_deg - p->size_deg / 2, p->dec_deg + p->size_deg / 2, 7);
    for (int k = 0; k < ticks.n; k++) {
        double y = TOP + PANEL * (0.5 - (ticks.at[k] - p->dec_deg) / p->size_deg);
        ff_canvas_line(&p->canvas, LEFT - 6, y, LEFT, y, 1.2, ink);
        ff_canvas_text(&p->canvas, LEFT - 11, y + cap / 2, &text, ticks.label[k]);
    }
    struct ff_text label = {.cap = cap, .align = 0.5, .upward = 1, .colour = ink};
    ff_canvas_text(&p->canvas, 28, TOP + PANEL / 2.0, &label, "Dec [deg]");
}

/* Degrees as an angle in [0, 360), with the decimals of the label it came with. */
static void wrap_label(char *label, double ra_deg)
{
    const char *point = strchr(label, '.');
    int decimals = point ? (int)strlen(point + 1) : 0;
    double wrapped = fmod(ra_deg, 360);
    ff_number_label(label, wrapped < 0 ? wrapped + 360 : wrapped, decimals);
}

static void draw_ra_axis(struct picture *p)
{
    double width = p->size_deg / fmax(1e-3, cos(p->dec_deg * M_PI / 180));
    struct ff_ticks ticks;
    struct ff_text text = {.cap = cap, .align = 0.5, .colour = ink};
    ff_ticks_choose(&ticks, p->ra_deg - width / 2, p->ra_deg + width / 2, 7);
    for (int k = 0; k < ticks.n; k++) {
        double x = LEFT + PANEL * (0.5 - (ticks.at[k] - p->ra_deg) / width), y = TOP + PANEL;
        wrap_label(ticks.label[k], ticks.at[k]);
        ff_canvas_line(&p->canvas, x, y, x, y + 6, 1.2, ink);
        ff_canvas_text(&p->canvas, x, y + 12 + cap, &text, ticks.label[k]);
    }
    ff_canvas_text(&p->canvas, LEFT + PANEL / 2.0, TOP + PANEL + 40 + cap, &text, "RA [deg]");
}

static void draw_title(struct picture *p, const char *title)
{
    double room = LEFT + PANEL, width = ff_canvas_text_width(title_cap, title);
    struct ff_text text = {.cap = title_cap * fmin(1, room / fmax(width, 1)), .align = 0.5, .colour = ink};
    ff_canvas_text(&p->canvas, LEFT + PANEL / 2.0, TOP - 20, &text, title);
}

ff_err ff_picture_map(const char *path, const char *title, const float *map, int npix, double size_deg, double ra_deg,
                      double dec_deg, int diverging, ff_ctx *ctx)
{
    if (npix < 1 || npix > MAX_NPIX || !(size_deg > 0) || !isfinite(size_deg + ra_deg + dec_deg)) {
        return ff_fail(
            ctx, FF_EUSAGE, FF_HERE,
            "cannot draw a map of %d pixels a side, %g degrees wide, at RA %g Dec %g: pixels go from 1 to %d and "
            "the width must be positive",
            npix, size_deg, ra_deg, dec_deg, MAX_NPIX);
    }
    struct picture p = {.map = map,
                        .npix = npix,
                        .size_deg = size_deg,
                        .ra_deg = ra_deg,
                        .dec_deg = dec_deg,
                        .scale = diverging ? FF_SCALE_DIVERGING : FF_SCALE_SEQUENTIAL};
    ff_err err = choose_scale(&p, ctx);
    if (!err) err = ff_canvas_init(&p.canvas, LEFT + PANEL + GAP + BAR + RIGHT, TOP + PANEL + BOTTOM, ctx);
    if (err) return err;
    draw_pixels(&p);
    ff_canvas_frame(&p.canvas, LEFT - 1, TOP - 1, LEFT + PANEL + 1, TOP + PANEL + 1, 1.3, ink);
    draw_ra_axis(&p);
    draw_dec_axis(&p);
    draw_colour_bar(&p);
    draw_title(&p, title ? title : "");
    err = ff_canvas_write(&p.canvas, path, ctx);
    ff_canvas_done(&p.canvas);
    return err;
}
