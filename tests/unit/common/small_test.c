/* tests/unit/common/small_test.c - the small modules of common/: errors, hashes, parameter names, events. */
#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include "common/event.h"
#include "common/hash.h"
#include "tests/unit/common/help.h"

/* FIPS 180-2, appendix B. */
static void hashes_are_sha256(void **state)
{
    char hex[FF_HASH_SIZE], path[] = "/tmp/ff_hash_XXXXXX";
    char *many = malloc(1000000);
    ff_ctx ctx = {0};
    (void)state;
    ff_hash_bytes("abc", 3, hex);
    expect_word("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hex);
    memset(many, 'a', 1000000);
    FILE *file = fdopen(mkstemp(path), "wb");
    fwrite(many, 1, 1000000, file);
    fclose(file);
    assert_int_equal(ff_hash_file(path, hex, &ctx), FF_OK);
    expect_word("a million a", "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", hex);
    unlink(path);
    assert_int_equal(ff_hash_file(path, hex, &ctx), FF_ENOFILE);
    expect_word("after an error", "", hex);
    assert_int_equal(ff_hash_file("/tmp", hex, &ctx), FF_EIO);
    free(many);
}

static void errors_keep_pointer_chain_and_facts(void **state)
{
    ff_ctx ctx = {0};
    (void)state;
    assert_int_equal(ff_fail_at(&ctx, FF_EBADJOB, "/a", FF_HERE, "%d is bad", 3), FF_EBADJOB);
    for (int i = 0; i < 20; i++) ff_note(&ctx, FF_HERE, "note %d", i);
    expect_word("message", "3 is bad", ctx.message);
    expect_word("pointer", "/a", ctx.pointer);
    assert_int_equal(ctx.nframes, FF_MAX_FRAMES);
    expect_word("first note", "note 0", ctx.frames[1].note);
    assert_int_equal(ff_fail(&ctx, FF_ENOTBUILT, FF_HERE, "no"), FF_ENOTBUILT);
    expect_word("pointer of a later error", "", ctx.pointer);
    expect_word("slug", "not-in-this-build", ff_code_slug(FF_ENOTBUILT));
    assert_int_equal(ff_code_exit(FF_ENOTBUILT), 2);
    assert_int_equal(ff_code_http(FF_ETOOLARGE), 413);
    expect_word("no such code", "bug", ff_code_slug(FF_NCODES));
    ff_fail(NULL, FF_EIO, FF_HERE, "without a context");
}

/* Messages are cut by their buffer and shown on terminals. */
static void messages_are_whole_and_harmless_text(void **state)
{
    char long_text[2 * FF_MESSAGE_SIZE] = "";
    (void)state;
    for (size_t i = 0; i + 4 < sizeof long_text; i += 3) memcpy(long_text + i, "\xe2\x82\xac", 4);
    for (int shift = 0; shift < 4; shift++) {
        ff_ctx ctx = {0};
        ff_fail(&ctx, FF_EBUG, FF_HERE, "%.*s%s", shift, "abc", long_text);
        json_t *value = json_string(ctx.message);
        if (!value) fail_msg("shift %d: expected UTF-8, got half a character at the end", shift);
        assert_true(strlen(ctx.message) > FF_MESSAGE_SIZE - 5);
        json_decref(value);
    }
    ff_ctx ctx = {0};
    ff_fail(&ctx, FF_EBUG, FF_HERE, "a\x1b[2Jb\nc\x7f\xc2\x9b\xc3\xa9");
    expect_word("message", "a?[2Jb?c???\xc3\xa9", ctx.message);
}

static void a_vector_in_words_leaves_out_what_is_0_unless_said(void **state)
{
    char text[FF_PAR_TEXT_SIZE];
    double theta[FF_MAX_PARS] = {0};
    (void)state;
    for (int par = 0; par < FF_NGLOBAL; par++) theta[par] = ff_par_default(2, par);
    theta[FF_WA] = -60;
    theta[ff_par_dz(2, 1)] = 0.0125;
    ff_par_text(2, theta, text);
    expect_word("vector",
                "omega_c 0.2664, omega_b 0.0492, h 0.6727, n_s 0.9645, sigma8 0.831, w0 -1, wa -60, A_ia 0, eta_ia 0, "
                "z0_ia 0.62, dz_2 0.0125",
                text);
    for (int par = 0; par < FF_MAX_PARS; par++) theta[par] = -1.23456e-100;
    ff_par_text(FF_MAX_BINS, theta, text); /* more than there is room for */
    assert_int_equal(strlen(text), FF_PAR_TEXT_SIZE - 1);
}

static void parameters_have_names_places_and_edges(void **state)
{
    char name[FF_NAME_SIZE], latex[2 * FF_NAME_SIZE];
    double low, high;
    (void)state;
    for (int nbins = 1; nbins <= FF_MAX_BINS; nbins += 5) {
        for (int par = 0; par < ff_par_count(nbins); par++) {
            ff_par_name(nbins, par, name);
            assert_int_equal(ff_par_find(nbins, name), par);
            ff_par_edges(nbins, par, &low, &high);
            assert_true(low <= ff_par_default(nbins, par) && ff_par_default(nbins, par) <= high);
        }
    }
    ff_par_name(5, ff_par_m(0), name);
    expect_word("name", "m_1", name);
    ff_par_name(5, ff_par_dz(5, 4), name);
    expect_word("name", "dz_5", name);
    ff_par_latex(16, ff_par_dz(16, 15), latex);
    expect_word("latex", "\\Delta z_{16}", latex);
    ff_par_latex(1, FF_Z0_IA, latex);
    expect_word("latex", "z_{0,\\rm IA}", latex);
    assert_int_equal(ff_par_find(5, "m_6"), -1);
    assert_int_equal(ff_par_find(5, "omega_m"), -1);
    expect_number("FID omega_c", 0.2664, ff_par_default(1, FF_OMEGA_C), 0);
}

static json_t *line_of(FILE *file, char *line, int size)
{
    json_error_t error;
    if (!fgets(line, size, file)) fail_msg("expected a line, got the end");
    json_t *event = json_loads(line, 0, &error);
    if (!event) fail_msg("expected JSON, got %s (%s)", line, error.text);
    return event;
}

static void expect_member(const json_t *event, const char *key, const char *expected)
{
    char *got = json_dumps(json_object_get(event, key), JSON_ENCODE_ANY | JSON_COMPACT);
    expect_word(key, expected, got ? got : "nothing");
    free(got);
}

static void check_stamp(const json_t *event, const char *seq)
{
    int year, month, day, hour, minute, second, ms, end = 0;
    const char *text = json_string_value(json_object_get(event, "time"));
    expect_member(event, "seq", seq);
    expect_member(event, "attempt", "1");
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second, &ms, &end);
    if (n != 7 || end != 24 || text[24]) fail_msg("expected RFC 3339 with milliseconds, got %s", text);
}

