/* server/http/query.c - see query.h. */
#include "server/http/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool ff_word_listed(const char *words, const char *word, size_t n)
{
    for (const char *at = words; n > 0 && *at;) {
        const size_t length = strcspn(at, " ");
        if (length == n && memcmp(at, word, n) == 0) return true;
        at += length + (at[length] == ' ');
    }
    return false;
}

bool ff_parse_number(const char *text, long low, long high, long *out)
{
    const bool negative = *text == '-';
    const char *digits = text + negative;
    if (!*digits || strspn(digits, "0123456789") != strlen(digits)) return false;
    errno = 0;
    const long value = strtol(text, NULL, 10);
    if (errno || value < low || value > high) return false;
    *out = value;
    return true;
}

/* Length of the well-formed UTF-8 sequence at s (RFC 3629: no overlong forms, no surrogates), 0 if there is none. */
static size_t sequence(const unsigned char *s, size_t size)
{
    if (s[0] < 0x80) return 1;
    const size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > size) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
    }
    if (s[0] == 0xe0 && s[1] < 0xa0) return 0;
    if (s[0] == 0xed && s[1] >= 0xa0) return 0;
    if (s[0] == 0xf0 && s[1] < 0x90) return 0;
    if (s[0] == 0xf4 && s[1] >= 0x90) return 0;
    return n;
}

bool ff_text_is_plain(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0, n; i < size; i += n) {
        n = sequence(s + i, size - i);
        if (!n || s[i] < 0x20 || s[i] == 0x7f) return false;
        if (n == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0) return false; /* C1 */
    }
    return true;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes into out (size bytes with NUL); false: not whole, too long, or not plain text. */
static bool decode(const char *text, size_t n, char *out, size_t size)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (m + 1 >= size) return false;
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (n - i < 3 || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return false;
            c = (char)(digit(text[i + 1]) * 16 + digit(text[i + 2]));
            i += 2;
        }
        out[m++] = c;
    }
    out[m] = '\0';
    return ff_text_is_plain(out, m);
}

static ff_err add(struct ff_query *q, const char *text, size_t n, const char *allowed, ff_ctx *ctx)
{
    const char *equals = memchr(text, '=', n);
    const size_t nname = equals ? (size_t)(equals - text) : n;
    if (q->n == FF_QUERY_MAX_PARAMETERS)
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "too many query parameters; allowed: at most %d",
                       FF_QUERY_MAX_PARAMETERS);
    char *name = q->of[q->n].name, *value = q->of[q->n].value;
    if (!decode(text, nname, name, FF_QUERY_NAME_SIZE) || !ff_word_listed(allowed, name, strlen(name)))
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "a query parameter that is not known here; allowed: %s",
                       *allowed ? allowed : "none");
    if (!equals || !decode(equals + 1, n - nname - 1, value, FF_QUERY_VALUE_SIZE))
        return ff_fail_at(ctx, FF_EBADREQUEST, name, FF_HERE,
                          "not a value; allowed: at most %d bytes of percent-encoded UTF-8 text",
                          FF_QUERY_VALUE_SIZE - 1);
    if (ff_query_text(q, name)) return ff_fail_at(ctx, FF_EBADREQUEST, name, FF_HERE, "given twice");
    q->n++;
    return FF_OK;
}

ff_err ff_query_parse(struct ff_query *q, const char *text, size_t size, const char *allowed, ff_ctx *ctx)
{
    q->n = 0;
    if (size > FF_QUERY_MAX_BYTES)
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "the query string has %zu bytes; allowed: at most %d", size,
                       FF_QUERY_MAX_BYTES);
    for (size_t i = 0; size > 0 && i <= size;) { /* "a=1&" has an empty second parameter */
        const char *amp = i < size ? memchr(text + i, '&', size - i) : NULL;
        const size_t n = amp ? (size_t)(amp - (text + i)) : size - i;
        ff_err err = add(q, text + i, n, allowed, ctx);
        if (err) return err;
        i += n + 1;
    }
    return FF_OK;
}

const char *ff_query_text(const struct ff_query *q, const char *name)
{
    for (int i = 0; i < q->n; i++) {
        if (strcmp(q->of[i].name, name) == 0) return q->of[i].value;
    }
    return NULL;
}

ff_err ff_query_number(const struct ff_query *q, const char *name, long low, long high, long fallback, long *out,
                       ff_ctx *ctx)
{
    const char *text = ff_query_text(q, name);
    *out = fallback;
    if (!text || ff_parse_number(text, low, high, out)) return FF_OK;
    return ff_fail_at(ctx, FF_EBADREQUEST, name, FF_HERE, "not a number that is allowed here; allowed: %ld to %ld", low,
                      high);
}

ff_err ff_query_flag(const struct ff_query *q, const char *name, bool *out, ff_ctx *ctx)
{
    const char *text;
    ff_err err = ff_query_word(q, name, "0 1 true false", &text, ctx);
    *out = text && (*text == '1' || *text == 't');
    return err;
}

ff_err ff_query_word(const struct ff_query *q, const char *name, const char *words, const char **out, ff_ctx *ctx)
{
    *out = ff_query_text(q, name);
    if (!*out || ff_word_listed(words, *out, strlen(*out))) return FF_OK;
    *out = NULL;
    return ff_fail_at(ctx, FF_EBADREQUEST, name, FF_HERE, "allowed: %s", words);
}
