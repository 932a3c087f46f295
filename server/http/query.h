/* server/http/query.h - query strings of requests ("limit=10&state=running"), read strictly: percent-encoding has to be
** whole and valid UTF-8 without control characters, a name occurs once, a name the route does not know is an error.
** Knows nothing of HTTP otherwise, so that it can be fuzzed alone. */
#ifndef FF_SERVER_HTTP_QUERY_H
#define FF_SERVER_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum { FF_QUERY_MAX_BYTES = 4096, FF_QUERY_MAX_PARAMETERS = 12, FF_QUERY_NAME_SIZE = 32, FF_QUERY_VALUE_SIZE = 512 };

struct ff_query {
    int n;
    struct {
        char name[FF_QUERY_NAME_SIZE], value[FF_QUERY_VALUE_SIZE];
    } of[FF_QUERY_MAX_PARAMETERS];
};

/* text: what follows '?', not terminated; size 0: no parameters. allowed: names as "a b c". FF_EBADREQUEST with the name
** of the parameter as pointer. */
FF_MUST_USE ff_err ff_query_parse(struct ff_query *q, const char *text, size_t size, const char *allowed, ff_ctx *ctx);
/* NULL: not given. */
const char *ff_query_text(const struct ff_query *q, const char *name);
/* A whole number of low..high; `fallback` when not given. */
FF_MUST_USE ff_err ff_query_number(const struct ff_query *q, const char *name, long low, long high, long fallback,
                                   long *out, ff_ctx *ctx);
/* 0, 1, true, false; not given: false. */
FF_MUST_USE ff_err ff_query_flag(const struct ff_query *q, const char *name, bool *out, ff_ctx *ctx);
/* One of the words "a b c"; *out NULL when not given. */
FF_MUST_USE ff_err ff_query_word(const struct ff_query *q, const char *name, const char *words, const char **out,
                                 ff_ctx *ctx);

/* Is `word` (n characters) one of the blank-separated words? */
bool ff_word_listed(const char *words, const char *word, size_t n);
/* Decimal digits only, in low..high. */
bool ff_parse_number(const char *text, long low, long high, long *out);
/* Well-formed UTF-8 without control characters. */
bool ff_text_is_plain(const char *text, size_t size);

#endif
