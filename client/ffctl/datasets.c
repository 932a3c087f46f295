/* client/ffctl/datasets.c - see datasets.h. */
#include "client/ffctl/datasets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ffctl/reading.h"
#include "common/hash.h"
#include "common/model.h"
#include "common/publish.h"

/* Known to a dry run of the server: a dataset that is still to be sent. */
static const char nobody[] = "ds_00000000000000000000000000";
/* Members of a job that name a dataset: data.dataset, data.mock.mask, sources.tables[].nz, lognormal.shift.table. */
static const char *const members[] = {"dataset", "mask", "nz", "table"};

enum { MOST_PAGES = 100, DEEPEST = 16 };

/* One page of the datasets there are; *id: that of `sha256` when it is among them; *cursor as in ls.c. */
static ff_err look_on_page(struct ff_remote *r, const char *sha256, char **cursor, char **id)
{
    json_t *page, *row;
    size_t i;
    ff_err err =
        ff_remote_get(r, &page, "/v1/datasets?limit=500%s%s", *cursor ? "&cursor=" : "", *cursor ? *cursor : "");
    free(*cursor);
    *cursor = NULL;
    if (err) return err;
    json_t *rows = json_object_get(page, "datasets");
    json_array_foreach(rows, i, row)
    {
        if (!*id && strcmp(ff_text_of(row, "sha256"), sha256) == 0) *id = strdup(ff_text_of(row, "id"));
    }
    const char *next = ff_text_of(page, "next_cursor");
    if (*next && json_array_size(rows) > 0) *cursor = ff_url_escape(next);
    json_decref(page);
    return FF_OK;
}

/* *id: NULL when the server has no such bytes of ours. */
static ff_err find_by_hash(struct ff_remote *r, const char *sha256, char **id)
{
    char *cursor = NULL;
    ff_err err = FF_OK;
    *id = NULL;
    for (int page = 0; page < MOST_PAGES && !err && !*id && (page == 0 || cursor); page++) {
        err = look_on_page(r, sha256, &cursor, id);
    }
    free(cursor);
    if (!*id || ff_is_id("ds_", *id)) return err;
    free(*id);
    *id = NULL;
    return ff_fail(&r->cli->ctx, FF_ESERVER, FF_HERE, "the server lists a dataset without an id");
}

static ff_err send_file(struct ff_remote *r, const char *path, const char *name, char **id)
{
    ff_ctx *ctx = &r->cli->ctx;
    char to[FF_PATH_SIZE * 3 + 64];
    const char *slash = strrchr(path, '/');
    char *escaped = ff_url_escape(name ? name : slash ? slash + 1 : path);
    json_t *answer;
    if (!escaped) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a request");
    snprintf(to, sizeof to, "/v1/datasets?name=%s", escaped);
    free(escaped);
    struct ff_client_request request = {
        .method = "POST", .path = to, .content_type = "application/x-hdf5", .body_file = path};
    ff_err err = ff_client_call(r->client, &request, &answer, ctx);
    if (err) return err;
    if (ff_is_id("ds_", ff_text_of(answer, "id"))) {
        *id = strdup(ff_text_of(answer, "id"));
        if (!*id) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an id");
    } else {
        err = ff_fail(ctx, FF_ESERVER, FF_HERE, "the server took %s and gave no id", path);
    }
    json_decref(answer);
    return err;
}

/* Hash and file are looked at before anything is asked of the server. */
static ff_err find_or_send(struct ff_remote *r, const char *path, const char *name, const char *sha256, bool pretend,
                           char **id, bool *sent)
{
    *sent = false;
    ff_err err = find_by_hash(r, sha256, id);
    if (err || *id || pretend) return err;
    err = send_file(r, path, name, id);
    *sent = !err;
    return err;
}

static ff_err hash_of(const char *path, char sha256[FF_HASH_SIZE], ff_ctx *ctx)
{
    FILE *file;
    long size;
    ff_err err = ff_open_regular(&file, path, &size, ctx);
    if (err) return err;
    fclose(file);
    return ff_hash_file(path, sha256, ctx);
}

