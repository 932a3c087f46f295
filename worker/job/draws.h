/* worker/job/draws.h - training draws: theta ~ prior, x ~ simulator, by the thousand. Each draw is a pure function of (seed, index), so
** threads, chunks and kills leave no trace in the result. Finished draws stand in a store a chunk until the result is
** assembled from them (draws_team.h). */
#ifndef FF_WORKER_JOB_DRAWS_H
#define FF_WORKER_JOB_DRAWS_H

#include "worker/job/draw.h"

/* Bytes of memory a draws job takes. */
size_t ff_draws_bytes(const struct ff_job *job, int threads);

/* Where the parts of one draw stand in its record: doubles, then floats, then a flag, filled up to a multiple of 8. */
struct ff_draw_layout {
    int ntheta, place[FF_MAX_PARS]; /* columns of theta: the free parameters; with none free, all */
    int nscore;                     /* columns of score: as theta, or 0 */
    long nobs;
    size_t score, x, valid, size; /* byte offsets (theta: 0) and the whole */
};
void ff_draw_layout_of(struct ff_draw_layout *layout, const struct ff_job *job);

/* How many makers work side by side: one a thread for maps, whose fields are small; one that uses all threads for the box of
** lpt. */
int ff_draws_makers(const struct ff_job *job, long most, int threads);

/* A worker that makes draws, with threads of its own, or together with other ranks (comm, else NULL). */
struct ff_draw_maker {
    const struct ff_job *job;            /* borrowed, as is noise_sd */
    const float *noise_sd;               /* (nobs) */
    const struct ff_draw_layout *layout; /* borrowed */
    struct ff_drawer drawer;
    float *weighted; /* (nobs) noise / sd^2; NULL without scores */
};
FF_MUST_USE ff_err ff_draw_maker_init(struct ff_draw_maker *m, const struct ff_job *job,
                                      const struct ff_shift_table *shift, const float *noise_sd,
                                      const struct ff_draw_layout *layout, int threads, const struct ff_comm *comm,
                                      ff_ctx *ctx);
void ff_draw_maker_done(struct ff_draw_maker *m);
/* Draw `index` into record (layout->size bytes). Outside the model: valid 0, x and score 0, theta as drawn. */
FF_MUST_USE ff_err ff_draw_make(struct ff_draw_maker *m, long index, void *record, ff_ctx *ctx);

#endif
