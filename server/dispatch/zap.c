/* server/dispatch/zap.c - see zap.h. */
#include "server/dispatch/zap.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

/* The frames of a request, in order. */
enum { VERSION, REQUEST, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIAL, NFRAMES };
struct frame {
    char bytes[256]; /* longer frames are cut, and then refused by their size */
    size_t size;
};

/* One request; returns how many frames came, -1 when the context ends. */
static int receive(void *socket, struct frame frames[NFRAMES])
{
    int n = 0, more = 1;
    while (more) {
        struct frame spare, *frame = n < NFRAMES ? &frames[n] : &spare;
        int size = zmq_recv(socket, frame->bytes, sizeof frame->bytes, 0);
        if (size < 0) return -1;
        frame->size = (size_t)size;
        n++;
        size_t room = sizeof more;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &room)) return -1;
    }
    return n;
}

static bool equals(const struct frame *frame, const char *text)
{
    return frame->size == strlen(text) && memcmp(frame->bytes, text, frame->size) == 0;
}

static bool lets_in(struct ff_zap *zap, const struct frame *frames, int n, char key[FF_KEY_SIZE])
{
    if (n != NFRAMES || !equals(&frames[DOMAIN], FF_ZAP_DOMAIN) || !equals(&frames[MECHANISM], "CURVE")) return false;
    if (frames[CREDENTIAL].size != FF_KEY_BYTES) return false;
    if (!zmq_z85_encode(key, (const uint8_t *)frames[CREDENTIAL].bytes, FF_KEY_BYTES)) return false;
    return ff_allowed_has(zap->allowed, key);
}

static int answer(void *socket, const struct frame *request, bool in, const char *key)
{
    const char *code = in ? "200" : "400", *text = in ? "OK" : "key not allowed";
    const char *user = in ? key : "";
    if (zmq_send(socket, "1.0", 3, ZMQ_SNDMORE) < 0) return -1;
    if (zmq_send(socket, request->bytes, request->size, ZMQ_SNDMORE) < 0) return -1;
    if (zmq_send(socket, code, strlen(code), ZMQ_SNDMORE) < 0) return -1;
    if (zmq_send(socket, text, strlen(text), ZMQ_SNDMORE) < 0) return -1;
    if (zmq_send(socket, user, strlen(user), ZMQ_SNDMORE) < 0) return -1;
    return zmq_send(socket, "", 0, 0);
}

static void *run(void *arg)
{
    struct ff_zap *zap = arg;
    struct frame frames[NFRAMES];
    for (;;) {
        int n = receive(zap->socket, frames);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        char key[FF_KEY_SIZE] = "";
        bool valid =
            n > REQUEST && equals(&frames[VERSION], "1.0") && frames[REQUEST].size <= sizeof frames[REQUEST].bytes;
        if (!valid) frames[REQUEST].size = 0;
        bool in = valid && lets_in(zap, frames, n, key);
        if (!in) atomic_fetch_add(&zap->refused, 1);
        if (answer(zap->socket, &frames[REQUEST], in, key) < 0 && errno == ETERM) break;
    }
    zmq_close(zap->socket);
    return NULL;
}

ff_err ff_zap_start(struct ff_zap *zap, void *context, struct ff_allowed *allowed, ff_ctx *ctx)
{
    zap->allowed = allowed;
    atomic_store(&zap->refused, 0);
    zap->socket = zmq_socket(context, ZMQ_REP);
    int linger = 0;
    if (!zap->socket || zmq_setsockopt(zap->socket, ZMQ_LINGER, &linger, sizeof linger) ||
        zmq_bind(zap->socket, "inproc://zeromq.zap.01")) {
        ff_fail(ctx, FF_EIO, FF_HERE, "the thread that checks keys cannot start: %s", zmq_strerror(errno));
        if (zap->socket) zmq_close(zap->socket);
        return ctx->code;
    }
    if (pthread_create(&zap->thread, NULL, run, zap)) {
        zmq_close(zap->socket);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "the thread that checks keys cannot start");
    }
    zap->started = true;
    return FF_OK;
}

void ff_zap_join(struct ff_zap *zap)
{
    if (zap->started) pthread_join(zap->thread, NULL);
}
