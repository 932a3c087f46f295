/* server/queue/json_rows.c - small things between rows and JSON (declared in life.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/queue/life.h"

json_t *ff_json_text(const char *text)
{
    json_t *value = json_string(text ? text : "");
    return value ? value : json_string("(words that are not UTF-8)");
}

json_t *ff_col_time(struct ff_stmt *s, int column)
{
    char text[FF_TIME_SIZE];
    int64_t ms = ff_col_int(s, column);
    if (!ms) return json_null();
    ff_time_text(ms, text);
    return json_string(text);
}

json_t *ff_col_json(struct ff_stmt *s, int column)
{
    const char *text = ff_col_text(s, column);
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return value ? value : json_null();
}

bool ff_list_add(ff_err *err, json_t *list, json_t *value, ff_ctx *ctx)
{
    if (!*err && value && !json_array_append_new(list, value)) return true;
    if (*err) json_decref(value); /* json_array_append_new has taken it otherwise */
    if (!*err) *err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list");
    return false;
}

ff_err ff_list_rows(struct ff_stmt *s, const char *key, json_t *(*row)(struct ff_stmt *s), json_t **out, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    json_t *list = json_array();
    while (!err && ff_sql_next(s)) ff_list_add(&err, list, row(s), ctx);
    ff_err closed = ff_sql_close(s);
    if (!err) err = closed;
    *out = json_pack("{so}", key, list);
    if (!err && !*out) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list");
    if (!err) return FF_OK;
    json_decref(*out);
    *out = NULL;
    return err;
}

static const char cursor_format[] = "p%" PRIx64;

json_t *ff_cursor_make(int64_t row)
{
    char text[24];
    snprintf(text, sizeof text, cursor_format, (uint64_t)row);
    return json_string(text);
}

ff_err ff_cursor_read(const char *cursor, int64_t *before, ff_ctx *ctx)
{
    *before = INT64_MAX;
    if (!cursor) return FF_OK;
    size_t digits = *cursor == 'p' ? strspn(cursor + 1, "0123456789abcdef") : 0;
    uint64_t row = 0;
    if (digits < 1 || digits > 15 || cursor[1 + digits] || sscanf(cursor + 1, "%" SCNx64, &row) != 1)
        return ff_fail_at(ctx, FF_EBADREQUEST, "cursor", FF_HERE,
                          "this is not a cursor; allowed: next_cursor of an earlier answer, as it was");
    *before = (int64_t)row;
    return FF_OK;
}
