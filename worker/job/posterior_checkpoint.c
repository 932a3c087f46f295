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

enum { CHECKPOINT_FORMAT = 5 };

static json_t *identity_of(const struct ff_pchain *c)
{
    char plans[32];
    snprintf(plans, sizeof plans, "%016llx", (unsigned long long)ff_sim_plan_hash(c->posterior.engine.sim));
    return json_pack("{s:{s:s,s:i,s:i},s:{s:s,s:s,s:s}}", "must", "job", c->run->prepared->spec_hash, "chain",
                     c->number, "format", CHECKPOINT_FORMAT, "should", "build", ff_build_id(), "plans", plans, "cpu",
                     ff_cpu_class());
}

static ff_err wrong_shape(const struct ff_pchain *c, ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "the checkpoint of chain %d is of another shape", c->number);
}

static void put_moments(struct ff_blob *blob, const struct ff_moments *m)
{
    ff_blob_put(blob, &m->count, sizeof m->count);
    ff_blob_put(blob, m->mean, (size_t)m->len * sizeof *m->mean);
    ff_blob_put(blob, m->m2, (size_t)m->len * sizeof *m->m2);
}

static void get_moments(struct ff_blob *blob, struct ff_moments *m)
{
    ff_blob_get(blob, &m->count, sizeof m->count);
    ff_blob_get(blob, m->mean, (size_t)m->len * sizeof *m->mean);
    ff_blob_get(blob, m->m2, (size_t)m->len * sizeof *m->m2);
}

/* What every rank holds alike. */
static void pack_common(const struct ff_pchain *c, struct ff_blob *blob)
{
    ff_blob_put(blob, &c->ndraws, sizeof c->ndraws);
    ff_blob_put(blob, &c->warmup_divergences, sizeof c->warmup_divergences);
    ff_blob_put(blob, &c->gradients, sizeof c->gradients);
    ff_blob_put(blob, &c->seconds, sizeof c->seconds);
    ff_blob_put(blob, c->record, (size_t)(c->ndraws * c->nrecord) * sizeof *c->record);
    put_moments(blob, &c->convergence);
    put_moments(blob, &c->observable);
    ff_predictive_save(&c->predictive, blob);
    ff_blob_put(blob, &c->initial.count, sizeof c->initial.count);
}

/* Rank 0 puts the planes of all ranks. */
static ff_err pack_planes(const struct ff_pchain *c, const double *own, struct ff_blob *blob, ff_ctx *ctx)
{
    const size_t whole = (size_t)(c->planes.row * c->planes.nrows) * sizeof(double);
    const bool lead = ff_run_leads(c->run);
    double *all = lead ? malloc(whole) : NULL;
    ff_err err =
        lead && !all ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu bytes of a checkpoint", whole) : FF_OK;
    err = ff_share_error(c->run->comm, err, ctx);
    if (!err) err = ff_spread_collect(&c->planes, own, c->initial.len, sizeof(double), all, ctx);
    if (!err && lead) ff_blob_put(blob, all, whole);
    free(all);
    return err;
}

static ff_err unpack_planes(const struct ff_pchain *c, double *own, struct ff_blob *blob, ff_ctx *ctx)
{
    const size_t whole = (size_t)(c->planes.row * c->planes.nrows) * sizeof(double);
    const void *all = NULL;
    ff_err err = FF_OK;
    if (ff_run_leads(c->run)) {
        size_t size;
        all = ff_blob_peek(blob, &size);
        if (!all || size != whole) err = wrong_shape(c, ctx);
    }
    err = ff_share_error(c->run->comm, err, ctx);
    return err ? err : ff_spread_hand_out(&c->planes, all, own, c->initial.len, sizeof(double), ctx);
}

/* Collective; the blob is rank 0's. What is spread over ranks comes last, whole. */
static ff_err pack(const struct ff_pchain *c, struct ff_blob *blob, ff_ctx *ctx)
{
    void *state;
    size_t size;
    ff_err err = ff_chain_save(c->chain, &state, &size, ctx);
    if (err) return err;
    if (ff_run_leads(c->run)) {
        pack_common(c, blob);
        ff_blob_put(blob, state, size);
    }
    free(state);
    if (c->planes.row) err = pack_planes(c, c->initial.mean, blob, ctx);
    if (!err && c->planes.row) err = pack_planes(c, c->initial.m2, blob, ctx);
    if (!err && blob->failed)
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a checkpoint of chain %d", c->number);
    return ff_share_error(c->run->comm, err, ctx);
}

