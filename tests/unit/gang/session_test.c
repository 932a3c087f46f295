/* tests/unit/gang/session_test.c - the rules of proto/wire.md on a clock of the test's: what is said when, and again.
** */
#include <stdatomic.h>

#include "tests/unit/gang/help.h"
#include "worker/gang/session_inner.h"

/* ---- the task thread of a test ---- */

struct finishing {
    ff_session *session;
    json_t *commit;
    enum ff_settled how;
    pthread_t thread;
};

static void *finish_main(void *self)
{
    struct finishing *f = self;
    f->how = ff_session_finish(f->session, f->commit);
    return NULL;
}

static void finish(struct finishing *f, struct server *v)
{
    f->session = v->session;
    f->commit = json_pack("{ss s[]}", "outcome", "succeeded", "files");
    assert_int_equal(pthread_create(&f->thread, NULL, finish_main, f), 0);
}

/* Until the task thread has said its end. */
static void wait_ending(struct server *v)
{
    const struct timespec ms = {0, 1000000};
    bool ending = false;
    for (int i = 0; i < 5000 && !ending; i++) {
        pthread_mutex_lock(&v->session->lock);
        ending = v->session->phase == FF_ENDING;
        pthread_mutex_unlock(&v->session->lock);
        nanosleep(&ms, NULL);
    }
    assert_true(ending);
}

static enum ff_settled settled(struct finishing *f)
{
    pthread_join(f->thread, NULL);
    return f->how;
}

/* The next message of a type, when another thread has to get there first: turns that take no time. */
static const json_t *wait_for(struct server *v, enum ff_wire_type type)
{
    const struct timespec ms = {0, 1000000};
    for (int i = 0; i < 5000; i++) {
        turn(v, 0);
        const json_t *body = next_of(v, type);
        if (body) return body;
        nanosleep(&ms, NULL);
    }
    fail_msg("expected %s, got nothing", ff_wire_name(type));
    return NULL;
}

static void begin(struct server *v, const char *task, int number)
{
    give_task(v, task, number);
    assert_non_null(ff_session_next(v->session));
}

static void expect_holding(const json_t *body, int n)
{
    expect_long("attempts held", n, (long)json_array_size(json_object_get(body, "holding")));
}

/* ---- contact ---- */

static void hello_is_said_when_connected_and_again_until_welcome(void **state)
{
    struct server *v = server_open(100);
    (void)state;
    for (int i = 0; i < 5; i++) turn(v, 1);
    expect_long("HELLOs without a connection", 0, count_of(v, FF_WIRE_HELLO));
    ff_session_link(v->session, FF_LINK_UP, v->now);
    for (int i = 0; i < 40; i++) turn(v, 0.1);
    const int n = count_of(v, FF_WIRE_HELLO);
    if (n < 3 || n > 5) fail_msg("expected about 4 HELLOs in 4 s, got %d", n);
    expect_long("heartbeats before WELCOME", 0, count_of(v, FF_WIRE_HEARTBEAT));
    welcome(v, 10);
    for (int i = 0; i < 100; i++) turn(v, 0.1);
    expect_long("HELLOs after WELCOME", n, count_of(v, FF_WIRE_HELLO));
    const int beats = count_of(v, FF_WIRE_HEARTBEAT);
    if (beats < 5 || beats > 6) fail_msg("expected 5 or 6 heartbeats in 10 s, got %d", beats);
    server_close(v);
}

static void an_idle_gang_ends_without_a_server_but_not_without_work(void **state)
{
    struct server *v = server_open(100);
    ff_ctx ctx = {0};
    (void)state;
    meet(v, 10);
    for (int i = 0; i < 1000; i++) assert_true(turn(v, 1) > 0);
    ff_session_link(v->session, FF_LINK_DOWN, v->now);
    assert_true(turn(v, 59) > 0);
    assert_true(turn(v, 2) < 0);
    assert_int_equal(ff_session_end(v->session, &ctx), FF_EUNREACHABLE);
    assert_null(ff_session_next(v->session));
    server_close(v);
}

static void a_gang_with_a_task_waits_for_its_server(void **state)
{
    struct server *v = server_open(100);
    (void)state;
    meet(v, 10);
    begin(v, "chain-0", 3);
    ff_session_link(v->session, FF_LINK_DOWN, v->now);
    for (int i = 0; i < 1000; i++) assert_true(turn(v, 10) > 0);
    ff_session_link(v->session, FF_LINK_UP, v->now);
    turn(v, 0);
    const json_t *hello = next_of(v, FF_WIRE_HELLO);
    expect_holding(hello, 1);
    expect_long("attempt", 3, integer_of(json_array_get(json_object_get(hello, "holding"), 0), "attempt"));
    assert_int_equal(*ff_session_stop(v->session), 0);
    server_close(v);
}

