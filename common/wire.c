/* common/wire.c - see wire.h: frames. What a message says is checked by wire_check.c. */
#include "common/wire.h"

#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "common/wire_inner.h"

static const char magic[4] = {'F', 'F', 'W', '1'};
enum { FIRST_JSON = 1024 };    /* room for most messages: they are written once */
enum { MAX_VALUES = 1 << 20 }; /* a few bytes of text can make a hundred of memory */
static const size_t dump_flags = JSON_COMPACT;

static void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *at, size_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static unsigned get16(const unsigned char *at)
{
    return at[0] | (unsigned)at[1] << 8;
}

static size_t get32(const unsigned char *at)
{
    return at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

static ff_err too_large(enum ff_wire_type type, const char *what, size_t size, int most, ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "%s: %zu bytes of %s; allowed: at most %d", ff_wire_name(type), size,
                   what, most);
}

/* The body as text behind the head, with room for the blob behind it. */
static ff_err write_body(const struct ff_wire *message, unsigned char **bytes, size_t *json_size, ff_ctx *ctx)
{
    size_t room = FIRST_JSON;
    *bytes = NULL;
    for (;;) {
        unsigned char *buffer = malloc(FF_WIRE_HEAD + room + message->blob_size);
        if (!buffer) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a message");
        const size_t size = json_dumpb(message->body, (char *)buffer + FF_WIRE_HEAD, room, dump_flags);
        if (size && size <= room) {
            *bytes = buffer;
            *json_size = size;
            return FF_OK;
        }
        free(buffer);
        if (!size) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a message");
        if (size > FF_WIRE_MAX_JSON) return too_large(message->type, "JSON", size, FF_WIRE_MAX_JSON, ctx);
        room = size;
    }
}

ff_err ff_wire_encode(const struct ff_wire *message, void **bytes, size_t *size, ff_ctx *ctx)
{
    unsigned char *head;
    size_t json_size = 0;
    *bytes = NULL;
    *size = 0;
    ff_err err = ff_wire_check(message->type, message->body, ctx);
    if (err) return err;
    if (message->blob_size > FF_WIRE_MAX_BLOB)
        return too_large(message->type, "blob", message->blob_size, FF_WIRE_MAX_BLOB, ctx);
    if (message->blob_size && !ff_wire_has_blob((int)message->type))
        return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "%s carries no blob", ff_wire_name(message->type));
    err = write_body(message, &head, &json_size, ctx);
    if (err) return err;
    memcpy(head, magic, sizeof magic);
    put16(head + 4, FF_WIRE_VERSION);
    put16(head + 6, (unsigned)message->type);
    put32(head + 8, json_size);
    put32(head + 12, message->blob_size);
    if (message->blob_size) memcpy(head + FF_WIRE_HEAD + json_size, message->blob, message->blob_size);
    *bytes = head;
    *size = FF_WIRE_HEAD + json_size + message->blob_size;
    return FF_OK;
}

/* The head says what follows; the frame has to be exactly that. */
static ff_err check_head(const unsigned char *head, size_t size, ff_ctx *ctx)
{
    if (size < FF_WIRE_HEAD || memcmp(head, magic, sizeof magic) != 0)
        return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "%zu bytes that are no message", size);
    const unsigned version = get16(head + 4), type = get16(head + 6);
    if (version != FF_WIRE_VERSION)
        return ff_fail(ctx, FF_EVERSION, FF_HERE, "the message is of version %u, this program speaks version %d",
                       version, FF_WIRE_VERSION);
    if (!ff_wire_members((int)type, true))
        return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "%u is no type of message", type);
    const size_t json = get32(head + 8), blob = get32(head + 12);
    if (json > FF_WIRE_MAX_JSON) return too_large(type, "JSON", json, FF_WIRE_MAX_JSON, ctx);
    if (blob > FF_WIRE_MAX_BLOB) return too_large(type, "blob", blob, FF_WIRE_MAX_BLOB, ctx);
    if (size != FF_WIRE_HEAD + json + blob)
        return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "%s of %zu bytes; its head says %zu", ff_wire_name(type), size,
                       FF_WIRE_HEAD + json + blob);
    if (blob && !ff_wire_has_blob((int)type))
        return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "%s carries no blob", ff_wire_name(type));
    return FF_OK;
}

/* Escaped NULs are refused by the parser; a raw one would end its scanner quietly. */
static ff_err parse_body(json_t **body, enum ff_wire_type type, const char *text, size_t size, ff_ctx *ctx)
{
    json_error_t error;
    if (ff_json_count(text, size) > MAX_VALUES)
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "%s: more than %d values in its JSON", ff_wire_name(type),
                       MAX_VALUES);
    if (memchr(text, '\0', size))
        return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "%s: a NUL byte in its JSON", ff_wire_name(type));
    *body = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (*body) return FF_OK;
    return ff_fail(ctx, json_error_code(&error) == json_error_out_of_memory ? FF_ENOMEM : FF_EBADMESSAGE, FF_HERE,
                   "%s: %s at byte %d of its JSON", ff_wire_name(type), error.text, error.position);
}

ff_err ff_wire_decode(struct ff_wire *out, const void *bytes, size_t size, ff_ctx *ctx)
{
    const unsigned char *head = bytes;
    memset(out, 0, sizeof *out);
    ff_err err = check_head(head, size, ctx);
    if (err) return err;
    const size_t json = get32(head + 8);
    struct ff_wire m = {.type = (enum ff_wire_type)get16(head + 6), .blob_size = get32(head + 12)};
    m.blob = m.blob_size ? head + FF_WIRE_HEAD + json : NULL;
    err = parse_body(&m.body, m.type, (const char *)head + FF_WIRE_HEAD, json, ctx);
    if (!err) err = ff_wire_check(m.type, m.body, ctx);
    if (err) {
        ff_wire_done(&m);
        return err;
    }
    *out = m;
    return FF_OK;
}

void ff_wire_done(struct ff_wire *message)
{
    json_decref(message->body);
    memset(message, 0, sizeof *message);
}
