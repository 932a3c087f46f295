/* server/main/keep.c - see keep.h. Backups are DIR/backups/fullfield-TIME.db, TIME such that names sort by age. */
#include "server/main/keep.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ticker.h"
#include "server/queue/datasets.h"
#include "server/queue/jobs.h"

enum { TICK_S = 5, JOBS_AT_ONCE = 100, MAX_BACKUPS = 4096 };
static const double HOUR = 3600, DAY = 86400;

struct ff_keeper {
    const struct ff_server_config *config; /* outlives the keeper */
    ff_queue *queue;
    ff_storehouse *store;
    struct ff_log *log;
    struct ff_ticker *ticker;
    double backed_up, expired, swept; /* monotonic time of the last of each */
};

/* ---- backups ---- */

static int older_first(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Removes all but the newest `keep` backups. */
static void thin_backups(struct ff_keeper *k, const char *folder)
{
    char *names[MAX_BACKUPS], path[2 * FF_PATH_SIZE];
    int n = 0;
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *entry = readdir(dir); entry && n < MAX_BACKUPS; entry = readdir(dir)) {
        const size_t size = strlen(entry->d_name);
        if (strncmp(entry->d_name, "fullfield-", 10) != 0 || size < 4 || strcmp(entry->d_name + size - 3, ".db") != 0)
            continue;
        names[n] = strdup(entry->d_name);
        if (names[n]) n++;
    }
    closedir(dir);
    qsort(names, (size_t)n, sizeof *names, older_first);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (i < n - k->config->backup_keep && unlink(path) != 0)
            ff_log_printf(k->log, "warning", "cannot remove the old backup %s: %s", path, strerror(errno));
        free(names[i]);
    }
}

static void back_up(struct ff_keeper *k)
{
    char folder[FF_PATH_SIZE + 16], path[FF_PATH_SIZE + 80], stamp[FF_TIME_SIZE];
    ff_ctx ctx = {0};
    ff_time_stamp(ff_now_ms(), stamp);
    snprintf(folder, sizeof folder, "%s/backups", k->config->data);
    snprintf(path, sizeof path, "%s/fullfield-%s.db", folder, stamp);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        ff_log_printf(k->log, "error", "cannot make %s: %s", folder, strerror(errno));
        return;
    }
    if (ff_queue_backup(k->queue, path, &ctx)) {
        ff_log_error(k->log, &ctx);
        return;
    }
    ff_log_printf(k->log, "info", "backup written: %s", path);
    thin_backups(k, folder);
}

/* ---- retention ---- */

struct expiry {
    int64_t before_ms;
    char (*ids)[FF_ID_SIZE];
    int n;
};

static ff_err find_expired(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct expiry *e = arg;
    return ff_jobs_expired(tx, e->before_ms, JOBS_AT_ONCE, &e->ids, &e->n, ctx);
}

static ff_err remove_rows(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct expiry *e = arg;
    ff_err err = FF_OK;
    for (int i = 0; !err && i < e->n; i++) err = ff_jobs_remove(tx, e->ids[i], ctx);
    return err;
}

/* Rows go first: files without a row are found by the sweep, a row without its file would be a broken promise. */
static void expire(struct ff_keeper *k)
{
    struct expiry e = {.before_ms = ff_now_ms() - (int64_t)(k->config->keep_jobs_days * DAY * 1000)};
    ff_ctx ctx = {0};
    do {
        e.n = 0;
        ff_err err = ff_queue_read(k->queue, find_expired, &e, &ctx);
        if (!err && e.n) err = ff_queue_write(k->queue, remove_rows, &e, &ctx);
        for (int i = 0; !err && i < e.n; i++) {
            ff_storehouse_drop_work(k->store, e.ids[i]);
            ff_storehouse_drop_result(k->store, e.ids[i]);
        }
        if (err) ff_log_error(k->log, &ctx);
        if (!err && e.n) ff_log_printf(k->log, "info", "%d ended jobs were older than kept and are removed", e.n);
        if (err) e.n = 0;
        free(e.ids);
        e.ids = NULL;
    } while (e.n == JOBS_AT_ONCE);
}

/* ---- orphans ---- */

struct known {
    ff_queue *queue;
    const char **paths; /* of results, sorted */
    size_t n, room;
};

