/* client/ffctl/follow.h - the events of a running job (docs/events.md) for people: a bar that is redrawn on a terminal,
** lines elsewhere; all on stderr. */
#ifndef FF_CLIENT_FOLLOW_H
#define FF_CLIENT_FOLLOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct ff_follow {
    bool bar, colour; /* redraw one line; colours */
    bool drawn;       /* a bar stands on the current line */
    double shown_s;   /* when progress was last shown, monotonic */
    char stage[32];   /* what was last shown */
    char state[24];   /* of the end event, "" before it */
};

void ff_follow_event(struct ff_follow *follow, const json_t *event);
/* Takes the bar off the line, before anything else is written to stderr. */
void ff_follow_clear(struct ff_follow *follow);

enum { FF_DURATION_SIZE = 24 };
/* "h:mm:ss" or "m:ss", "" for what is not a time. */
void ff_duration(double seconds, char *out /* (FF_DURATION_SIZE) */);
/* Progress as one line of at most `columns` columns (0: any); bar_width 0: no bar. */
void ff_progress_line(const json_t *event, int bar_width, int columns, char *out, size_t size);

#endif
