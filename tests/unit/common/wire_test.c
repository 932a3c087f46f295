/* tests/unit/common/wire_test.c - messages go through whole, and nothing else does. wire_messages.json has one message of
** every type with every member, what may be absent ("optional") and which integers have no upper bound ("unbounded"). */
#include "common/wire.h"
#include "tests/unit/common/help.h"

static json_t *messages(void)
{
    json_error_t error;
    json_t *all = json_load_file("tests/unit/common/wire_messages.json", 0, &error);
    if (!all) fail_msg("wire_messages.json: %s", error.text);
    return all;
}

static struct ff_wire message_of(const json_t *test)
{
    const bool blob = json_is_true(json_object_get(test, "blob"));
    return (struct ff_wire){.type = (enum ff_wire_type)json_integer_value(json_object_get(test, "type")),
                            .body = json_object_get(test, "body"),
                            .blob = blob ? "blob\0\xff" : NULL,
                            .blob_size = blob ? 6 : 0};
}

static unsigned char *encoded(const struct ff_wire *message, size_t *size)
{
    ff_ctx ctx = {0};
    void *bytes;
    if (ff_wire_encode(message, &bytes, size, &ctx)) fail_msg("expected bytes, got: %s %s", ctx.pointer, ctx.message);
    return bytes;
}

/* A frame around any JSON, as a stranger could send it. */
static unsigned char *framed(int type, const json_t *body, size_t *size)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    const size_t n = strlen(text);
    unsigned char *bytes = calloc(1, FF_WIRE_HEAD + n);
    memcpy(bytes, "FFW1\1\0", 6);
    bytes[6] = (unsigned char)type;
    for (int i = 0; i < 4; i++) bytes[8 + i] = (unsigned char)(n >> 8 * i);
    memcpy(bytes + FF_WIRE_HEAD, text, n);
    free(text);
    *size = FF_WIRE_HEAD + n;
    return bytes;
}

static void every_message_goes_through(void **state)
{
    json_t *all = messages(), *test;
    size_t i, size;
    (void)state;
    assert_int_equal(json_array_size(all), 16);
    json_array_foreach(all, i, test)
    {
        struct ff_wire in = message_of(test), out;
        ff_ctx ctx = {0};
        unsigned char *bytes = encoded(&in, &size);
        assert_memory_equal(bytes, "FFW1\1\0", 6);
        if (ff_wire_decode(&out, bytes, size, &ctx)) fail_msg("%s: %s", ctx.pointer, ctx.message);
        assert_int_equal(out.type, in.type);
        expect_word("name", json_string_value(json_object_get(test, "name")), ff_wire_name(out.type));
        assert_true(json_equal(in.body, out.body));
        assert_int_equal(out.blob_size, in.blob_size);
        if (in.blob_size) assert_memory_equal(out.blob, in.blob, in.blob_size);
        ff_wire_done(&out);
        assert_null(out.body);
        free(bytes);
    }
    json_decref(all);
    expect_word("no type", "?", ff_wire_name((enum ff_wire_type)40));
}

/* Refused at the pointer, by both sides and for the same reason. */
static void expect_refusal(const json_t *test, const json_t *body, const char *pointer, const char *how)
{
    const char *name = json_string_value(json_object_get(test, "name"));
    struct ff_wire m = message_of(test), out;
    ff_ctx sent = {0}, got = {0};
    void *none;
    size_t size, nothing;
    m.body = (json_t *)body;
    unsigned char *bytes = framed((int)m.type, body, &size);
    if (ff_wire_encode(&m, &none, &nothing, &sent) != FF_EBADMESSAGE || none)
        fail_msg("%s: %s %s was sent", name, pointer, how);
    if (ff_wire_decode(&out, bytes, size, &got) != FF_EBADMESSAGE)
        fail_msg("%s: %s %s was accepted", name, pointer, how);
    if (strcmp(got.pointer, pointer) != 0 || !strstr(got.message, name))
        fail_msg("%s %s: expected a refusal at %s, got %s: %s", name, how, pointer, got.pointer, got.message);
    expect_word("the same refusal", got.pointer, sent.pointer);
    expect_word("the same refusal", got.message, sent.message);
    free(bytes);
}

