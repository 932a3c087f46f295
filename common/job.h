/* common/job.h - a job: the JSON of the public contract, checked, with every default filled in, as one struct.
** Nothing here opens a dataset: "@path" members are kept as paths, resolved against the job file's folder.
** A job text is untrusted: every error names the JSON pointer and what is allowed; time and memory are bounded. */
#ifndef FF_COMMON_JOB_H
#define FF_COMMON_JOB_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/model.h"

enum ff_kind { FF_SIMULATE, FF_DRAWS, FF_POSTERIOR, FF_IMPLICIT, FF_SPECTRUM, FF_COMPARE, FF_NOOP };
enum ff_data_kind { FF_DATA_NONE, FF_DATA_MOCK, FF_DATA_SET };
enum ff_job_algorithm { FF_JOB_NUTS, FF_JOB_HMC, FF_JOB_MCLMC };
enum ff_job_integrator { FF_JOB_ROTATION, FF_JOB_LEAPFROG };
enum ff_job_whiten { FF_JOB_WHITEN_AUTO, FF_JOB_WHITEN_WIENER, FF_JOB_WHITEN_LOWRANK, FF_JOB_WHITEN_NONE };
enum ff_output { FF_OUT_CONVERGENCE = 1, FF_OUT_SHEAR = 2, FF_OUT_DENSITY = 4, FF_OUT_SPECTRA = 8 };

struct ff_dataset_ref {            /* "" : none */
    char path[FF_PATH_SIZE];       /* what to open */
    char pointer[FF_POINTER_SIZE]; /* where the job names it, for errors */
};

struct ff_model {
    enum ff_simulator simulator;
    char preset[FF_NAME_SIZE]; /* "" : none */
    double size_deg, ra_deg, dec_deg;
    int npix, padding;
    bool pixel_window;                     /* maps are averages over pixels */
    struct ff_sources sources;             /* table curves are NULL until the datasets are read */
    struct ff_dataset_ref nz[FF_MAX_BINS]; /* sources.kind == FF_NZ_TABLE */
    double sigma_e;
    enum ff_observable observable;
    double l_max; /* 0: none */
    int npars;    /* ff_par_count(sources.nbins) */
    struct ff_prior par[FF_MAX_PARS];
    double fiducial[FF_MAX_PARS]; /* of the preset: where what a job says nothing of stands, in a model and in a mock */
    enum ff_shift_kind shift_kind;
    struct ff_dataset_ref shift_table;
    double shift_numbers[FF_MAX_BINS];
    enum ff_variance variance;
    enum ff_power power;
    struct ff_lpt lpt; /* FF_SIM_LPT */
};

struct ff_data {
    enum ff_data_kind kind;
    struct ff_dataset_ref dataset;  /* FF_DATA_SET */
    double parameters[FF_MAX_PARS]; /* FF_DATA_MOCK: truth */
    uint64_t seed;
    struct ff_dataset_ref mask; /* FF_DATA_MOCK: mask and noise of this dataset are used */
};

struct ff_sampler {
    enum ff_job_algorithm algorithm;
    int chains, warmup, draws; /* draws: per chain, when `until` is absent */
    bool until;                /* stop at until_ess and until_rhat, or at max_draws per chain */
    double until_ess, until_rhat;
    int max_draws;
    double target_accept;
    int max_depth;
    enum ff_job_integrator integrator;
    enum ff_job_whiten whiten;
    bool thin; /* keep thinned fields */
    int every; /* of the thinned fields */
};

struct ff_resources {
    int ranks;         /* of the gang, >= 1 */
    int threads;       /* 0: as many as cores */
    char pool[32];     /* "default" */
    int priority;      /* -100 .. 100, higher first */
    double walltime_s; /* of the whole job, 0: none */
};

struct ff_job {
    enum ff_kind kind;
    char name[128];
    uint64_t seed;
    struct ff_model model;
    struct ff_data data;
    struct ff_resources resources;
    /* simulate, draws */
    long count;
    bool noise, scores;
    long chunk;
    unsigned outputs; /* of enum ff_output; a posterior's too: what it keeps besides the convergence */
    /* posterior */
    struct ff_sampler sampler;
    /* spectrum */
    int nell;
    double *ell; /* (nell) increasing */
    bool derivatives;
    /* noop */
    double sleep_s;
    char fail[8];
    long file_bytes;
    json_t *spec; /* the whole job with all defaults filled in; dataset members still "@path" */
};

/* A job from JSON text. base_dir: folder "@path" is relative to. */
FF_MUST_USE ff_err ff_job_parse(struct ff_job **out, const char *text, size_t size, const char *base_dir, ff_ctx *ctx);
/* The same from a file (at most FF_JOB_MAX_BYTES), base_dir being its folder. */
enum { FF_JOB_MAX_BYTES = 8 << 20 };
FF_MUST_USE ff_err ff_job_read(struct ff_job **out, const char *path, ff_ctx *ctx);
void ff_job_free(struct ff_job *job);

/* A job as posted to a server: a dataset is a "ds_" id, kept in ref.path as it is, and "@path" is refused. test_kinds: the
** kind "noop" is allowed, which does nothing, for tests of the service: {"kind":"noop","count":tasks,"sleep_s":0,
** "fail":"" | "error" | "crash" | "nan" | "hang", "file_bytes":0}. */
FF_MUST_USE ff_err ff_job_parse_posted(struct ff_job **out, const char *text, size_t size, bool test_kinds,
                                       ff_ctx *ctx);
/* The same on a gang that was sent the whole spec: path_of gives the file of a dataset id (NULL: unknown). */
FF_MUST_USE ff_err ff_job_parse_task(struct ff_job **out, const char *text, size_t size,
                                     const char *(*path_of)(void *self, const char *id), void *self, ff_ctx *ctx);
/* Ids of the datasets that a posted job names, each once; returns how many. */
enum { FF_MAX_DATASETS = FF_MAX_BINS + 4 };
int ff_job_datasets(const struct ff_job *job, const char *ids[FF_MAX_DATASETS]);

/* JSON text to a value, with the parser's rules of the contract (duplicate keys, NUL, non-finite refused). */
FF_MUST_USE ff_err ff_json_parse(json_t **out, const char *text, size_t size, ff_ctx *ctx);

/* No fewer than the text has values (what stands inside strings is counted too): to refuse before memory is spent. */
size_t ff_json_count(const char *text, size_t size);

/* Noise sd per pixel (and shear component) of one bin from sigma_e and the density of its galaxies. */
double ff_model_noise_sd(const struct ff_model *model, int bin);

/* Free parameters: places with a prior that is not fixed, in order; returns how many. */
int ff_model_free(const struct ff_model *model, int *place /* (FF_MAX_PARS) */);

const char *ff_kind_name(enum ff_kind kind);

/* The job's tasks, in an order in which they may run one after another. */
enum ff_task_kind {
    FF_TASK_CHAIN,
    FF_TASK_REDUCE,
    FF_TASK_CHUNK,
    FF_TASK_MANIFEST,
    FF_TASK_SIMULATE,
    FF_TASK_SPECTRUM,
    FF_TASK_NOOP
};
struct ff_task {
    enum ff_task_kind kind;
    char name[32];     /* "chain-0", "draws-12", "reduce", .. */
    long first, count; /* chain: its number; chunk: draws first .. first+count-1 */
};
FF_MUST_USE ff_err ff_tasks_split(const struct ff_job *job, struct ff_task **tasks, int *ntasks, ff_ctx *ctx);

#endif
