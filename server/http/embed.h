/* server/http/embed.h - files that are part of the program. */
#ifndef FF_SERVER_HTTP_EMBED_H
#define FF_SERVER_HTTP_EMBED_H

#include <stddef.h>

struct ff_embedded {
    const char *name, *type; /* file name, content type */
    const char *text, *end;
};
/* Files of the page under /ui/. */
extern const struct ff_embedded ff_ui_files[];
extern const int ff_nui_files;
/* proto/openapi.json, proto/job.schema.json */
extern const struct ff_embedded ff_openapi, ff_job_schema;

#endif
