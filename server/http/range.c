/* server/http/range.c - see range.h. */
#include "server/http/range.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Digits at *at, moved past; -1: none, or more than an int64 holds. */
static int64_t digits(const char **at)
{
    int64_t value = 0;
    const char *c = *at;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (value > (INT64_MAX - 9) / 10) return -1;
        value = value * 10 + (*c - '0');
    }
    if (c == *at) return -1;
    *at = c;
    return value;
}

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t') ++*at;
}

static struct ff_byte_range part(int64_t first, int64_t last, int64_t size)
{
    if (first >= size) return (struct ff_byte_range){.kind = FF_RANGE_OUTSIDE};
    if (last >= size) last = size - 1;
    return (struct ff_byte_range){.kind = FF_RANGE_PART, .first = first, .count = last - first + 1};
}

struct ff_byte_range ff_range_of(const char *header, const char *if_range, const char *etag, int64_t size)
{
    const struct ff_byte_range all = {.kind = FF_RANGE_ALL, .count = size};
    if (!header || (if_range && strcmp(if_range, etag) != 0)) return all;
    if (strncasecmp(header, "bytes=", 6) != 0) return all;
    const char *at = header + 6;
    int64_t first = -1, last = -1;
    skip_blanks(&at);
    if (*at != '-' && (first = digits(&at)) < 0) return all;
    if (*at != '-') return all;
    at++;
    if (*at >= '0' && *at <= '9' && (last = digits(&at)) < 0) return all;
    skip_blanks(&at);
    if (*at || (first < 0 && last < 0) || (first >= 0 && last >= 0 && last < first)) return all;
    if (first >= 0) return part(first, last < 0 ? INT64_MAX : last, size);
    if (last == 0) return (struct ff_byte_range){.kind = FF_RANGE_OUTSIDE};
    return part(last < size ? size - last : 0, INT64_MAX, size);
}

bool ff_etag_listed(const char *header, const char *etag)
{
    const size_t n = strlen(etag);
    for (const char *at = header; at && *at;) {
        at += strspn(at, " \t,");
        if (*at == '*') return true;
        if (strncmp(at, "W/", 2) == 0) at += 2;
        if (strncmp(at, etag, n) == 0 && (!at[n] || strchr(" \t,", at[n]))) return true;
        at += strcspn(at, ",");
    }
    return false;
}
