/* files/picture_corner.c - ff_picture_corner of picture.h: every parameter's density on the diagonal, every pair's 68 % and
** 95 % regions below it, the truth as lines. */
#include "files/picture.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "files/picture_axis.h"
#include "files/picture_canvas.h"
#include "files/picture_density.h"

enum { LEFT = 112, TOP = 64, BOTTOM = 92, RIGHT = 28, GAP = 10, BINS_1D = 256, BINS_2D = 128, MAX_PARAMS = 32 };

static const struct ff_colour ink = {25, 25, 28}, faint = {150, 150, 155}, outer = {186, 210, 235},
                              inner = {96, 152, 207}, edge = {28, 78, 138}, shade = {222, 233, 245},
                              truth_ink = {204, 76, 28};
static const double cap = 10.5;

struct corner {
    struct ff_canvas canvas;
    const struct ff_corner *what;
    int panel;                               /* side of a panel, pixels */
    struct ff_density_axis axis[MAX_PARAMS]; /* (nparams) */
    struct ff_ticks ticks[MAX_PARAMS];       /* (nparams) */
    double *density;                         /* (BINS_2D, BINS_2D) or (BINS_1D) of the panel being drawn */
};

/* One panel: its left and top edge. */
struct box {
    double x, y;
};

static struct box box_of(const struct corner *c, int row, int column)
{
    int pitch = c->panel + GAP;
    return (struct box){LEFT + column * pitch, TOP + row * pitch};
}

static double truth_of(const struct corner *c, int parameter)
{
    return c->what->truth ? c->what->truth[parameter] : NAN;
}

static bool shown(const struct ff_density_axis *axis, double value)
{
    return isfinite(value) && value > axis->low && value < axis->high;
}

static double place(const struct corner *c, int parameter, double value)
{
    const struct ff_density_axis *axis = &c->axis[parameter];
    return c->panel * (value - axis->low) / (axis->high - axis->low);
}

/* Density at (u, v), in bins, between the centres of bins. */
static double density_at(const double *density, double u, double v)
{
    double x = fmin(BINS_2D - 1.001, fmax(0, u - 0.5)), y = fmin(BINS_2D - 1.001, fmax(0, v - 0.5));
    int i = (int)x, j = (int)y;
    const double *d = density + (long)j * BINS_2D + i;
    double s = x - i, t = y - j;
    return (1 - t) * ((1 - s) * d[0] + s * d[1]) + t * ((1 - s) * d[BINS_2D] + s * d[BINS_2D + 1]);
}

static void fill_above(struct corner *c, struct box box, double level, struct ff_colour colour)
{
    enum { SUB = 3 }; /* samples a side of a pixel */
    double scale = (double)BINS_2D / c->panel;
    for (int j = 0; j < c->panel; j++) {
        for (int i = 0; i < c->panel; i++) {
            int covered = 0;
            for (int k = 0; k < SUB * SUB; k++) {
                double u = (i + (k % SUB + 0.5) / SUB) * scale, v = BINS_2D - (j + (k / SUB + 0.5) / SUB) * scale;
                covered += density_at(c->density, u, v) >= level;
            }
            ff_canvas_blend(&c->canvas, (int)box.x + i, (int)box.y + j, colour, (double)covered / (SUB * SUB));
        }
    }
}

/* A line where the density crosses the level: a pixel's distance to it is the density's excess over its slope there. */
static void draw_contour(struct corner *c, struct box box, double level)
{
    const double scale = (double)BINS_2D / c->panel, half_width = 0.65;
    for (int j = 0; j < c->panel; j++) {
        for (int i = 0; i < c->panel; i++) {
            double u = (i + 0.5) * scale, v = BINS_2D - (j + 0.5) * scale, step = 0.5 * scale;
            double slope_x = density_at(c->density, u + step, v) - density_at(c->density, u - step, v);
            double slope_y = density_at(c->density, u, v + step) - density_at(c->density, u, v - step);
            double slope = hypot(slope_x, slope_y);
            if (!(slope > 0)) continue;
            double away = fabs(density_at(c->density, u, v) - level) / slope;
            ff_canvas_blend(&c->canvas, (int)box.x + i, (int)box.y + j, edge, half_width + 0.5 - away);
        }
    }
}