static void refusals_end_it_with_their_own_errors(void **state)
{
    (void)state;
    const struct {
        int protocol;
        ff_err expected;
    } cases[] = {{FF_WIRE_VERSION + 1, FF_EVERSION}, {FF_WIRE_VERSION, FF_ECONFLICT}};
    for (int i = 0; i < 2; i++) {
        struct server *v = server_open(100);
        ff_ctx ctx = {0};
        turn(v, 0);
        ff_session_link(v->session, FF_LINK_UP, v->now);
        turn(v, 0);
        give(v, FF_WIRE_REFUSED, json_pack("{ss si}", "detail", "no", "protocol", cases[i].protocol), NULL, 0);
        assert_true(turn(v, 0) < 0);
        assert_int_equal(ff_session_end(v->session, &ctx), cases[i].expected);
        server_close(v);
    }
}

static void a_refusal_after_a_welcome_is_not_the_end(void **state)
{
    struct server *v = server_open(100);
    (void)state;
    meet(v, 10);
    begin(v, "chain-0", 1);
    give(v, FF_WIRE_AGAIN, json_object(), NULL, 0);
    turn(v, 0);
    assert_non_null(next_of(v, FF_WIRE_HELLO));
    give(v, FF_WIRE_REFUSED, json_pack("{ss si}", "detail", "here already", "protocol", FF_WIRE_VERSION), NULL, 0);
    assert_true(turn(v, 0.5) > 0);
    assert_true(turn(v, 1) > 0);
    assert_non_null(next_of(v, FF_WIRE_HELLO));
    server_close(v);
}

/* ---- events ---- */

static void events_stay_within_credit_and_are_sent_again(void **state)
{
    struct server *v = server_open(10000);
    (void)state;
    meet(v, 300);
    begin(v, "chain-0", 1);
    for (int i = 1; i <= 1000; i++) ff_session_emit(v->session, event_of("sample", i));
    turn(v, 0.01);
    const json_t *first = next_of(v, FF_WIRE_EVENTS), *second = next_of(v, FF_WIRE_EVENTS);
    expect_long("from", 1, integer_of(first, "from"));
    expect_long("events", 256, (long)json_array_size(json_object_get(first, "events")));
    expect_long("from", 257, integer_of(second, "from"));
    expect_long("events", 44, (long)json_array_size(json_object_get(second, "events")));
    turn(v, 0.5);
    assert_null(next_of(v, FF_WIRE_EVENTS));
    turn(v, 2); /* unanswered: again from the start */
    expect_long("from", 1, integer_of(next_of(v, FF_WIRE_EVENTS), "from"));
    give_taken(v, "chain-0", 1, 280);
    turn(v, 0.01);
    while (next_of(v, FF_WIRE_EVENTS)) {
    }
    give_taken(v, "chain-0", 1, 300);
    give_taken(v, "chain-1", 1, 1000); /* another task's: nothing to us */
    turn(v, 0.01);
    give_taken(v, "chain-0", 1, 1000);
    turn(v, 3);
    const json_t *last = NULL;
    for (const json_t *b; (b = next_of(v, FF_WIRE_EVENTS));) last = b;
    assert_non_null(last);
    assert_true(integer_of(last, "from") > 300);
    server_close(v);
}

struct emitter {
    ff_session *session;
    int n;
    atomic_int done;
};

static void *emit_main(void *self)
{
    struct emitter *e = self;
    for (int i = 1; i <= e->n; i++) {
        ff_session_emit(e->session, event_of("sample", i));
        e->done = i;
    }
    return NULL;
}

static void a_task_waits_when_too_many_events_are_on_their_way(void **state)
{
    struct server *v = server_open(50);
    struct emitter e = {.session = v->session, .n = 500};
    const struct timespec ms = {0, 1000000};
    pthread_t thread;
    long taken = 0;
    (void)state;
    meet(v, 1000);
    begin(v, "chain-0", 1);
    assert_int_equal(pthread_create(&thread, NULL, emit_main, &e), 0);
    for (int i = 0; i < 200 && e.done < 50; i++) nanosleep(&ms, NULL);
    for (int i = 0; i < 20; i++) nanosleep(&ms, NULL);
    expect_long("events before any was taken", 50, e.done);
    for (int i = 0; i < 20000 && taken < 500; i++) {
        turn(v, 0.001);
        for (const json_t *b; (b = next_of(v, FF_WIRE_EVENTS));) {
            const json_t *events = json_object_get(b, "events");
            for (size_t k = 0; k < json_array_size(events); k++) { /* nothing lost, nothing out of order */
                const long number = integer_of(b, "from") + (long)k;
                if (number == taken + 1) taken++;
                expect_long("event", number, integer_of(json_array_get(events, k), "number"));
            }
            give_taken(v, "chain-0", 1, (int)taken);
        }
        nanosleep(&ms, NULL);
    }
    pthread_join(thread, NULL);
    expect_long("events", 500, taken);
    server_close(v);
}

