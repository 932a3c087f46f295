/* client/ffctl/table.h - JSON objects as rows of a table, for people: columns as wide as they need to be. */
#ifndef FF_CLIENT_TABLE_H
#define FF_CLIENT_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct ff_column {
    const char *title; /* NULL ends a list */
    const char *key;   /* member of the row; "a.b": of its member a */
    bool right;        /* numbers */
};

enum { FF_CELL_SIZE = 128 };
/* One value: null and absent are "-", times lose their fraction, control characters become '?'. */
void ff_cell(const json_t *row, const char *key, char out[FF_CELL_SIZE]);
/* A header line and a line for each row of the array. */
void ff_table_print(FILE *out, const json_t *rows, const struct ff_column *columns);
/* "title  value" lines for one row. */
void ff_facts_print(FILE *out, const json_t *row, const struct ff_column *facts);

#endif
