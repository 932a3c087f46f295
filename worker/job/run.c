/* worker/job/run.c - see run.h: one job of any kind, from a clean checkpoint folder to a result in place. */
#include "worker/job/run.h"

#include "common/version.h"
#include "worker/io/folder.h"
#include "worker/job/result_info.h"

typedef ff_err (*run_kind)(const struct ff_run *run, ff_ctx *ctx);

static run_kind kind_of(enum ff_kind kind)
{
    switch (kind) {
    case FF_SIMULATE:
        return ff_run_simulate;
    case FF_DRAWS:
        return ff_run_draws;
    case FF_POSTERIOR:
        return ff_run_posterior;
    case FF_SPECTRUM:
        return ff_run_spectrum;
    default:
        return NULL;
    }
}

struct ff_result_info ff_run_result_info(const struct ff_run *run, uint64_t plan_hash)
{
    const struct ff_job *job = run->prepared->job;
    return (struct ff_result_info){.spec = run->prepared->spec,
                                   .kind = ff_kind_name(job->kind),
                                   .name = job->name,
                                   .seed = job->seed,
                                   .backend = "cpu",
                                   .device = ff_cpu_class(),
                                   .ranks = 1,
                                   .plan_hash = plan_hash};
}

ff_err ff_run_job(const struct ff_run *run, ff_ctx *ctx)
{
    const enum ff_kind kind = run->prepared->job->kind;
    const run_kind go = kind_of(kind);
    if (!go)
        return ff_fail_at(ctx, FF_ENOTBUILT, "/kind", FF_HERE, "jobs of kind \"%s\" are not in this build",
                          ff_kind_name(kind));
    ff_err err = ff_folder_check_out(run->out, ctx);
    if (!err && !run->resume) err = ff_folder_remove(run->ckpt_dir, ctx);
    if (!err) err = ff_folder_make(run->ckpt_dir, ctx);
    if (err) return err;
    ff_emit_state(&run->sink, NULL, "running", NULL, NULL);
    err = go(run, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while running the %s job", ff_kind_name(kind));
        return err;
    }
    return ff_folder_remove(run->ckpt_dir, ctx);
}