/* A preview is for looking only: that it could not be made stops nobody. */
static void show(const struct ff_pchain *c)
{
    ff_ctx ctx = {0};
    char task[32];
    snprintf(task, sizeof task, "chain-%d", c->number);
    if (ff_preview_write(c, task, &ctx)) ff_emit_log(&c->run->sink, task, "warning", ctx.message);
}

static ff_err write_checkpoint(const struct ff_pchain *c, const struct ff_blob *blob, ff_ctx *ctx)
{
    char name[32];
    snprintf(name, sizeof name, "chain-%d", c->number);
    json_t *identity = identity_of(c);
    const ff_err err = ff_checkpoint_write(c->dir, name, identity, blob->bytes, blob->size, ctx);
    json_decref(identity);
    return err;
}

ff_err ff_pchain_save(struct ff_pchain *c, ff_ctx *ctx)
{
    struct ff_blob blob = {0};
    const bool lead = ff_run_leads(c->run);
    ff_err err = pack(c, &blob, ctx);
    if (!err) {
        if (lead) err = write_checkpoint(c, &blob, ctx);
        err = ff_share_error(c->run->comm, err, ctx);
    }
    if (err) ff_note(ctx, FF_HERE, "while writing a checkpoint of chain %d", c->number);
    c->checkpointed_s = ff_clock_s();
    ff_blob_done(&blob);
    if (err || !lead) return err;
    show(c);
    if (c->listener && c->listener->saved) c->listener->saved(c->listener->self, c);
    ff_crash_point("chain_saved");
    return FF_OK;
}

static ff_err unpack_common(struct ff_pchain *c, struct ff_blob *blob, ff_ctx *ctx)
{
    long ndraws = 0;
    ff_blob_get(blob, &ndraws, sizeof ndraws);
    ff_blob_get(blob, &c->warmup_divergences, sizeof c->warmup_divergences);
    ff_blob_get(blob, &c->gradients, sizeof c->gradients);
    ff_blob_get(blob, &c->seconds, sizeof c->seconds);
    if (blob->failed || ndraws < 0) return wrong_shape(c, ctx);
    if (ndraws > c->max_draws)
        return ff_fail_at(ctx, FF_ECHECKPOINT, "/sampler", FF_HERE,
                          "the checkpoint of chain %d holds %ld draws, this job allows %ld a chain", c->number, ndraws,
                          c->max_draws);
    ff_blob_get(blob, c->record, (size_t)(ndraws * c->nrecord) * sizeof *c->record);
    get_moments(blob, &c->convergence);
    get_moments(blob, &c->observable);
    ff_predictive_load(&c->predictive, blob);
    ff_blob_get(blob, &c->initial.count, sizeof c->initial.count);
    if (blob->failed) return wrong_shape(c, ctx);
    c->ndraws = ndraws;
    return FF_OK;
}

/* Rank 0's bytes that every rank takes, to the others. */
static ff_err share_common(struct ff_pchain *c, const struct ff_blob *blob, ff_ctx *ctx)
{
    const struct ff_comm *comm = c->run->comm;
    const bool lead = ff_run_leads(c->run);
    if (ff_run_nranks(c->run) == 1) return FF_OK;
    size_t size = blob->at;
    ff_err err = ff_share(comm, &size, sizeof size, ctx);
    if (err) return err;
    char *bytes = lead ? blob->bytes : malloc(size + 1);
    if (!bytes) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu bytes of a checkpoint", size);
    err = ff_share_error(comm, err, ctx);
    if (!err) err = ff_share(comm, bytes, size, ctx);
    if (!lead && !err) {
        struct ff_blob copy = {.bytes = bytes, .size = size};
        err = unpack_common(c, &copy, ctx);
    }
    if (!lead) free(bytes);
    return ff_share_error(comm, err, ctx);
}

