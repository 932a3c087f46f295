/* common/json.c - JSON text to a value under the contract's rules (declared in job.h).
** What jansson leaves open is closed here: a raw NUL ends its scanner quietly, so that "123\0" would pass. A NUL written
** as an escape inside a string value is valid JSON and stays; whoever reads a member refuses it. Numbers beyond a
** double or an int64 and nesting beyond 2048 are errors of jansson's own. */
#include "common/job.h"

#include <string.h>

ff_err ff_json_parse(json_t **out, const char *text, size_t size, ff_ctx *ctx)
{
    *out = NULL;
    if (size > FF_JOB_MAX_BYTES)
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "the JSON text has %zu bytes; allowed: at most %d", size,
                       FF_JOB_MAX_BYTES);
    const char *nul = size ? memchr(text, '\0', size) : NULL;
    if (nul) return ff_fail(ctx, FF_EBADJSON, FF_HERE, "a NUL byte at offset %td; allowed: JSON text", nul - text);
    json_error_t error;
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (*out) return FF_OK;
    return ff_fail(ctx, json_error_code(&error) == json_error_out_of_memory ? FF_ENOMEM : FF_EBADJSON, FF_HERE,
                   "line %d, column %d: %s", error.line, error.column, error.text);
}
