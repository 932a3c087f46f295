/* common/job_kind.c - the members that each kind of job has of its own (docs/job.md). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/job_parts.h"

enum { MAX_SIMULATIONS = 100000, MAX_DRAWS = 100000000, MAX_CHUNK = 65536, MAX_CHUNKS = 100000, MAX_ELL = 4096 };
enum { MAX_NOOPS = 1000000, MAX_FILE_BYTES = 1 << 30 };

static const struct ff_choice outputs[] = {{"convergence", FF_OUT_CONVERGENCE, false},
                                           {"shear", FF_OUT_SHEAR, false},
                                           {"density", FF_OUT_DENSITY, false},
                                           {"spectra", FF_OUT_SPECTRA, false},
                                           {NULL, 0, false}};
static const struct ff_choice kept[] = {{"density", FF_OUT_DENSITY, false}, {NULL, 0, false}};
static const struct ff_choice likelihoods[] = {{"field", 0, false}, {"spectra", 0, true}, {NULL, 0, false}};

static void read_outputs(struct ff_scope *root, struct ff_job *job, const struct ff_choice *words)
{
    job->outputs = ff_read_choices(root, "outputs", words);
    if ((job->outputs & FF_OUT_DENSITY) && job->model.simulator != FF_SIM_LPT)
        ff_scope_fail(root, "outputs", FF_EBADJOB, FF_HERE,
                      "this simulator has no density; allowed: \"density\" with the simulator \"lpt\"");
}

static void read_simulate(struct ff_scope *root, struct ff_job *job)
{
    job->count = (long)ff_read_integer(root, "count", 1, MAX_SIMULATIONS, 1);
    job->noise = ff_read_bool(root, "noise", true);
    read_outputs(root, job, outputs);
}

static void read_draws(struct ff_scope *root, struct ff_job *job)
{
    job->count = (long)ff_read_integer(root, "count", 1, MAX_DRAWS, MAX_SIMULATIONS);
    job->noise = ff_read_bool(root, "noise", true);
    job->scores = ff_read_bool(root, "scores", false);
    if (job->scores && !job->noise)
        ff_scope_fail(root, "scores", FF_EBADJOB, FF_HERE,
                      "scores of noiseless draws do not exist; allowed: true with \"noise\": true");
    job->chunk = (long)ff_read_integer(root, "chunk", 1, MAX_CHUNK, 256);
    if (!ff_failed(root) && (job->count - 1) / job->chunk >= MAX_CHUNKS)
        ff_scope_fail(root, "chunk", FF_EBADJOB, FF_HERE, "%ld draws in chunks of %ld; allowed: at most %d chunks",
                      job->count, job->chunk, MAX_CHUNKS);
}

static void read_posterior(struct ff_scope *root, struct ff_job *job)
{
    ff_job_read_sampler(root, &job->sampler);
    ff_read_choice(root, "likelihood", likelihoods, "field");
    if (ff_scope_has(root, "outputs")) read_outputs(root, job, kept);
}

/* Without "ell" the worker takes a grid from the field's largest to its smallest scale. */
static void read_spectrum(struct ff_scope *root, struct ff_job *job)
{
    if (ff_scope_has(root, "ell")) {
        struct ff_scope list;
        int n = ff_scope_list(&list, root, "ell", 1, MAX_ELL);
        job->ell = n ? calloc((size_t)n, sizeof *job->ell) : NULL;
        if (n && !job->ell) ff_scope_fail(root, "ell", FF_ENOMEM, FF_HERE, "no memory for %d multipoles", n);
        job->nell = job->ell ? n : 0;
        for (int i = 0; i < job->nell; i++) {
            double low = i ? job->ell[i - 1] : 2;
            job->ell[i] = ff_read_element(&list, i, (struct ff_range){low, 1e5, i > 0, false});
        }
    }
    job->derivatives = ff_read_bool(root, "derivatives", false);
}

/* Does nothing, as many times and as badly as a test of the service wants. */
static void read_noop(struct ff_scope *root, struct ff_job *job)
{
    static const struct ff_choice fails[] = {{"", 0, false},    {"error", 0, false}, {"crash", 0, false},
                                             {"nan", 0, false}, {"hang", 0, false},  {NULL, 0, false}};
    job->count = (long)ff_read_integer(root, "count", 1, MAX_NOOPS, 1);
    job->sleep_s = ff_read_real(root, "sleep_s", (struct ff_range){0, 86400, false, false}, 0);
    ff_read_choice(root, "fail", fails, "");
    if (!ff_failed(root))
        snprintf(job->fail, sizeof job->fail, "%s", json_string_value(json_object_get(root->out, "fail")));
    job->file_bytes = (long)ff_read_integer(root, "file_bytes", 0, MAX_FILE_BYTES, 0);
}

void ff_job_read_kind(struct ff_scope *root, struct ff_job *job)
{
    switch (job->kind) {
    case FF_SIMULATE:
        read_simulate(root, job);
        return;
    case FF_DRAWS:
        read_draws(root, job);
        return;
    case FF_POSTERIOR:
        read_posterior(root, job);
        return;
    case FF_SPECTRUM:
        read_spectrum(root, job);
        return;
    case FF_NOOP:
        read_noop(root, job);
        return;
    default:
        return; /* refused before */
    }
}
