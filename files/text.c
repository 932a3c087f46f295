/* files/text.c - see text.h. */
#define _GNU_SOURCE /* getline */
#include "files/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/publish.h"

enum { MAX_BYTES = 1 << 28, MAX_COLUMNS = 1024 };
static const char separators[] = " \t,\r\n";

struct table {
    double *data; /* (rows, columns) */
    long rows, n, capacity, max;
    int columns;
};

static ff_err append(struct table *t, double value, const char *path, ff_ctx *ctx)
{
    if (t->n == t->max)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has more than the %ld numbers allowed", path, t->max);
    if (t->n == t->capacity) {
        const long capacity = t->capacity ? 2 * t->capacity : 1024;
        double *data = realloc(t->data, (size_t)capacity * sizeof *data);
        if (!data) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the numbers of %s", path);
        t->data = data;
        t->capacity = capacity;
    }
    t->data[t->n++] = value;
    return FF_OK;
}

static ff_err add_line(struct table *t, char *line, long number, const char *path, ff_ctx *ctx)
{
    int columns = 0;
    for (char *at = line + strspn(line, separators); *at; at += strspn(at, separators)) {
        char *end;
        const double value = strtod(at, &end);
        if (end == at || (*end && !strchr(separators, *end)) || columns == MAX_COLUMNS) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: line %ld, column %d is not a number: \"%.20s\"", path,
                           number, columns + 1, at);
        }
        const ff_err err = append(t, value, path, ctx);
        if (err) return err;
        columns++;
        at = end;
    }
    if (columns == 0) return FF_OK;
    if (t->rows == 0) t->columns = columns;
    if (columns != t->columns) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: line %ld has %d columns, the lines before have %d", path, number,
                       columns, t->columns);
    }
    t->rows++;
    return FF_OK;
}

static ff_err read_lines(FILE *file, struct table *t, const char *path, ff_ctx *ctx)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    ff_err err = FF_OK;
    for (long number = 1; !err && (length = getline(&line, &room, file)) >= 0; number++) {
        if (memchr(line, '\0', (size_t)length)) {
            err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: line %ld is not text", path, number);
            break;
        }
        line[strcspn(line, "#")] = '\0';
        err = add_line(t, line, number, path, ctx);
    }
    if (!err && ferror(file)) err = ff_fail(ctx, FF_EIO, FF_HERE, "cannot read %s", path);
    free(line);
    return err;
}

ff_err ff_text_table(const char *path, long max_numbers, double **data, long *rows, int *columns, ff_ctx *ctx)
{
    *data = NULL;
    *rows = 0;
    *columns = 0;
    FILE *file;
    long size;
    ff_err err = ff_open_regular(&file, path, &size, ctx);
    if (err) return err;
    struct table t = {.max = max_numbers};
    if (size > MAX_BYTES) {
        err =
            ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has %ld bytes, at most %d are read as text", path, size, MAX_BYTES);
    }
    if (!err) err = read_lines(file, &t, path, ctx);
    if (!err && t.rows == 0) err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has no numbers", path);
    fclose(file);
    if (err) {
        free(t.data);
        return err;
    }
    *data = t.data;
    *rows = t.rows;
    *columns = t.columns;
    return FF_OK;
}
