/* worker/gang/scratch.h - a folder of this process for files of tasks where no store is shared. Removed at the end;
** what a killed process left is removed by the next one that uses the same place. */
#ifndef FF_WORKER_GANG_SCRATCH_H
#define FF_WORKER_GANG_SCRATCH_H

#include <stdbool.h>

#include "common/err.h"
#include "worker/gang/files.h"

struct ff_scratch {
    char path[FF_GANG_PATH]; /* "": not made yet */
    int lock_fd;             /* held while the process lives: how others know */
    bool keep;               /* something in it is worth a look: stays */
};

void ff_scratch_init(struct ff_scratch *s);
/* Is `place` a folder that can be written? Made when missing (mode 0700, its parent has to exist). FF_EUSAGE: a gang that
** could keep no files would only waste attempts of tasks, so it does not start. */
FF_MUST_USE ff_err ff_scratch_check(const char *place, ff_ctx *ctx);
/* Makes it below `place`, once. FF_ESTORAGE, FF_EDISKFULL. */
FF_MUST_USE ff_err ff_scratch_make(struct ff_scratch *s, const char *place, ff_ctx *ctx);
void ff_scratch_done(struct ff_scratch *s);

#endif
