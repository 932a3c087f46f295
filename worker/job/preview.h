/* worker/job/preview.h - what a chain that is still running has to show: mean and sd of the convergence over its draws so far,
** as maps.npy (map, bin, y, x) of float and maps.json beside it, written anew at each checkpoint.
** maps.json: {"names": of the maps, "draws": how many they are over, "size_deg", "ra_deg", "dec_deg", "npix"}. Files are replaced
** whole, but not synced: after a power cut they are made again. */
#ifndef FF_WORKER_JOB_PREVIEW_H
#define FF_WORKER_JOB_PREVIEW_H

#include "worker/job/posterior_chain.h"

/* Writes both files (of a chain that shares its folder: chain-N.maps.npy and .json) and emits a `map` event under `task`. Does nothing
** before the first draw. */
FF_MUST_USE ff_err ff_preview_write(const struct ff_pchain *c, const char *task, ff_ctx *ctx);

#endif