static bool named(const json_t *test, const char *list, const char *key)
{
    size_t i;
    json_t *word;
    json_array_foreach(json_object_get(test, list), i, word)
    {
        if (!strcmp(json_string_value(word), key)) return true;
    }
    return false;
}

/* Values of every type, too long or too large: all but those of the member's own type have to be refused. */
static json_t *wrong_values(const json_t *right, bool optional, bool unbounded)
{
    char *text = malloc(5001);
    memset(text, 'x', 5000);
    text[5000] = '\0';
    json_t *wrong = json_array(), *many = json_array();
    for (int i = 0; i < 100001; i++) json_array_append_new(many, json_integer(1));
    json_array_append_new(wrong, json_string(text));
    json_array_append_new(wrong, many);
    if (!optional) json_array_append_new(wrong, json_null());
    if (!json_is_boolean(right)) json_array_append_new(wrong, json_true());
    if (!json_is_array(right)) json_array_append_new(wrong, json_array());
    if (!json_is_object(right)) json_array_append_new(wrong, json_object());
    if (!json_is_string(right)) json_array_append_new(wrong, json_string("succeeded"));
    json_array_append_new(wrong, json_integer(-1));
    json_array_append_new(wrong, json_real(-0.5));
    if (!unbounded) json_array_append_new(wrong, json_integer(INT64_MAX));
    if (!json_is_number(right)) json_array_append_new(wrong, json_integer(1));
    json_array_append_new(wrong, json_real(1e300));
    free(text);
    return wrong;
}

static void spoil_member(const json_t *test, json_t *body, json_t *object, const char *key, const char *pointer)
{
    const bool optional = named(test, "optional", key);
    json_t *right = json_incref(json_object_get(object, key)), *value;
    json_t *wrong = wrong_values(right, optional, named(test, "unbounded", key));
    size_t i;
    json_array_foreach(wrong, i, value)
    {
        char how[64];
        snprintf(how, sizeof how, "with wrong value %zu", i);
        json_object_set(object, key, value);
        expect_refusal(test, body, pointer, how);
    }
    json_object_del(object, key);
    if (!optional) expect_refusal(test, body, pointer, "left out");
    json_object_set_new(object, key, right);
    json_decref(wrong);
}

static bool same_text(const char *a, const char *b)
{
    return !strcmp(a, b);
}

/* Members of the object, and of objects in it that have members of the contract. */
static void spoil_object(const json_t *test, json_t *body, json_t *object, const char *pointer)
{
    json_t *names = json_array(), *name;
    const char *key;
    json_t *value;
    size_t i;
    char at[128];
    json_object_foreach(object, key, value) json_array_append_new(names, json_string(key));
    json_array_foreach(names, i, name)
    {
        key = json_string_value(name);
        snprintf(at, sizeof at, "%s/%s", pointer, key);
        if (!same_text(pointer, "/events/0") || same_text(key, "type")) spoil_member(test, body, object, key, at);
        value = json_object_get(object, key);
        if (same_text(key, "extend")) spoil_object(test, body, value, at);
        if (!json_is_array(value)) continue;
        snprintf(at, sizeof at, "%s/%s/0", pointer, key);
        spoil_object(test, body, json_array_get(value, 0), at);
    }
    json_decref(names);
}

static void every_wrong_member_is_refused(void **state)
{
    json_t *all = messages(), *test;
    size_t i;
    (void)state;
    json_array_foreach(all, i, test)
    {
        json_t *body = json_object_get(test, "body");
        /* Without its three names a STOP is one of the gang, so they are spoilt together. */
        if (same_text("STOP", json_string_value(json_object_get(test, "name")))) continue;
        spoil_object(test, body, body, "");
        expect_refusal(test, all, "", "a list");
    }
    json_decref(all);
}

