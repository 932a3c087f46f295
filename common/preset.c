/* common/preset.c - see preset.h. The JSON files are embedded by the assembler, so that each has one source. */
#include "common/preset.h"

#include <string.h>

#include "common/job.h"

#define EMBED(symbol, path)                                                                                            \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" path "\"\n" #symbol "_end:\n.byte 0\n.popsection\n");     \
    extern const char symbol[] __attribute__((visibility("hidden")));                                                  \
    extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(ff_preset_lsst_y10, "proto/presets/lsst-y10.json");
EMBED(ff_preset_cosmos, "proto/presets/cosmos.json");

static const struct {
    const char *name, *text, *end;
} presets[] = {
    {"lsst-y10", ff_preset_lsst_y10, ff_preset_lsst_y10_end},
    {"cosmos", ff_preset_cosmos, ff_preset_cosmos_end},
};

static ff_err load(json_t **out, const json_t *job_model, ff_ctx *ctx)
{
    const char *name = json_string_value(json_object_get(job_model, "preset"));
    for (size_t i = 0; name && i < sizeof presets / sizeof presets[0]; i++) {
        if (!strcmp(name, presets[i].name))
            return ff_json_parse(out, presets[i].text, (size_t)(presets[i].end - presets[i].text), ctx);
    }
    *out = json_object();
    return *out ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
}

static int merged_by_member(const char *key)
{
    static const char *const keys[] = {"parameters", "field", "lognormal", "lpt", "pm"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!strcmp(key, keys[i])) return 1;
    }
    return 0;
}

ff_err ff_preset_merge(json_t **out, const json_t *job_model, ff_ctx *ctx)
{
    ff_err err = load(out, job_model, ctx);
    if (err) return err;
    const char *key;
    json_t *value;
    int failed = 0;
    json_object_foreach((json_t *)job_model, key, value)
    {
        json_t *below = json_object_get(*out, key);
        if (merged_by_member(key) && json_is_object(below) && json_is_object(value)) {
            failed |= json_object_update(below, value);
        } else {
            failed |= json_object_set(*out, key, value);
        }
    }
    if (!failed) return FF_OK;
    json_decref(*out);
    *out = NULL;
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
}
