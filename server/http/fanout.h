/* server/http/fanout.h - events of jobs to any number of streams. A job that is watched has a channel: a ring of its
** latest events, each read from the queue once, by one thread (the pump), when a commit said that there is something new.
** A stream takes from the ring; one that has fallen behind the ring (a slow reader, or one that starts in the past) reads
** the queue for itself, in pages, and disturbs nobody. A stream with nothing to send is suspended until the pump, the
** heartbeat or the end of the server resumes it.
** Call order: ff_fanout_start -> ff_fanout_changed (listener), ff_stream_open.., ff_fanout_tick -> ff_fanout_end_streams,
** the daemon stops -> ff_fanout_stop. Thread safe. */
#ifndef FF_SERVER_HTTP_FANOUT_H
#define FF_SERVER_HTTP_FANOUT_H

#include "server/http/server.h"

struct ff_stream;

FF_MUST_USE ff_err ff_fanout_start(struct ff_fanout **out, struct ff_http *h, ff_ctx *ctx);
/* What commits changed; called on the writer's thread and quick. self: the fanout. */
void ff_fanout_changed(void *self, const struct ff_changes *changes);
/* Once a second or so: heartbeats that are due; streams whose client has gone are woken, so that they end. */
void ff_fanout_tick(struct ff_fanout *f, int64_t now_ms);
/* Every stream ends at its next turn, and new ones at once: nothing stays suspended. */
void ff_fanout_end_streams(struct ff_fanout *f);
void ff_fanout_stop(struct ff_fanout *f); /* NULL is fine */
int ff_fanout_streams(struct ff_fanout *f);

/* A stream of the events with seq > after, for the connection of r. job: row and state as read after ff_fanout_watch, so
** that no event falls between. FF_EQUOTA: the user has too many. The stream belongs to the response made of
** ff_stream_read and ff_stream_close. */
FF_MUST_USE ff_err ff_fanout_watch(struct ff_fanout *f, int64_t job, ff_ctx *ctx);
void ff_fanout_unwatch(struct ff_fanout *f, int64_t job);
FF_MUST_USE ff_err ff_stream_open(struct ff_stream **out, struct ff_request *r, const struct ff_job_row *job,
                                  long after, ff_ctx *ctx);
ssize_t ff_stream_read(void *self, uint64_t pos, char *out, size_t size); /* MHD_ContentReaderCallback */
void ff_stream_close(void *self);

#endif
