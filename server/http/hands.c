/* server/http/hands.c - see hands.h. One list, first come first served. */
#include "server/http/hands.h"

#include <stdlib.h>

struct ff_hands {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct ff_request *first, *last;
    bool stopping;
    int nthreads;
    pthread_t threads[];
};

/* The next request; NULL: the end. */
static struct ff_request *take(struct ff_hands *hands)
{
    pthread_mutex_lock(&hands->lock);
    while (!hands->first && !hands->stopping) pthread_cond_wait(&hands->more, &hands->lock);
    struct ff_request *r = hands->first;
    if (r) hands->first = r->next;
    if (!hands->first) hands->last = NULL;
    pthread_mutex_unlock(&hands->lock);
    return r;
}

static void *hand(void *arg)
{
    for (struct ff_request *r; (r = take(arg)) != NULL;) {
        struct MHD_Connection *connection = r->connection; /* r may be gone the moment it is resumed */
        ff_request_work(r);
        MHD_resume_connection(connection);
    }
    return NULL;
}

ff_err ff_hands_start(struct ff_hands **out, int threads, ff_ctx *ctx)
{
    struct ff_hands *hands = calloc(1, sizeof *hands + (size_t)threads * sizeof hands->threads[0]);
    *out = NULL;
    if (!hands) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d threads", threads);
    pthread_mutex_init(&hands->lock, NULL);
    pthread_cond_init(&hands->more, NULL);
    for (; hands->nthreads < threads; hands->nthreads++) {
        if (!pthread_create(&hands->threads[hands->nthreads], NULL, hand, hands)) continue;
        ff_hands_stop(hands);
        ff_hands_free(hands);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "%d threads could not be started", threads);
    }
    *out = hands;
    return FF_OK;
}

bool ff_hands_push(struct ff_hands *hands, struct ff_request *r)
{
    pthread_mutex_lock(&hands->lock);
    const bool open = !hands->stopping;
    if (open) {
        MHD_suspend_connection(r->connection);
        r->next = NULL;
        if (hands->last) hands->last->next = r;
        if (!hands->first) hands->first = r;
        hands->last = r;
        pthread_cond_signal(&hands->more);
    }
    pthread_mutex_unlock(&hands->lock);
    return open;
}

void ff_hands_stop(struct ff_hands *hands)
{
    if (!hands) return;
    pthread_mutex_lock(&hands->lock);
    hands->stopping = true;
    pthread_cond_broadcast(&hands->more);
    pthread_mutex_unlock(&hands->lock);
    for (int i = 0; i < hands->nthreads; i++) pthread_join(hands->threads[i], NULL);
    hands->nthreads = 0;
}

void ff_hands_free(struct ff_hands *hands)
{
    if (!hands) return;
    pthread_mutex_destroy(&hands->lock);
    pthread_cond_destroy(&hands->more);
    free(hands);
}