ff_err ff_dataset_send(struct ff_remote *r, const char *path, const char *name, char **id, bool *sent)
{
    char sha256[FF_HASH_SIZE];
    bool ignored;
    *id = NULL;
    ff_err err = hash_of(path, sha256, &r->cli->ctx);
    if (!err) err = find_or_send(r, path, name, sha256, false, id, sent ? sent : &ignored);
    return err;
}

struct placing {
    struct ff_remote *r;
    const char *folder;
    bool pretend;
    json_t *list;   /* of the report */
    json_t *hashes; /* sha256 -> id, so that bytes named twice are sent once */
};

/* The dataset of a file, its id put into *id (borrowed from p->hashes). */
static ff_err place_file(struct placing *p, const char *path, const char **id)
{
    char sha256[FF_HASH_SIZE], *found = NULL;
    bool sent = false;
    ff_err err = hash_of(path, sha256, &p->r->cli->ctx);
    if (err) return err;
    *id = json_string_value(json_object_get(p->hashes, sha256));
    if (*id) return FF_OK;
    err = find_or_send(p->r, path, NULL, sha256, p->pretend, &found, &sent);
    if (err) return err;
    json_object_set_new(p->hashes, sha256, json_string(found ? found : nobody));
    json_array_append_new(p->list,
                          json_pack("{ss ss ss? sb}", "file", path, "sha256", sha256, "id", found, "sent", (int)sent));
    if (sent && !p->r->cli->json) fprintf(stderr, "sent %s: %s\n", path, found);
    free(found);
    *id = json_string_value(json_object_get(p->hashes, sha256));
    return *id ? FF_OK : ff_fail(&p->r->cli->ctx, FF_ENOMEM, FF_HERE, "no memory for an id");
}

static ff_err place_member(struct placing *p, json_t *object, const char *key, const char *text)
{
    char path[FF_PATH_SIZE];
    const char *id;
    const bool absolute = text[1] == '/';
    int n = snprintf(path, sizeof path, "%s%s%s", absolute ? "" : p->folder, absolute ? "" : "/", text + 1);
    if (n < 0 || (size_t)n >= sizeof path || !text[1])
        return ff_fail_at(&p->r->cli->ctx, FF_EBADJOB, key, FF_HERE, "\"%.80s\" is no path of a file", text);
    ff_err err = place_file(p, path, &id);
    if (err) {
        ff_note(&p->r->cli->ctx, FF_HERE, "member \"%s\" of the job", key);
        return err;
    }
    return json_object_set_new(object, key, json_string(id)) == 0
               ? FF_OK
               : ff_fail(&p->r->cli->ctx, FF_ENOMEM, FF_HERE, "no memory for an id");
}

static bool names_dataset(const char *key)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(members[i], key) == 0) return true;
    }
    return false;
}

static ff_err place_all(struct placing *p, json_t *value, int depth)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    ff_err err = FF_OK;
    if (depth > DEEPEST) return FF_OK; /* no job is so deep: the server will say so */
    json_object_foreach_safe(value, next, key, member)
    {
        const char *text = json_string_value(member);
        if (text && text[0] == '@' && names_dataset(key)) {
            err = place_member(p, value, key, text);
        } else {
            err = place_all(p, member, depth + 1);
        }
        if (err) return err;
    }
    json_array_foreach(value, i, member)
    {
        err = place_all(p, member, depth + 1);
        if (err) return err;
    }
    return FF_OK;
}

ff_err ff_datasets_place(struct ff_remote *r, json_t *job, const char *folder, bool pretend, json_t *report)
{
    struct placing p = {.r = r, .folder = folder, .pretend = pretend, .list = json_array(), .hashes = json_object()};
    ff_err err = p.list && p.hashes && json_object_set_new(report, "datasets", p.list) == 0
                     ? FF_OK
                     : ff_fail(&r->cli->ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    static const char *const parts[] = {"data", "model"};
    for (size_t i = 0; i < 2 && !err; i++) {
        json_t *part = json_object_get(job, parts[i]);
        if (json_is_object(part)) err = place_all(&p, part, 0);
    }
    json_decref(p.hashes);
    return err;
}
