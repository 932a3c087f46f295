/* files/text.h - a table of numbers in a text file: columns by blanks, tabs or commas, comments from '#'. */
#ifndef FF_FILES_TEXT_H
#define FF_FILES_TEXT_H

#include "common/err.h"

/* data (rows, columns) C order, malloc'ed. Every row has as many columns as the first; the error names the line. */
FF_MUST_USE ff_err ff_text_table(const char *path, long max_numbers, double **data, long *rows, int *columns,
                                 ff_ctx *ctx);

#endif
