/* server/dispatch/helpers.c - see helpers.h. */
#include "server/dispatch/helpers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 2 };

struct lane {
    struct ff_helpers *helpers;
    pthread_t thread;
    struct ff_request *first, **last;
};

struct ff_helpers {
    ff_storehouse *store;
    int wake_fd, nthreads;
    bool stop;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct lane lane[THREADS];
    struct ff_request *done, **done_last;
};

struct ff_request *ff_request_new(enum ff_request_kind kind, const char *worker, const struct ff_attempt *attempt)
{
    struct ff_request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->kind = kind;
    memcpy(r->worker, worker, strnlen(worker, sizeof r->worker - 1));
    r->attempt = *attempt;
    return r;
}

void ff_request_free(struct ff_request *r)
{
    if (!r) return;
    free(r->bytes);
    json_decref(r->body);
    json_decref(r->list);
    json_decref(r->files);
    ff_lease_done(&r->lease);
    free(r);
}

/* ---- the work ---- */

static ff_err get(ff_storehouse *store, struct ff_request *r, ff_ctx *ctx)
{
    r->bytes = malloc(FF_CHUNK_BYTES);
    if (!r->bytes) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a chunk");
    return ff_storehouse_read(store, r->path, r->offset, r->bytes, FF_CHUNK_BYTES, &r->nbytes, &r->total, ctx);
}

/* Files of one attempt, each with the attempt's name, appended to r->files. */
static ff_err list_one(ff_storehouse *store, struct ff_request *r, const json_t *item, ff_ctx *ctx)
{
    struct ff_attempt a;
    json_t *files = NULL, *file;
    size_t i;
    if (!ff_attempt_read(item, &a)) return ff_fail(ctx, FF_EBUG, FF_HERE, "an attempt without a name");
    ff_err err = ff_storehouse_list(store, a.job, a.task, a.number, &files, ctx);
    if (err) return err;
    int failed = 0;
    json_array_foreach(files, i, file)
    {
        failed |= json_object_update(file, (json_t *)item) | json_array_append(r->files, file);
    }
    json_decref(files);
    return failed ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list of files") : FF_OK;
}

static ff_err list(ff_storehouse *store, struct ff_request *r, ff_ctx *ctx)
{
    size_t i;
    json_t *item;
    r->files = json_array();
    ff_err err = r->files ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list of files");
    json_array_foreach(r->list, i, item)
    {
        if (!err) err = list_one(store, r, item, ctx);
    }
    return err;
}

static ff_err accept(ff_storehouse *store, struct ff_request *r, ff_ctx *ctx)
{
    const struct ff_attempt *a = &r->attempt;
    const ff_err err =
        ff_storehouse_accept(store, a->job, a->task, a->number, r->name, r->size, r->sha256, r->path, ctx);
    return err || !ff_is_manifest(a) ? err : ff_storehouse_chunk_bytes(store, r->path, &r->chunk_bytes, ctx);
}

static void do_request(ff_storehouse *store, struct ff_request *r)
{
    ff_ctx *ctx = &r->ctx;
    const struct ff_attempt *a = &r->attempt;
    ff_err err = FF_OK;
    switch (r->kind) {
    case FF_REQUEST_PUT:
        err = ff_storehouse_put(store, r->path, r->offset, r->size, r->sha256, r->bytes, r->nbytes, &r->have, ctx);
        break;
    case FF_REQUEST_GET:
        err = get(store, r, ctx);
        break;
    case FF_REQUEST_ACCEPT:
        err = accept(store, r, ctx);
        break;
    case FF_REQUEST_LIST:
        err = list(store, r, ctx);
        break;
    case FF_REQUEST_DROP:
        ff_storehouse_drop_attempts(store, a->job, a->task, a->number);
        break;
    case FF_REQUEST_TIDY:
        ff_storehouse_drop_draws(store, a->job, r->chunk_bytes > 0);
        break;
    }
    ctx->code = err; /* an earlier error that was put right is none */
}

/* ---- threads ---- */

static void *run(void *arg)
{
    struct lane *lane = arg;
    struct ff_helpers *h = lane->helpers;
    pthread_mutex_lock(&h->lock);
    for (;;) {
        while (!lane->first && !h->stop) pthread_cond_wait(&h->work, &h->lock);
        if (h->stop) break;
        struct ff_request *r = lane->first;
        lane->first = r->next;
        if (!lane->first) lane->last = &lane->first;
        pthread_mutex_unlock(&h->lock);
        do_request(h->store, r);
        r->next = NULL;
        pthread_mutex_lock(&h->lock);
        *h->done_last = r;
        h->done_last = &r->next;
        const uint64_t one = 1;
        if (write(h->wake_fd, &one, sizeof one) < 0) continue; /* it is readable already */
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

ff_err ff_helpers_start(struct ff_helpers **out, ff_storehouse *store, int wake_fd, ff_ctx *ctx)
{
    struct ff_helpers *h = calloc(1, sizeof *h);
    *out = NULL;
    if (!h) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for helper threads");
    h->store = store;
    h->wake_fd = wake_fd;
    h->done_last = &h->done;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->work, NULL);
    for (int i = 0; i < THREADS; i++) {
        h->lane[i].helpers = h;
        h->lane[i].last = &h->lane[i].first;
        if (pthread_create(&h->lane[i].thread, NULL, run, &h->lane[i])) {
            ff_helpers_stop(h);
            return ff_fail(ctx, FF_ENOMEM, FF_HERE, "the system gives no thread for files");
        }
        h->nthreads++;
    }
    *out = h;
    return FF_OK;
}

void ff_helpers_submit(struct ff_helpers *h, unsigned number, struct ff_request *r)
{
    struct lane *lane = &h->lane[number % THREADS];
    pthread_mutex_lock(&h->lock);
    r->next = NULL;
    *lane->last = r;
    lane->last = &r->next;
    pthread_cond_broadcast(&h->work);
    pthread_mutex_unlock(&h->lock);
}

struct ff_request *ff_helpers_take(struct ff_helpers *h)
{
    pthread_mutex_lock(&h->lock);
    struct ff_request *first = h->done;
    h->done = NULL;
    h->done_last = &h->done;
    pthread_mutex_unlock(&h->lock);
    return first;
}

static void free_all(struct ff_request *r)
{
    while (r) {
        struct ff_request *next = r->next;
        ff_request_free(r);
        r = next;
    }
}

void ff_helpers_stop(struct ff_helpers *h)
{
    if (!h) return;
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_broadcast(&h->work);
    pthread_mutex_unlock(&h->lock);
    for (int i = 0; i < h->nthreads; i++) pthread_join(h->lane[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) free_all(h->lane[i].first);
    free_all(h->done);
    pthread_cond_destroy(&h->work);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
