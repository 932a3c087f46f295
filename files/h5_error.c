/* files/h5_error.c - HDF5's error stack into ours, and its types for ours. */
#include "files/h5_internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/publish.h"

bool ff_h5_quiet(void)
{
    /* Every file is closed by its owner; what HDF5 would do at exit is to try again where closing has failed, and
    ** crash. Works only as the very first call of a process; refused later, which is fine. */
    H5dont_atexit();
    return H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0;
}

/* The message of a failed system call is a paragraph (time, descriptor, addresses): keep its strerror text. */
static void keep_essential(char *text)
{
    static const char mark[] = "error message = '";
    char *start = strstr(text, mark);
    if (start) {
        start += sizeof mark - 1;
        memmove(text, start, strlen(start) + 1);
        char *end = strchr(text, '\'');
        if (end) *end = '\0';
    }
    for (char *c = text; *c; c++) {
        if (iscntrl((unsigned char)*c)) *c = ' ';
    }
}

struct innermost {
    int number;     /* errno in the message, 0: none */
    bool no_memory; /* of this process; what a file is given room in has errors of its own */
    char text[256];
};

static herr_t take_first(unsigned depth, const H5E_error2_t *entry, void *self)
{
    struct innermost *in = self;
    if (depth > 0 || !entry->desc) return 0;
    const char *number = strstr(entry->desc, "errno = ");
    if (number) in->number = atoi(number + strlen("errno = "));
    in->no_memory = entry->maj_num == H5E_RESOURCE && entry->min_num == H5E_NOSPACE;
    char text[1024];
    snprintf(text, sizeof text, "%s", entry->desc);
    keep_essential(text);
    snprintf(in->text, sizeof in->text, "%.255s", text);
    return 0;
}

ff_err ff_h5_fail(ff_ctx *ctx, ff_err code, const char *file, int line, const char *fmt, ...)
{
    struct innermost in = {0};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &in);
    H5Eclear2(H5E_DEFAULT);
    char what[FF_MESSAGE_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (code == FF_EIO && in.number && ff_errno_code(in.number) == FF_EDISKFULL) code = FF_EDISKFULL;
    if (in.no_memory) code = FF_ENOMEM;
    if (!in.text[0]) return ff_fail(ctx, code, file, line, "%s", what);
    return ff_fail(ctx, code, file, line, "%s: %s", what, in.text);
}

/* H5T_NATIVE_* and H5T_STD_* are run-time values, so these cannot be tables. */
hid_t ff_h5_memory_type(enum ff_type type)
{
    switch (type) {
    case FF_F32_T:
        return H5T_NATIVE_FLOAT;
    case FF_F64_T:
        return H5T_NATIVE_DOUBLE;
    case FF_I64_T:
        return H5T_NATIVE_INT64;
    case FF_U8_T:
        return H5T_NATIVE_UINT8;
    case FF_BOOL_T:
        return H5T_NATIVE_INT8;
    }
    return H5I_INVALID_HID;
}

hid_t ff_h5_file_type(enum ff_type type)
{
    switch (type) {
    case FF_F32_T:
        return H5T_IEEE_F32LE;
    case FF_F64_T:
        return H5T_IEEE_F64LE;
    case FF_I64_T:
        return H5T_STD_I64LE;
    case FF_U8_T:
        return H5T_STD_U8LE;
    case FF_BOOL_T:
        return H5T_STD_I8LE;
    }
    return H5I_INVALID_HID;
}

size_t ff_h5_type_size(enum ff_type type)
{
    static const size_t sizes[] = {[FF_F32_T] = 4, [FF_F64_T] = 8, [FF_I64_T] = 8, [FF_U8_T] = 1, [FF_BOOL_T] = 1};
    return sizes[type];
}