static void a_task_told_to_stop_never_waits_for_the_server(void **state)
{
    struct server *v = server_open(10);
    struct emitter e = {.session = v->session, .n = 100};
    (void)state;
    meet(v, 1000);
    begin(v, "chain-0", 1);
    ff_session_link(v->session, FF_LINK_DOWN, v->now);
    ff_session_drain(v->session);
    emit_main(&e); /* would wait for ever */
    expect_long("events", 100, e.done);
    assert_int_equal(*ff_session_stop(v->session), 1);
    server_close(v);
}

/* ---- the end of an attempt ---- */

static void a_commit_follows_the_events_and_is_said_until_the_verdict(void **state)
{
    struct server *v = server_open(100);
    struct finishing f;
    (void)state;
    meet(v, 10);
    begin(v, "reduce", 2);
    ff_session_emit(v->session, event_of("log", 1));
    finish(&f, v);
    wait_for(v, FF_WIRE_EVENTS);
    turn(v, 0.5);
    assert_null(next_of(v, FF_WIRE_COMMIT));
    give_taken(v, "reduce", 2, 1);
    wait_for(v, FF_WIRE_COMMIT);
    for (int i = 0; i < 3; i++) {
        turn(v, 0.5);
        assert_null(next_of(v, FF_WIRE_COMMIT));
        turn(v, 0.6);
        assert_non_null(next_of(v, FF_WIRE_COMMIT));
    }
    give_verdict(v, "reduce", 1, "stale"); /* of the attempt before: nothing to us */
    turn(v, 1.1);
    assert_non_null(next_of(v, FF_WIRE_COMMIT));
    give_verdict(v, "reduce", 2, "committed");
    assert_int_equal(settled(&f), FF_SETTLED_COMMITTED);
    give_verdict(v, "reduce", 2, "stale"); /* came late */
    turn(v, 5);
    assert_null(next_of(v, FF_WIRE_COMMIT));
    give_task(v, "reduce", 2); /* came twice */
    turn(v, 5);
    const json_t *beat = NULL;
    for (const json_t *b; (b = next_of(v, FF_WIRE_HEARTBEAT));) beat = b;
    expect_holding(beat, 0);
    server_close(v);
}

static void the_progress_of_a_short_task_is_its_end(void **state)
{
    struct server *v = server_open(100);
    struct finishing f;
    (void)state;
    meet(v, 10);
    for (int number = 1; number <= 2; number++) {
        begin(v, "noop-0", number);
        if (number == 2) ff_session_emit(v->session, event_of("log", 1)); /* words are never left out */
        ff_session_emit(v->session, event_of("progress", 2));
        finish(&f, v);
        wait_ending(v);
        if (number == 2) {
            wait_for(v, FF_WIRE_EVENTS);
            give_taken(v, "noop-0", 2, 2);
        }
        wait_for(v, FF_WIRE_COMMIT);
        give_verdict(v, "noop-0", number, "committed");
        assert_int_equal(settled(&f), FF_SETTLED_COMMITTED);
    }
    expect_long("EVENTS", 1, count_of(v, FF_WIRE_EVENTS));
    server_close(v);
}

static void silence_after_a_commit_brings_hello_and_the_commit_again(void **state)
{
    struct server *v = server_open(100);
    struct finishing f;
    (void)state;
    meet(v, 10);
    begin(v, "reduce", 2);
    finish(&f, v);
    wait_for(v, FF_WIRE_COMMIT);
    for (int i = 0; i < 70; i++) turn(v, 0.1); /* three heartbeats and more */
    const json_t *hello = next_of(v, FF_WIRE_HELLO);
    expect_holding(hello, 1);
    const int commits = count_of(v, FF_WIRE_COMMIT);
    for (int i = 0; i < 20; i++) turn(v, 0.1);
    expect_long("commits while the server is apart", commits, count_of(v, FF_WIRE_COMMIT));
    welcome(v, 10);
    turn(v, 0);
    assert_non_null(next_of(v, FF_WIRE_COMMIT));
    give_verdict(v, "reduce", 2, "stale");
    assert_int_equal(settled(&f), FF_SETTLED_STALE);
    server_close(v);
}

