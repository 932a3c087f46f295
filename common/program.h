/* common/program.h - where the other programs of the product are. */
#ifndef FF_COMMON_PROGRAM_H
#define FF_COMMON_PROGRAM_H

#include "common/err.h"

/* Path of program `name`: beside this one, else in PATH; malloc'ed. FF_ENOFILE. */
FF_MUST_USE ff_err ff_program_find(char **path, const char *name, ff_ctx *ctx);

#endif
