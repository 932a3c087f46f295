/* server/store/rows.h - parts of the .npy files that gangs leave in the folders of their attempts, read by position:
** previews of maps, finished draws. Little endian, C order, as our own worker writes them; anything else is refused. */
#ifndef FF_SERVER_STORE_ROWS_H
#define FF_SERVER_STORE_ROWS_H

#include "files/npy_header.h"
#include "server/store/inside.h"

struct ff_house_npy {
    int fd;
    struct ff_npy_header head;
    int64_t begin;  /* of the numbers in the file */
    long n;         /* numbers */
    char name[128]; /* for messages */
};

/* Opens NAME of an attempt's folder: FF_ENOTFOUND when it is not there; FF_EBADFILE when the file is shorter than
** its header says. */
FF_MUST_USE ff_err ff_house_npy_open(struct ff_house_npy *npy, int folder, const char *name, ff_ctx *ctx);
void ff_house_npy_close(struct ff_house_npy *npy);
/* Numbers first .. first+count-1 in C order as `type` (stored so, or as a double where FF_F32_T is wanted, or as a
** bool where FF_U8_T is): FF_EBADFILE when the file holds something else. */
FF_MUST_USE ff_err ff_house_npy_read(const struct ff_house_npy *npy, enum ff_type type, long first, long count,
                                     void *out, ff_ctx *ctx);
/* Numbers in a row of the first axis, 0 when the array has no axis. */
long ff_house_npy_row(const struct ff_house_npy *npy);

/* Opens work/<job>/<task>.<attempt>, -1 when it is not there or the names are no names. */
int ff_house_attempt_folder(const ff_storehouse *s, const char *job, const char *task, long long attempt);

#endif
