/* tests/unit/dispatch/help.h - how most tests of the dispatcher begin: a house, a gang in it called "a", a job, its first task
** in the gang's hands. */
#ifndef FF_TESTS_UNIT_DISPATCH_HELP_H
#define FF_TESTS_UNIT_DISPATCH_HELP_H

#include "tests/unit/dispatch/house.h"

/* The next task, from a gang that beats while it waits: one that was silent for a few heartbeats, as a test on a busy machine may
** be between two lines, is given nothing, and one that was for a lease is to say hello again. */
static inline void gang_await_task(struct gang *g)
{
    enum ff_wire_type type = FF_WIRE_HEARTBEAT;
    for (const int64_t end = now_ms() + PATIENCE_MS; type != FF_WIRE_TASK && now_ms() < end;) {
        gang_beat(g, false, 0, 0);
        json_t *body = gang_receive(g, 50, &type, NULL, NULL);
        if (body && type == FF_WIRE_TASK) gang_note_task(g, body);
        if (body && type == FF_WIRE_AGAIN) gang_say_hello(g, false);
        json_decref(body);
    }
    if (type != FF_WIRE_TASK) fail_msg("no task came");
}

static inline void open_idle(struct house *h, struct gang *g)
{
    house_open(h);
    gang_open(g, h, "a");
}

/* The job as of submit. */
static inline void open_busy(struct house *h, struct gang *g, int count, const char *more, char id[FF_ID_SIZE])
{
    open_idle(h, g);
    submit(h, count, more, id);
    gang_await_task(g);
}

#endif