static void draw_ticks(struct corner *c, struct box box, int column, int row)
{
    double bottom = box.y + c->panel;
    for (int k = 0; k < c->ticks[column].n; k++) {
        double x = box.x + place(c, column, c->ticks[column].at[k]);
        ff_canvas_line(&c->canvas, x, bottom, x, bottom - 5, 1, ink);
    }
    for (int k = 0; row != column && k < c->ticks[row].n; k++) {
        double y = bottom - place(c, row, c->ticks[row].at[k]);
        ff_canvas_line(&c->canvas, box.x, y, box.x + 5, y, 1, ink);
    }
    ff_canvas_frame(&c->canvas, box.x - 0.6, box.y - 0.6, box.x + c->panel + 0.6, bottom + 0.6, 1.2, ink);
}

static void draw_mark(struct corner *c, struct box box, int parameter, double value, double width,
                      struct ff_colour colour)
{
    if (!shown(&c->axis[parameter], value)) return;
    double at = box.x + place(c, parameter, value);
    ff_canvas_line(&c->canvas, at, box.y, at, box.y + c->panel, width, colour);
}

static ff_err draw_pair(struct corner *c, int row, int column, ff_ctx *ctx)
{
    struct box box = box_of(c, row, column);
    double level68, level95;
    long n = (long)BINS_2D * BINS_2D;
    ff_err err = ff_density_2d(c->density, BINS_2D, &c->axis[column], &c->axis[row], ctx);
    if (!err) err = ff_density_level(c->density, n, 0.682689492, &level68, ctx);
    if (!err) err = ff_density_level(c->density, n, 0.954499736, &level95, ctx);
    if (err) return err;
    fill_above(c, box, level95, outer);
    fill_above(c, box, level68, inner);
    draw_contour(c, box, level95);
    draw_contour(c, box, level68);
    draw_mark(c, box, column, truth_of(c, column), 1.3, truth_ink);
    double truth = truth_of(c, row);
    if (shown(&c->axis[row], truth)) {
        double at = box.y + c->panel - place(c, row, truth);
        ff_canvas_line(&c->canvas, box.x, at, box.x + c->panel, at, 1.3, truth_ink);
    }
    draw_ticks(c, box, column, row);
    return FF_OK;
}

/* Median and distances to the ends of the 68 % interval: "name = 0.83 +0.02 -0.03", the errors one above the other. */
static void draw_panel_title(struct corner *c, struct box box, int parameter)
{
    const struct ff_density_axis *axis = &c->axis[parameter];
    double up = axis->q84 - axis->q50, down = axis->q50 - axis->q16;
    int decimals = ff_number_decimals(fmin(up > 0 ? up : down, down > 0 ? down : up));
    char value[FF_LABEL_SIZE], above[FF_LABEL_SIZE], below[FF_LABEL_SIZE], start[FF_LABEL_SIZE], end[FF_LABEL_SIZE],
        text[128];
    ff_number_label(value, axis->q50, decimals);
    ff_number_label(above, up, decimals);
    ff_number_label(below, down, decimals);
    snprintf(text, sizeof text, "%.60s = %s", c->what->names[parameter], value);
    snprintf(start, sizeof start, "+%.30s", above);
    snprintf(end, sizeof end, "-%.30s", below);
    double full = ff_canvas_text_width(cap, text) + 4 +
                  fmax(ff_canvas_text_width(0.75 * cap, start), ff_canvas_text_width(0.75 * cap, end));
    double size = cap * fmin(1, (c->panel + GAP - 4) / full), half = full * size / cap / 2;
    struct ff_text style = {.cap = size, .colour = ink}, small = {.cap = 0.75 * size, .colour = ink};
    double x = box.x + c->panel / 2.0 - half, y = box.y - 14;
    ff_canvas_text(&c->canvas, x, y, &style, text);
    x += ff_canvas_text_width(size, text) + 4;
    ff_canvas_text(&c->canvas, x, y - 0.62 * size, &small, start);
    ff_canvas_text(&c->canvas, x, y + 0.52 * size, &small, end);
}

