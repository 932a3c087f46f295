/* common/json.c - JSON text to a value under the contract's rules (declared in job.h).
** What jansson leaves open is closed here: a raw NUL ends its scanner quietly, so that "123\0" would pass. A NUL written
** as an escape inside a string value is valid JSON and stays; whoever reads a member refuses it. Numbers beyond a
** double or an int64 and nesting beyond 2048 are errors of jansson's own. */
#include "common/job.h"

#include <errno.h>
#include <string.h>

/* A few bytes of text can make a hundred of memory ("[],[],.."): no job has so many values. */
enum { MAX_VALUES = 200000 };

size_t ff_json_count(const char *text, size_t size)
{
    size_t n = 1;
    for (size_t i = 0; i < size; i++) n += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return n;
}

/* Without memory jansson fails without words, or with those for a fault of the text. It gives up at the first allocation that
** fails, so the C library's word for that stands when it returns. */
static ff_err load(json_t **out, const char *text, size_t size, ff_ctx *ctx)
{
    json_error_t error = {0};
    errno = 0;
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (*out) return FF_OK;
    if (errno == ENOMEM || !error.text[0] || json_error_code(&error) == json_error_out_of_memory)
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a JSON text of %zu bytes", size);
    return ff_fail(ctx, FF_EBADJSON, FF_HERE, "line %d, column %d: %s", error.line, error.column, error.text);
}

ff_err ff_json_parse(json_t **out, const char *text, size_t size, ff_ctx *ctx)
{
    *out = NULL;
    if (size > FF_JOB_MAX_BYTES)
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "the JSON text has %zu bytes; allowed: at most %d", size,
                       FF_JOB_MAX_BYTES);
    const char *nul = size ? memchr(text, '\0', size) : NULL;
    if (nul) return ff_fail(ctx, FF_EBADJSON, FF_HERE, "a NUL byte at offset %td; allowed: JSON text", nul - text);
    if (ff_json_count(text, size) > MAX_VALUES)
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "the JSON text has too many values; allowed: at most %d",
                       MAX_VALUES);
    return load(out, text, size, ctx);
}
