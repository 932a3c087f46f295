/* worker/job/posterior_checkpoint.c - a chain of a posterior to its folder and back (ff_pchain_save, ff_pchain_load of
** posterior_chain.h). What is saved is all that the chain has gathered, so that a chain which was loaded, in whatever process,
** and one that never stopped give the same result to the bit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/version.h"
#include "worker/io/checkpoint.h"
#include "worker/io/folder.h"
#include "worker/job/blob.h"
#include "worker/job/meter.h"
#include "worker/job/posterior_chain.h"
#include "worker/job/preview.h"

enum { CHECKPOINT_FORMAT = 4 };

static json_t *identity_of(const struct ff_pchain *c)
{
    char plans[32];
    snprintf(plans, sizeof plans, "%016llx", (unsigned long long)ff_sim_plan_hash(c->posterior.engine.sim));
    return json_pack("{s:{s:s,s:i,s:i},s:{s:s,s:s,s:s}}", "must", "job", c->run->prepared->spec_hash, "chain",
                     c->number, "format", CHECKPOINT_FORMAT, "should", "build", ff_build_id(), "plans", plans, "cpu",
                     ff_cpu_class());
}

static ff_err pack(const struct ff_pchain *c, struct ff_blob *blob, ff_ctx *ctx)
{
    void *state;
    size_t size;
    ff_err err = ff_chain_save(c->chain, &state, &size, ctx);
    if (err) return err;
    ff_blob_put(blob, &c->ndraws, sizeof c->ndraws);
    ff_blob_put(blob, &c->warmup_divergences, sizeof c->warmup_divergences);
    ff_blob_put(blob, &c->gradients, sizeof c->gradients);
    ff_blob_put(blob, &c->seconds, sizeof c->seconds);
    ff_blob_put(blob, state, size);
    ff_blob_put(blob, c->record, (size_t)(c->ndraws * c->nrecord) * sizeof *c->record);
    const struct ff_moments *moments[] = {&c->convergence, &c->observable};
    for (int i = 0; i < 2; i++) {
        ff_blob_put(blob, &moments[i]->count, sizeof moments[i]->count);
        ff_blob_put(blob, moments[i]->mean, (size_t)moments[i]->len * sizeof *moments[i]->mean);
        ff_blob_put(blob, moments[i]->m2, (size_t)moments[i]->len * sizeof *moments[i]->m2);
    }
    ff_predictive_save(&c->predictive, blob);
    free(state);
    if (blob->failed) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a checkpoint of chain %d", c->number);
    return FF_OK;
}

/* A preview is for looking only: that it could not be made stops nobody. */
static void show(const struct ff_pchain *c)
{
    ff_ctx ctx = {0};
    char task[32];
    snprintf(task, sizeof task, "chain-%d", c->number);
    if (ff_preview_write(c, task, &ctx)) ff_emit_log(&c->run->sink, task, "warning", ctx.message);
}

ff_err ff_pchain_save(struct ff_pchain *c, ff_ctx *ctx)
{
    char name[32];
    snprintf(name, sizeof name, "chain-%d", c->number);
    struct ff_blob blob = {0};
    json_t *identity = identity_of(c);
    ff_err err = pack(c, &blob, ctx);
    if (!err) err = ff_checkpoint_write(c->dir, name, identity, blob.bytes, blob.size, ctx);
    if (err) ff_note(ctx, FF_HERE, "while writing a checkpoint of chain %d", c->number);
    c->checkpointed_s = ff_clock_s();
    json_decref(identity);
    ff_blob_done(&blob);
    if (err) return err;
    show(c);
    if (c->listener && c->listener->saved) c->listener->saved(c->listener->self, c);
    ff_crash_point("chain_saved");
    return FF_OK;
}

static ff_err wrong_shape(const struct ff_pchain *c, ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "the checkpoint of chain %d is of another shape", c->number);
}

