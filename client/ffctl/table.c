/* client/ffctl/table.c - see table.h. */
#include "client/ffctl/table.h"

#include <string.h>

enum { MAX_COLUMNS = 16, NAME_SIZE = 32 };

static const json_t *find(const json_t *row, const char *key)
{
    char name[NAME_SIZE];
    const char *dot = strchr(key, '.');
    if (!dot) return json_object_get(row, key);
    snprintf(name, sizeof name, "%.*s", (int)(dot - key), key);
    return json_object_get(json_object_get(row, name), dot + 1);
}

/* "2026-01-31T23:59:59.123Z" -> "2026-01-31 23:59:59" */
static void tidy_time(char *text)
{
    if (strlen(text) < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':') return;
    text[10] = ' ';
    text[19] = '\0';
}

void ff_cell(const json_t *row, const char *key, char out[FF_CELL_SIZE])
{
    const json_t *value = find(row, key);
    if (json_is_string(value) && *json_string_value(value)) {
        snprintf(out, FF_CELL_SIZE, "%s", json_string_value(value));
        tidy_time(out);
    } else if (json_is_integer(value)) {
        snprintf(out, FF_CELL_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        snprintf(out, FF_CELL_SIZE, "%.6g", json_real_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(out, FF_CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
    } else {
        snprintf(out, FF_CELL_SIZE, "-");
    }
    for (unsigned char *c = (unsigned char *)out; *c; c++) {
        if (*c < 0x20 || *c == 0x7f) *c = '?';
    }
}

/* Characters, not bytes: what UTF-8 continues does not count. */
static int width(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_cell(FILE *out, const char *text, const struct ff_column *column, int room, bool last)
{
    int fill = room - width(text);
    if (column->right) fprintf(out, "%*s", fill > 0 ? fill : 0, "");
    fputs(text, out);
    if (!column->right && !last) fprintf(out, "%*s", fill > 0 ? fill : 0, "");
    fputs(last ? "\n" : "  ", out);
}

void ff_table_print(FILE *out, const json_t *rows, const struct ff_column *columns)
{
    int room[MAX_COLUMNS] = {0}, n = 0;
    char cell[FF_CELL_SIZE];
    size_t i;
    json_t *row;
    for (; n < MAX_COLUMNS && columns[n].title; n++) room[n] = width(columns[n].title);
    json_array_foreach(rows, i, row)
    {
        for (int k = 0; k < n; k++) {
            ff_cell(row, columns[k].key, cell);
            if (width(cell) > room[k]) room[k] = width(cell);
        }
    }
    for (int k = 0; k < n; k++) print_cell(out, columns[k].title, &columns[k], room[k], k == n - 1);
    json_array_foreach(rows, i, row)
    {
        for (int k = 0; k < n; k++) {
            ff_cell(row, columns[k].key, cell);
            print_cell(out, cell, &columns[k], room[k], k == n - 1);
        }
    }
}

void ff_facts_print(FILE *out, const json_t *row, const struct ff_column *facts)
{
    char cell[FF_CELL_SIZE];
    int room = 0;
    for (const struct ff_column *f = facts; f->title; f++) {
        if (width(f->title) > room) room = width(f->title);
    }
    for (const struct ff_column *f = facts; f->title; f++) {
        ff_cell(row, f->key, cell);
        fprintf(out, "%-*s  %s\n", room, f->title, cell);
    }
}