/* Collective; the blob is rank 0's. */
static ff_err unpack(struct ff_pchain *c, struct ff_blob *blob, ff_ctx *ctx)
{
    const bool lead = ff_run_leads(c->run);
    ff_err err = ff_share_error(c->run->comm, lead ? unpack_common(c, blob, ctx) : FF_OK, ctx);
    if (!err) err = share_common(c, blob, ctx);
    if (err) return err;
    size_t size = 0;
    const void *state = lead ? ff_blob_peek(blob, &size) : NULL;
    if (c->chain) err = ff_chain_load(c->chain, state, size, ctx);
    if (!err && c->planes.row) err = unpack_planes(c, c->initial.mean, blob, ctx);
    if (!err && c->planes.row) err = unpack_planes(c, c->initial.m2, blob, ctx);
    return err;
}

/* Files of folder `from` that a checkpoint does not hold into the chain's own folder. */
static ff_err carry_fields(const struct ff_pchain *c, const char *from, ff_ctx *ctx)
{
    char source[FF_PATH_SIZE + 64], target[FF_PATH_SIZE + 64];
    bool found = true;
    if (ff_pchain_nfields(c->run->prepared->job, c->ndraws) == 0) return FF_OK;
    ff_pchain_fields_path(from, c->number, source, sizeof source);
    ff_pchain_fields_path(c->dir, c->number, target, sizeof target);
    const ff_err err = ff_folder_copy(source, target, &found, ctx);
    if (err || found) return err;
    return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "%s, the thinned fields of chain %d so far, is missing", source,
                   c->number);
}

static ff_err read_checkpoint(const struct ff_pchain *c, const char *from, bool in_place, struct ff_checkpoint *out,
                              ff_ctx *ctx)
{
    char name[32];
    snprintf(name, sizeof name, "chain-%d", c->number);
    json_t *identity = identity_of(c);
    const ff_err err = in_place ? ff_checkpoint_read(from, name, identity, out, ctx)
                                : ff_checkpoint_look(from, name, identity, out, ctx);
    json_decref(identity);
    return err;
}

static void explain(const struct ff_pchain *c, const struct ff_checkpoint *checkpoint, char note[512])
{
    if (checkpoint->fell_back)
        snprintf(note, 512, "the newest checkpoint of chain %d was damaged; the one before it is used", c->number);
    else if (checkpoint->differs[0])
        snprintf(note, 512, "chain %d was begun elsewhere (%.400s differ): it goes on, but not to the same bits",
                 c->number, checkpoint->differs);
}

ff_err ff_pchain_load(struct ff_pchain *c, const char *from, bool carry, bool *found, char note[512], ff_ctx *ctx)
{
    const struct ff_comm *comm = c->run->comm;
    const bool lead = ff_run_leads(c->run);
    struct ff_checkpoint checkpoint = {0};
    struct {
        bool there, carry;
    } told = {0};
    *found = false;
    note[0] = 0;
    ff_err err = FF_OK;
    if (lead) {
        const bool elsewhere = strcmp(from, c->dir) != 0;
        err = read_checkpoint(c, from, carry && !elsewhere, &checkpoint, ctx);
        told.there = !err && checkpoint.bytes;
        told.carry = told.there && carry && elsewhere;
    }
    err = ff_share_error(comm, err, ctx);
    if (!err) err = ff_share(comm, &told, sizeof told, ctx);
    if (!err && told.there) {
        struct ff_blob blob = {.bytes = checkpoint.bytes, .size = checkpoint.size};
        err = unpack(c, &blob, ctx);
        *found = !err;
        explain(c, &checkpoint, note);
    }
    ff_checkpoint_done(&checkpoint);
    if (!err && told.carry) {
        if (lead) err = carry_fields(c, from, ctx);
        err = ff_share_error(comm, err, ctx);
        if (!err) err = ff_pchain_save(c, ctx);
    }
    if (err) ff_note(ctx, FF_HERE, "while loading chain %d from %s", c->number, from ? from : "another rank's folder");
    return err;
}