static void a_fenced_attempt_is_never_committed_and_the_next_is_taken(void **state)
{
    struct server *v = server_open(100);
    struct finishing f;
    char why[16];
    (void)state;
    meet(v, 10);
    begin(v, "chain-0", 1);
    give_stop(v, "chain-0", 2, "fenced"); /* not ours */
    assert_int_equal(*ff_session_stop(v->session), 0);
    give_stop(v, "chain-0", 1, "fenced");
    assert_int_equal(*ff_session_stop(v->session), 1);
    ff_session_why(v->session, why);
    assert_string_equal(why, "fenced");
    ff_session_emit(v->session, event_of("sample", 1)); /* dropped */
    give_task(v, "chain-1", 1);                         /* before the first has stopped */
    turn(v, 2.1);
    const json_t *beat = NULL;
    for (const json_t *b; (b = next_of(v, FF_WIRE_HEARTBEAT));) beat = b;
    expect_holding(beat, 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(beat, "holding"), 0), "task")),
                        "chain-1");
    finish(&f, v);
    assert_int_equal(settled(&f), FF_SETTLED_STALE);
    const json_t *task = ff_session_next(v->session);
    assert_string_equal(json_string_value(json_object_get(task, "task")), "chain-1");
    assert_int_equal(*ff_session_stop(v->session), 0);
    turn(v, 2);
    expect_long("EVENTS", 0, count_of(v, FF_WIRE_EVENTS));
    expect_long("COMMITs", 0, count_of(v, FF_WIRE_COMMIT));
    server_close(v);
}

static void stop_words_are_kept_and_the_first_counts(void **state)
{
    struct server *v = server_open(100);
    char why[16];
    (void)state;
    meet(v, 10);
    begin(v, "chain-0", 1);
    ff_session_checkpoint(v->session);
    const sig_atomic_t first = *ff_session_stop(v->session);
    ff_session_checkpoint(v->session);
    assert_true(first != 0 && first != 1 && *ff_session_stop(v->session) != first && *ff_session_stop(v->session) != 1);
    give_stop(v, "chain-0", 1, "walltime");
    ff_session_drain(v->session);
    ff_session_checkpoint(v->session);
    assert_int_equal(*ff_session_stop(v->session), 1);
    ff_session_why(v->session, why);
    assert_string_equal(why, "walltime");
    server_close(v);
}

static void a_drained_gang_says_bye_after_its_last_verdict(void **state)
{
    struct server *v = server_open(100);
    struct finishing f;
    ff_ctx ctx = {0};
    (void)state;
    meet(v, 10);
    begin(v, "chain-0", 1);
    give_stop(v, NULL, 0, "drain");
    assert_int_equal(*ff_session_stop(v->session), 1);
    finish(&f, v);
    wait_for(v, FF_WIRE_COMMIT);
    expect_long("BYE before the verdict", 0, count_of(v, FF_WIRE_BYE));
    give_verdict(v, "chain-0", 1, "committed");
    assert_int_equal(settled(&f), FF_SETTLED_COMMITTED);
    assert_true(turn(v, 0) < 0);
    expect_long("BYE", 1, count_of(v, FF_WIRE_BYE));
    assert_int_equal(ff_session_end(v->session, &ctx), FF_OK);
    assert_null(ff_session_next(v->session));
    server_close(v);
}

static void a_draining_gang_does_not_wait_for_ever(void **state)
{
    struct server *v = server_open(100);
    struct finishing f;
    ff_ctx ctx = {0};
    (void)state;
    meet(v, 10);
    begin(v, "chain-0", 1);
    ff_session_drain(v->session);
    finish(&f, v);
    wait_for(v, FF_WIRE_COMMIT);
    ff_session_link(v->session, FF_LINK_DOWN, v->now);
    assert_true(turn(v, 29) > 0);
    assert_true(turn(v, 2) < 0);
    assert_int_equal(settled(&f), FF_SETTLED_OVER);
    assert_int_equal(ff_session_end(v->session, &ctx), FF_EUNREACHABLE);
    server_close(v);
}

static void a_task_that_comes_to_a_draining_gang_is_told_to_stop(void **state)
{
    struct server *v = server_open(100);
    (void)state;
    meet(v, 10);
    ff_session_drain(v->session);
    begin(v, "chain-0", 1); /* was on its way */
    assert_int_equal(*ff_session_stop(v->session), 1);
    server_close(v);
}

