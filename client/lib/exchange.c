/* client/lib/exchange.c - see exchange.h. One transfer at a time goes through a multi handle, so that a signal's descriptor
** can be watched beside the socket. */
#include "client/lib/exchange.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "client/lib/client.h"
#include "common/version.h"

enum { MOST_PROBLEM = 64 << 10, MAX_STATUS_TEXT = 96 };

/* What the callbacks of a transfer need. */
struct transfer {
    ff_client *client;
    struct ff_exchange *x;
    ff_err failed; /* of take */
    FILE *upload;
    struct curl_slist *headers;
    char why[CURL_ERROR_SIZE];
};

static bool good(int status)
{
    return status >= 200 && status < 300;
}

/* The value of a header line when it is called `name` (with its colon), trimmed into out. */
static bool header_is(const char *line, size_t size, const char *name, char *out)
{
    size_t n = strlen(name);
    if (size < n || strncasecmp(line, name, n) != 0) return false;
    while (n < size && (line[n] == ' ' || line[n] == '\t')) n++;
    while (size > n && isspace((unsigned char)line[size - 1])) size--;
    if (size - n >= FF_ANSWER_HEADER) return true; /* nothing we know is so long */
    memcpy(out, line + n, size - n);
    out[size - n] = '\0';
    return true;
}

static void start_answer(struct ff_exchange *x)
{
    x->etag[0] = x->content_range[0] = x->request_id[0] = '\0';
    x->retry_after_s = -1;
    x->length = -1;
    ff_bytes_done(&x->problem);
}

static size_t on_header(char *line, size_t one, size_t size, void *self)
{
    struct transfer *t = self;
    struct ff_exchange *x = t->x;
    char value[FF_ANSWER_HEADER] = "";
    (void)one;
    if (size > 5 && memcmp(line, "HTTP/", 5) == 0) {
        long status = 0;
        curl_easy_getinfo(t->client->easy, CURLINFO_RESPONSE_CODE, &status);
        start_answer(x);
        x->status = (int)status;
    } else if (header_is(line, size, "Retry-After:", value)) {
        char *end;
        double s = strtod(value, &end);
        if (end != value && *end == '\0' && s >= 0 && s < 1e6) x->retry_after_s = s; /* a date is passed over */
    } else if (header_is(line, size, "Content-Length:", value)) {
        x->length = strtoll(value, NULL, 10);
    } else if (!header_is(line, size, "ETag:", x->etag) && !header_is(line, size, "X-Request-Id:", x->request_id)) {
        header_is(line, size, "Content-Range:", x->content_range);
    }
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *self)
{
    struct transfer *t = self;
    (void)one;
    if (good(t->x->status)) {
        if (t->x->take) t->failed = t->x->take(t->x->self, bytes, size);
        return t->failed ? size + 1 : size; /* another number than size ends the transfer */
    }
    size_t room = MOST_PROBLEM - t->x->problem.size, n = size < room ? size : room;
    return ff_bytes_add(&t->x->problem, bytes, n, MOST_PROBLEM, NULL) ? size + 1 : size;
}

static size_t on_read(char *bytes, size_t one, size_t size, void *self)
{
    struct transfer *t = self;
    size_t n = fread(bytes, one, size, t->upload);
    return n == 0 && ferror(t->upload) ? CURL_READFUNC_ABORT : n;
}

static int on_seek(void *self, curl_off_t offset, int origin)
{
    struct transfer *t = self;
    return fseeko(t->upload, offset, origin) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static ff_err add_header(struct transfer *t, const char *line, ff_ctx *ctx)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    if (!longer) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a request");
    t->headers = longer;
    return FF_OK;
}

static ff_err set_headers(struct transfer *t, ff_ctx *ctx)
{
    const struct ff_exchange *x = t->x;
    ff_err err = FF_OK;
    if (t->client->authorization) err = add_header(t, t->client->authorization, ctx);
    if (!err && x->content_type) {
        char line[FF_ANSWER_HEADER];
        snprintf(line, sizeof line, "Content-Type: %s", x->content_type);
        err = add_header(t, line, ctx);
    }
    for (int i = 0; !err && i < FF_MAX_HEADERS && x->headers[i]; i++) err = add_header(t, x->headers[i], ctx);
    if (!err) curl_easy_setopt(t->client->easy, CURLOPT_HTTPHEADER, t->headers);
    return err;
}

static ff_err set_body(struct transfer *t, ff_ctx *ctx)
{
    const struct ff_exchange *x = t->x;
    CURL *easy = t->client->easy;
    if (x->body_file) {
        struct stat info;
        t->upload = fopen(x->body_file, "rb");
        if (!t->upload || fstat(fileno(t->upload), &info) != 0) {
            return ff_fail(ctx, errno == ENOENT ? FF_ENOFILE : FF_EIO, FF_HERE, "%s: %s", x->body_file,
                           strerror(errno));
        }
        if (!S_ISREG(info.st_mode)) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is no file", x->body_file);
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, t);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)info.st_size);
    } else if (x->content_type || strcmp(x->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body_size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, x->body ? x->body : "");
    }
    if (strcmp(x->method, "GET") != 0) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method);
    return FF_OK;
}

