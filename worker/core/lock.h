/* worker/core/lock.h - the one lock of this room: FFTW may plan in one thread at a time. */
#ifndef FF_WORKER_CORE_LOCK_H
#define FF_WORKER_CORE_LOCK_H

void ff_planning_lock(void);
void ff_planning_unlock(void);

#endif
