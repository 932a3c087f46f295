/* tests/load/requests.c - see requests.h. One thread, epoll. */
#include "tests/load/requests.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MAX_STATUS = 600, HEAD = 64, READ_SIZE = 64 << 10, TEXT_SIZE = 16 << 10, MAX_EVENTS = 64, KEY_DIGITS = 16 };

struct connection {
    int fd; /* -1: lost */
    bool busy;
    double due;
    struct net_answer answer;
    char head[HEAD]; /* of the body */
    size_t nhead;
};

struct run {
    const struct requests *r;
    int epoll;
    struct connection *c;
    int *idle, nidle; /* connections without a request */
    int sent, answered, broken;
    double begun, last;
    float *ms; /* of every answer */
    int statuses[MAX_STATUS];
    char text[TEXT_SIZE], *key; /* the request, and where its key stands */
    size_t size;
    uint64_t next_key;
};

/* ---- the request ---- */

static bool compose(struct run *run)
{
    const struct requests *r = run->r;
    static const char name[] = "Idempotency-Key: ";
    char key[64] = "", body[96] = "";
    const size_t nbody = r->body ? strlen(r->body) : 0;
    if (r->keys) snprintf(key, sizeof key, "%s%0*d\r\n", name, KEY_DIGITS, 0);
    if (r->body) snprintf(body, sizeof body, "Content-Type: application/json\r\nContent-Length: %zu\r\n", nbody);
    const int n =
        snprintf(run->text, sizeof run->text, "%s %s HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer %s\r\n%s%s\r\n%s",
                 r->method, r->path, r->token, key, body, r->body ? r->body : "");
    run->size = n > 0 ? (size_t)n : 0;
    run->key = r->keys ? strstr(run->text, name) : NULL;
    if (run->key) run->key += sizeof name - 1;
    run->next_key = ((uint64_t)time(NULL) << 32) ^ (uint64_t)getpid() << 20;
    return n > 0 && run->size < sizeof run->text;
}

static void renew_key(struct run *run)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t v = run->next_key++;
    if (!run->key) return;
    for (int i = KEY_DIGITS - 1; i >= 0; i--, v >>= 4) run->key[i] = digits[v & 15];
}

/* ---- connections ---- */

static void lose(struct run *run, struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    run->broken += c->busy;
    c->busy = false;
}

