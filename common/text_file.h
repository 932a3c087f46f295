/* common/text_file.h - small files of text: read whole; a line of text written whole or not at all (publish.h). */
#ifndef FF_COMMON_TEXT_FILE_H
#define FF_COMMON_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

/* At most `most` bytes and one more, so that the caller knows a longer file; malloc'ed. FF_ENOFILE, FF_EBADFILE (a folder),
** FF_EIO. */
FF_MUST_USE ff_err ff_text_file_read(char **text, size_t *size, const char *path, size_t most, ff_ctx *ctx);

/* A file of this mode (less the umask) with the line and a newline, durably; `replace`: in the place of one that may be there,
** else FF_EUSAGE where there is one. No copy of the line, which may be a secret, is left in memory. FF_EDISKFULL, FF_EIO. */
FF_MUST_USE ff_err ff_text_file_write(const char *path, const char *line, mode_t mode, bool replace, ff_ctx *ctx);

#endif
