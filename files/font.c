/* files/font.c - see font.h.
** A glyph is a text of strokes: "x,y" is a point joined to the one before, "@cx,cy,rx,ry,a,b" the arc of an ellipse from
** angle a to angle b (degrees, counter-clockwise from +x) joined to the point before, "/" lifts the pen. */
#include "files/font.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum { FIRST = 32, LAST = 126, SPACING = 6, ARC_STEP_DEG = 15 };

struct glyph {
    int width;
    const char *path;
};

static const struct glyph glyphs[LAST - FIRST + 1] = {
    [' ' - FIRST] = {6, ""},
    ['!' - FIRST] = {2, "1,28 1,9 / 1,1 1,0"},
    ['"' - FIRST] = {6, "0,28 0,21 / 6,28 6,21"},
    ['#' - FIRST] = {20, "4,0 8,28 / 12,0 16,28 / 1,19 20,19 / 0,9 19,9"},
    ['$' - FIRST] = {18, "@9,20,8,6,35,270 @9,8,9,6,90,-145 / 9,31 9,-3"},
    ['%' - FIRST] = {24, "@5,22,5,6,0,360 / @19,6,5,6,0,360 / 19,28 5,0"},
    ['&' - FIRST] = {19, "19,0 4,18 @9,23,5,5,195,-30 4,12 @8,7,8,7,125,345 18,13"},
    ['\'' - FIRST] = {2, "1,28 1,21"},
    ['(' - FIRST] = {5, "@10,12,10,19,120,240"},
    [')' - FIRST] = {5, "@-5,12,10,19,60,-60"},
    ['*' - FIRST] = {12, "6,28 6,14 / 0,24 12,18 / 12,24 0,18"},
    ['+' - FIRST] = {16, "8,3 8,19 / 0,11 16,11"},
    [',' - FIRST] = {3, "2,2 0,-5"},
    ['-' - FIRST] = {13, "0,11 13,11"},
    ['.' - FIRST] = {2, "1,1 1,0"},
    ['/' - FIRST] = {11, "0,-3 11,30"},
    ['0' - FIRST] = {16, "@8,14,8,14,0,360"},
    ['1' - FIRST] = {16, "3,23 9,28 9,0"},
    ['2' - FIRST] = {16, "@8,20,8,8,165,-40 0,0 16,0"},
    ['3' - FIRST] = {16, "@8,21,7,7,150,-90 @8,7,8,7,90,-150"},
    ['4' - FIRST] = {16, "12,0 12,28 0,8 16,8"},
    ['5' - FIRST] = {16, "14,28 3,28 1,14 @8,9,8,9,135,-150"},
    ['6' - FIRST] = {16, "@8,9,8,9,0,360 / @15,9,15,19,95,180"},
    ['7' - FIRST] = {16, "0,28 16,28 5,0"},
    ['8' - FIRST] = {16, "@8,21,7,7,0,360 / @8,7,8,7,0,360"},
    ['9' - FIRST] = {16, "@8,19,8,9,0,360 / @1,19,15,19,0,-85"},
    [':' - FIRST] = {2, "1,18 1,17 / 1,1 1,0"},
    [';' - FIRST] = {3, "2,18 2,17 / 2,2 0,-5"},
    ['<' - FIRST] = {15, "15,19 0,11 15,3"},
    ['=' - FIRST] = {16, "0,15 16,15 / 0,7 16,7"},
    ['>' - FIRST] = {15, "0,19 15,11 0,3"},
    ['?' - FIRST] = {14, "@7,21,7,7,170,-60 7,11 7,8 / 7,1 7,0"},
    ['@' - FIRST] = {28, "@14,11,6,6,0,360 / 20,17 20,8 @24,8,4,4,180,360 @14,11,14,15,0,300"},
    ['A' - FIRST] = {20, "0,0 10,28 20,0 / 4,10 16,10"},
    ['B' - FIRST] = {17, "0,0 0,28 8,28 @9,21,7,7,90,-90 0,14 / 9,14 @9,7,8,7,90,-90 0,0"},
    ['C' - FIRST] = {22, "@13,14,13,14,48,312"},
    ['D' - FIRST] = {20, "0,0 0,28 7,28 @7,14,13,14,90,-90 0,0"},
    ['E' - FIRST] = {16, "16,28 0,28 0,0 16,0 / 0,14 13,14"},
    ['F' - FIRST] = {15, "15,28 0,28 0,0 / 0,14 12,14"},
    ['G' - FIRST] = {25, "@13,14,13,14,48,355 15,13"},
    ['H' - FIRST] = {18, "0,28 0,0 / 18,28 18,0 / 0,14 18,14"},
    ['I' - FIRST] = {2, "1,28 1,0"},
    ['J' - FIRST] = {11, "11,28 11,7 @6,7,5,7,0,-160"},
    ['K' - FIRST] = {18, "0,28 0,0 / 17,28 0,10 / 5,15 18,0"},
    ['L' - FIRST] = {14, "0,28 0,0 14,0"},
    ['M' - FIRST] = {22, "0,0 0,28 11,6 22,28 22,0"},
    ['N' - FIRST] = {18, "0,0 0,28 18,0 18,28"},
    ['O' - FIRST] = {26, "@13,14,13,14,0,360"},
    ['P' - FIRST] = {17, "0,0 0,28 9,28 @9,20,8,8,90,-90 0,12"},
    ['Q' - FIRST] = {26, "@13,14,13,14,0,360 / 16,7 25,-3"},
    ['R' - FIRST] = {17, "0,0 0,28 9,28 @9,20,8,8,90,-90 0,12 / 9,12 17,0"},
    ['S' - FIRST] = {18, "@9,21,8,7,35,270 @9,7,9,7,90,-145"},
    ['T' - FIRST] = {18, "0,28 18,28 / 9,28 9,0"},
    ['U' - FIRST] = {18, "0,28 0,9 @9,9,9,9,180,360 18,28"},
    ['V' - FIRST] = {20, "0,28 10,0 20,28"},
    ['W' - FIRST] = {28, "0,28 7,0 14,28 21,0 28,28"},
    ['X' - FIRST] = {18, "0,28 18,0 / 18,28 0,0"},
    ['Y' - FIRST] = {18, "0,28 9,14 18,28 / 9,14 9,0"},
    ['Z' - FIRST] = {17, "0,28 17,28 0,0 17,0"},
    ['[' - FIRST] = {5, "5,31 0,31 0,-6 5,-6"},
    ['\\' - FIRST] = {11, "0,30 11,-3"},
    [']' - FIRST] = {5, "0,31 5,31 5,-6 0,-6"},
    ['^' - FIRST] = {12, "0,20 6,28 12,20"},
    ['_' - FIRST] = {13, "0,-4 13,-4"},
    ['`' - FIRST] = {4, "0,28 4,23"},
    ['a' - FIRST] = {16, "@8,10,8,10,0,360 / 16,20 16,0"},
    ['b' - FIRST] = {16, "0,28 0,0 / @8,10,8,10,0,360"},
    ['c' - FIRST] = {15, "@9,10,9,10,50,310"},
    ['d' - FIRST] = {16, "16,28 16,0 / @8,10,8,10,0,360"},
    ['e' - FIRST] = {16, "0,11 16,11 @8,10,8,10,6,315"},
    ['f' - FIRST] = {10, "@9,22,5,6,75,180 4,0 / 0,20 10,20"},
    ['g' - FIRST] = {16, "@8,10,8,10,0,360 / 16,20 16,0 @8,0,8,8,0,-145"},
    ['h' - FIRST] = {14, "0,28 0,0 / @7,12,7,8,180,0 14,0"},
    ['i' - FIRST] = {2, "1,20 1,0 / 1,28 1,27"},
    ['j' - FIRST] = {5, "4,20 4,-3 @0,-3,4,5,0,-80 / 4,28 4,27"},
    ['k' - FIRST] = {13, "0,28 0,0 / 12,20 0,8 / 4,12 13,0"},
    ['l' - FIRST] = {2, "1,28 1,0"},
    ['m' - FIRST] = {24, "0,20 0,0 / @6,13,6,7,180,0 12,0 / @18,13,6,7,180,0 24,0"},
    ['n' - FIRST] = {14, "0,20 0,0 / @7,12,7,8,180,0 14,0"},
    ['o' - FIRST] = {17, "@8,10,8,10,0,360"},
    ['p' - FIRST] = {16, "0,20 0,-8 / @8,10,8,10,0,360"},
    ['q' - FIRST] = {16, "16,20 16,-8 / @8,10,8,10,0,360"},
    ['r' - FIRST] = {10, "0,20 0,0 / @8,11,8,9,180,75"},
    ['s' - FIRST] = {14, "@7,15,6,5,35,270 @7,5,7,5,90,-145"},
    ['t' - FIRST] = {10, "4,27 4,5 @9,5,5,5,180,280 / 0,20 10,20"},
    ['u' - FIRST] = {14, "0,20 0,8 @7,8,7,8,180,360 / 14,20 14,0"},
    ['v' - FIRST] = {14, "0,20 7,0 14,20"},
    ['w' - FIRST] = {20, "0,20 5,0 10,20 15,0 20,20"},
    ['x' - FIRST] = {13, "0,20 13,0 / 13,20 0,0"},
    ['y' - FIRST] = {14, "0,20 7,1 / 14,20 4,-8 1,-8"},
    ['z' - FIRST] = {13, "0,20 13,20 0,0 13,0"},
    ['{' - FIRST] = {7, "7,31 @7,27,4,4,90,180 3,16 0,12 3,8 @7,-3,4,4,180,270"},
    ['|' - FIRST] = {2, "1,31 1,-6"},
    ['}' - FIRST] = {7, "0,31 @0,27,4,4,90,0 4,16 7,12 4,8 @0,-3,4,4,0,-90"},
    ['~' - FIRST] = {16, "@4,11,4,4,180,0 @12,11,4,4,180,360"},
};