static void one_of_each(const struct ff_sink *sink)
{
    const struct ff_progress chain = {.done = 3,
                                      .total = 10,
                                      .rate = NAN,
                                      .eta_s = 1.5,
                                      .stage = "warmup",
                                      .ess = INFINITY,
                                      .rhat = NAN,
                                      .divergences = 2};
    const struct ff_progress draws = {
        .done = 1, .total = 2, .rate = 2, .eta_s = 0.5, .stage = "draws", .divergences = -1};
    ff_ctx why = {0};
    ff_fail_at(&why, FF_EBADJOB, "/h", FF_HERE, "no");
    ff_emit_state(sink, "chain-0", "running", NULL, "bad \xff byte");
    ff_emit_progress(sink, "chain-0", &chain);
    ff_emit_progress(sink, "draws-12", &draws);
    ff_emit_sample(sink, "chain-1", 7, 1, 0, 1, -12.5, json_pack("{sf}", "h", 0.5), json_object());
    ff_emit_log(sink, "reduce", "warning", "text");
    ff_emit_end(sink, "succeeded", "done", NULL);
    ff_emit_end(sink, "failed", "/h: no", &why);
}

/* What each line of one_of_each() holds beside its stamp; "nothing": the member is absent. */
static const struct {
    const char *seq, *key, *value;
} lines[] = {
    {"1", "task", "\"chain-0\""},
    {"1", "type", "\"state\""},
    {"1", "state", "\"running\""},
    {"1", "reason", "\"\""},
    {"1", "message", "\"bad ? byte\""},
    {"2", "type", "\"progress\""},
    {"2", "done", "3"},
    {"2", "total", "10"},
    {"2", "rate", "null"},
    {"2", "eta_s", "1.5"},
    {"2", "stage", "\"warmup\""},
    {"2", "ess", "null"},
    {"2", "rhat", "null"},
    {"2", "divergences", "2"},
    {"3", "task", "\"draws-12\""},
    {"3", "ess", "nothing"},
    {"3", "rhat", "nothing"},
    {"3", "divergences", "nothing"},
    {"4", "type", "\"sample\""},
    {"4", "number", "7"},
    {"4", "chain", "1"},
    {"4", "draw", "0"},
    {"4", "warmup", "true"},
    {"4", "lp", "-12.5"},
    {"4", "parameters", "{\"h\":0.5}"},
    {"4", "stats", "{}"},
    {"5", "type", "\"log\""},
    {"5", "level", "\"warning\""},
    {"6", "type", "\"end\""},
    {"6", "task", "null"},
    {"6", "state", "\"succeeded\""},
    {"6", "error", "nothing"},
    {"7", "message", "\"/h: no\""},
    {"7", "error",
     "{\"type\":\"bad-job\",\"title\":\"The job is not valid\",\"status\":400,\"detail\":\"no\","
     "\"pointer\":\"/h\",\"exit_code\":2}"},
};

