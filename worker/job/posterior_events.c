/* worker/job/posterior_events.c - see posterior_events.h. */
#include "worker/job/posterior_events.h"

void ff_posterior_emit_sample(const struct ff_sink *sink, const char *task, long number, const struct ff_pchain *c,
                              const struct ff_transition *transition, const double *record, const double *theta)
{
    const int nbins = c->run->prepared->job->model.sources.nbins;
    char name[FF_NAME_SIZE];
    json_t *parameters = json_object(), *stats = json_object();
    for (int f = 0; f < c->target.nparam; f++) {
        const int par = c->posterior.transform.place[f];
        ff_par_name(nbins, par, name);
        json_object_set_new(parameters, name, json_real(theta[par]));
    }
    json_object_set_new(stats, "acceptance_rate", json_real(transition->acceptance_rate));
    json_object_set_new(stats, "step_size", json_real(transition->step_size));
    json_object_set_new(stats, "n_steps", json_integer(transition->n_steps));
    json_object_set_new(stats, "tree_depth", json_integer(transition->tree_depth));
    json_object_set_new(stats, "diverging", json_boolean(transition->diverging));
    const long draw = record ? c->ndraws - 1 : transition->iteration;
    ff_emit_sample(sink, task, number, c->number, draw, !record, record ? record[FF_REC_LP] : transition->lp,
                   parameters, stats);
}