static ff_err set_url(const ff_client *c, const char *path, ff_ctx *ctx)
{
    size_t size = strlen(c->base) + strlen(path) + 1;
    char *url = malloc(size);
    if (!url) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a request");
    snprintf(url, size, "%s%s", c->base, path);
    CURLcode failed = curl_easy_setopt(c->easy, CURLOPT_URL, url); /* copies it */
    free(url);
    return failed ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a request") : FF_OK;
}

static void set_way(const ff_client *c)
{
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->easy, CURLOPT_FOLLOWLOCATION, 0L); /* the token is for this server only */
    curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * c->connect_timeout_s));
    if (c->ca_file) curl_easy_setopt(c->easy, CURLOPT_CAINFO, c->ca_file);
    if (c->socket) curl_easy_setopt(c->easy, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    if (c->direct) curl_easy_setopt(c->easy, CURLOPT_NOPROXY, "*");
}

static ff_err prepare(struct transfer *t, ff_ctx *ctx)
{
    ff_client *c = t->client;
    const struct ff_exchange *x = t->x;
    char agent[64];
    snprintf(agent, sizeof agent, "ffctl/%s", ff_version());
    curl_easy_reset(c->easy);
    set_way(c);
    curl_easy_setopt(c->easy, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, t->why);
    if (x->timeout_s > 0) curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(1000 * x->timeout_s));
    if (x->silence_s > 0) {
        curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_TIME, (long)(x->silence_s < 1 ? 1 : x->silence_s));
    }
    ff_err err = set_url(c, x->path, ctx);
    if (!err) err = set_body(t, ctx);
    return err ? err : set_headers(t, ctx);
}

/* Moves bytes until the transfer is over; *interrupted: it was ended by the caller. */
static CURLcode drive(ff_client *c, bool *interrupted)
{
    enum { TURN_MS = 1000 };
    CURLcode result = CURLE_OK;
    int running = 1, messages;
    *interrupted = false;
    while (running && !*interrupted) {
        struct curl_waitfd stop = {.fd = c->stop_fd, .events = CURL_WAIT_POLLIN};
        if (curl_multi_perform(c->multi, &running) != CURLM_OK) return CURLE_FAILED_INIT;
        if (!running) break;
        if (curl_multi_poll(c->multi, &stop, c->stop_fd >= 0 ? 1 : 0, TURN_MS, NULL) != CURLM_OK) {
            return CURLE_FAILED_INIT;
        }
        *interrupted = c->stop_fd >= 0 && stop.revents && c->interrupted(c->self);
    }
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &messages));) {
        if (m->msg == CURLMSG_DONE) result = m->data.result;
    }
    return result;
}

/* An answer that came whole enough to be believed: a refusal may arrive while the body is still being sent. */
static bool answered(const struct ff_exchange *x, CURLcode result)
{
    return result == CURLE_OK || (result == CURLE_SEND_ERROR && x->status >= 400);
}

static ff_err conclude(struct transfer *t, CURLcode result, ff_ctx *ctx)
{
    struct ff_exchange *x = t->x;
    const char *why = t->why[0] ? t->why : curl_easy_strerror(result);
    if (t->failed) return t->failed;
    if (answered(x, result)) return FF_OK;
    x->unsent = result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST ||
                result == CURLE_COULDNT_RESOLVE_PROXY;
    if (result == CURLE_OUT_OF_MEMORY) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a request");
    if (result == CURLE_ABORTED_BY_CALLBACK) {
        return ff_fail(ctx, FF_EIO, FF_HERE, "%s cannot be read", x->body_file ? x->body_file : "the body");
    }
    if (result == CURLE_SSL_CACERT_BADFILE) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the file of certificates cannot be used: %s", why);
    }
    return ff_fail(ctx, FF_EUNREACHABLE, FF_HERE, "%s: %s", t->client->server, why);
}

ff_err ff_exchange_run(ff_client *c, struct ff_exchange *x, ff_ctx *ctx)
{
    struct transfer t = {.client = c, .x = x};
    bool interrupted = false;
    start_answer(x);
    x->status = 0;
    x->unsent = false;
    ff_err err = prepare(&t, ctx);
    if (!err && curl_multi_add_handle(c->multi, c->easy) != CURLM_OK) {
        err = ff_fail(ctx, FF_EBUG, FF_HERE, "libcurl refuses a request");
    }
    if (!err) {
        CURLcode result = drive(c, &interrupted);
        curl_multi_remove_handle(c->multi, c->easy);
        err = interrupted ? ff_client_interrupted(ctx) : conclude(&t, result, ctx);
    }
    curl_easy_reset(c->easy); /* forgets what points into this frame */
    curl_slist_free_all(t.headers);
    if (t.upload) fclose(t.upload);
    return err;
}

void ff_exchange_done(struct ff_exchange *x)
{
    ff_bytes_done(&x->problem);
}