static void events_are_lines_of_the_contract(void **state)
{
    struct ff_ndjson w;
    char line[1024], seq[16];
    FILE *file = tmpfile();
    size_t at = 0, nlines = sizeof lines / sizeof lines[0];
    (void)state;
    assert_int_equal(ff_ndjson_init(&w, file), 0);
    struct ff_sink sink = ff_ndjson_sink(&w);
    one_of_each(&sink);
    ff_ndjson_done(&w);
    rewind(file);
    for (int i = 1; i <= 7; i++) {
        json_t *event = line_of(file, line, sizeof line);
        snprintf(seq, sizeof seq, "%d", i);
        check_stamp(event, seq);
        assert_int_equal(strncmp(line, "{\"seq\":", 7), 0);
        for (; at < nlines && !strcmp(lines[at].seq, seq); at++) expect_member(event, lines[at].key, lines[at].value);
        json_decref(event);
    }
    assert_int_equal(at, nlines);
    assert_null(fgets(line, sizeof line, file));
    fclose(file);
}

enum { THREADS = 4, LINES = 500 };

static void *emit_many(void *sink)
{
    for (int i = 0; i < LINES; i++) ff_emit_log(sink, "chain-0", "info", "from a thread");
    return NULL;
}

static void threads_share_a_sink_without_mixing_lines(void **state)
{
    struct ff_ndjson w;
    char line[1024], seq[16];
    pthread_t thread[THREADS];
    FILE *file = tmpfile();
    (void)state;
    assert_int_equal(ff_ndjson_init(&w, file), 0);
    struct ff_sink sink = ff_ndjson_sink(&w);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, emit_many, &sink), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    rewind(file);
    for (int i = 1; i <= THREADS * LINES; i++) {
        json_t *e = line_of(file, line, sizeof line);
        snprintf(seq, sizeof seq, "%d", i);
        check_stamp(e, seq);
        json_decref(e);
    }
    ff_ndjson_done(&w);
    ff_ndjson_done(&w);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_sha256),
        cmocka_unit_test(errors_keep_pointer_chain_and_facts),
        cmocka_unit_test(messages_are_whole_and_harmless_text),
        cmocka_unit_test(a_vector_in_words_leaves_out_what_is_0_unless_said),
        cmocka_unit_test(parameters_have_names_places_and_edges),
        cmocka_unit_test(events_are_lines_of_the_contract),
        cmocka_unit_test(threads_share_a_sink_without_mixing_lines),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
