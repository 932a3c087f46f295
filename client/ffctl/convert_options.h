/* client/ffctl/convert_options.h - what `convert` and `upload` ask about a file that is no dataset yet. */
#ifndef FF_CLIENT_CONVERT_OPTIONS_H
#define FF_CLIENT_CONVERT_OPTIONS_H

#include "client/ffctl/options.h"

struct ff_convert_values { /* the first member of a command's values */
    const char *as, *axes, *noise_sd;
    double size_deg, ra_deg, dec_deg;
    long column;
};

/* Rows of a table of options. */
#define FF_CONVERT_OPTIONS                                                                                             \
    {"as",                                                                                                             \
     0,                                                                                                                \
     FF_OPTION_TEXT,                                                                                                   \
     offsetof(struct ff_convert_values, as),                                                                           \
     "KIND",                                                                                                           \
     "convergence|shear|nz|shift",                                                                                     \
     .help = "what it is: convergence, shear, nz or shift"},                                                           \
        {"axes",         0,                                                                                            \
         FF_OPTION_TEXT, offsetof(struct ff_convert_values, axes),                                                     \
         "AXES",         .help = "order of the axes of maps, e.g. y,x,bin"},                                           \
        {"size-deg", 0,           FF_OPTION_REAL, offsetof(struct ff_convert_values, size_deg),                        \
         "D",        .low = 1e-3, .high = 20,     .help = "side of the field, degrees (maps)"},                        \
        {"noise-sd",     0,                                                                                            \
         FF_OPTION_TEXT, offsetof(struct ff_convert_values, noise_sd),                                                 \
         "S,...",        .help = "noise per pixel, one number or one a bin"},                                          \
        {"ra-deg", 0,           FF_OPTION_REAL, offsetof(struct ff_convert_values, ra_deg),                            \
         "A",      .low = -360, .high = 360,    .help = "centre of the field"},                                        \
        {"dec-deg", 0,          FF_OPTION_REAL, offsetof(struct ff_convert_values, dec_deg),                           \
         "D",       .low = -90, .high = 90,     .help = "centre of the field"},                                        \
    {                                                                                                                  \
        "column", 0, FF_OPTION_INT, offsetof(struct ff_convert_values, column), "K",                                   \
            .low = 1, .high = 1000, .help = "which column is n(z), from 1 (default: 2)"                                \
    }

/* What is missing or does not fit together. */
FF_MUST_USE ff_err ff_convert_check(const struct ff_convert_values *v, ff_ctx *ctx);
FF_MUST_USE ff_err ff_convert_to(const char *in, const char *out, const struct ff_convert_values *v, ff_ctx *ctx);

#endif
