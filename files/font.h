/* files/font.h - a small stroke font for pictures: printable ASCII drawn as lines of constant width, so that text of any
** size and direction comes out smooth. Our own design (lines and elliptic arcs), in no way derived from another font. */
#ifndef FF_FILES_FONT_H
#define FF_FILES_FONT_H

/* Font units: the baseline is y = 0 (y up), capitals are FF_FONT_CAP high, descenders end at -FF_FONT_DESCENT. */
enum { FF_FONT_CAP = 28, FF_FONT_DESCENT = 8, FF_FONT_STROKES = 128 };

struct ff_stroke {
    double x0, y0, x1, y1;
};

/* The strokes of `character` (another byte gives those of '?'), at most FF_FONT_STROKES; returns how many. *advance is the
** distance to the next character's origin. */
int ff_font_glyph(char character, struct ff_stroke *strokes /* (FF_FONT_STROKES) */, double *advance);

/* Width of a text in font units. */
double ff_font_width(const char *text);

#endif
