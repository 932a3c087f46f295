/* worker/io/folder.h - the folder of a result, its checkpoint folder, and the room on their disk. */
#ifndef FF_WORKER_IO_FOLDER_H
#define FF_WORKER_IO_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

/* Makes `path` (its parent exists); there already: no error. */
FF_MUST_USE ff_err ff_folder_make(const char *path, ff_ctx *ctx);

/* Removes `path` with the plain files in it. Never follows a link; absent: nothing happens. */
FF_MUST_USE ff_err ff_folder_remove(const char *path, ff_ctx *ctx);

/* Copies the plain file `from` to `to` (replaced), which is on the disk when this returns. *found false, and FF_OK: there is
** no `from`. */
FF_MUST_USE ff_err ff_folder_copy(const char *from, const char *to, bool *found, ff_ctx *ctx);

/* Refuses a file that could not be created: its folder is missing or not writable, or `path` is a folder. */
FF_MUST_USE ff_err ff_folder_check_out(const char *path, ff_ctx *ctx);

/* Refuses (FF_EDISKFULL, with the numbers and `pointer`) when the disk of the folder of `path` has no room for `bytes`. */
FF_MUST_USE ff_err ff_folder_check_room(const char *path, double bytes, const char *pointer, ff_ctx *ctx);

#endif
