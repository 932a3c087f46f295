/* files/npy_header.c - see npy_header.h. The header is a Python dictionary with three fixed keys in any order; nothing
** else of Python is understood, on purpose. */
#include "files/npy_header.h"

#include <string.h>

struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

/* Takes `text` if it comes next. */
static bool accept(struct cursor *c, const char *text)
{
    const size_t n = strlen(text);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0) return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes into out (of `size` bytes). */
static bool quoted(struct cursor *c, char *out, size_t size)
{
    skip_space(c);
    if (c->at >= c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const char quote = *c->at++;
    const char *close = memchr(c->at, quote, (size_t)(c->end - c->at));
    if (!close || (size_t)(close - c->at) >= size) return false;
    memcpy(out, c->at, (size_t)(close - c->at));
    out[close - c->at] = '\0';
    c->at = close + 1;
    return true;
}

static bool number(struct cursor *c, long *out)
{
    skip_space(c);
    long value = 0;
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (__builtin_mul_overflow(value, 10L, &value) || __builtin_add_overflow(value, (long)(*c->at - '0'), &value))
            return false;
    }
    (void)accept(c, "L"); /* Python 2 wrote long integers so */
    *out = value;
    return c->at > start;
}

static bool shape(struct cursor *c, struct ff_npy_header *h)
{
    if (!accept(c, "(")) return false;
    h->rank = 0;
    while (!accept(c, ")")) {
        if (h->rank == FF_MAX_RANK || !number(c, &h->shape[h->rank])) return false;
        h->rank++;
        if (!accept(c, ",")) return accept(c, ")");
    }
    return true;
}

/* '<f4' and the like. Sizes are those this reader can turn into a double. */
static bool descr(const char *text, struct ff_npy_header *h)
{
    if (strlen(text) != 3 || !strchr("<>=|", text[0])) return false;
    static const struct {
        char kind;
        const char *sizes;
    } known[] = {{'f', "248"}, {'i', "1248"}, {'u', "1248"}, {'b', "1"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].kind == text[1] && strchr(known[i].sizes, text[2])) {
            h->kind = text[1];
            h->size = text[2] - '0';
            h->big_endian = text[0] == '>';
            return true;
        }
    }
    return false;
}

ff_err ff_npy_header_parse(struct ff_npy_header *out, const char *path, const char *text, size_t size, ff_ctx *ctx)
{
    struct cursor c = {text, text + size};
    struct ff_npy_header h = {0};
    bool have_descr = false, have_order = false, have_shape = false;
    if (!accept(&c, "{")) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the .npy header is not a dictionary", path);
    while (!accept(&c, "}")) {
        char key[32], type[32];
        if (!quoted(&c, key, sizeof key) || !accept(&c, ":")) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the .npy header is damaged at byte %ld", path,
                           (long)(c.at - text));
        }
        bool ok = true, *seen = NULL;
        if (!strcmp(key, "descr")) {
            seen = &have_descr;
            ok = quoted(&c, type, sizeof type) && descr(type, &h);
        } else if (!strcmp(key, "fortran_order")) {
            seen = &have_order;
            h.fortran = accept(&c, "True");
            ok = h.fortran || accept(&c, "False");
        } else if (!strcmp(key, "shape")) {
            seen = &have_shape;
            ok = shape(&c, &h);
        }
        if (!seen || *seen || !ok) {
            return ff_fail(
                ctx, FF_EBADFILE, FF_HERE,
                "%s: member \"%s\" of the .npy header cannot be used; integers and reals of up to 8 bytes, at most %d "
                "dimensions are read",
                path, key, FF_MAX_RANK);
        }
        *seen = true;
        (void)accept(&c, ",");
    }
    if (!have_descr || !have_order || !have_shape) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the .npy header lacks %s", path,
                       !have_descr   ? "descr"
                       : !have_order ? "fortran_order"
                                     : "shape");
    }
    *out = h;
    return FF_OK;
}