static void the_optional_may_be_missing(void **state)
{
    json_t *all = messages(), *test, *word;
    size_t i, j, size;
    (void)state;
    json_array_foreach(all, i, test)
    {
        for (int null = 0; null < 2; null++) {
            struct ff_wire m = message_of(test);
            json_array_foreach(json_object_get(test, "optional"), j, word)
            {
                const char *key = json_string_value(word);
                json_object_del(m.body, key);
                if (null) json_object_set_new(m.body, key, json_null());
            }
            json_object_set_new(m.body, "unknown", json_real(1e300));
            free(encoded(&m, &size));
        }
    }
    json_decref(all);
}

static void expect_text(int test_number, const char *key, const char *text, bool fine)
{
    json_t *all = messages(), *test = json_array_get(all, (size_t)test_number);
    struct ff_wire m = message_of(test);
    char pointer[64];
    size_t size;
    json_object_set_new(m.body, key, json_string(text));
    snprintf(pointer, sizeof pointer, "/%s", key);
    if (fine) {
        free(encoded(&m, &size));
    } else {
        expect_refusal(test, m.body, pointer, text);
    }
    json_decref(all);
}

/* They become parts of paths. */
static void names_are_plain(void **state)
{
    static const char *const files[] = {".", "..", ".x", "", "a/b", "a\\b", "a b", "caf\xc3\xa9", "a\n", "../x"};
    static const char *const tasks[] = {"", "Chain-0", "chain.0", "../chain-0", "chain_0"};
    static const char *const jobs[] = {"",
                                       "job_",
                                       "job_0123456789abcdefghijklmno",
                                       "ds_0123456789abcdefghijklmnop",
                                       "job_0123456789abcdefghijklmno/",
                                       "job_0123456789abcdefghijklmnopq"};
    char name[102];
    enum { PUT = 4, GET = 5, CHUNK = 14 };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) expect_text(PUT, "name", files[i], false);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) expect_text(PUT, "task", tasks[i], false);
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) expect_text(PUT, "job", jobs[i], false);
    memset(name, 'A', 101);
    name[101] = '\0';
    expect_text(PUT, "name", name, false);
    expect_text(PUT, "name", name + 1, true);
    expect_text(PUT, "sha256", "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", false);
    expect_text(GET, "job", "", true);
    expect_text(GET, "task", "", true);
    expect_text(GET, "name", "", false);
    expect_text(GET, "job", "job_", false);
    expect_text(0, "name", "host\x1b[2J", false);
    expect_text(0, "pool", "a b", false);
    expect_text(3, "message", "a\x1b", true);
}

static void a_stop_is_of_an_attempt_or_of_the_gang(void **state)
{
    json_t *all = messages(), *test = json_array_get(all, 12);
    struct ff_wire m = message_of(test);
    size_t size;
    (void)state;
    json_object_del(m.body, "job");
    expect_refusal(test, m.body, "/job", "left out");
    json_object_del(m.body, "task");
    expect_refusal(test, m.body, "/job", "left out with task");
    json_object_del(m.body, "attempt");
    free(encoded(&m, &size));
    json_object_set_new(m.body, "why", json_string("because"));
    expect_refusal(test, m.body, "/why", "unknown");
    json_decref(all);
}

static void attempts_by_task_are_checked(void **state)
{
    static const char *const bad[] = {"{\"../x\":1}",      "{\"chain-0\":0}",          "{\"chain-0\":\"1\"}",
                                      "{\"chain-0\":1.0}", "{\"chain-0\":2147483648}", "[1]"};
    json_t *all = messages(), *test = json_array_get(all, 9), *body = json_object_get(test, "body");
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_object_set_new(body, "inputs", json_loads(bad[i], 0, NULL));
        expect_refusal(test, body, "/inputs", bad[i]);
    }
    json_decref(all);
}

/* In a block of exactly its size, so that a sanitizer sees a read beyond. */
static ff_err decode_copy(const unsigned char *bytes, size_t size, ff_ctx *ctx)
{
    unsigned char *copy = malloc(size + !size);
    struct ff_wire out;
    memcpy(copy, bytes, size);
    ff_err err = ff_wire_decode(&out, copy, size, ctx);
    ff_wire_done(&out);
    free(copy);
    return err;
}

