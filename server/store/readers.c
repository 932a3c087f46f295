/* server/store/readers.c - how many requests for the contents of files are worked on at the same time (inside.h),
** so that no number of requests makes the memory of many of them add up. */
#include <unistd.h>

#include "server/store/inside.h"

enum { MOST_READERS = 2, MOST_WAITING = 32 };

void ff_house_fd_path(int fd, char out[64])
{
    /* The child has closed what it inherited; the descriptor here stays, and the kernel's name for it leads to it. */
    snprintf(out, 64, "/proc/%ld/fd/%d", (long)getpid(), fd);
}

ff_err ff_house_reader_enter(ff_storehouse *s, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    pthread_mutex_lock(&s->reader_lock);
    if (s->waiting >= MOST_WAITING) {
        err = ff_fail(ctx, FF_EBUSY, FF_HERE, "%d requests for the contents of files wait already", s->waiting);
    } else {
        s->waiting++;
        while (s->readers >= MOST_READERS) pthread_cond_wait(&s->reader_left, &s->reader_lock);
        s->waiting--;
        s->readers++;
    }
    pthread_mutex_unlock(&s->reader_lock);
    return err;
}

void ff_house_reader_leave(ff_storehouse *s)
{
    pthread_mutex_lock(&s->reader_lock);
    s->readers--;
    pthread_cond_signal(&s->reader_left);
    pthread_mutex_unlock(&s->reader_lock);
}
