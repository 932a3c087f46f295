/* common/wire_check.c - a message against the table of its type (wire_inner.h). */
#include <stdio.h>
#include <string.h>

#include "common/wire_inner.h"

/* Of text: what it starts with, the letters of the rest and how many. */
static const struct shape {
    const char *prefix, *letters;
    size_t least, most;
    const char *what;
} shapes[] = {
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    [WIRE_JOB] = {"job_", LOWER DIGITS, 26, 26, "a job id"},
    [WIRE_WORKER] = {"wk_", LOWER DIGITS, 26, 26, "a worker id"},
    [WIRE_DATASET] = {"ds_", LOWER DIGITS, 26, 26, "a dataset id"},
    [WIRE_TASK_NAME] = {"", LOWER DIGITS "-", 1, 31, "the name of a task"},
    [WIRE_FILE_NAME] = {"", LOWER UPPER DIGITS "._-", 1, 100, "a plain file name that starts with no point"},
    [WIRE_POOL] = {"", LOWER UPPER DIGITS "._-", 1, 31, "the name of a pool"},
    [WIRE_SHA256] = {"", "0123456789abcdef", 64, 64, "a SHA-256 in hexadecimal"},
};

/* The place being checked: "/files/3/name". */
struct place {
    const char *message;
    ff_ctx *ctx;
    char pointer[96];
};

static ff_err wrong(const struct place *at, const char *what)
{
    return ff_fail_at(at->ctx, FF_EBADMESSAGE, at->pointer, FF_HERE, "%s: expected %s", at->message, what);
}

static ff_err bounds(const struct place *at, const char *what, int64_t low, int64_t high)
{
    return ff_fail_at(at->ctx, FF_EBADMESSAGE, at->pointer, FF_HERE, "%s: expected %s from %lld to %lld", at->message,
                      what, (long long)low, (long long)high);
}

static bool has_shape(const struct shape *shape, const char *text)
{
    const size_t prefix = strlen(shape->prefix), n = strlen(text);
    if (strncmp(text, shape->prefix, prefix) != 0) return false;
    if (n < prefix + shape->least || n > prefix + shape->most) return false;
    return strspn(text + prefix, shape->letters) == n - prefix;
}

static ff_err check_text(const struct place *at, const struct ff_wire_member *m, const json_t *value)
{
    const char *text = json_string_value(value);
    const size_t n = json_string_length(value);
    if (!text) return wrong(at, "text");
    if (strlen(text) != n) return wrong(at, "text without NUL");
    if (m->rule == WIRE_TEXT || m->rule == WIRE_PROSE) {
        if (n < (size_t)m->low || n > (size_t)m->high) return bounds(at, "bytes of text", m->low, m->high);
        for (size_t i = 0; m->rule == WIRE_TEXT && i < n; i++) {
            if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return wrong(at, "text without control characters");
        }
        return FF_OK;
    }
    if (m->none && !n) return FF_OK;
    const struct shape *shape = &shapes[m->rule];
    if (!has_shape(shape, text) || (m->rule == WIRE_FILE_NAME && text[0] == '.')) return wrong(at, shape->what);
    return FF_OK;
}

static ff_err check_word(const struct place *at, const struct ff_wire_member *m, const json_t *value)
{
    const char *text = json_string_value(value);
    char what[128] = "one of";
    for (const char *const *word = m->inside; *word; word++) {
        if (text && json_string_length(value) == strlen(*word) && !strcmp(text, *word)) return FF_OK;
        const size_t n = strlen(what);
        snprintf(what + n, sizeof what - n, " %s", *word);
    }
    return wrong(at, what);
}

/* {"chain-0": 2, ..} */
static ff_err check_attempts(const struct place *at, const json_t *value)
{
    const char *name;
    json_t *attempt;
    if (!json_is_object(value)) return wrong(at, "an object of attempts by task");
    json_object_foreach((json_t *)value, name, attempt)
    {
        if (!has_shape(&shapes[WIRE_TASK_NAME], name)) return wrong(at, "names of tasks");
        const json_int_t number = json_integer_value(attempt);
        if (!json_is_integer(attempt) || number < 1 || number > INT32_MAX)
            return bounds(at, "an attempt of every task", 1, INT32_MAX);
    }
    return FF_OK;
}

static ff_err check_members(struct place *at, const struct ff_wire_member *members, const json_t *object);

static ff_err check_list(struct place *at, const struct ff_wire_member *m, const json_t *value)
{
    const size_t size = json_array_size(value), n = strlen(at->pointer);
    if (!json_is_array(value)) return wrong(at, "a list");
    if (size > (size_t)m->high) return bounds(at, "elements", 0, m->high);
    for (size_t i = 0; i < size; i++) {
        const json_t *element = json_array_get(value, i);
        snprintf(at->pointer + n, sizeof at->pointer - n, "/%zu", i);
        ff_err err = json_is_object(element) ? check_members(at, m->inside, element) : wrong(at, "an object");
        if (err) return err;
    }
    at->pointer[n] = '\0';
    return FF_OK;
}

static ff_err check_value(struct place *at, const struct ff_wire_member *m, const json_t *value)
{
    switch (m->rule) {
    case WIRE_WORD:
        return check_word(at, m, value);
    case WIRE_INTEGER:
        if (json_is_integer(value) && json_integer_value(value) >= m->low && json_integer_value(value) <= m->high)
            return FF_OK;
        return bounds(at, "an integer", m->low, m->high);
    case WIRE_NUMBER:
        if (json_is_number(value) && json_number_value(value) >= (double)m->low &&
            json_number_value(value) <= (double)m->high)
            return FF_OK;
        return bounds(at, "a number", m->low, m->high);
    case WIRE_BOOL:
        return json_is_boolean(value) ? FF_OK : wrong(at, "true or false");
    case WIRE_OBJECT:
        if (!json_is_object(value)) return wrong(at, "an object");
        return m->inside ? check_members(at, m->inside, value) : FF_OK;
    case WIRE_ATTEMPTS:
        return check_attempts(at, value);
    case WIRE_LIST:
        return check_list(at, m, value);
    default:
        return check_text(at, m, value);
    }
}

static ff_err check_members(struct place *at, const struct ff_wire_member *members, const json_t *object)
{
    const size_t n = strlen(at->pointer);
    for (const struct ff_wire_member *m = members; m->name; m++) {
        const json_t *value = json_object_get(object, m->name);
        if (m->optional && (!value || json_is_null(value))) continue;
        snprintf(at->pointer + n, sizeof at->pointer - n, "/%s", m->name);
        ff_err err = value ? check_value(at, m, value) : wrong(at, "this member");
        if (err) return err;
        at->pointer[n] = '\0';
    }
    return FF_OK;
}

ff_err ff_wire_check(enum ff_wire_type type, const json_t *body, ff_ctx *ctx)
{
    static const char *const names[] = {"job", "task", "attempt"};
    struct place at = {.message = ff_wire_name(type), .ctx = ctx};
    bool attempt = false;
    for (int i = 0; i < 3; i++) {
        const json_t *value = json_object_get(body, names[i]);
        attempt = attempt || (value && !json_is_null(value));
    }
    const struct ff_wire_member *members = ff_wire_members((int)type, attempt);
    if (!members) return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "%d is no type of message", (int)type);
    return json_is_object(body) ? check_members(&at, members, body) : wrong(&at, "an object");
}