static void a_frame_is_whole_or_refused(void **state)
{
    json_t *all = messages();
    (void)state;
    for (size_t i = 0; i < json_array_size(all); i++) {
        struct ff_wire m = message_of(json_array_get(all, i));
        ff_ctx ctx = {0};
        size_t size;
        unsigned char *bytes = encoded(&m, &size);
        bytes = realloc(bytes, size + 1);
        bytes[size] = '}';
        for (size_t n = 0; n < size; n++) assert_int_equal(decode_copy(bytes, n, &ctx), FF_EBADMESSAGE);
        assert_int_equal(decode_copy(bytes, size, &ctx), FF_OK);
        assert_int_equal(decode_copy(bytes, size + 1, &ctx), FF_EBADMESSAGE);
        free(bytes);
    }
    json_decref(all);
}

static void heads_are_checked(void **state)
{
    json_t *body = json_object();
    struct ff_wire m = {.type = FF_WIRE_AGAIN, .body = body};
    ff_ctx ctx = {0};
    size_t size;
    unsigned char *bytes = encoded(&m, &size);
    (void)state;
    assert_int_equal(size, FF_WIRE_HEAD + 2);
    bytes[4] = 2;
    assert_int_equal(decode_copy(bytes, size, &ctx), FF_EVERSION);
    assert_non_null(strstr(ctx.message, "version 2"));
    assert_non_null(strstr(ctx.message, "version 1"));
    assert_int_equal(decode_copy(bytes, FF_WIRE_HEAD, &ctx), FF_EVERSION);
    bytes[4] = 1;
    bytes[6] = 0;
    assert_int_equal(decode_copy(bytes, size, &ctx), FF_EBADMESSAGE);
    bytes[6] = FF_WIRE_AGAIN;
    bytes[3] = '2';
    assert_int_equal(decode_copy(bytes, size, &ctx), FF_EBADMESSAGE);
    bytes[3] = '1';
    bytes[11] = 0x7f;
    assert_int_equal(decode_copy(bytes, size, &ctx), FF_ETOOLARGE);
    bytes[11] = 0;
    bytes[15] = 0x7f;
    assert_int_equal(decode_copy(bytes, size, &ctx), FF_ETOOLARGE);
    bytes[15] = 0;
    bytes[8] = 1; /* a blob of one byte, in a message that has none */
    bytes[12] = 1;
    assert_int_equal(decode_copy(bytes, size, &ctx), FF_EBADMESSAGE);
    assert_non_null(strstr(ctx.message, "no blob"));
    free(bytes);
    m.blob = "x";
    m.blob_size = 1;
    void *none;
    assert_int_equal(ff_wire_encode(&m, &none, &size, &ctx), FF_EBADMESSAGE);
    json_decref(body);
}

static void json_has_the_contracts_rules(void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } bad[] = {{"{\"reason\":\"a\",\"reason\":\"b\"}", 27},
               {"{}\0", 3},
               {"{\"a\":1\0}", 8},
               {"{\"a\\u0000\":1}", 14},
               {"{\"reason\":\"\\u0000\"}", 19},
               {"{\"a\":NaN}", 9},
               {"", 0}};
    unsigned char bytes[64] = "FFW1\1\0\7";
    ff_ctx ctx = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bytes[8] = (unsigned char)bad[i].size;
        memcpy(bytes + FF_WIRE_HEAD, bad[i].text, bad[i].size);
        assert_int_equal(decode_copy(bytes, FF_WIRE_HEAD + bad[i].size, &ctx), FF_EBADMESSAGE);
    }
}

