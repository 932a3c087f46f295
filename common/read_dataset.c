/* common/read_dataset.c - where a job names a dataset (see read.h): "@path" in a job file, a "ds_" id in a job that is
** posted to a server, and on a gang the id again, with the file that holds it there. */
#include <stdio.h>
#include <string.h>

#include "common/read.h"
#include "common/read_inner.h"

static const char *const a_file = "\"@path\" of a file, relative to the job's folder";
static const char *const an_id = "the \"ds_\" id of an uploaded dataset";

static bool valid_id(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    return strlen(text) == 3 + 26 && !strncmp(text, "ds_", 3) && strspn(text + 3, letters) == 26;
}

/* Keeps `folder`/`path` (or `path`) in out; too long is an error. */
static void keep_path(struct ff_scope *s, const char *key, struct ff_dataset_ref *out, const char *folder,
                      const char *path)
{
    int n = snprintf(out->path, sizeof out->path, "%s%s%s", folder, *folder ? "/" : "", path);
    if (n >= 0 && (size_t)n < sizeof out->path) return;
    out->path[0] = '\0';
    ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "the path has %d bytes; allowed: at most %zu", n, sizeof out->path - 1);
}

static void read_file(struct ff_scope *s, const char *key, const char *text, struct ff_dataset_ref *out)
{
    if (!strncmp(text, "ds_", 3)) {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "\"%.40s\": a ds_ id needs a server; allowed here: %s", text,
                      a_file);
    } else if (text[0] != '@' || !text[1]) {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "\"%.80s\" is no dataset; allowed: %s", text, a_file);
    } else {
        keep_path(s, key, out, text[1] == '/' ? "" : s->reader->base_dir, text + 1);
    }
}

static void read_id(struct ff_scope *s, const char *key, const char *text, struct ff_dataset_ref *out)
{
    if (text[0] == '@') {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE,
                      "\"%.80s\" is a file of your own machine, which has to be uploaded first (\"ffctl upload\", and "
                      "\"ffctl submit\" does it by itself); allowed: %s",
                      text, an_id);
        return;
    }
    if (!valid_id(text)) {
        ff_scope_fail(s, key, FF_EBADJOB, FF_HERE, "\"%.80s\" is no dataset; allowed: %s", text, an_id);
        return;
    }
    if (s->reader->datasets == FF_DATASETS_IDS) {
        keep_path(s, key, out, "", text);
        return;
    }
    const char *path = s->reader->path_of ? s->reader->path_of(s->reader->path_self, text) : NULL;
    if (path) {
        keep_path(s, key, out, "", path);
    } else {
        ff_scope_fail(s, key, FF_ENOFILE, FF_HERE, "the dataset %s was not sent with the task", text);
    }
}

void ff_read_dataset(struct ff_scope *s, const char *key, struct ff_dataset_ref *out)
{
    const json_t *value = ff_scope_look(s, key);
    *out = (struct ff_dataset_ref){0};
    if (ff_failed(s)) return;
    const bool files = s->reader->datasets == FF_DATASETS_FILES;
    const char *what = files ? a_file : an_id;
    ff_pointer_of(s, key, out->pointer);
    if (!value) {
        ff_fail_missing(s, key, what);
        return;
    }
    const char *text = ff_text_value(s, key, value, sizeof out->path, what);
    if (!text) return;
    if (files) {
        read_file(s, key, text, out);
    } else {
        read_id(s, key, text, out);
    }
    if (!ff_failed(s)) ff_scope_keep(s, key, value);
}
