/* worker/job/looks.c - when the stopping rule of a posterior looks at its chains (ff_first_look, ff_next_look of task.h): functions of
** the job and of what the last look saw, so that chains which run apart, on whatever machines, stop where chains side by
** side do. A look costs a pass over all draws and, where chains run apart, a meeting of them; a look too late costs
** draws nobody asked for. */
#include <math.h>

#include "worker/job/task.h"

static const double STEP = 25;

static double round_up(double draws)
{
    return ceil(draws / STEP) * STEP;
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* Half of what chains need whose draws are worth half an independent one each, as most are. */
long ff_first_look(const struct ff_sampler *s)
{
    if (!s->until) return s->draws;
    const double most = s->max_draws;
    return (long)clamp(clamp(round_up(s->until_ess / s->chains), STEP, INFINITY), 1, most);
}

long ff_next_look(const struct ff_sampler *s, long held, double ess)
{
    const double now = (double)held, most = s->until ? s->max_draws : s->draws;
    const double promised = ess > 0 && isfinite(ess) ? round_up(now * s->until_ess / ess) : INFINITY;
    return (long)clamp(clamp(promised, round_up(now + 1), 2 * round_up(now)), 1, most);
}
