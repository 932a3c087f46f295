/* server/main/restore.h - a backup takes the place of the database (docs/ops.md). */
#ifndef FF_SERVER_MAIN_RESTORE_H
#define FF_SERVER_MAIN_RESTORE_H

#include "common/err.h"

/* Copies FILE into DIR, checks the copy as a start would, keeps what was there as fullfield.db.before-TIME (with its log) and
** puts the copy in its place. FF_ECONFLICT while a server runs. Nothing is deleted. */
FF_MUST_USE ff_err ff_restore(const char *data, const char *file, ff_ctx *ctx);

#endif
