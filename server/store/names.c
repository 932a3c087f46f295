/* server/store/names.c - which names and paths there are (inside.h). Paths come from ids of the server and from
** names that a gang gave to its files: both are checked the same way, against what is allowed. */
#include <sodium.h>
#include <string.h>

#include "server/store/inside.h"

enum { MAX_NAME = 100, MAX_TASK = 31, ID_DIGITS = 26 };

static const char lower_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char lower_digits_dash[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

bool ff_house_plain(const char *name)
{
    const size_t n = strlen(name);
    return n >= 1 && n <= MAX_NAME && name[0] != '.' && strspn(name, plain) == n;
}

bool ff_house_is_hash(const char *sha256)
{
    return sha256 && strlen(sha256) == 64 && strspn(sha256, "0123456789abcdef") == 64;
}

ff_err ff_house_check_path(const char *path, ff_ctx *ctx)
{
    static const struct {
        const char *first;
        int parts;
    } kinds[] = {{"work", 4}, {"results", 3}, {"datasets", 2}};
    char part[MAX_NAME + 1];
    int parts = 0, wanted = 0;
    bool good = strlen(path) < FF_HOUSE_PATH;
    for (const char *at = path; good && at; parts++) {
        const char *slash = strchr(at, '/');
        const size_t n = slash ? (size_t)(slash - at) : strlen(at);
        good = n <= MAX_NAME;
        if (!good) break;
        memcpy(part, at, n);
        part[n] = '\0';
        good = ff_house_plain(part);
        for (size_t k = 0; parts == 0 && k < sizeof kinds / sizeof *kinds; k++) {
            if (!strcmp(part, kinds[k].first)) wanted = kinds[k].parts;
        }
        at = slash ? slash + 1 : NULL;
    }
    if (good && parts == wanted) return FF_OK;
    return ff_fail(
        ctx, FF_EBADFILE, FF_HERE,
        "that is no file of the store: allowed are work/JOB/TASK.N/NAME, results/JOB/NAME and datasets/NAME of "
        "1 to %d letters, digits, '.', '_' and '-', not starting with '.'",
        MAX_NAME);
}

static bool is_job(const char *job)
{
    return !strncmp(job, "job_", 4) && strlen(job) == 4 + ID_DIGITS && strspn(job + 4, lower_digits) == ID_DIGITS;
}

static bool is_task(const char *task)
{
    const size_t n = strlen(task);
    return n >= 1 && n <= MAX_TASK && task[0] != '-' && strspn(task, lower_digits_dash) == n;
}

ff_err ff_house_check_attempt(const char *job, const char *task, int attempt, ff_ctx *ctx)
{
    if (!is_job(job)) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "that is not the id of a job");
    if (!is_task(task)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "that is not the name of a task: allowed are 1 to %d of [a-z0-9-], not starting with '-'",
                       MAX_TASK);
    }
    if (attempt < 1) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "attempt %d: they count from 1", attempt);
    return FF_OK;
}

void ff_house_random_name(char *out, size_t size, const char *suffix)
{
    unsigned char bytes[16];
    char digits[2 * sizeof bytes + 1];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(digits, sizeof digits, bytes, sizeof bytes);
    snprintf(out, size, "%s%s", digits, suffix);
}

bool ff_house_is_temporary(const char *name)
{
    return strspn(name, "0123456789abcdef") == 32 && name[32] == '.' && ff_house_plain(name);
}

ff_err ff_house_ours(ff_err err, ff_ctx *ctx)
{
    if (err != FF_EBADFILE && err != FF_EBADJSON) return err;
    if (ctx) ctx->code = FF_ECORRUPT;
    return FF_ECORRUPT;
}

void ff_house_hide(ff_ctx *ctx, const char *path, const char *words)
{
    if (!ctx) return;
    char text[FF_MESSAGE_SIZE];
    size_t n = 0;
    const size_t length = strlen(path);
    for (const char *at = ctx->message; *at && n + 1 < sizeof text;) {
        if (!strncmp(at, path, length)) {
            const int put = snprintf(text + n, sizeof text - n, "%s", words);
            n += put > 0 ? (size_t)put : 0;
            at += length;
        } else {
            text[n++] = *at++;
        }
    }
    text[n < sizeof text ? n : sizeof text - 1] = '\0';
    memcpy(ctx->message, text, sizeof text);
}
