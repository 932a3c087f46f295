/* client/ffctl/watching.c - see watching.h. */
#include "client/ffctl/watching.h"

#include <stdio.h>
#include <string.h>

#include "client/ffctl/follow.h"
#include "client/ffctl/gather.h"
#include "client/ffctl/reading.h"

struct watch {
    struct ff_cli *cli;
    struct ff_follow follow;
    struct ff_gather gather;
    bool quiet;
    char state[16]; /* of the job, last shown */
};

/* The job's own states; those of its tasks would drown them. */
static void show_state(struct watch *w, const json_t *event)
{
    const char *state = ff_text_of(event, "state"), *reason = ff_text_of(event, "reason");
    if (json_is_string(json_object_get(event, "task"))) {
        if (strcmp(state, "running") != 0) return;
        ff_gather_forget(&w->gather, ff_text_of(event, "task")); /* a new attempt */
        return;
    }
    if (strcmp(w->state, state) == 0) return;
    snprintf(w->state, sizeof w->state, "%s", state);
    ff_follow_clear(&w->follow);
    fprintf(stderr, "%s%s%s%s\n", state, *reason ? " (" : "", reason, *reason ? ")" : "");
}

static bool on_event(void *self, const char *text, json_t *event)
{
    struct watch *w = self;
    const char *type = ff_text_of(event, "type");
    if (w->quiet) return true;
    if (w->cli->json) {
        printf("%s\n", text);
        return fflush(stdout) == 0; /* nobody reads any more */
    }
    if (strcmp(type, "progress") == 0) {
        json_t *whole = ff_gather_progress(&w->gather, event);
        if (whole) ff_follow_event(&w->follow, whole);
        json_decref(whole);
    } else if (strcmp(type, "state") == 0) {
        show_state(w, event);
    } else {
        ff_follow_event(&w->follow, event);
    }
    return true;
}

ff_err ff_watch(struct ff_remote *r, const char *id, const struct ff_watching *how, json_t **job)
{
    struct ff_cli *cli = r->cli;
    struct watch w = {
        .cli = cli, .follow = {.bar = cli->terminal_err && !cli->json, .colour = cli->colour_err}, .quiet = how->quiet};
    *job = NULL;
    ff_err err = ff_client_events(r->client, id, how->after, how->patience_s, on_event, &w, &cli->ctx);
    ff_follow_clear(&w.follow);
    ff_gather_done(&w.gather);
    if (err) return err;
    err = ff_remote_get(r, job, "/v1/jobs/%s", id);
    if (err || ff_state_ended(ff_text_of(*job, "state"))) return err;
    json_decref(*job);
    *job = NULL;
    return ff_fail_at(&cli->ctx, FF_ESERVER, id, FF_HERE, "its events ended, yet the job has not");
}

void ff_watch_left(const struct ff_remote *r, ff_err err, const char *id)
{
    if (r->cli->json || (err != FF_EINTERRUPTED && err != FF_EUNREACHABLE && err != FF_ETIMEOUT)) return;
    fprintf(stderr, "%sthe job goes on; look again with:\n  ffctl watch %s\n", err == FF_EINTERRUPTED ? "\n" : "", id);
}
