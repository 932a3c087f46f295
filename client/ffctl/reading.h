/* client/ffctl/reading.h - what ffctl takes from a result file. The file is read in a limited child process
** (files/guard.h); what comes back is one JSON object and one array of numbers. */
#ifndef FF_CLIENT_READING_H
#define FF_CLIENT_READING_H

#include <jansson.h>

#include "common/err.h"
#include "files/h5.h"

struct ff_reading {
    json_t *meta;
    double *data; /* (n) */
    long n;
};

/* Called in the child: fills meta and, where numbers are wanted, *data (malloc'ed) and *n. */
typedef ff_err (*ff_reading_body)(ff_h5r *file, const void *arg, json_t *meta, double **data, long *n, ff_ctx *ctx);
FF_MUST_USE ff_err ff_reading_take(struct ff_reading *out, const char *path, ff_reading_body body, const void *arg,
                                   ff_ctx *ctx);
void ff_reading_done(struct ff_reading *reading);

/* Root facts every result has: "spec" (object), "kind", "name", "seed", "version", "backend", "created_at", "gradients". */
FF_MUST_USE ff_err ff_reading_root(ff_h5r *file, json_t *meta, ff_ctx *ctx);
json_t *ff_reading_number(double value);                       /* null when not finite */
const char *ff_text_of(const json_t *object, const char *key); /* "" when absent */
/* Follows names down; NULL when one is absent. The last name is NULL. */
json_t *ff_json_path(const json_t *object, ...) __attribute__((sentinel));

/* Truth of a parameter when the data were a mock (omega_m and S8 from their parts), a new reference; else NULL. `meta` has "spec". */
json_t *ff_reading_truth(const json_t *meta, const char *name);

/* Samples of a posterior: meta has the root facts, "names" (list, derived last), "nfree", "chains", "draws"; data is
** (names + 1, chains, draws), lp being the last row. */
FF_MUST_USE ff_err ff_reading_samples(struct ff_reading *out, const char *path, ff_ctx *ctx);
struct ff_samples {
    long nnames, nfree, nchains, ndraws;
    const double *value; /* (nnames + 1, nchains, ndraws), borrowed from the reading */
};
struct ff_samples ff_samples_of(const struct ff_reading *reading);
const char *ff_samples_name(const struct ff_reading *reading, long i);

/* One array: `name` stands for /maps/name, unless it has a slash. meta has "dataset" (its path without the first slash),
** "shape", and of the root what is there. */
FF_MUST_USE ff_err ff_reading_array(struct ff_reading *out, const char *path, const char *name, ff_ctx *ctx);

#endif
