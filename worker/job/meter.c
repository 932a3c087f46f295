/* worker/job/meter.c - see meter.h. */
#include "worker/job/meter.h"

#include <math.h>
#include <stdio.h>

#include "common/clock.h"

static const double PERIOD_S = 0.25; /* between events */
static const double WINDOW_S = 10;   /* the rate looks back one to two windows */

void ff_meter_init(struct ff_meter *m, const struct ff_sink *sink, const char *task, long done)
{
    const double now = ff_clock_s();
    *m = (struct ff_meter){.sink = sink, .emitted_s = now, .mark_s = {now, now}, .mark_done = {done, done}};
    snprintf(m->task, sizeof m->task, "%s", task ? task : "");
}

void ff_meter_tick(struct ff_meter *m, const struct ff_progress *progress)
{
    const double now = ff_clock_s();
    if (now - m->emitted_s < PERIOD_S && progress->done < progress->total) return;
    m->emitted_s = now;
    struct ff_progress p = *progress;
    const double elapsed = now - m->mark_s[0];
    p.rate = elapsed > 0 && p.done > m->mark_done[0] ? (double)(p.done - m->mark_done[0]) / elapsed : NAN;
    p.eta_s = p.done < p.total ? (double)(p.total - p.done) / p.rate : 0;
    if (now - m->mark_s[1] > WINDOW_S) {
        m->mark_s[0] = m->mark_s[1];
        m->mark_done[0] = m->mark_done[1];
        m->mark_s[1] = now;
        m->mark_done[1] = p.done;
    }
    ff_emit_progress(m->sink, m->task[0] ? m->task : NULL, &p);
}

void ff_meter_count(struct ff_meter *m, const char *stage, long done, long total)
{
    const struct ff_progress progress = {
        .done = done, .total = total, .stage = stage, .ess = NAN, .rhat = NAN, .divergences = -1};
    ff_meter_tick(m, &progress);
}
