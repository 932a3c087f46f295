/* tests/fuzz/query_fuzz.c - any bytes as a query string: what is accepted is within its bounds, plain text, and names each
** parameter once. */
#include <string.h>

#include "server/http/query.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char allowed[] = "limit cursor state kind all from format bin name after since";
    struct ff_query q;
    ff_ctx ctx = {0};
    long number;
    bool flag;
    const char *word;
    const ff_err err = ff_query_parse(&q, (const char *)data, size, allowed, &ctx);
    must(err == ctx.code, "an error is in the context");
    if (err) return 0;
    must(q.n >= 0 && q.n <= FF_QUERY_MAX_PARAMETERS, "as many parameters as fit");
    for (int i = 0; i < q.n; i++) {
        const char *name = q.of[i].name, *value = q.of[i].value;
        must(strlen(name) < FF_QUERY_NAME_SIZE && strlen(value) < FF_QUERY_VALUE_SIZE, "ends within its room");
        must(ff_word_listed(allowed, name, strlen(name)), "a known name");
        must(ff_text_is_plain(value, strlen(value)), "plain text");
        must(ff_query_text(&q, name) == value, "each name once");
    }
    if (!ff_query_number(&q, "limit", 1, 500, 50, &number, &ctx)) must(number >= 1 && number <= 500, "within bounds");
    if (ff_query_flag(&q, "all", &flag, &ctx)) must(!flag, "no flag after an error");
    if (ff_query_word(&q, "state", "queued running", &word, &ctx)) must(!word, "no word after an error");
    return 0;
}