static void sizes_are_bounded(void **state)
{
    json_t *all = messages(), *put = json_array_get(all, 4);
    struct ff_wire m = message_of(put);
    ff_ctx ctx = {0};
    void *bytes;
    size_t size;
    char *big = calloc(1, FF_WIRE_MAX_JSON + 1);
    (void)state;
    m.blob = big;
    m.blob_size = FF_WIRE_MAX_BLOB + 1;
    assert_int_equal(ff_wire_encode(&m, &bytes, &size, &ctx), FF_ETOOLARGE);
    assert_null(bytes);
    m.blob_size = FF_WIRE_MAX_BLOB;
    unsigned char *frame = encoded(&m, &size);
    assert_int_equal(decode_copy(frame, size, &ctx), FF_OK);
    frame = realloc(frame, size + 1);
    frame[12] = 1; /* a blob of one byte more */
    frame[size] = 0;
    assert_int_equal(decode_copy(frame, size + 1, &ctx), FF_ETOOLARGE);
    free(frame);
    memset(big, 'x', FF_WIRE_MAX_JSON);
    m.blob_size = 0;
    json_object_set_new(m.body, "more", json_string(big));
    assert_int_equal(ff_wire_encode(&m, &bytes, &size, &ctx), FF_ETOOLARGE);
    json_object_del(m.body, "more");
    char *text = json_dumps(m.body, JSON_COMPACT);
    json_object_set_new(m.body, "more", json_stringn(big, FF_WIRE_MAX_JSON - strlen(text) - strlen(",\"more\":\"\"")));
    bytes = encoded(&m, &size);
    assert_int_equal(size, FF_WIRE_HEAD + FF_WIRE_MAX_JSON);
    assert_int_equal(decode_copy(bytes, size, &ctx), FF_OK);
    free(bytes);
    json_object_set_new(m.body, "more",
                        json_stringn(big, FF_WIRE_MAX_JSON + 1 - strlen(text) - strlen(",\"more\":\"\"")));
    assert_int_equal(ff_wire_encode(&m, &bytes, &size, &ctx), FF_ETOOLARGE);
    unsigned char *many = calloc(1, FF_WIRE_HEAD + (1 << 22));
    memcpy(many, "FFW1\1\0\7", 8);
    many[10] = 1 << 6;
    memset(many + FF_WIRE_HEAD, ',', 1 << 22);
    assert_int_equal(decode_copy(many, FF_WIRE_HEAD + (1 << 22), &ctx), FF_ETOOLARGE);
    free(many);
    free(text);
    free(big);
    json_decref(all);
}

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Noise, and good messages with a few bytes changed: refused, or a message that can be sent on. */
static void noise_is_survived(void **state)
{
    json_t *all = messages();
    unsigned char *good[16], bytes[4096];
    size_t sizes[16];
    uint64_t seed = 1;
    long accepted = 0;
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct ff_wire m = message_of(json_array_get(all, i));
        good[i] = encoded(&m, &sizes[i]);
        assert_true(sizes[i] < sizeof bytes);
    }
    for (long i = 0; i < 100000; i++) {
        const size_t from = next(&seed) % 16;
        size_t size = i % 2 ? sizes[from] : next(&seed) % 256;
        ff_ctx ctx = {0};
        struct ff_wire out;
        for (size_t b = 0; i % 2 == 0 && b < size; b++) bytes[b] = (unsigned char)next(&seed);
        if (i % 2) memcpy(bytes, good[from], size);
        if (i % 4 == 2 && size >= FF_WIRE_HEAD) { /* noise behind a head that fits it */
            memcpy(bytes, "FFW1\1\0\2\0", 8);
            memset(bytes + 8, 0, 8);
            bytes[8] = (unsigned char)(size - FF_WIRE_HEAD);
        }
        for (size_t n = next(&seed) % 4; i % 2 && n; n--)
            bytes[next(&seed) % size] ^= (unsigned char)(1 << next(&seed) % 8);
        if (ff_wire_decode(&out, bytes, size, &ctx)) {
            assert_null(out.body);
            continue;
        }
        accepted++;
        free(encoded(&out, &size));
        ff_wire_done(&out);
    }
    assert_true(accepted > 10000 && accepted < 50000);
    for (size_t i = 0; i < 16; i++) free(good[i]);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_goes_through),
        cmocka_unit_test(every_wrong_member_is_refused),
        cmocka_unit_test(the_optional_may_be_missing),
        cmocka_unit_test(names_are_plain),
        cmocka_unit_test(a_stop_is_of_an_attempt_or_of_the_gang),
        cmocka_unit_test(attempts_by_task_are_checked),
        cmocka_unit_test(a_frame_is_whole_or_refused),
        cmocka_unit_test(heads_are_checked),
        cmocka_unit_test(json_has_the_contracts_rules),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(noise_is_survived),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
