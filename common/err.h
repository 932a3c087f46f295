/* common/err.h - one error object for the whole product.
** Every fallible function returns an ff_err (0 = success) and takes an ff_ctx that keeps the code, a message for
** the user, the JSON pointer it is about (if any) and the chain of callers that passed it on.
** Pattern:   err = ff_x(..., ctx);  if (err) { ff_note(ctx, FF_HERE, "while ..."); goto done; } */
#ifndef FF_COMMON_ERR_H
#define FF_COMMON_ERR_H

#define FF_HERE __FILE__, __LINE__
#define FF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define FF_MUST_USE __attribute__((warn_unused_result))

enum ff_code {
    FF_OK = 0,
#define X(name, http, slug, exit_code, title) name,
#include "proto/errors.def"
#undef X
    FF_NCODES
};
typedef int ff_err; /* an enum ff_code */

enum { FF_MAX_FRAMES = 8, FF_MESSAGE_SIZE = 768, FF_POINTER_SIZE = 256, FF_NOTE_SIZE = 160 };

struct ff_frame {
    const char *file;
    int line;
    char note[FF_NOTE_SIZE];
};

typedef struct ff_ctx {
    ff_err code;
    char message[FF_MESSAGE_SIZE]; /* one sentence: what is wrong, what is allowed */
    /* JSON pointer into the job, or the word of the command line it is about; "": neither. Printed beside the message,
    ** which does not repeat it. */
    char pointer[FF_POINTER_SIZE];
    int nframes;
    struct ff_frame frames[FF_MAX_FRAMES]; /* innermost first */
} ff_ctx;

/* Sets the error (replacing any earlier one) and returns `code`, so that `return ff_fail(...)` reads well. */
ff_err ff_fail(ff_ctx *ctx, ff_err code, const char *file, int line, const char *fmt, ...) FF_PRINTF(5, 6);

/* The same for an error about one place of the job; `pointer` is a JSON pointer such as "/model/field/npix". */
ff_err ff_fail_at(ff_ctx *ctx, ff_err code, const char *pointer, const char *file, int line, const char *fmt, ...)
    FF_PRINTF(6, 7);

/* Adds a frame to the cause chain on the way up; frames beyond FF_MAX_FRAMES are dropped. */
void ff_note(ff_ctx *ctx, const char *file, int line, const char *fmt, ...) FF_PRINTF(4, 5);

void ff_ctx_clear(ff_ctx *ctx);

/* Facts of proto/errors.def. */
const char *ff_code_slug(ff_err code);
const char *ff_code_title(ff_err code);
int ff_code_http(ff_err code);
int ff_code_exit(ff_err code);

#endif
