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
EMBED(ff_preset_porqueres23, "proto/presets/porqueres23.json");
EMBED(ff_preset_lsst_y10_lpt, "proto/presets/lsst-y10-lpt.json");
EMBED(ff_preset_des_y3_lpt, "proto/presets/des-y3-lpt.json");

static const struct {
    const char *name, *text, *end;
} presets[] = {
    {"lsst-y10", ff_preset_lsst_y10, ff_preset_lsst_y10_end},
    {"cosmos", ff_preset_cosmos, ff_preset_cosmos_end},
    {"porqueres23", ff_preset_porqueres23, ff_preset_porqueres23_end},
    {"lsst-y10-lpt", ff_preset_lsst_y10_lpt, ff_preset_lsst_y10_lpt_end},
    {"des-y3-lpt", ff_preset_des_y3_lpt, ff_preset_des_y3_lpt_end},
};

/* The preset that `above` names, as its file has it; an empty object when there is none. */
static ff_err load(json_t **out, const json_t *above, ff_ctx *ctx)
{
    const char *name = json_string_value(json_object_get(above, "preset"));
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

/* Lays `above` over `out`. */
static ff_err lay_over(json_t *out, const json_t *above, ff_ctx *ctx)
{
    const char *key;
    json_t *value;
    int failed = 0;
    json_object_foreach((json_t *)above, key, value)
    {
        json_t *below = json_object_get(out, key);
        if (merged_by_member(key) && json_is_object(below) && json_is_object(value)) {
            failed |= json_object_update(below, value);
        } else {
            failed |= json_object_set(out, key, value);
        }
    }
    return failed ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job") : FF_OK;
}

/* The preset that `above` names, over the one that it names itself, and so on: files of ours, so it ends. */
static ff_err stack(json_t **out, const json_t *above, ff_ctx *ctx)
{
    json_t *preset;
    *out = NULL;
    ff_err err = load(&preset, above, ctx);
    if (err) return err;
    if (!json_object_get(preset, "preset")) {
        *out = preset;
        return FF_OK;
    }
    err = stack(out, preset, ctx);
    if (!err) err = lay_over(*out, preset, ctx);
    json_decref(preset);
    return err;
}

ff_err ff_preset_merge(json_t **out, json_t **fiducial, const json_t *job_model, ff_ctx *ctx)
{
    *fiducial = NULL;
    ff_err err = stack(out, job_model, ctx);
    if (!err) {
        json_t *own = json_object_get(*out, "fiducial");
        *fiducial = own ? json_incref(own) : json_object();
        json_object_del(*out, "fiducial");
        err = *fiducial ? lay_over(*out, job_model, ctx) : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    }
    if (!err) return FF_OK;
    json_decref(*out);
    json_decref(*fiducial);
    *out = *fiducial = NULL;
    return err;
}
