/* common/read.h - reading a JSON object member by member: type, bounds, default, and the full copy in one call each.
** A scope is an object (or array) being read: `in` is what the user wrote, `out` becomes the same with every default
** filled in, in the order of the calls. The first error stays in the reader and makes every later call do nothing, so
** a caller reads all members and looks at reader.err once. A member nobody asked for is unknown: an error.
** Call order: ff_scope_root -> ff_read_*, ff_scope_* of members -> ff_scope_close (each scope). */
#ifndef FF_COMMON_READ_H
#define FF_COMMON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/job.h"

/* How a job names datasets: files beside a job file, ids in a job posted to a server, ids with files on a gang. */
enum ff_datasets { FF_DATASETS_FILES, FF_DATASETS_IDS, FF_DATASETS_GANG };

struct ff_reader {
    ff_ctx *ctx;
    ff_err err;
    enum ff_datasets datasets;
    const char *base_dir;                               /* FF_DATASETS_FILES: what "@path" is relative to */
    const char *(*path_of)(void *self, const char *id); /* FF_DATASETS_GANG; NULL: unknown */
    void *path_self;
    bool test_kinds; /* the kind "noop" exists */
};

struct ff_scope {
    struct ff_reader *reader;
    const json_t *in;              /* borrowed; an object, or an array for lists */
    json_t *out;                   /* borrowed from the parent's out; the root's belongs to the caller */
    char pointer[FF_POINTER_SIZE]; /* of this object */
    char asked[512];               /* members asked for so far, "a, b, c" */
};

/* Whether the reader has failed. */
static inline bool ff_failed(const struct ff_scope *s)
{
    return s->reader->err != FF_OK;
}

/* Sets the reader's error (unless it has one) about member `key` of the scope, or the scope itself when key is NULL. */
void ff_scope_fail(struct ff_scope *s, const char *key, ff_err code, const char *file, int line, const char *fmt, ...)
    FF_PRINTF(6, 7);

/* The root scope of a whole document. */
void ff_scope_root(struct ff_scope *s, struct ff_reader *reader, const json_t *in, json_t *out);
/* Is the member there? Asks for it. */
bool ff_scope_has(struct ff_scope *s, const char *key);
/* Object member; missing: as if {}. */
void ff_scope_object(struct ff_scope *child, struct ff_scope *s, const char *key);
/* The same read from `in` instead of the member itself. */
void ff_scope_object_from(struct ff_scope *child, struct ff_scope *s, const char *key, const json_t *in);
/* Array member of low..high elements; missing is an error. Returns how many (0 after an error). */
int ff_scope_list(struct ff_scope *list, struct ff_scope *s, const char *key, int low, int high);
/* Element i of a list, an object. */
void ff_scope_item(struct ff_scope *child, struct ff_scope *list, int i);
/* Refuses what nobody asked for. */
void ff_scope_close(struct ff_scope *s);

/* Numbers between low and high; above, below: the end itself does not count. */
struct ff_range {
    double low, high;
    bool above, below;
};

/* A number; missing: `fallback`, or an error when that is NAN. */
double ff_read_real(struct ff_scope *s, const char *key, struct ff_range range, double fallback);
/* Element i of a list of numbers. */
double ff_read_element(struct ff_scope *list, int i, struct ff_range range);
/* An integer; missing: `fallback`, or an error when that is FF_REQUIRED. After an error: low. */
#define FF_REQUIRED INT64_MIN
int64_t ff_read_integer(struct ff_scope *s, const char *key, int64_t low, int64_t high, int64_t fallback);
/* Element i of a list of integers. */
int64_t ff_read_integer_element(struct ff_scope *list, int i, int64_t low, int64_t high);
bool ff_read_bool(struct ff_scope *s, const char *key, bool fallback);

/* One of a list of words. Words of the contract that this build lacks are refused as such. */
struct ff_choice {
    const char *word; /* NULL ends the list */
    int value;
    bool missing; /* "not in this build" */
};
/* fallback: a word of the list, or NULL: the member is required. After an error: the first value. */
int ff_read_choice(struct ff_scope *s, const char *key, const struct ff_choice *choices, const char *fallback);
/* The values or-ed together of an array of different words; missing: the first word. */
unsigned ff_read_choices(struct ff_scope *s, const char *key, const struct ff_choice *choices);

/* Text without control characters into out (size bytes). fallback NULL: required. */
void ff_read_text(struct ff_scope *s, const char *key, char *out, size_t size, const char *fallback);
/* A dataset: "@path" or a "ds_" id, as reader.datasets says. Missing is an error. */
void ff_read_dataset(struct ff_scope *s, const char *key, struct ff_dataset_ref *out);
/* A member kept as it was written. */
void ff_scope_keep(struct ff_scope *s, const char *key, const json_t *value);
/* A member of the contract that this build lacks: refused when there. */
void ff_refuse_unbuilt(struct ff_scope *s, const char *key);

#endif
