/* files/picture_axis.c - see picture_axis.h. */
#include "files/picture_axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Anchors of matplotlib's viridis (public domain, CC0) and of ColorBrewer's RdBu (Apache 2.0), evenly spaced. */
static const struct ff_colour viridis[] = {{68, 1, 84},    {71, 44, 122},  {59, 81, 139},
                                           {44, 113, 142}, {33, 144, 141}, {39, 173, 129},
                                           {92, 200, 99},  {170, 220, 50}, {253, 231, 37}};
static const struct ff_colour blue_red[] = {{5, 48, 97},     {33, 102, 172},  {67, 147, 195},  {146, 197, 222},
                                            {209, 229, 240}, {247, 247, 247}, {253, 219, 199}, {244, 165, 130},
                                            {214, 96, 77},   {178, 24, 43},   {103, 0, 31}};

static unsigned char between(unsigned char a, unsigned char b, double t)
{
    return (unsigned char)lround(a + (b - a) * t);
}

struct ff_colour ff_scale_colour(enum ff_scale scale, double t)
{
    const struct ff_colour *table = scale == FF_SCALE_DIVERGING ? blue_red : viridis;
    int last = (int)(scale == FF_SCALE_DIVERGING ? sizeof blue_red : sizeof viridis) / (int)sizeof *table - 1;
    double place = fmin(1, fmax(0, t)) * last;
    int i = place >= last ? last - 1 : (int)place;
    const struct ff_colour *a = &table[i], *b = &table[i + 1];
    return (struct ff_colour){between(a->r, b->r, place - i), between(a->g, b->g, place - i),
                              between(a->b, b->b, place - i)};
}

void ff_number_label(char *out, double value, int decimals)
{
    double size = fabs(value);
    if (size != 0 && (size >= 1e6 || size < 1e-6)) {
        snprintf(out, FF_LABEL_SIZE, "%.3g", value);
        return;
    }
    snprintf(out, FF_LABEL_SIZE, "%.*f", decimals, value);
    if (out[0] == '-' && strspn(out + 1, "0.") == strlen(out + 1)) memmove(out, out + 1, strlen(out));
}

int ff_number_decimals(double spread)
{
    if (!(spread > 0) || !isfinite(spread)) return 3;
    return (int)fmin(9, fmax(0, 1 - floor(log10(spread))));
}

static double nice_step(double length, int most)
{
    double step = length / most, power = pow(10, floor(log10(step)));
    double factors[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++) {
        if (factors[i] * power >= step * (1 - 1e-9)) return factors[i] * power;
    }
    return 10 * power;
}

void ff_ticks_choose(struct ff_ticks *ticks, double low, double high, int most)
{
    ticks->n = 0;
    if (!(high > low) || !isfinite(high - low)) return;
    if (most > FF_MAX_TICKS - 1) most = FF_MAX_TICKS - 1;
    double step = nice_step(high - low, most), slack = 1e-9 * step;
    int decimals = (int)fmin(9, fmax(0, -floor(log10(step) + 1e-9)));
    for (double k = ceil((low - slack) / step); k * step <= high + slack && ticks->n < FF_MAX_TICKS; k++) {
        ticks->at[ticks->n] = k * step;
        ff_number_label(ticks->label[ticks->n++], k * step, decimals);
    }
}

static double widest(const struct ff_ticks *ticks, double cap)
{
    double width = 0;
    for (int i = 0; i < ticks->n; i++) width = fmax(width, ff_canvas_text_width(cap, ticks->label[i]));
    return width;
}

void ff_ticks_fit(struct ff_ticks *ticks, double low, double high, double length, double cap)
{
    for (int most = 6; most >= 2; most--) {
        ff_ticks_choose(ticks, low, high, most);
        if (ticks->n < 2) continue;
        double apart = length * (ticks->at[1] - ticks->at[0]) / (high - low);
        if (apart > widest(ticks, cap) + 1.2 * cap) return;
    }
    ff_ticks_choose(ticks, low, high, 2);
}
