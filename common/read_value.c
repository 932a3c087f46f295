/* common/read_value.c - numbers, words and text of a job; see read.h. Datasets are read in read_dataset.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/read.h"
#include "common/read_inner.h"

/* "more than 0, at most 20" */
static void range_text(struct ff_range range, char *out, size_t size)
{
    if (!range.above && !range.below) {
        snprintf(out, size, "a number from %.10g to %.10g", range.low, range.high);
    } else {
        snprintf(out, size, "a number %s %.10g and %s %.10g", range.above ? "above" : "from", range.low,
                 range.below ? "below" : "up to", range.high);
    }
}

static bool holds(struct ff_range range, double x)
{
    return (range.above ? x > range.low : x >= range.low) && (range.below ? x < range.high : x <= range.high);
}

static double real_value(struct ff_scope *s, const char *key, const json_t *value, struct ff_range range)
{
    char what[96];
    range_text(range, what, sizeof what);
    if (!json_is_number(value)) {
        ff_fail_type(s, key, value, what);
    } else if (!holds(range, json_number_value(value))) {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "%.10g is out of range; allowed: %s", json_number_value(value),
                      what);
    } else {
        ff_scope_keep(s, key, value);
        return json_number_value(value);
    }
    return range.low;
}

double ff_read_real(struct ff_scope *s, const char *key, struct ff_range range, double fallback)
{
    const json_t *value = ff_scope_look(s, key);
    if (ff_failed(s)) return range.low;
    if (value) return real_value(s, key, value, range);
    if (isnan(fallback)) {
        char what[96];
        range_text(range, what, sizeof what);
        ff_fail_missing(s, key, what);
        return range.low;
    }
    ff_scope_keep_new(s, key, json_real(fallback));
    return fallback;
}

double ff_read_element(struct ff_scope *list, int i, struct ff_range range)
{
    char index[16];
    snprintf(index, sizeof index, "%d", i);
    if (ff_failed(list)) return range.low;
    return real_value(list, index, json_array_get(list->in, (size_t)i), range);
}

static int64_t integer_value(struct ff_scope *s, const char *key, const json_t *value, int64_t low, int64_t high)
{
    char what[96];
    snprintf(what, sizeof what, "an integer from %lld to %lld", (long long)low, (long long)high);
    if (!value) {
        ff_fail_missing(s, key, what);
    } else if (!json_is_integer(value)) {
        ff_fail_type(s, key, value, what);
    } else if (json_integer_value(value) < low || json_integer_value(value) > high) {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "%lld is out of range; allowed: %s",
                      (long long)json_integer_value(value), what);
    } else {
        ff_scope_keep(s, key, value);
        return json_integer_value(value);
    }
    return low;
}

int64_t ff_read_integer(struct ff_scope *s, const char *key, int64_t low, int64_t high, int64_t fallback)
{
    const json_t *value = ff_scope_look(s, key);
    if (ff_failed(s)) return low;
    if (value || fallback == FF_REQUIRED) return integer_value(s, key, value, low, high);
    ff_scope_keep_new(s, key, json_integer(fallback));
    return fallback;
}

int64_t ff_read_integer_element(struct ff_scope *list, int i, int64_t low, int64_t high)
{
    char index[16];
    snprintf(index, sizeof index, "%d", i);
    if (ff_failed(list)) return low;
    return integer_value(list, index, json_array_get(list->in, (size_t)i), low, high);
}

bool ff_read_bool(struct ff_scope *s, const char *key, bool fallback)
{
    const json_t *value = ff_scope_look(s, key);
    if (ff_failed(s)) return fallback;
    if (value && !json_is_boolean(value)) {
        ff_fail_type(s, key, value, "true or false");
        return fallback;
    }
    bool result = value ? json_is_true(value) : fallback;
    ff_scope_keep_new(s, key, json_boolean(result));
    return result;
}

/* The words of this build: "nuts, hmc". */
static void choices_text(const struct ff_choice *choices, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (; choices->word && n < size; choices++) {
        if (!choices->missing) n += (size_t)snprintf(out + n, size - n, "%s\"%s\"", n ? ", " : "", choices->word);
    }
}

static int choice_value(struct ff_scope *s, const char *key, const json_t *value, const struct ff_choice *choices)
{
    char what[256];
    choices_text(choices, what, sizeof what);
    if (!json_is_string(value)) {
        ff_fail_type(s, key, value, what);
        return choices->value;
    }
    for (const struct ff_choice *c = choices; c->word; c++) {
        if (json_string_length(value) != strlen(c->word) || strcmp(json_string_value(value), c->word) != 0) continue;
        if (c->missing)
            ff_scope_fail(s, key, FF_ENOTBUILT, FF_HERE, "\"%s\" is not in this build; allowed: %s", c->word, what);
        else
            ff_scope_keep(s, key, value);
        return c->value;
    }
    ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "\"%.40s\" is unknown; allowed: %s", json_string_value(value), what);
    return choices->value;
}

int ff_read_choice(struct ff_scope *s, const char *key, const struct ff_choice *choices, const char *fallback)
{
    const json_t *value = ff_scope_look(s, key);
    if (ff_failed(s)) return choices->value;
    if (value) return choice_value(s, key, value, choices);
    if (fallback) {
        json_t *word = json_string(fallback);
        if (!word) ff_scope_keep_new(s, key, NULL); /* no memory, and says so */
        int result = word ? choice_value(s, key, word, choices) : choices->value;
        json_decref(word);
        return result;
    }
    char what[256];
    choices_text(choices, what, sizeof what);
    ff_fail_missing(s, key, what);
    return choices->value;
}

unsigned ff_read_choices(struct ff_scope *s, const char *key, const struct ff_choice *choices)
{
    struct ff_scope list;
    unsigned bits = 0;
    if (!ff_scope_has(s, key)) {
        if (ff_failed(s)) return 0;
        ff_scope_keep_new(s, key, json_pack("[s]", choices->word));
        return (unsigned)choices->value;
    }
    int n = ff_scope_list(&list, s, key, 1, 8);
    for (int i = 0; i < n && !ff_failed(s); i++) {
        char index[16];
        snprintf(index, sizeof index, "%d", i);
        unsigned bit = (unsigned)choice_value(&list, index, json_array_get(list.in, (size_t)i), choices);
        if (bits & bit) ff_scope_fail(&list, index, FF_EBADJOB, FF_HERE, "named twice; allowed: each word once");
        bits |= bit;
    }
    return bits;
}

static bool has_control(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return true;
    }
    return false;
}

const char *ff_text_value(struct ff_scope *s, const char *key, const json_t *value, size_t size, const char *what)
{
    if (!json_is_string(value)) {
        ff_fail_type(s, key, value, what);
        return NULL;
    }
    size_t n = json_string_length(value);
    if (n >= size) {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "%zu bytes of text stand here; allowed: at most %zu", n, size - 1);
    } else if (has_control(json_string_value(value), n)) {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "the text has control characters; allowed: %s", what);
    }
    return ff_failed(s) ? NULL : json_string_value(value);
}

void ff_read_text(struct ff_scope *s, const char *key, char *out, size_t size, const char *fallback)
{
    const json_t *value = ff_scope_look(s, key);
    out[0] = '\0';
    if (ff_failed(s)) return;
    if (!value && !fallback) {
        ff_fail_missing(s, key, "text");
        return;
    }
    const char *text = value ? ff_text_value(s, key, value, size, "text without control characters") : fallback;
    if (!text) return;
    snprintf(out, size, "%s", text);
    ff_scope_keep_new(s, key, json_string(text));
}
