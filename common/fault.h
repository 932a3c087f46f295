/* common/fault.h - faults on demand, for tests of what survives them. Without these variables nothing here does anything:
**   FF_CRASH_AT=NAME:N     the process ends (status 137, nothing flushed, no handler) at its N-th pass through point NAME
**   FF_SLEEP_AT=NAME:S     it sleeps S seconds at its first pass through point NAME
**   FF_FAIL_IO_AT=N or N-M the N-th (to M-th) call of ff_fail_io says that the disk failed
** The variables are read once, at the first call. Any thread may call. */
#ifndef FF_COMMON_FAULT_H
#define FF_COMMON_FAULT_H

#include <stdbool.h>

/* A place where dying or hanging matters: before and after a commit, a send, a rename. */
void ff_crash_point(const char *name);
/* Asked before an operation on the disk: true: treat it as failed. */
bool ff_fail_io(void);

#endif
