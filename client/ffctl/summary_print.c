/* client/ffctl/summary_print.c - ff_summary_print of summary.h. */
#include <math.h>
#include <string.h>

#include "client/ffctl/reading.h"
#include "client/ffctl/summary.h"

struct style {
    FILE *out;
    const char *bold, *plain;
};

/* A number in `width` columns, "-" when it is absent or null. */
static void print_number(FILE *out, const json_t *value, int width, const char *format)
{
    char text[32];
    if (json_is_integer(value) && strcmp(format, "%.0f") == 0) { /* a seed has more digits than a double */
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_number(value)) {
        snprintf(text, sizeof text, format, json_number_value(value));
    } else {
        snprintf(text, sizeof text, "-");
    }
    fprintf(out, " %*s", width, text);
}

/* Decimals that show three digits of a spread. */
static int decimals(const json_t *spread)
{
    double size = json_number_value(spread);
    if (!(size > 0)) return 4;
    return (int)fmin(9, fmax(0, 2 - floor(log10(size))));
}

static void print_parameters(const struct style *s, const json_t *summary)
{
    const json_t *parameters = json_object_get(summary, "parameters");
    size_t i;
    json_t *p;
    bool truth = false;
    json_array_foreach(parameters, i, p) truth |= json_object_get(p, "truth") != NULL;
    fprintf(s->out, "\n%s%-10s %10s %9s %10s  %23s %7s %8s %8s%s%s\n", s->bold, "parameter", "mean", "sd", "median",
            "68 % interval", "R-hat", "ESS bulk", "ESS tail", truth ? "      truth" : "", s->plain);
    json_array_foreach(parameters, i, p)
    {
        char format[16];
        snprintf(format, sizeof format, "%%.%df", decimals(json_object_get(p, "sd")));
        fprintf(s->out, "%-10s", ff_text_of(p, "name"));
        print_number(s->out, json_object_get(p, "mean"), 10, format);
        print_number(s->out, json_object_get(p, "sd"), 9, format);
        print_number(s->out, json_object_get(p, "median"), 10, format);
        fputs("  ", s->out);
        print_number(s->out, json_object_get(p, "low68"), 10, format);
        fputs(" ..", s->out);
        print_number(s->out, json_object_get(p, "high68"), 8, format);
        print_number(s->out, json_object_get(p, "rhat"), 7, "%.4f");
        print_number(s->out, json_object_get(p, "ess_bulk"), 8, "%.0f");
        print_number(s->out, json_object_get(p, "ess_tail"), 8, "%.0f");
        if (truth) print_number(s->out, json_object_get(p, "truth"), 10, format);
        fputc('\n', s->out);
    }
}

static void print_fact(FILE *out, const char *what, const json_t *value, const char *format)
{
    if (!json_is_number(value)) return;
    fprintf(out, "%-22s", what);
    print_number(out, value, 0, format);
    fputc('\n', out);
}

static void print_cost(const struct style *s, const json_t *summary)
{
    static const char *const facts[][3] = {{"chains", "chains", "%.0f"},
                                           {"draws a chain", "draws", "%.0f"},
                                           {"divergences", "divergences", "%.0f"},
                                           {"  in warm-up", "warmup_divergences", "%.0f"},
                                           {"gradients", "gradients", "%.0f"},
                                           {"min-ESS", "min_ess", "%.0f"},
                                           {"gradients per min-ESS", "gradients_per_min_ess", "%.1f"},
                                           {"seconds", "seconds", "%.1f"}};
    fputc('\n', s->out);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        print_fact(s->out, facts[i][0], json_object_get(summary, facts[i][1]), facts[i][2]);
    }
}

/* Few p-values are all shown; of many, how they spread. */
static void print_p_values(const struct style *s, const json_t *summary)
{
    enum { FEW = 10 };
    const char *name;
    json_t *list, *values = json_object_get(summary, "p_values");
    if (json_object_size(values) == 0) return;
    fprintf(s->out, "\n%sposterior-predictive p-values%s\n", s->bold, s->plain);
    json_object_foreach(values, name, list)
    {
        size_t n = json_array_size(list), i, extreme = 0;
        double least = 1, most = 0;
        json_t *p;
        fprintf(s->out, "%-22s", name);
        json_array_foreach(list, i, p)
        {
            double value = json_is_number(p) ? json_number_value(p) : NAN;
            least = fmin(least, value);
            most = fmax(most, value);
            extreme += value < 0.01 || value > 0.99;
            if (n <= FEW) print_number(s->out, p, 0, "%.3f");
        }
        if (n > FEW) fprintf(s->out, " %.3f to %.3f; %zu of %zu below 0.01 or above 0.99", least, most, extreme, n);
        fputc('\n', s->out);
    }
}

static void print_arrays(const struct style *s, const json_t *summary)
{
    const char *name;
    json_t *shape, *arrays = json_object_get(summary, "arrays"), *size;
    if (json_object_size(arrays) == 0) return;
    fprintf(s->out, "\n%sarrays%s\n", s->bold, s->plain);
    json_object_foreach(arrays, name, shape)
    {
        size_t i;
        fprintf(s->out, "%-30s", name);
        json_array_foreach(shape, i, size)
        {
            fprintf(s->out, "%s%" JSON_INTEGER_FORMAT, i ? " x " : " ", json_integer_value(size));
        }
        fputc('\n', s->out);
    }
}

static void print_text(const struct style *s, const json_t *summary, const char *what, const char *key)
{
    const char *text = ff_text_of(summary, key);
    if (*text) fprintf(s->out, "%-22s %s\n", what, text);
}

void ff_summary_print(const json_t *summary, FILE *out, bool colour)
{
    struct style s = {.out = out, .bold = colour ? "\033[1m" : "", .plain = colour ? "\033[0m" : ""};
    fprintf(out, "%s%s%s\n", s.bold, ff_text_of(summary, "file"), s.plain);
    print_text(&s, summary, "kind", "kind");
    print_text(&s, summary, "name", "name");
    print_fact(out, "seed", json_object_get(summary, "seed"), "%.0f");
    print_text(&s, summary, "version", "version");
    print_text(&s, summary, "backend", "backend");
    print_text(&s, summary, "made", "created_at");
    print_fact(out, "size [deg]", json_object_get(summary, "size_deg"), "%g");
    print_fact(out, "RA [deg]", json_object_get(summary, "ra_deg"), "%.10g");
    print_fact(out, "Dec [deg]", json_object_get(summary, "dec_deg"), "%.10g");
    print_fact(out, "draws", json_object_get(summary, "count"), "%.0f");
    print_fact(out, "  outside the model", json_object_get(summary, "invalid"), "%.0f");
    print_fact(out, "  files of draws", json_object_get(summary, "chunks"), "%.0f");
    if (json_array_size(json_object_get(summary, "parameters")) > 0) print_parameters(&s, summary);
    if (json_object_get(summary, "seconds")) print_cost(&s, summary);
    print_p_values(&s, summary);
    print_arrays(&s, summary);
}
