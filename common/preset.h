/* common/preset.h - the presets of a model: proto/presets/NAME.json, embedded in the binary. */
#ifndef FF_COMMON_PRESET_H
#define FF_COMMON_PRESET_H

#include <jansson.h>

#include "common/err.h"

/* The model `job_model` (borrowed) laid over the preset it names: parameters by name; field, lognormal, lpt and pm by
** member; everything else as a whole. A preset lies over another one that it names in the same way. Without a preset of
** this build it is a copy. fiducial: the preset's fiducial point by parameter names, or an empty object. The caller
** releases both; both are NULL after an error. */
FF_MUST_USE ff_err ff_preset_merge(json_t **out, json_t **fiducial, const json_t *job_model, ff_ctx *ctx);

#endif