/* The density as a curve, its 68 % interval shaded. */
static void draw_curve(struct corner *c, struct box box, int parameter)
{
    const struct ff_density_axis *axis = &c->axis[parameter];
    double peak = 0, bottom = box.y + c->panel;
    for (int i = 0; i < BINS_1D; i++) peak = fmax(peak, c->density[i]);
    double height = 0.92 * c->panel / fmax(peak, 1e-300), last_x = box.x, last_y = bottom;
    double from = place(c, parameter, axis->q16), to = place(c, parameter, axis->q84);
    for (int i = (int)fmax(0, from); i < to && i < c->panel; i++) {
        double value = c->density[(int)((i + 0.5) * BINS_1D / c->panel)];
        ff_canvas_fill(&c->canvas, box.x + i, bottom - height * value, box.x + i + 1, bottom, shade);
    }
    draw_mark(c, box, parameter, axis->q50, 1, faint);
    for (int i = 0; i < BINS_1D; i++) {
        double x = box.x + c->panel * (i + 0.5) / BINS_1D, y = bottom - height * c->density[i];
        ff_canvas_line(&c->canvas, last_x, last_y, x, y, 1.5, edge);
        last_x = x;
        last_y = y;
    }
}

static ff_err draw_diagonal(struct corner *c, int parameter, ff_ctx *ctx)
{
    struct box box = box_of(c, parameter, parameter);
    ff_err err = ff_density_1d(c->density, BINS_1D, &c->axis[parameter], ctx);
    if (err) return err;
    draw_curve(c, box, parameter);
    draw_mark(c, box, parameter, truth_of(c, parameter), 1.3, truth_ink);
    draw_ticks(c, box, parameter, parameter);
    draw_panel_title(c, box, parameter);
    return FF_OK;
}

/* Numbers and names below the last row and left of the first column; a number that would reach into the next panel's
** is left out, its tick stays. */
static void draw_labels(struct corner *c)
{
    int n = c->what->nparams;
    struct ff_text number = {.cap = 0.88 * cap, .align = 0.5, .colour = ink};
    for (int column = 0; column < n; column++) {
        struct box box = box_of(c, n - 1, column);
        double bottom = box.y + c->panel;
        for (int k = 0; k < c->ticks[column].n; k++) {
            double x = place(c, column, c->ticks[column].at[k]);
            double half = ff_canvas_text_width(number.cap, c->ticks[column].label[k]) / 2;
            if (x - half < -GAP / 2.0 + 1 || x + half > c->panel + GAP / 2.0 - 1) continue;
            ff_canvas_text(&c->canvas, box.x + x, bottom + 9 + number.cap, &number, c->ticks[column].label[k]);
        }
        struct ff_text name = {.cap = 1.1 * cap, .align = 0.5, .colour = ink};
        ff_canvas_text(&c->canvas, box.x + c->panel / 2.0, bottom + 46 + cap, &name, c->what->names[column]);
    }
    number.align = 1;
    for (int row = 1; row < n; row++) {
        struct box box = box_of(c, row, 0);
        for (int k = 0; k < c->ticks[row].n; k++) {
            double y = c->panel - place(c, row, c->ticks[row].at[k]);
            if (y < number.cap / 2 || y > c->panel - number.cap / 2) continue;
            ff_canvas_text(&c->canvas, box.x - 8, box.y + y + number.cap / 2, &number, c->ticks[row].label[k]);
        }
        struct ff_text name = {.cap = 1.1 * cap, .align = 0.5, .upward = 1, .colour = ink};
        ff_canvas_text(&c->canvas, 26, box.y + c->panel / 2.0, &name, c->what->names[row]);
    }
}