static bool open_connection(struct run *run, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = net_connect(run->r->address);
    c->busy = false;
    return c->fd >= 0 && epoll_ctl(run->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

static void ask(struct run *run, struct connection *c, double due)
{
    if (c->fd < 0 && !open_connection(run, c)) {
        run->sent++;
        run->broken++;
        return;
    }
    renew_key(run);
    net_begin(&c->answer);
    c->nhead = 0;
    c->busy = true;
    c->due = due;
    run->sent++;
    if (!net_send(c->fd, run->text, run->size)) lose(run, c);
}

/* Sends what is due to whoever is free. */
static void ask_all(struct run *run)
{
    const struct requests *r = run->r;
    const double now = net_now();
    while (run->nidle > 0 && run->sent < r->total) {
        const double due = r->rate > 0 ? run->begun + run->sent / r->rate : now;
        if (due > now) return;
        const int index = run->idle[--run->nidle];
        ask(run, &run->c[index], due);
        if (!run->c[index].busy) run->idle[run->nidle++] = index;
        if (run->c[index].fd < 0) return; /* the server has gone: not in a circle */
    }
}

static void keep_head(void *self, const char *data, size_t size)
{
    struct connection *c = self;
    const size_t room = sizeof c->head - 1 - c->nhead, n = size < room ? size : room;
    memcpy(c->head + c->nhead, data, n);
    c->nhead += n;
}

static void answered(struct run *run, struct connection *c)
{
    static const char before[] = "{\"id\":\"";
    const double now = net_now();
    run->ms[run->answered++] = (float)(1e3 * (now - c->due));
    run->last = now;
    run->statuses[c->answer.status > 0 && c->answer.status < MAX_STATUS ? c->answer.status : 0]++;
    c->head[c->nhead] = '\0';
    if (run->r->ids && c->answer.status == 202 && strncmp(c->head, before, sizeof before - 1) == 0)
        fprintf(run->r->ids, "%.30s\n", c->head + sizeof before - 1);
    c->busy = false;
}

static void readable(struct run *run, struct connection *c, char *buffer)
{
    const ssize_t n = c->fd < 0 ? 0 : recv(c->fd, buffer, READ_SIZE, 0);
    const bool was = c->busy;
    if (c->fd < 0 || (n < 0 && errno == EAGAIN)) return;
    if (n <= 0) {
        lose(run, c);
    } else {
        const enum net_progress now = c->busy ? net_take(&c->answer, buffer, (size_t)n, keep_head, c) : NET_BROKEN;
        if (now == NET_DONE) answered(run, c);
        if (now == NET_BROKEN) lose(run, c);
    }
    if (was && !c->busy) run->idle[run->nidle++] = (int)(c - run->c);
}

/* ---- the whole ---- */

static void loop(struct run *run, char *buffer)
{
    const struct requests *r = run->r;
    struct epoll_event events[MAX_EVENTS];
    while (run->answered + run->broken < r->total && net_now() - run->last < r->patience_s) {
        ask_all(run);
        const bool waiting = r->rate > 0 && run->sent < r->total && run->nidle > 0;
        const int n = epoll_wait(run->epoll, events, MAX_EVENTS, waiting ? 1 : 100);
        for (int i = 0; i < n; i++) readable(run, events[i].data.ptr, buffer);
    }
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double part(const struct run *run, double p)
{
    return run->answered ? (double)run->ms[(int)(p * (run->answered - 1))] : 0;
}

static int report(struct run *run)
{
    const double seconds = run->last - run->begun;
    qsort(run->ms, (size_t)run->answered, sizeof *run->ms, ascending);
    printf("{\"answered\": %d, \"broken\": %d, \"seconds\": %.4f, \"rate\": %.2f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, "
           "\"p99_ms\": %.3f, \"max_ms\": %.3f, \"statuses\": {",
           run->answered, run->broken, seconds, seconds > 0 ? run->answered / seconds : 0, part(run, 0.5),
           part(run, 0.9), part(run, 0.99), part(run, 1));
    const char *comma = "";
    for (int i = 0; i < MAX_STATUS; i++) {
        if (!run->statuses[i]) continue;
        printf("%s\"%d\": %d", comma, i, run->statuses[i]);
        comma = ", ";
    }
    printf("}}\n");
    return run->answered == run->r->total ? 0 : 1;
}

int requests_run(const struct requests *r)
{
    struct run *run = calloc(1, sizeof *run);
    char *buffer = malloc(READ_SIZE);
    int code = 2;
    if (run) {
        run->r = r;
        run->epoll = epoll_create1(EPOLL_CLOEXEC);
        run->c = calloc((size_t)r->connections, sizeof *run->c);
        run->idle = calloc((size_t)r->connections, sizeof *run->idle);
        run->ms = calloc((size_t)r->total, sizeof *run->ms);
    }
    bool ready = buffer && run && run->epoll >= 0 && run->c && run->idle && run->ms && compose(run);
    for (int i = 0; ready && i < r->connections; i++) {
        ready = open_connection(run, &run->c[i]);
        run->idle[run->nidle++] = i;
    }
    if (ready) {
        run->begun = run->last = net_now();
        loop(run, buffer);
        code = report(run);
    } else {
        fprintf(stderr, "load: no connection to the server\n");
    }
    free(buffer);
    if (run) {
        free(run->c);
        free(run->idle);
        free(run->ms);
    }
    free(run);
    return code;
}
