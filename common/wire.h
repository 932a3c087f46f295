/* common/wire.h - messages between the server and a gang (proto/wire.md): one encoder and one decoder for both sides.
** A message is one ZeroMQ frame: a head of 16 bytes (magic "FFW1", version u16, type u16, JSON bytes u32, blob bytes u32,
** little endian), a JSON object, a blob (chunks of files; else empty). Everything is bounded and checked before anything is
** allocated; a message is data and never trusted: members have the type and length that wire_table.c gives them,
** unknown members are ignored, an unknown type or another version is refused with both versions named. */
#ifndef FF_COMMON_WIRE_H
#define FF_COMMON_WIRE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { FF_WIRE_VERSION = 1, FF_WIRE_HEAD = 16 };
enum { FF_WIRE_MAX_JSON = 9 << 20, FF_WIRE_MAX_BLOB = 4 << 20 };
enum { FF_WIRE_MAX = FF_WIRE_HEAD + FF_WIRE_MAX_JSON + FF_WIRE_MAX_BLOB };

/* Gang -> server above, server -> gang below. Members in proto/wire.md. */
enum ff_wire_type {
    FF_WIRE_HELLO = 1,    /* who the gang is and what it can take */
    FF_WIRE_HEARTBEAT,    /* the attempt it holds, with a counter that grows with progress */
    FF_WIRE_EVENTS,       /* events of an attempt, numbered by the gang */
    FF_WIRE_COMMIT,       /* how an attempt ended; sent again until answered */
    FF_WIRE_PUT,          /* a chunk of a file of an attempt (no shared store) */
    FF_WIRE_GET,          /* asks for a chunk of an input (no shared store) */
    FF_WIRE_BYE,          /* drained: nothing more will come */
    FF_WIRE_WELCOME = 64, /* worker id, intervals, store folder and token */
    FF_WIRE_REFUSED,      /* and why; the gang ends */
    FF_WIRE_TASK,         /* a task to do, as data */
    FF_WIRE_TAKEN,        /* events up to a number are durable: credit */
    FF_WIRE_VERDICT,      /* answer to a commit: committed or stale */
    FF_WIRE_STOP,         /* of an attempt, or drain of the gang: why */
    FF_WIRE_STORED,       /* answer to a chunk: bytes on disk so far */
    FF_WIRE_CHUNK,        /* answer to GET */
    FF_WIRE_AGAIN         /* the server does not know the gang (it restarted): say HELLO again */
};

struct ff_wire {
    enum ff_wire_type type;
    json_t *body; /* an object; owned after decoding */
    const void *blob;
    size_t blob_size;
};

/* Bytes (malloc'ed). FF_EBADMESSAGE for a body that the decoder would refuse, FF_ETOOLARGE beyond the bounds. Does not take
** the body's reference. */
FF_MUST_USE ff_err ff_wire_encode(const struct ff_wire *message, void **bytes, size_t *size, ff_ctx *ctx);
/* out->blob points into bytes; free with ff_wire_done. Errors: FF_EVERSION (another version),
** FF_ETOOLARGE, FF_EBADMESSAGE (ctx.pointer: which member). */
FF_MUST_USE ff_err ff_wire_decode(struct ff_wire *out, const void *bytes, size_t size, ff_ctx *ctx);
void ff_wire_done(struct ff_wire *message);
const char *ff_wire_name(enum ff_wire_type type);

#endif