/* The pen while a glyph is drawn. */
struct pen {
    struct ff_stroke *strokes; /* (FF_FONT_STROKES) */
    int n;
    bool down;
    double x, y;
};

static void pen_to(struct pen *pen, double x, double y)
{
    if (pen->down && pen->n < FF_FONT_STROKES) {
        pen->strokes[pen->n++] = (struct ff_stroke){.x0 = pen->x, .y0 = pen->y, .x1 = x, .y1 = y};
    }
    pen->down = true;
    pen->x = x;
    pen->y = y;
}

static void pen_arc(struct pen *pen, const double *a /* (6) cx cy rx ry from to */)
{
    int steps = (int)ceil(fabs(a[5] - a[4]) / ARC_STEP_DEG);
    for (int i = 0; i <= steps; i++) {
        double angle = (a[4] + (a[5] - a[4]) * i / steps) * M_PI / 180;
        pen_to(pen, a[0] + a[2] * cos(angle), a[1] + a[3] * sin(angle));
    }
}

/* Reads `n` integers separated by commas and returns what follows them. */
static const char *read_numbers(const char *p, int n, double *out /* (n) */)
{
    for (int i = 0; i < n; i++) {
        char *end;
        out[i] = (double)strtol(p, &end, 10);
        p = *end == ',' ? end + 1 : end;
    }
    return p;
}

static const struct glyph *find(char character)
{
    bool known = character >= FIRST && character <= LAST;
    return &glyphs[(known ? character : '?') - FIRST];
}

int ff_font_glyph(char character, struct ff_stroke *strokes, double *advance)
{
    const struct glyph *glyph = find(character);
    struct pen pen = {.strokes = strokes};
    for (const char *p = glyph->path; *p;) {
        double a[6];
        if (*p == '@') {
            p = read_numbers(p + 1, 6, a);
            pen_arc(&pen, a);
        } else if (*p == '/') {
            pen.down = false;
            p++;
        } else if (*p == ' ') {
            p++;
        } else {
            p = read_numbers(p, 2, a);
            pen_to(&pen, a[0], a[1]);
        }
    }
    *advance = glyph->width + SPACING;
    return pen.n;
}

double ff_font_width(const char *text)
{
    double width = 0;
    for (; *text; text++) width += find(*text)->width + SPACING;
    return width > 0 ? width - SPACING : 0;
}
