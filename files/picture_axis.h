/* files/picture_axis.h - where the ticks of an axis stand, how numbers are written, and colour scales. */
#ifndef FF_FILES_PICTURE_AXIS_H
#define FF_FILES_PICTURE_AXIS_H

#include "files/picture_canvas.h"

enum { FF_MAX_TICKS = 16, FF_LABEL_SIZE = 32 };
struct ff_ticks {
    int n;
    double at[FF_MAX_TICKS];
    char label[FF_MAX_TICKS][FF_LABEL_SIZE];
};

/* Round numbers (1, 2 or 5 times a power of ten apart) in [low, high], at most `most` (2 .. FF_MAX_TICKS) of them. */
void ff_ticks_choose(struct ff_ticks *ticks, double low, double high, int most);
/* Fewer ticks until the labels, in text of height `cap`, fit beside each other in `length` pixels. */
void ff_ticks_fit(struct ff_ticks *ticks, double low, double high, double length, double cap);

/* The number with `decimals` places, never "-0". */
void ff_number_label(char *out /* (FF_LABEL_SIZE) */, double value, int decimals);
/* Decimals that show two digits of a spread such as an error bar; 0 .. 9. */
int ff_number_decimals(double spread);

enum ff_scale { FF_SCALE_SEQUENTIAL, FF_SCALE_DIVERGING };
/* Colour of t in 0 .. 1: dark violet to yellow (viridis, perceptually uniform), or blue over white to red. */
struct ff_colour ff_scale_colour(enum ff_scale scale, double t);

#endif
