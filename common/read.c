/* common/read.c - see read.h: scopes, and the rules every member obeys. Values are read in read_value.c. */
#include "common/read.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/read_inner.h"

/* Adds "/key" to a pointer, escaped as RFC 6901 says. A pointer that does not fit is cut; err.c keeps it valid UTF-8. */
static void pointer_join(char out[FF_POINTER_SIZE], const char *base, const char *key)
{
    char whole[FF_POINTER_SIZE] = "";
    size_t n = (size_t)snprintf(whole, sizeof whole, "%s/", base);
    for (; *key && n + 2 < sizeof whole; key++) {
        if (*key == '~' || *key == '/') {
            whole[n++] = '~';
            whole[n++] = *key == '~' ? '0' : '1';
        } else {
            whole[n++] = *key;
        }
    }
    whole[n < sizeof whole ? n : sizeof whole - 1] = '\0';
    memcpy(out, whole, sizeof whole);
}

void ff_pointer_of(const struct ff_scope *s, const char *key, char out[FF_POINTER_SIZE])
{
    if (key) {
        pointer_join(out, s->pointer, key);
    } else {
        memcpy(out, s->pointer, FF_POINTER_SIZE);
    }
}

void ff_scope_fail(struct ff_scope *s, const char *key, ff_err code, const char *file, int line, const char *fmt, ...)
{
    if (ff_failed(s)) return;
    char pointer[FF_POINTER_SIZE], text[FF_MESSAGE_SIZE];
    ff_pointer_of(s, key, pointer);
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    s->reader->err = ff_fail_at(s->reader->ctx, code, pointer, file, line, "%s%s", *pointer ? "" : "job: ", text);
}

/* Is `key` one of the words of "a, b, c"? */
static bool listed(const char *words, const char *key)
{
    size_t n = strlen(key);
    for (const char *at = words; (at = strstr(at, key)); at += n) {
        if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ',')) return true;
    }
    return false;
}

const json_t *ff_scope_look(struct ff_scope *s, const char *key)
{
    if (ff_failed(s)) return NULL;
    size_t n = strlen(s->asked);
    if (!listed(s->asked, key)) snprintf(s->asked + n, sizeof s->asked - n, "%s%s", n ? ", " : "", key);
    return json_object_get(s->in, key);
}

static void no_memory(struct ff_scope *s)
{
    ff_scope_fail(s, NULL, FF_ENOMEM, FF_HERE, "no memory for a job");
}

void ff_scope_keep_new(struct ff_scope *s, const char *key, json_t *value)
{
    int failed = json_is_array(s->out) ? json_array_append_new(s->out, value) : json_object_set_new(s->out, key, value);
    if (failed) no_memory(s);
}

void ff_scope_keep(struct ff_scope *s, const char *key, const json_t *value)
{
    ff_scope_keep_new(s, key, json_incref((json_t *)value));
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction or exponent";
    case JSON_NULL:
        return "null";
    default:
        return json_is_true(value) ? "true" : "false";
    }
}

void ff_fail_missing(struct ff_scope *s, const char *key, const char *what)
{
    ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "missing; allowed: %s", what);
}

void ff_fail_type(struct ff_scope *s, const char *key, const json_t *value, const char *what)
{
    ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "%s stands here; allowed: %s", type_name(value), what);
}

void ff_scope_root(struct ff_scope *s, struct ff_reader *reader, const json_t *in, json_t *out)
{
    *s = (struct ff_scope){.reader = reader, .in = in, .out = out};
    if (!json_is_object(in)) ff_fail_type(s, NULL, in, "an object");
}

bool ff_scope_has(struct ff_scope *s, const char *key)
{
    return ff_scope_look(s, key) != NULL;
}

void ff_scope_object_from(struct ff_scope *child, struct ff_scope *s, const char *key, const json_t *in)
{
    *child = (struct ff_scope){.reader = s->reader};
    if (ff_failed(s)) return;
    ff_pointer_of(s, key, child->pointer);
    if (in && !json_is_object(in)) {
        ff_fail_type(s, key, in, "an object");
        return;
    }
    child->in = in;
    child->out = json_object();
    ff_scope_keep_new(s, key, child->out);
}

void ff_scope_object(struct ff_scope *child, struct ff_scope *s, const char *key)
{
    ff_scope_object_from(child, s, key, ff_scope_look(s, key));
}

int ff_scope_list(struct ff_scope *list, struct ff_scope *s, const char *key, int low, int high)
{
    const json_t *in = ff_scope_look(s, key);
    char what[64];
    snprintf(what, sizeof what, "an array of %d to %d elements", low, high);
    *list = (struct ff_scope){.reader = s->reader, .in = in};
    if (ff_failed(s)) return 0;
    ff_pointer_of(s, key, list->pointer);
    if (!in) {
        ff_fail_missing(s, key, what);
    } else if (!json_is_array(in)) {
        ff_fail_type(s, key, in, what);
    } else if (json_array_size(in) < (size_t)low || json_array_size(in) > (size_t)high) {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "an array of %zu elements stands here; allowed: %d to %d elements",
                      json_array_size(in), low, high);
    } else {
        list->out = json_array();
        ff_scope_keep_new(s, key, list->out);
    }
    return ff_failed(s) ? 0 : (int)json_array_size(in);
}

void ff_scope_item(struct ff_scope *child, struct ff_scope *list, int i)
{
    char index[16];
    snprintf(index, sizeof index, "%d", i);
    ff_scope_object_from(child, list, index, json_array_get(list->in, (size_t)i));
}

void ff_scope_close(struct ff_scope *s)
{
    if (ff_failed(s)) return;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)s->in, key, value)
    {
        if (json_object_get(s->out, key)) continue;
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "unknown member; allowed: %s", s->asked);
        return;
    }
}

void ff_refuse_unbuilt(struct ff_scope *s, const char *key)
{
    if (!ff_failed(s) && json_object_get(s->in, key))
        ff_scope_fail(s, key, FF_ENOTBUILT, FF_HERE, "\"%s\" is not in this build", key);
}
