/* client/ffctl/collection.h - what a server keeps a list of (users, tokens, gangs, usage), and the commands `ffctl NAME`,
** `ffctl NAME add ..`, `ffctl NAME VERB ID` for it: one table entry each. */
#ifndef FF_CLIENT_COLLECTION_H
#define FF_CLIENT_COLLECTION_H

#include <stdbool.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/table.h"

struct ff_collection {
    const char *path; /* below /v1/ */
    const char *rows; /* the answer's member that has them */
    const struct ff_column *columns;
    const char *none; /* said where there are none; NULL: a table without rows */
    /* What can be done with one of them; verb NULL: nothing. */
    const char *verb, *prefix, *what; /* "rm"; of its id: "us_", "a user's id" */
    const char *method, *suffix;      /* "DELETE"; what follows the id in the path */
    const char *state;                /* in which it is afterwards; NULL: removed */
    const char *done, *next;          /* said after its id; and as advice, NULL: none */
    /* `add`, NULL: none. The name is NULL where it was not given, which is an error where one is needed. */
    int (*add)(struct ff_cli *cli, const void *values, const char *name);
    bool add_needs_name;
    const char *allowed; /* in words: what the arguments may be */
};

/* The body of such a command; returns the exit code as struct ff_command says. */
int ff_collection_run(struct ff_cli *cli, const struct ff_collection *c, const void *values, const char *const *args,
                      int nargs);

#endif
