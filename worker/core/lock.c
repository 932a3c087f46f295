/* worker/core/lock.c - see lock.h. A mutex shared by the float and the double leaf: both call the same planner. */
#include "worker/core/lock.h"

#include <pthread.h>

static pthread_mutex_t planning = PTHREAD_MUTEX_INITIALIZER;

void ff_planning_lock(void)
{
    pthread_mutex_lock(&planning);
}

void ff_planning_unlock(void)
{
    pthread_mutex_unlock(&planning);
}
