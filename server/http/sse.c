/* server/http/sse.c - see sse.h. */
#include "server/http/sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *ff_sse_frame(long seq, const char *type, const char *text, size_t *size)
{
    static const char format[] = "id: %ld\nevent: %s\ndata: %s\n\n";
    const int n = snprintf(NULL, 0, format, seq, type, text);
    char *frame = n > 0 ? malloc((size_t)n + 1) : NULL;
    if (!frame) return NULL;
    snprintf(frame, (size_t)n + 1, format, seq, type, text);
    *size = (size_t)n;
    return frame;
}
