/* common/job_sources.c - "sources" of a model: how the galaxies of each bin are spread in redshift (docs/job.md). */
#include <math.h>

#include "common/job_parts.h"

static const struct ff_range density = {0, 1e6, true, false};

static void read_smail(struct ff_scope *scope, struct ff_sources *sources)
{
    struct ff_scope smail;
    ff_scope_object(&smail, scope, "smail");
    sources->kind = FF_NZ_SMAIL;
    sources->a = ff_read_real(&smail, "a", (struct ff_range){0, 20, false, false}, NAN);
    sources->b = ff_read_real(&smail, "b", (struct ff_range){0, 20, true, false}, NAN);
    sources->z0 = ff_read_real(&smail, "z0", (struct ff_range){0, 10, true, false}, NAN);
    sources->nbins = (int)ff_read_integer(&smail, "bins", 1, FF_MAX_BINS, FF_REQUIRED);
    sources->sigma_z = ff_read_real(&smail, "sigma_z", (struct ff_range){0, 1, false, false}, 0);
    double total = ff_read_real(&smail, "n_per_arcmin2", density, NAN);
    for (int i = 0; i < sources->nbins; i++) sources->n_per_arcmin2[i] = total / sources->nbins;
    ff_scope_close(&smail);
}

static void read_gaussians(struct ff_scope *scope, struct ff_sources *sources)
{
    struct ff_scope list, item;
    sources->kind = FF_NZ_GAUSSIAN;
    sources->nbins = ff_scope_list(&list, scope, "gaussian", 1, FF_MAX_BINS);
    for (int i = 0; i < sources->nbins; i++) {
        /* Bins are counted from low to high redshift everywhere. */
        double low = i ? sources->z[i - 1] : 0;
        ff_scope_item(&item, &list, i);
        sources->z[i] = ff_read_real(&item, "z", (struct ff_range){low, 10, i == 0, false}, NAN);
        sources->sd[i] = ff_read_real(&item, "sd", (struct ff_range){0, 5, true, false}, NAN);
        sources->n_per_arcmin2[i] = ff_read_real(&item, "n_per_arcmin2", density, NAN);
        ff_scope_close(&item);
    }
}

static void read_tables(struct ff_scope *scope, struct ff_model *model)
{
    struct ff_scope list, item;
    struct ff_sources *sources = &model->sources;
    sources->kind = FF_NZ_TABLE;
    sources->nbins = ff_scope_list(&list, scope, "tables", 1, FF_MAX_BINS);
    for (int i = 0; i < sources->nbins; i++) {
        ff_scope_item(&item, &list, i);
        ff_read_dataset(&item, "nz", &model->nz[i]);
        sources->n_per_arcmin2[i] = ff_read_real(&item, "n_per_arcmin2", density, NAN);
        ff_scope_close(&item);
    }
}

void ff_job_read_sources(struct ff_scope *scope, struct ff_model *model)
{
    struct ff_scope sources;
    ff_scope_object(&sources, scope, "sources");
    bool smail = ff_scope_has(&sources, "smail");
    bool gaussian = ff_scope_has(&sources, "gaussian");
    bool tables = ff_scope_has(&sources, "tables");
    if (smail + gaussian + tables != 1) {
        ff_scope_fail(&sources, NULL, FF_EBADJOB, FF_HERE,
                      "%s; allowed: exactly one of \"smail\", \"gaussian\" and \"tables\"",
                      smail + gaussian + tables ? "more than one kind of sources" : "no kind of sources");
    } else if (smail) {
        read_smail(&sources, &model->sources);
    } else if (gaussian) {
        read_gaussians(&sources, &model->sources);
    } else {
        read_tables(&sources, model);
    }
    ff_scope_close(&sources);
    /* After an error the struct is thrown away, but what is read next still counts bins. */
    if (model->sources.nbins < 1) model->sources.nbins = 1;
}
