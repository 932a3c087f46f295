/* server/store/room.c - room on the disk (store.h): how much is left, and the reserve. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/store/inside.h"

ff_err ff_storehouse_room(ff_storehouse *s, int64_t bytes, ff_ctx *ctx)
{
    struct statvfs fs;
    if (fstatvfs(s->fd, &fs)) return ff_house_fail(ctx, errno, "cannot ask for the room of", "the store");
    /* Room for others than root; more than int64_t holds is enough. */
    const uint64_t blocks = fs.f_bavail, unit = fs.f_frsize;
    const int64_t room = unit && blocks > (uint64_t)INT64_MAX / unit ? INT64_MAX : (int64_t)(blocks * unit);
    if (bytes < 0 || room < s->keep_free_bytes || room - s->keep_free_bytes < bytes) {
        return ff_fail(ctx, FF_EDISKFULL, FF_HERE,
                       "the disk of the store has %" PRId64 " MB left; %" PRId64
                       " MB more would leave less than the %" PRId64 " MB that are kept free",
                       room >> 20, bytes >> 20, s->keep_free_bytes >> 20);
    }
    return FF_OK;
}

/* With the lock held: the file of the reserve, `size` bytes of it really on the disk. */
static void set_reserve(ff_storehouse *s, int64_t size)
{
    const int fd = openat(s->fd, "reserve", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0) return;
    struct stat st;
    /* A disk that has no room for the reserve now is no reason to do without the server: it is taken later. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size != size &&
        (size == 0 || ff_storehouse_room(s, size, NULL) == FF_OK)) {
        if (ftruncate(fd, 0) || (size && posix_fallocate(fd, 0, size))) size = 0;
        if (!size && ftruncate(fd, 0)) unlinkat(s->fd, "reserve", 0);
    }
    close(fd);
}

void ff_storehouse_release_reserve(ff_storehouse *s)
{
    pthread_mutex_lock(&s->reserve_lock);
    set_reserve(s, 0);
    pthread_mutex_unlock(&s->reserve_lock);
}

void ff_storehouse_take_reserve(ff_storehouse *s)
{
    pthread_mutex_lock(&s->reserve_lock);
    set_reserve(s, s->reserve_bytes > 0 ? s->reserve_bytes : 0);
    pthread_mutex_unlock(&s->reserve_lock);
}
