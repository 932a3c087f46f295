/* client/ffctl/export_getdist.c - text chains as getdist reads them (docs: conventions 4.1): ROOT_1.txt .. one a chain with
** rows "weight -lp parameters..", ROOT.paramnames, ROOT.ranges, ROOT.properties.ini. A file is renamed into place when it is
** whole: a truncated last line would stop getdist. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ffctl/export.h"
#include "client/ffctl/reading.h"
#include "common/model.h"
#include "common/publish.h"

struct set {
    const struct ff_export *e;
    const struct ff_reading *reading;
    struct ff_samples samples;
    long chain; /* the one being written */
};

typedef void (*writer)(FILE *out, const struct set *set);

static ff_err write_file(const struct set *set, const char *suffix, writer write, ff_ctx *ctx)
{
    size_t size = strlen(set->e->out) + strlen(suffix) + 1;
    char *path = malloc(size), *part = NULL;
    if (path) {
        snprintf(path, size, "%s%s", set->e->out, suffix);
        part = ff_part_name(path);
    }
    FILE *out = part ? fopen(part, "w") : NULL;
    ff_err err = FF_OK;
    if (!part) {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
    } else if (!out) {
        err = ff_errno_fail(ctx, errno, "cannot write", path);
    } else {
        write(out, set);
        int failed = ferror(out);
        if (fclose(out) != 0 || failed) err = ff_errno_fail(ctx, errno, "cannot write", path);
        if (!err) err = ff_publish(part, path, ctx);
        if (err) ff_part_drop(part);
        if (!err) ff_export_wrote(set->e, path);
    }
    free(part);
    free(path);
    return err;
}

static void write_chain(FILE *out, const struct set *set)
{
    const struct ff_samples *s = &set->samples;
    long per = s->nchains * s->ndraws;
    for (long draw = 0; draw < s->ndraws; draw++) {
        const double *value = s->value + set->chain * s->ndraws + draw;
        fprintf(out, "1 %.17g", -value[s->nnames * per]);
        for (long i = 0; i < s->nnames; i++) fprintf(out, " %.17g", value[i * per]);
        fputc('\n', out);
    }
}

static void write_paramnames(FILE *out, const struct set *set)
{
    for (long i = 0; i < set->samples.nnames; i++) {
        const char *name = ff_samples_name(set->reading, i);
        char latex[2 * FF_NAME_SIZE];
        int par = ff_par_find(FF_MAX_BINS, name);
        if (par >= 0) {
            ff_par_latex(FF_MAX_BINS, par, latex);
        } else {
            snprintf(latex, sizeof latex, "%s",
                     strcmp(name, "omega_m") == 0 ? "\\Omega_m"
                     : strcmp(name, "S8") == 0    ? "S_8"
                                                  : name);
        }
        fprintf(out, "%s%s\t%s\n", name, i < set->samples.nfree ? "" : "*", latex);
    }
}

/* Support of a prior: what the job says, within what the model can mean at all. */
static void support(const json_t *spec, const char *name, double *low, double *high)
{
    *low = -INFINITY;
    *high = INFINITY;
    int par = ff_par_find(FF_MAX_BINS, name);
    if (par >= 0) ff_par_edges(FF_MAX_BINS, par, low, high);
    json_t *prior = ff_json_path(spec, "model", "parameters", name, NULL), *uniform = json_object_get(prior, "uniform");
    json_t *from = uniform ? json_array_get(uniform, 0) : json_object_get(prior, "low");
    json_t *to = uniform ? json_array_get(uniform, 1) : json_object_get(prior, "high");
    if (json_is_number(from)) *low = fmax(*low, json_number_value(from));
    if (json_is_number(to)) *high = fmin(*high, json_number_value(to));
}

static void write_bound(FILE *out, double bound, char before)
{
    if (isfinite(bound)) {
        fprintf(out, "%c%.17g", before, bound);
    } else {
        fprintf(out, "%cN", before);
    }
}

static void write_ranges(FILE *out, const struct set *set)
{
    const json_t *spec = json_object_get(set->reading->meta, "spec");
    for (long i = 0; i < set->samples.nfree; i++) {
        double low, high;
        const char *name = ff_samples_name(set->reading, i);
        support(spec, name, &low, &high);
        fputs(name, out);
        write_bound(out, low, '\t');
        write_bound(out, high, '\t');
        fputc('\n', out);
    }
}

static void write_properties(FILE *out, const struct set *set)
{
    const char *name = ff_text_of(set->reading->meta, "name");
    fputs("burn_removed=T\nsampler=mcmc\n", out);
    if (*name) fprintf(out, "label=%s\n", name);
}

/* A further chain left by an earlier export would be loaded as one of this posterior's. */
static ff_err refuse_stale(const struct set *set, ff_ctx *ctx)
{
    char path[4096];
    snprintf(path, sizeof path, "%s_%ld.txt", set->e->out, set->samples.nchains + 1);
    if (access(path, F_OK) != 0) return FF_OK;
    return ff_fail(
        ctx, FF_EUSAGE, FF_HERE,
        "%s is there already, from a posterior with more chains; getdist would read it with these. Remove it or "
        "choose another -o",
        path);
}

ff_err ff_export_getdist(const struct ff_export *e, ff_ctx *ctx)
{
    struct ff_reading reading;
    ff_err err = ff_reading_samples(&reading, e->in, ctx);
    if (err) return err;
    struct set set = {.e = e, .reading = &reading, .samples = ff_samples_of(&reading)};
    err = refuse_stale(&set, ctx);
    for (; !err && set.chain < set.samples.nchains; set.chain++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, "_%ld.txt", set.chain + 1);
        err = write_file(&set, suffix, write_chain, ctx);
    }
    if (!err) err = write_file(&set, ".paramnames", write_paramnames, ctx);
    if (!err) err = write_file(&set, ".ranges", write_ranges, ctx);
    if (!err) err = write_file(&set, ".properties.ini", write_properties, ctx);
    ff_reading_done(&reading);
    return err;
}
