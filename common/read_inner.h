/* common/read_inner.h - what read.c lends to read_value.c and to nobody else. */
#ifndef FF_COMMON_READ_INNER_H
#define FF_COMMON_READ_INNER_H

#include "common/read.h"

/* Pointer of member `key`, or of the scope itself when key is NULL. */
void ff_pointer_of(const struct ff_scope *s, const char *key, char out[FF_POINTER_SIZE]);
/* Notes that `key` belongs to the scope; the member, or NULL when absent or after an error. */
const json_t *ff_scope_look(struct ff_scope *s, const char *key);
/* Puts a new value (reference taken) into the scope's full copy. */
void ff_scope_keep_new(struct ff_scope *s, const char *key, json_t *value);
/* The text of a string member shorter than size, without control characters; NULL after an error. */
const char *ff_text_value(struct ff_scope *s, const char *key, const json_t *value, size_t size, const char *what);
void ff_fail_missing(struct ff_scope *s, const char *key, const char *what);
void ff_fail_type(struct ff_scope *s, const char *key, const json_t *value, const char *what);

#endif
