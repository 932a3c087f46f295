/* client/ffctl/options.h - the one reader of command lines. Long options take their value as "--name VALUE" or
** "--name=VALUE", short ones as "-o VALUE"; no abbreviations; "--" ends the options. */
#ifndef FF_CLIENT_OPTIONS_H
#define FF_CLIENT_OPTIONS_H

#include <stddef.h>

#include "common/err.h"

enum ff_option_kind {
    FF_OPTION_FLAG, /* bool */
    FF_OPTION_TEXT, /* const char *, pointing into argv */
    FF_OPTION_INT,  /* long */
    FF_OPTION_REAL  /* double */
};

struct ff_option {
    const char *name; /* without dashes; NULL ends a list */
    char letter;      /* 0: none */
    enum ff_option_kind kind;
    size_t offset;       /* of the value in the command's struct */
    const char *value;   /* how help calls the value, e.g. "FILE" */
    const char *choices; /* "a|b|c": the texts allowed; NULL: any */
    double low, high;    /* bounds of a number, when low < high */
    const char *help;
};

enum { FF_MAX_ARGS = 16 };

/* Reads argv (argc) into `values` by `options`, then `common` (either may be NULL) into `common_values`; what is no
** option goes to args (FF_MAX_ARGS). FF_EUSAGE says what is wrong and, for an unknown option, which known one is nearest. */
FF_MUST_USE ff_err ff_options_read(const struct ff_option *options, void *values, const struct ff_option *common,
                                   void *common_values, int argc, char **argv, const char **args, int *nargs,
                                   ff_ctx *ctx);

/* The known word a mistyped one is nearest to, or NULL when none is near. `words` ends with NULL. */
const char *ff_nearest(const char *word, const char *const *words);

#endif