/* Title and key in the empty upper right. */
static void draw_key(struct corner *c)
{
    const struct ff_corner *what = c->what;
    double right = c->canvas.width - RIGHT, y = 30, line = 24;
    struct ff_text title = {.cap = 14, .align = 1, .colour = ink}, text = {.cap = cap, .align = 1, .colour = ink};
    if (what->nparams == 1) return;
    double room = c->canvas.width - RIGHT - (LEFT + c->panel + 90);
    const char *words = what->title ? what->title : "";
    title.cap = fmax(8, title.cap * fmin(1, room / fmax(1, ff_canvas_text_width(title.cap, words))));
    ff_canvas_text(&c->canvas, right, y, &title, words);
    const char *regions[] = {"68 %", "95 %"};
    for (int k = 0; k < 2; k++) {
        y += line;
        ff_canvas_text(&c->canvas, right - 40, y, &text, regions[k]);
        ff_canvas_fill(&c->canvas, right - 30, y - cap, right, y, k == 0 ? inner : outer);
        ff_canvas_frame(&c->canvas, right - 30, y - cap, right, y, 1, edge);
    }
    bool any = false;
    for (int i = 0; i < what->nparams; i++) any |= isfinite(truth_of(c, i));
    if (!any) return;
    y += line;
    ff_canvas_text(&c->canvas, right - 40, y, &text, "truth");
    ff_canvas_line(&c->canvas, right - 30, y - cap / 2, right, y - cap / 2, 1.6, truth_ink);
}

static ff_err draw_panels(struct corner *c, ff_ctx *ctx)
{
    for (int row = 0; row < c->what->nparams; row++) {
        for (int column = 0; column <= row; column++) {
            ff_err err = row == column ? draw_diagonal(c, row, ctx) : draw_pair(c, row, column, ctx);
            if (err) return err;
        }
    }
    return FF_OK;
}

static ff_err init_axes(struct corner *c, ff_ctx *ctx)
{
    for (int i = 0; i < c->what->nparams; i++) {
        struct ff_density_axis *axis = &c->axis[i];
        ff_err err =
            ff_density_axis_init(axis, c->what->draws + i * c->what->ndraws, c->what->ndraws, truth_of(c, i), ctx);
        if (err) {
            ff_note(ctx, FF_HERE, "while drawing %s", c->what->names[i]);
            return err;
        }
        ff_ticks_fit(&c->ticks[i], axis->low, axis->high, c->panel, 0.88 * cap);
    }
    return FF_OK;
}

ff_err ff_picture_corner(const char *path, const struct ff_corner *corner, ff_ctx *ctx)
{
    int n = corner->nparams;
    if (n < 1 || n > MAX_PARAMS) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "a corner plot of %d parameters; 1 to %d can be drawn", n, MAX_PARAMS);
    }
    struct corner *c = calloc(1, sizeof *c);
    double *density = calloc((size_t)BINS_2D * BINS_2D, sizeof *density);
    ff_err err = FF_OK;
    if (!c || !density) {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a corner plot");
        goto done;
    }
    c->what = corner;
    c->density = density;
    c->panel = n < 5 ? 280 : n < 7 ? 220 : n < 9 ? 180 : 150;
    int side = n * (c->panel + GAP) - GAP;
    err = init_axes(c, ctx);
    if (!err) err = ff_canvas_init(&c->canvas, LEFT + side + RIGHT, TOP + side + BOTTOM, ctx);
    if (!err) err = draw_panels(c, ctx);
    if (err) goto done;
    draw_labels(c);
    draw_key(c);
    err = ff_canvas_write(&c->canvas, path, ctx);
done:
    if (c) ff_canvas_done(&c->canvas);
    free(density);
    free(c);
    return err;
}
