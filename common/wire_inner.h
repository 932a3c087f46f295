/* common/wire_inner.h - what wire_table.c and wire_check.c lend to wire.c, and to nobody else. */
#ifndef FF_COMMON_WIRE_INNER_H
#define FF_COMMON_WIRE_INNER_H

#include <stdbool.h>

#include "common/wire.h"

/* What a member may hold. Names of jobs, tasks and files become parts of paths at the other end. */
enum ff_wire_rule {
    WIRE_TEXT,  /* low to high bytes, no control characters */
    WIRE_PROSE, /* the same with them */
    WIRE_JOB,
    WIRE_WORKER,
    WIRE_DATASET, /* ids */
    WIRE_TASK_NAME,
    WIRE_FILE_NAME,
    WIRE_POOL,
    WIRE_SHA256,
    WIRE_WORD, /* one of `inside`, a list of words ended by NULL */
    WIRE_INTEGER,
    WIRE_NUMBER, /* low to high */
    WIRE_BOOL,
    WIRE_OBJECT,   /* with the members of the table `inside`, or any (NULL) */
    WIRE_ATTEMPTS, /* an object: task name -> attempt */
    WIRE_LIST      /* of at most high objects with the members of the table `inside` */
};
struct ff_wire_member {
    const char *name; /* NULL ends a table */
    enum ff_wire_rule rule;
    bool optional; /* may be absent or null */
    bool none;     /* a name may be "" */
    int64_t low, high;
    const void *inside;
};

/* The table of a type, NULL: no such type. `attempt`: of STOP, which is about an attempt or about the gang. */
const struct ff_wire_member *ff_wire_members(int type, bool attempt);
bool ff_wire_has_blob(int type);

/* Every member of the type's table: there unless optional, of its type, within its bounds. Errors: FF_EBADMESSAGE. */
FF_MUST_USE ff_err ff_wire_check(enum ff_wire_type type, const json_t *body, ff_ctx *ctx);

#endif
