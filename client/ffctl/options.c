/* client/ffctl/options.c - see options.h. */
#include "client/ffctl/options.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 64, MAX_LETTERS = 40 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance; words longer than MAX_LETTERS are told apart by their start. */
static size_t edits(const char *a, const char *b)
{
    size_t na = strnlen(a, MAX_LETTERS), nb = strnlen(b, MAX_LETTERS), row[MAX_LETTERS + 1];
    for (size_t j = 0; j <= nb; j++) row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j], changed = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = least(changed, least(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[nb];
}

const char *ff_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    size_t fewest = strlen(word) / 3 + 2; /* more edits than this are another word, not a slip */
    for (; *words; words++) {
        size_t n = edits(word, *words);
        if (n < fewest) {
            fewest = n;
            best = *words;
        }
    }
    return best;
}

struct reader {
    const struct ff_option *lists[2];
    void *values[2];
    int argc, at;
    char **argv;
    ff_ctx *ctx;
};

/* The option called by `name` (long, of `size` bytes) or by `letter`, and the struct its value goes to. */
static const struct ff_option *find(const struct reader *r, const char *name, size_t size, char letter, void **values)
{
    for (int k = 0; k < 2; k++) {
        for (const struct ff_option *o = r->lists[k]; o && o->name; o++) {
            bool same = letter ? o->letter == letter : strlen(o->name) == size && memcmp(o->name, name, size) == 0;
            if (!same) continue;
            *values = r->values[k];
            return o;
        }
    }
    return NULL;
}

static ff_err unknown(const struct reader *r, const char *word)
{
    const char *names[MAX_WORDS + 1];
    int n = 0;
    for (int k = 0; k < 2; k++) {
        for (const struct ff_option *o = r->lists[k]; o && o->name && n < MAX_WORDS; o++) names[n++] = o->name;
    }
    names[n] = NULL;
    char name[MAX_LETTERS + 1];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + (word[1] == '-' ? 2 : 1), "="),
             word + (word[1] == '-' ? 2 : 1));
    const char *near = ff_nearest(name, names);
    if (near) return ff_fail(r->ctx, FF_EUSAGE, FF_HERE, "unknown option '%s'; did you mean '--%s'?", word, near);
    return ff_fail(r->ctx, FF_EUSAGE, FF_HERE, "unknown option '%s'", word);
}

static bool among(const char *choices, const char *text)
{
    size_t size = strlen(text);
    for (const char *p = choices; *p;) {
        size_t length = strcspn(p, "|");
        if (length == size && memcmp(p, text, size) == 0) return true;
        p += length + (p[length] == '|');
    }
    return false;
}

static ff_err read_number(const struct ff_option *o, const char *text, void *value, ff_ctx *ctx)
{
    char *end = NULL;
    errno = 0;
    bool whole = o->kind == FF_OPTION_INT;
    long integer = whole ? strtol(text, &end, 10) : 0;
    double real = whole ? (double)integer : strtod(text, &end);
    if (end == text || *end || errno == ERANGE || !isfinite(real)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--%s takes %s, not '%s'", o->name,
                       whole ? "a whole number" : "a number", text);
    }
    if (o->low < o->high && !(real >= o->low && real <= o->high)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--%s is %s; allowed: %.10g to %.10g", o->name, text, o->low, o->high);
    }
    if (whole) {
        *(long *)value = integer;
    } else {
        *(double *)value = real;
    }
    return FF_OK;
}

static ff_err store(const struct ff_option *o, const char *text, void *value, ff_ctx *ctx)
{
    if (o->kind == FF_OPTION_INT || o->kind == FF_OPTION_REAL) return read_number(o, text, value, ctx);
    if (o->choices && !among(o->choices, text)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--%s is '%s'; allowed: %s", o->name, text, o->choices);
    }
    *(const char **)value = text;
    return FF_OK;
}

/* One option, r->at standing on it; takes its value too. */
static ff_err read_option(struct reader *r)
{
    const char *word = r->argv[r->at];
    bool lengthy = word[1] == '-';
    const char *name = word + (lengthy ? 2 : 1), *given = lengthy ? strchr(name, '=') : NULL;
    if (!lengthy && word[2]) return unknown(r, word);
    void *values = NULL;
    size_t size = given ? (size_t)(given - name) : strlen(name);
    const struct ff_option *o = find(r, name, size, lengthy ? 0 : word[1], &values);
    if (!o) return unknown(r, word);
    void *value = (char *)values + o->offset;
    if (o->kind == FF_OPTION_FLAG) {
        if (given) return ff_fail(r->ctx, FF_EUSAGE, FF_HERE, "--%s takes no value", o->name);
        *(bool *)value = true;
        return FF_OK;
    }
    if (given) return store(o, given + 1, value, r->ctx);
    if (r->at + 1 >= r->argc) {
        return ff_fail(r->ctx, FF_EUSAGE, FF_HERE, "--%s needs a value: %s", o->name, o->value);
    }
    return store(o, r->argv[++r->at], value, r->ctx);
}

ff_err ff_options_read(const struct ff_option *options, void *values, const struct ff_option *common,
                       void *common_values, int argc, char **argv, const char **args, int *nargs, ff_ctx *ctx)
{
    struct reader r = {
        .lists = {options, common}, .values = {values, common_values}, .argc = argc, .argv = argv, .ctx = ctx};
    bool ended = false;
    *nargs = 0;
    for (; r.at < argc; r.at++) {
        const char *word = argv[r.at];
        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
        } else if (!ended && word[0] == '-' && word[1]) {
            ff_err err = read_option(&r);
            if (err) return err;
        } else if (*nargs >= FF_MAX_ARGS) {
            return ff_fail(ctx, FF_EUSAGE, FF_HERE, "too many arguments; at most %d", FF_MAX_ARGS);
        } else {
            args[(*nargs)++] = word;
        }
    }
    return FF_OK;
}
