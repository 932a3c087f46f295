/* common/ticker.c - see ticker.h. */
#include "common/ticker.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct ff_ticker {
    double seconds;
    void (*tick)(void *self);
    void *self;
    pthread_t thread;
    pthread_mutex_t lock; /* guards stopping */
    pthread_cond_t wake;
    bool stopping;
};

static struct timespec after(double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const long whole = (long)seconds;
    until.tv_nsec += (long)((seconds - (double)whole) * 1e9);
    until.tv_sec += whole + until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return until;
}

static void *run(void *arg)
{
    struct ff_ticker *t = arg;
    pthread_mutex_lock(&t->lock);
    while (!t->stopping) {
        pthread_mutex_unlock(&t->lock);
        t->tick(t->self);
        const struct timespec until = after(t->seconds);
        pthread_mutex_lock(&t->lock);
        int late = 0; /* ETIMEDOUT; a wake-up without a cause starts no tick */
        while (!t->stopping && !late) late = pthread_cond_timedwait(&t->wake, &t->lock, &until);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void free_ticker(struct ff_ticker *t)
{
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->wake);
    free(t);
}

ff_err ff_ticker_start(struct ff_ticker **out, double seconds, void (*tick)(void *self), void *self, ff_ctx *ctx)
{
    pthread_condattr_t monotonic;
    struct ff_ticker *t = *out = calloc(1, sizeof *t);
    if (!t) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a thread");
    *t = (struct ff_ticker){.seconds = seconds, .tick = tick, .self = self};
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!pthread_create(&t->thread, NULL, run, t)) return FF_OK;
    free_ticker(t);
    *out = NULL;
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "a thread could not be started");
}

void ff_ticker_stop(struct ff_ticker *t)
{
    if (!t) return;
    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    free_ticker(t);
}