static ff_err add_path(void *self, const struct ff_result_row *row, ff_ctx *ctx)
{
    struct known *k = self;
    if (k->n == k->room) {
        const size_t room = k->room ? 2 * k->room : 256;
        const char **more = realloc(k->paths, room * sizeof *more);
        if (!more) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu paths", room);
        k->paths = more;
        k->room = room;
    }
    k->paths[k->n] = strdup(row->path);
    if (!k->paths[k->n]) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a path");
    k->n++;
    return FF_OK;
}

static ff_err read_paths(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    return ff_results_each(tx, add_path, arg, ctx);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct asked {
    char job[FF_ID_SIZE];
    bool there;
};

static ff_err find_job(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct asked *asked = arg;
    struct ff_job_row row;
    const struct ff_who server = {.admin = true};
    const ff_err err = ff_jobs_find(tx, &server, asked->job, &row, ctx);
    asked->there = !err;
    return err == FF_ENOTFOUND ? FF_OK : err;
}

/* Work of a job that there is belongs to somebody; a result has to be named by its row. */
static bool is_known(void *self, const char *path)
{
    const struct known *k = self;
    struct asked asked = {0};
    ff_ctx ctx = {0};
    if (sscanf(path, "work/%31[a-z0-9_]", asked.job) == 1)
        return ff_queue_read(k->queue, find_job, &asked, &ctx) != FF_OK || asked.there;
    return k->n && bsearch(&path, k->paths, k->n, sizeof *k->paths, compare) != NULL;
}

static void report_orphans(struct ff_keeper *k)
{
    struct known known = {.queue = k->queue};
    json_t *orphans = NULL;
    ff_ctx ctx = {0};
    ff_err err = ff_queue_read(k->queue, read_paths, &known, &ctx);
    if (known.n) qsort(known.paths, known.n, sizeof *known.paths, compare);
    if (!err) err = ff_storehouse_orphans(k->store, is_known, &known, &orphans, &ctx);
    if (err) ff_log_error(k->log, &ctx);
    size_t i;
    json_t *path;
    json_array_foreach(orphans, i, path)
    {
        ff_log_printf(k->log, "warning", "no row of the database knows the file %s; it is kept",
                      json_string_value(path));
    }
    json_decref(orphans);
    for (size_t j = 0; j < known.n; j++) free((void *)(size_t)known.paths[j]);
    free(known.paths);
}

/* A database that cannot be written gets the room held back for it; the room is taken again when there is enough. */
static void mind_the_reserve(struct ff_keeper *k)
{
    ff_ctx ctx = {0};
    const ff_err err = ff_queue_probe(k->queue, &ctx);
    if (err == FF_EDISKFULL) {
        ff_log_error(k->log, &ctx);
        ff_storehouse_release_reserve(k->store);
    } else if (!err) {
        ff_storehouse_take_reserve(k->store);
    }
}

/* ---- the thread ---- */

static void tick(void *self)
{
    struct ff_keeper *k = self;
    const struct ff_server_config *c = k->config;
    const double now = ff_clock_s();
    if (c->backup_every_h > 0 && now - k->backed_up >= c->backup_every_h * HOUR) {
        back_up(k);
        k->backed_up = now;
    }
    if (c->keep_jobs_days > 0 && now - k->expired >= fmin(HOUR, c->keep_jobs_days * DAY / 10)) {
        expire(k);
        k->expired = now;
    }
    if (now - k->swept >= DAY) {
        report_orphans(k);
        k->swept = now;
    }
    mind_the_reserve(k);
}

ff_err ff_keep_start(struct ff_keeper **out, const struct ff_server_config *config, ff_queue *queue,
                     ff_storehouse *store, struct ff_log *log, ff_ctx *ctx)
{
    struct ff_keeper *k = *out = calloc(1, sizeof *k);
    if (!k) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the keeper");
    *k = (struct ff_keeper){.config = config, .queue = queue, .store = store, .log = log};
    k->backed_up = k->swept = ff_clock_s(); /* the first of each comes after one interval; expiry at once */
    const ff_err err = ff_ticker_start(&k->ticker, TICK_S, tick, k, ctx);
    if (!err) return FF_OK;
    free(k);
    *out = NULL;
    return err;
}

void ff_keep_stop(struct ff_keeper *k)
{
    if (!k) return;
    ff_ticker_stop(k->ticker);
    free(k);
}
