/* files/picture_canvas.c - see picture_canvas.h. Edges are smoothed by the share of a pixel a shape covers: exact for
** rectangles, by the distance from the pixel's centre to the stroke for lines. */
#include "files/picture_canvas.h"

#include <errno.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "files/font.h"
#include "common/publish.h"

enum { MAX_SIDE = 16384 };

/* Width of a text stroke as a share of the capitals' height, and the least that still prints evenly. */
static const double stroke_share = 0.115, stroke_least = 1.15;

ff_err ff_canvas_init(struct ff_canvas *canvas, int width, int height, ff_ctx *ctx)
{
    *canvas = (struct ff_canvas){0};
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) {
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "a picture of %d x %d pixels; at most %d a side are drawn", width,
                       height, MAX_SIDE);
    }
    size_t size = (size_t)width * (size_t)height * 3;
    unsigned char *rgb = malloc(size);
    if (!rgb) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a picture of %d x %d pixels", width, height);
    memset(rgb, 255, size);
    *canvas = (struct ff_canvas){.width = width, .height = height, .rgb = rgb};
    return FF_OK;
}

void ff_canvas_done(struct ff_canvas *canvas)
{
    free(canvas->rgb);
    *canvas = (struct ff_canvas){0};
}

static unsigned char mix(unsigned char below, unsigned char above, double coverage)
{
    return (unsigned char)lround(below + (above - below) * coverage);
}

void ff_canvas_blend(struct ff_canvas *canvas, int x, int y, struct ff_colour colour, double coverage)
{
    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height || !(coverage > 0)) return;
    if (coverage > 1) coverage = 1;
    unsigned char *pixel = canvas->rgb + 3 * ((size_t)y * (size_t)canvas->width + (size_t)x);
    pixel[0] = mix(pixel[0], colour.r, coverage);
    pixel[1] = mix(pixel[1], colour.g, coverage);
    pixel[2] = mix(pixel[2], colour.b, coverage);
}

static double overlap(int pixel, double from, double to)
{
    return fmax(0, fmin(pixel + 1, to) - fmax(pixel, from));
}

/* First and last pixel touched by [from, to], clipped to 0 .. n-1. */
static void touched(double from, double to, int n, int *first, int *last)
{
    *first = (int)fmax(0, fmin(floor(from), n));
    *last = (int)fmin(n - 1, fmax(floor(to), -1));
}

void ff_canvas_fill(struct ff_canvas *canvas, double x0, double y0, double x1, double y1, struct ff_colour colour)
{
    int i0, i1, j0, j1;
    touched(x0, x1, canvas->width, &i0, &i1);
    touched(y0, y1, canvas->height, &j0, &j1);
    for (int j = j0; j <= j1; j++) {
        for (int i = i0; i <= i1; i++) {
            ff_canvas_blend(canvas, i, j, colour, overlap(i, x0, x1) * overlap(j, y0, y1));
        }
    }
}

static double distance(const struct ff_stroke *s, double x, double y)
{
    double dx = s->x1 - s->x0, dy = s->y1 - s->y0, length2 = dx * dx + dy * dy;
    double t = length2 > 0 ? ((x - s->x0) * dx + (y - s->y0) * dy) / length2 : 0;
    t = fmin(1, fmax(0, t));
    return hypot(x - s->x0 - t * dx, y - s->y0 - t * dy);
}

/* Strokes of one colour as one shape: where they meet, a pixel is not darkened twice. */
static void draw_strokes(struct ff_canvas *canvas, const struct ff_stroke *strokes, int n, double width,
                         struct ff_colour colour)
{
    double left = INFINITY, right = -INFINITY, top = INFINITY, bottom = -INFINITY, reach = width / 2 + 1;
    for (int k = 0; k < n; k++) {
        left = fmin(left, fmin(strokes[k].x0, strokes[k].x1));
        right = fmax(right, fmax(strokes[k].x0, strokes[k].x1));
        top = fmin(top, fmin(strokes[k].y0, strokes[k].y1));
        bottom = fmax(bottom, fmax(strokes[k].y0, strokes[k].y1));
    }
    if (n == 0) return;
    int i0, i1, j0, j1;
    touched(left - reach, right + reach, canvas->width, &i0, &i1);
    touched(top - reach, bottom + reach, canvas->height, &j0, &j1);
    for (int j = j0; j <= j1; j++) {
        for (int i = i0; i <= i1; i++) {
            double nearest = INFINITY;
            for (int k = 0; k < n; k++) nearest = fmin(nearest, distance(&strokes[k], i + 0.5, j + 0.5));
            ff_canvas_blend(canvas, i, j, colour, fmin(1, width) * (width / 2 + 0.5 - nearest));
        }
    }
}

void ff_canvas_line(struct ff_canvas *canvas, double x0, double y0, double x1, double y1, double width,
                    struct ff_colour colour)
{
    struct ff_stroke stroke = {.x0 = x0, .y0 = y0, .x1 = x1, .y1 = y1};
    draw_strokes(canvas, &stroke, 1, width, colour);
}

void ff_canvas_frame(struct ff_canvas *canvas, double x0, double y0, double x1, double y1, double width,
                     struct ff_colour colour)
{
    ff_canvas_fill(canvas, x0, y0, x1, y0 + width, colour);
    ff_canvas_fill(canvas, x0, y1 - width, x1, y1, colour);
    ff_canvas_fill(canvas, x0, y0, x0 + width, y1, colour);
    ff_canvas_fill(canvas, x1 - width, y0, x1, y1, colour);
}

double ff_canvas_text_width(double cap, const char *text)
{
    return ff_font_width(text) * cap / FF_FONT_CAP;
}

/* A point of the font at distance `along` from the text's start. */
static void place(const struct ff_text *style, double x, double y, double along, double across, double *px, double *py)
{
    *px = style->upward ? x - across : x + along;
    *py = style->upward ? y - along : y - across;
}

void ff_canvas_text(struct ff_canvas *canvas, double x, double y, const struct ff_text *style, const char *text)
{
    double scale = style->cap / FF_FONT_CAP, pen = -style->align * ff_canvas_text_width(style->cap, text);
    double width = fmax(stroke_least, stroke_share * style->cap);
    for (; *text; text++) {
        struct ff_stroke strokes[FF_FONT_STROKES];
        double advance;
        int n = ff_font_glyph(*text, strokes, &advance);
        for (int k = 0; k < n; k++) {
            struct ff_stroke s = strokes[k];
            place(style, x, y, pen + scale * s.x0, scale * s.y0, &strokes[k].x0, &strokes[k].y0);
            place(style, x, y, pen + scale * s.x1, scale * s.y1, &strokes[k].x1, &strokes[k].y1);
        }
        draw_strokes(canvas, strokes, n, width, style->colour);
        pen += scale * advance;
    }
}

ff_err ff_canvas_write(const struct ff_canvas *canvas, const char *path, ff_ctx *ctx)
{
    char *part = ff_part_name(path);
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)canvas->width,
                       .height = (png_uint_32)canvas->height,
                       .format = PNG_FORMAT_RGB};
    errno = 0;
    int written = png_image_write_to_file(&image, part, 0, canvas->rgb, 0, NULL);
    int cause = errno;
    png_image_free(&image);
    ff_err err = FF_OK;
    if (!written) {
        err = cause ? ff_errno_fail(ctx, cause, "cannot write", path)
                    : ff_fail(ctx, FF_EIO, FF_HERE, "cannot write %s: %s", path, image.message);
    }
    if (!err) err = ff_publish(part, path, ctx);
    if (err) ff_part_drop(part);
    free(part);
    return err;
}
