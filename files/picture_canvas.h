/* files/picture_canvas.h - a picture in memory: anti-aliased lines, rectangles and text on RGB pixels, written as PNG.
** Coordinates are pixels, x right, y down; pixel (i, j) covers [i, i+1) x [j, j+1). Everything outside is clipped.
** Call order: ff_canvas_init -> drawing -> ff_canvas_write -> ff_canvas_done. */
#ifndef FF_FILES_PICTURE_CANVAS_H
#define FF_FILES_PICTURE_CANVAS_H

#include "common/err.h"

struct ff_colour {
    unsigned char r, g, b;
};

struct ff_canvas {
    int width, height;
    unsigned char *rgb; /* (height, width, 3) */
};

/* White; at most 16384 pixels a side. */
FF_MUST_USE ff_err ff_canvas_init(struct ff_canvas *canvas, int width, int height, ff_ctx *ctx);
void ff_canvas_done(struct ff_canvas *canvas);

/* Mixes `colour` into one pixel; coverage 0 .. 1. */
void ff_canvas_blend(struct ff_canvas *canvas, int x, int y, struct ff_colour colour, double coverage);
void ff_canvas_fill(struct ff_canvas *canvas, double x0, double y0, double x1, double y1, struct ff_colour colour);
void ff_canvas_line(struct ff_canvas *canvas, double x0, double y0, double x1, double y1, double width,
                    struct ff_colour colour);
/* The four edges of a rectangle. */
void ff_canvas_frame(struct ff_canvas *canvas, double x0, double y0, double x1, double y1, double width,
                     struct ff_colour colour);

struct ff_text {
    double cap;   /* height of capitals, pixels */
    double align; /* 0: starts at x, 0.5: centred, 1: ends there (along the text) */
    int upward;   /* written upwards instead of to the right */
    struct ff_colour colour;
};
/* Text whose baseline goes through (x, y). */
void ff_canvas_text(struct ff_canvas *canvas, double x, double y, const struct ff_text *style, const char *text);
double ff_canvas_text_width(double cap, const char *text); /* pixels */

/* Writes `path` whole or not at all (through `path`.part). */
FF_MUST_USE ff_err ff_canvas_write(const struct ff_canvas *canvas, const char *path, ff_ctx *ctx);

#endif
