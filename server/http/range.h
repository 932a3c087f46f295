/* server/http/range.h - byte ranges and entity tags of a file that never changes (RFC 9110, sections 13 and 14). */
#ifndef FF_SERVER_HTTP_RANGE_H
#define FF_SERVER_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum ff_range_kind {
    FF_RANGE_ALL,     /* no range, one we do not serve (several ranges, another unit), or one that is not valid: 200 */
    FF_RANGE_PART,    /* 206 */
    FF_RANGE_OUTSIDE, /* 416 */
};
struct ff_byte_range {
    enum ff_range_kind kind;
    int64_t first, count; /* ALL: the whole file */
};
/* header: of "Range", NULL: none. if_range: of "If-Range", NULL: none; only the very `etag` (with its quotes, strong)
** lets the range count. */
struct ff_byte_range ff_range_of(const char *header, const char *if_range, const char *etag, int64_t size);

/* Does "If-None-Match" name the tag (or "*")? Weak forms match too. */
bool ff_etag_listed(const char *header, const char *etag);

#endif
