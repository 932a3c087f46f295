/* tests/load/watch.c - see watch.h. One thread, epoll. */
#include "tests/load/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 512, READ_SIZE = 64 << 10, MAX_EVENTS = 64, DAY_MS = 86400000, LAGS = 20000 };

struct watcher {
    struct run *run;
    int fd; /* -1: closed */
    bool greeted, ended, wrong;
    long last; /* seq */
    struct net_answer answer;
    char line[LINE];
    size_t nline;
};

struct run {
    const struct watch *w;
    int epoll, open, greeted;
    struct watcher *watchers;
    int *stalled; /* sockets */
    long long frames;
    int ready_ms; /* time of day; -1: not ready */
    double begun, last;
    long lags[LAGS]; /* how many events lagged so many ms, at most LAGS - 1 */
};

static int day_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int)((now.tv_sec % 86400) * 1000 + now.tv_nsec / 1000000);
}

/* ---- frames ---- */

/* The time of an event, of its day; -1: none is found. Lines are cut off, but it stands near the front. */
static int time_of(const char *line)
{
    int h, m, s, ms;
    const char *at = strstr(line, "\"time\":\"");
    if (!at || sscanf(at + 8, "%*d-%*d-%*dT%d:%d:%d.%dZ", &h, &m, &s, &ms) != 4) return -1;
    return ((h * 60 + m) * 60 + s) * 1000 + ms;
}

static void note_lag(struct run *run, const char *line)
{
    const int made = run->ready_ms < 0 ? -1 : time_of(line);
    if (made < 0 || (made - run->ready_ms + DAY_MS) % DAY_MS > DAY_MS / 2) return; /* before all were connected */
    int lag = (day_ms() - made + DAY_MS) % DAY_MS;
    if (lag > DAY_MS / 2) lag = 0; /* a clock of ms that was read a little later */
    run->lags[lag < LAGS ? lag : LAGS - 1]++;
}

static void take_line(struct watcher *w)
{
    w->line[w->nline] = '\0';
    if (strncmp(w->line, "id: ", 4) == 0) {
        const long seq = atol(w->line + 4);
        w->wrong |= seq != w->last + 1 || w->ended;
        w->last = seq;
        w->run->frames++;
    } else if (strcmp(w->line, "event: end") == 0) {
        w->ended = true;
    } else if (strncmp(w->line, "data: ", 6) == 0) {
        note_lag(w->run, w->line);
    }
    w->nline = 0;
}

static void take_body(void *self, const char *data, size_t size)
{
    struct watcher *w = self;
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        const size_t n = end ? (size_t)(end - data) : size, room = sizeof w->line - 1 - w->nline;
        const size_t kept = n < room ? n : room;
        memcpy(w->line + w->nline, data, kept);
        w->nline += kept;
        if (!end) return;
        take_line(w);
        data += n + 1;
        size -= n + 1;
    }
}

/* ---- connections ---- */

static int ask(const struct watch *w)
{
    char text[1024];
    const int n =
        snprintf(text, sizeof text,
                 "GET %s HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n",
                 w->path, w->token);
    const int fd = n > 0 && (size_t)n < sizeof text ? net_connect(w->address) : -1;
    if (fd >= 0 && net_send(fd, text, (size_t)n)) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static void shut(struct watcher *w)
{
    close(w->fd);
    w->fd = -1;
    w->run->open--;
}

static void readable(struct watcher *w, char *buffer)
{
    const ssize_t n = recv(w->fd, buffer, READ_SIZE, 0);
    if (n < 0 && errno == EAGAIN) return;
    const enum net_progress now = n > 0 ? net_take(&w->answer, buffer, (size_t)n, take_body, w) : NET_BROKEN;
    if (w->answer.status && w->answer.status != 200) w->wrong = true;
    if (w->answer.stage > NET_HEADERS && !w->greeted) {
        w->greeted = true;
        w->run->greeted++;
    }
    w->run->last = net_now();
    if (now != NET_MORE) shut(w);
}

/* ---- the whole ---- */

static bool start(struct run *run)
{
    const struct watch *w = run->w;
    for (int i = 0; i < w->stalled; i++) {
        const int small = 4096;
        run->stalled[i] = ask(w);
        if (run->stalled[i] < 0) return false;
        setsockopt(run->stalled[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    for (int i = 0; i < w->watchers; i++) {
        struct watcher *one = &run->watchers[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
        *one = (struct watcher){.run = run, .fd = ask(w)};
        net_begin(&one->answer);
        if (one->fd < 0 || epoll_ctl(run->epoll, EPOLL_CTL_ADD, one->fd, &event)) return false;
        run->open++;
    }
    return true;
}

static void loop(struct run *run, char *buffer)
{
    struct epoll_event events[MAX_EVENTS];
    while (run->open > 0 && net_now() - run->last < run->w->patience_s) {
        const int n = epoll_wait(run->epoll, events, MAX_EVENTS, 100);
        for (int i = 0; i < n; i++) readable(events[i].data.ptr, buffer);
        if (run->ready_ms >= 0 || run->greeted < run->w->watchers) continue;
        run->ready_ms = day_ms();
        printf("{\"ready\": %d}\n", run->greeted);
        fflush(stdout);
    }
}

/* The lag that a part p of the events did not exceed, ms. */
static int lag(const struct run *run, double p)
{
    long all = 0, sum = 0;
    for (int i = 0; i < LAGS; i++) all += run->lags[i];
    for (int i = 0; i < LAGS; i++) {
        sum += run->lags[i];
        if ((double)sum >= p * (double)all) return i;
    }
    return LAGS;
}

static int report(const struct run *run)
{
    int complete = 0;
    long most = 0;
    for (int i = 0; i < run->w->watchers; i++) {
        if (run->watchers[i].last > most) most = run->watchers[i].last;
    }
    for (int i = 0; i < run->w->watchers; i++) {
        const struct watcher *w = &run->watchers[i];
        complete += w->ended && !w->wrong && w->last == most && w->fd < 0;
    }
    const double seconds = run->last - run->begun;
    printf("{\"watchers\": %d, \"complete\": %d, \"events\": %ld, \"frames\": %lld, \"seconds\": %.3f, "
           "\"frames_per_s\": %.0f, \"lag_p50_ms\": %d, \"lag_p99_ms\": %d, \"lag_max_ms\": %d}\n",
           run->w->watchers, complete, most, run->frames, seconds, seconds > 0 ? (double)run->frames / seconds : 0,
           lag(run, 0.5), lag(run, 0.99), lag(run, 1));
    return complete == run->w->watchers ? 0 : 1;
}

int watch_run(const struct watch *w)
{
    struct run *run = calloc(1, sizeof *run);
    char *buffer = malloc(READ_SIZE);
    int code = 2;
    if (run) {
        run->w = w;
        run->epoll = epoll_create1(EPOLL_CLOEXEC);
        run->watchers = calloc((size_t)w->watchers, sizeof *run->watchers);
        run->stalled = calloc((size_t)w->stalled + 1, sizeof *run->stalled);
        run->ready_ms = -1;
        run->begun = run->last = net_now();
    }
    if (run && buffer && run->epoll >= 0 && run->watchers && run->stalled && start(run)) {
        loop(run, buffer);
        code = report(run);
    } else {
        fprintf(stderr, "load: the watchers could not connect\n");
    }
    free(buffer);
    if (run) {
        free(run->watchers);
        free(run->stalled);
    }
    free(run);
    return code;
}
