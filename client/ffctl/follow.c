/* client/ffctl/follow.c - see follow.h. */
#include "client/ffctl/follow.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/ffctl/reading.h"
#include "common/clock.h"

static const double line_every_s = 5; /* off a terminal, within one stage */
enum { BAR_WIDTH = 28, LINE_SIZE = 320 };

void ff_duration(double seconds, char *out)
{
    out[0] = '\0';
    if (!(seconds >= 0) || seconds > 3.6e6) return;
    unsigned s = (unsigned)lround(seconds);
    if (s >= 3600) {
        snprintf(out, FF_DURATION_SIZE, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(out, FF_DURATION_SIZE, "%u:%02u", s / 60, s % 60);
    }
}

static double number(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* A line under construction. */
struct line {
    char *text;
    size_t size, used;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->text + line->used, line->size - line->used, format, args);
    va_end(args);
    if (n > 0) line->used = line->used + (size_t)n < line->size ? line->used + (size_t)n : line->size - 1;
}

static void add_bar(struct line *line, double share, int width)
{
    int full = (int)(share * width + 0.5);
    add(line, "[");
    for (int i = 0; i < width; i++) add(line, "%c", i < full ? '#' : '.');
    add(line, "] ");
}

void ff_progress_line(const json_t *event, int bar_width, int columns, char *out, size_t size)
{
    struct line line = {.text = out, .size = size};
    double done = fmax(0, number(event, "done")), total = fmax(0, number(event, "total")), rate = number(event, "rate");
    double ess = number(event, "ess"), rhat = number(event, "rhat"), divergences = number(event, "divergences");
    double share = total > 0 ? fmin(1, fmax(0, done / total)) : 0;
    char left[FF_DURATION_SIZE];
    ff_duration(number(event, "eta_s"), left);
    out[0] = '\0';
    add(&line, "%-9s ", ff_text_of(event, "stage"));
    if (bar_width > 0) add_bar(&line, share, bar_width);
    add(&line, "%.0f/%.0f %3.0f %%", done, total, 100 * share);
    if (isfinite(rate)) add(&line, rate < 10 ? "  %.2f/s" : "  %.0f/s", rate);
    if (*left && done < total) add(&line, "  ETA %s", left);
    if (isfinite(ess)) add(&line, "  ESS %.0f", ess);
    if (isfinite(rhat)) add(&line, "  R-hat %.3f", rhat);
    if (isfinite(divergences)) add(&line, "  divergences %.0f", divergences);
    if (columns > 1 && line.used >= (size_t)columns) out[columns - 1] = '\0';
}

static int columns_of_terminal(void)
{
    struct winsize window;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return 80;
    return window.ws_col;
}

void ff_follow_clear(struct ff_follow *follow)
{
    if (follow->drawn) fputs("\r\033[K", stderr);
    follow->drawn = false;
}

static void show_progress(struct ff_follow *follow, const json_t *event)
{
    char line[LINE_SIZE];
    const char *stage = ff_text_of(event, "stage");
    bool changed = strncmp(stage, follow->stage, sizeof follow->stage - 1) != 0;
    bool complete = number(event, "done") >= number(event, "total");
    double now = ff_clock_s();
    if (!follow->bar && !changed && !complete && now - follow->shown_s < line_every_s) return;
    follow->shown_s = now;
    snprintf(follow->stage, sizeof follow->stage, "%s", stage);
    if (follow->bar) {
        ff_progress_line(event, BAR_WIDTH, columns_of_terminal(), line, sizeof line);
        fprintf(stderr, "\r%s\033[K", line);
        follow->drawn = true;
    } else {
        ff_progress_line(event, 0, 0, line, sizeof line);
        fprintf(stderr, "%s\n", line);
    }
    fflush(stderr);
}

static void show_log(struct ff_follow *follow, const json_t *event)
{
    const char *level = ff_text_of(event, "level");
    bool calm = strcmp(level, "info") == 0 || strcmp(level, "debug") == 0 || !*level;
    ff_follow_clear(follow);
    if (calm) {
        fprintf(stderr, "%s\n", ff_text_of(event, "message"));
        return;
    }
    const char *yellow = follow->colour ? "\033[33m" : "", *plain = follow->colour ? "\033[0m" : "";
    fprintf(stderr, "%s%s:%s %s\n", yellow, level, plain, ff_text_of(event, "message"));
}

void ff_follow_event(struct ff_follow *follow, const json_t *event)
{
    const char *type = ff_text_of(event, "type");
    if (strcmp(type, "progress") == 0) {
        show_progress(follow, event);
    } else if (strcmp(type, "log") == 0) {
        show_log(follow, event);
    } else if (strcmp(type, "end") == 0) {
        ff_follow_clear(follow);
        snprintf(follow->state, sizeof follow->state, "%s", ff_text_of(event, "state"));
    }
}
