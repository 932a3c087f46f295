/* files/fields.h - the named arrays and numbers of a dataset file, read in a limited child process (files/guard.h).
** Call order: describe fields and attributes -> ff_fields_read -> take the data -> ff_fields_done for what was not
** taken. */
#ifndef FF_FILES_FIELDS_H
#define FF_FILES_FIELDS_H

#include "files/h5.h"

struct ff_field {
    const char *name;
    enum ff_type type;
    int rank;                  /* it must have; 0: any, and filled */
    long longest[FF_MAX_RANK]; /* each axis may be */
    bool optional;
    /* filled: */
    bool present;
    long shape[FF_MAX_RANK]; /* (rank) */
    void *data;              /* malloc'ed; NULL when absent */
};
struct ff_number { /* an attribute of the root */
    const char *name;
    double value; /* filled */
};

/* Fails with FF_EBADFILE naming the field, before anything is allocated, when a shape is not as described or the
** arrays have more than max_elements together. */
FF_MUST_USE ff_err ff_fields_read(const char *path, struct ff_field *fields, int nfields, struct ff_number *numbers,
                                  int nnumbers, long max_elements, ff_ctx *ctx);
void ff_fields_done(struct ff_field *fields, int nfields);
long ff_field_len(const struct ff_field *field);

#endif