/* ---- progress ---- */

static const json_t *beat_after(struct server *v, double seconds)
{
    turn(v, seconds);
    const json_t *beat = NULL;
    for (const json_t *b; (b = next_of(v, FF_WIRE_HEARTBEAT));) beat = b;
    return json_array_get(json_object_get(beat, "holding"), 0);
}

static void heartbeats_tell_progress_and_what_to_expect(void **state)
{
    struct server *v = server_open(1000);
    (void)state;
    meet(v, 1000);
    begin(v, "chain-0", 1);
    const json_t *beat = beat_after(v, 2);
    const long begun = integer_of(beat, "counter");
    assert_true(json_number_value(json_object_get(beat, "expect_next_ms")) == 120000); /* its first step */
    ff_session_expect(v->session, 600);
    beat = beat_after(v, 2);
    assert_true(integer_of(beat, "counter") > begun);
    assert_true(json_number_value(json_object_get(beat, "expect_next_ms")) == 600000);
    ff_session_emit(v->session, event_of("log", 1)); /* words end no long step */
    beat = beat_after(v, 2);
    assert_true(json_number_value(json_object_get(beat, "expect_next_ms")) == 600000);
    for (int i = 0; i < 10; i++) ff_session_emit(v->session, event_of("sample", i));
    beat = beat_after(v, 2);
    const double expected = json_number_value(json_object_get(beat, "expect_next_ms"));
    if (!(expected >= 8000 && expected < 20000)) fail_msg("expected four gaps of about 2 s, got %g ms", expected);
    const double step = json_number_value(json_object_get(beat, "last_iteration_ms"));
    if (!(step > 150 && step < 250)) fail_msg("10 steps in 2 s: expected about 200 ms, got %g", step);
    const long counter = integer_of(beat, "counter");
    beat = beat_after(v, 2);
    expect_long("counter without progress", counter, integer_of(beat, "counter"));
    server_close(v);
}

static void a_link_that_takes_nothing_loses_nothing(void **state)
{
    struct server *v = server_open(1000);
    (void)state;
    meet(v, 1000);
    begin(v, "chain-0", 1);
    v->deaf = true;
    for (int i = 1; i <= 300; i++) ff_session_emit(v->session, event_of("sample", i));
    for (int i = 0; i < 20; i++) turn(v, 0.1);
    expect_long("EVENTS", 0, count_of(v, FF_WIRE_EVENTS));
    v->deaf = false;
    long next = 1;
    for (int i = 0; i < 40 && next <= 300; i++) {
        turn(v, 0.1);
        for (const json_t *b; (b = next_of(v, FF_WIRE_EVENTS));) {
            expect_long("from", next, integer_of(b, "from"));
            next += (long)json_array_size(json_object_get(b, "events"));
        }
        give_taken(v, "chain-0", 1, (int)(next - 1));
    }
    expect_long("events", 301, next);
    server_close(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_is_said_when_connected_and_again_until_welcome),
        cmocka_unit_test(an_idle_gang_ends_without_a_server_but_not_without_work),
        cmocka_unit_test(a_gang_with_a_task_waits_for_its_server),
        cmocka_unit_test(refusals_end_it_with_their_own_errors),
        cmocka_unit_test(a_refusal_after_a_welcome_is_not_the_end),
        cmocka_unit_test(events_stay_within_credit_and_are_sent_again),
        cmocka_unit_test(a_task_waits_when_too_many_events_are_on_their_way),
        cmocka_unit_test(a_task_told_to_stop_never_waits_for_the_server),
        cmocka_unit_test(a_commit_follows_the_events_and_is_said_until_the_verdict),
        cmocka_unit_test(the_progress_of_a_short_task_is_its_end),
        cmocka_unit_test(silence_after_a_commit_brings_hello_and_the_commit_again),
        cmocka_unit_test(a_fenced_attempt_is_never_committed_and_the_next_is_taken),
        cmocka_unit_test(stop_words_are_kept_and_the_first_counts),
        cmocka_unit_test(a_drained_gang_says_bye_after_its_last_verdict),
        cmocka_unit_test(a_draining_gang_does_not_wait_for_ever),
        cmocka_unit_test(a_task_that_comes_to_a_draining_gang_is_told_to_stop),
        cmocka_unit_test(heartbeats_tell_progress_and_what_to_expect),
        cmocka_unit_test(a_link_that_takes_nothing_loses_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
