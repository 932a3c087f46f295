/* common/text_file.h - small files of text, read whole. */
#ifndef FF_COMMON_TEXT_FILE_H
#define FF_COMMON_TEXT_FILE_H

#include <stddef.h>

#include "common/err.h"

/* At most `most` bytes and one more, so that the caller knows a longer file; malloc'ed. FF_ENOFILE, FF_EBADFILE (a folder),
** FF_EIO. */
FF_MUST_USE ff_err ff_text_file_read(char **text, size_t *size, const char *path, size_t most, ff_ctx *ctx);

#endif