static ff_err unpack(struct ff_pchain *c, struct ff_blob *blob, ff_ctx *ctx)
{
    long ndraws = 0;
    size_t size;
    ff_blob_get(blob, &ndraws, sizeof ndraws);
    ff_blob_get(blob, &c->warmup_divergences, sizeof c->warmup_divergences);
    ff_blob_get(blob, &c->gradients, sizeof c->gradients);
    ff_blob_get(blob, &c->seconds, sizeof c->seconds);
    const void *state = ff_blob_peek(blob, &size);
    if (blob->failed || ndraws < 0) return wrong_shape(c, ctx);
    if (ndraws > c->max_draws)
        return ff_fail_at(ctx, FF_ECHECKPOINT, "/sampler", FF_HERE,
                          "the checkpoint of chain %d holds %ld draws, this job allows %ld a chain", c->number, ndraws,
                          c->max_draws);
    if (c->chain) {
        const ff_err err = ff_chain_load(c->chain, state, size, ctx);
        if (err) return err;
    }
    ff_blob_get(blob, c->record, (size_t)(ndraws * c->nrecord) * sizeof *c->record);
    struct ff_moments *moments[] = {&c->convergence, &c->observable};
    for (int i = 0; i < 2; i++) {
        ff_blob_get(blob, &moments[i]->count, sizeof moments[i]->count);
        ff_blob_get(blob, moments[i]->mean, (size_t)moments[i]->len * sizeof *moments[i]->mean);
        ff_blob_get(blob, moments[i]->m2, (size_t)moments[i]->len * sizeof *moments[i]->m2);
    }
    ff_predictive_load(&c->predictive, blob);
    if (blob->failed) return wrong_shape(c, ctx);
    c->ndraws = ndraws;
    return FF_OK;
}

/* Files of folder `from` that a checkpoint does not hold, and then the checkpoint itself, into the chain's own folder. */
static ff_err carry_over(struct ff_pchain *c, const char *from, ff_ctx *ctx)
{
    char source[FF_PATH_SIZE + 64], target[FF_PATH_SIZE + 64];
    bool found = true;
    ff_err err = FF_OK;
    if (ff_pchain_nfields(c->run->prepared->job, c->ndraws) > 0) {
        ff_pchain_fields_path(from, c->number, source, sizeof source);
        ff_pchain_fields_path(c->dir, c->number, target, sizeof target);
        err = ff_folder_copy(source, target, &found, ctx);
    }
    if (!err && !found)
        err = ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "%s, the thinned fields of chain %d so far, is missing", source,
                      c->number);
    return err ? err : ff_pchain_save(c, ctx);
}

ff_err ff_pchain_load(struct ff_pchain *c, const char *from, bool carry, bool *found, char note[512], ff_ctx *ctx)
{
    char name[32];
    snprintf(name, sizeof name, "chain-%d", c->number);
    json_t *identity = identity_of(c);
    struct ff_checkpoint checkpoint;
    const bool elsewhere = strcmp(from, c->dir) != 0;
    *found = false;
    note[0] = 0;
    ff_err err = elsewhere || !carry ? ff_checkpoint_look(from, name, identity, &checkpoint, ctx)
                                     : ff_checkpoint_read(from, name, identity, &checkpoint, ctx);
    json_decref(identity);
    if (err) return err;
    if (checkpoint.bytes) {
        struct ff_blob blob = {.bytes = checkpoint.bytes, .size = checkpoint.size};
        err = unpack(c, &blob, ctx);
        *found = !err;
        if (checkpoint.fell_back)
            snprintf(note, 512, "the newest checkpoint of chain %d was damaged; the one before it is used", c->number);
        else if (checkpoint.differs[0])
            snprintf(note, 512, "chain %d was begun elsewhere (%.400s differ): it goes on, but not to the same bits",
                     c->number, checkpoint.differs);
    }
    ff_checkpoint_done(&checkpoint);
    if (!err && *found && elsewhere && carry) err = carry_over(c, from, ctx);
    if (err) ff_note(ctx, FF_HERE, "while loading chain %d from %s", c->number, from);
    return err;
}
