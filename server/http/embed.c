/* server/http/embed.c - see embed.h. Embedded by the assembler, so that each file has one source. */
#include "server/http/embed.h"

#define EMBED(symbol, path)                                                                                            \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" path "\"\n" #symbol "_end:\n.byte 0\n.popsection\n");     \
    extern const char symbol[] __attribute__((visibility("hidden")));                                                  \
    extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(ff_web_index_html, "server/web/index.html");
EMBED(ff_web_app_js, "server/web/app.js");
EMBED(ff_web_corner_js, "server/web/corner.js");
EMBED(ff_web_style_css, "server/web/style.css");
EMBED(ff_proto_openapi, "proto/openapi.json");
EMBED(ff_proto_job_schema, "proto/job.schema.json");

static const char html[] = "text/html; charset=utf-8", script[] = "text/javascript; charset=utf-8",
                  style[] = "text/css; charset=utf-8";

const struct ff_embedded ff_ui_files[] = {
    {"index.html", html, ff_web_index_html, ff_web_index_html_end},
    {"app.js", script, ff_web_app_js, ff_web_app_js_end},
    {"corner.js", script, ff_web_corner_js, ff_web_corner_js_end},
    {"style.css", style, ff_web_style_css, ff_web_style_css_end},
};
const int ff_nui_files = (int)(sizeof ff_ui_files / sizeof ff_ui_files[0]);

const struct ff_embedded ff_openapi = {"openapi.json", "application/json", ff_proto_openapi, ff_proto_openapi_end};
const struct ff_embedded ff_job_schema = {"job.schema.json", "application/json", ff_proto_job_schema,
                                          ff_proto_job_schema_end};
