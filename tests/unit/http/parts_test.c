/* tests/unit/http/parts_test.c - the small parts: frames and rings of events, deadlines of connections, plans, arrays. */
#include <sys/socket.h>
#include <unistd.h>

#include "common/job.h"
#include "server/http/channel.h"
#include "server/http/npy.h"
#include "server/http/peers.h"
#include "server/http/plan.h"
#include "server/http/sse.h"
#include "tests/unit/http/help.h"

static void frames_are_server_sent_events(void **state)
{
    size_t size;
    char *frame = ff_sse_frame(7, "log", "{\"seq\":7}", &size);
    (void)state;
    expect_word("frame", "id: 7\nevent: log\ndata: {\"seq\":7}\n\n", frame);
    expect_number("size", (long long)strlen(frame), (long long)size);
    free(frame);
}

static struct ff_frame_text text_of(long seq, size_t size)
{
    struct ff_frame_text frame = {.text = malloc(size), .size = size};
    snprintf(frame.text, size, "%ld", seq);
    return frame;
}

static void rings_keep_the_latest(void **state)
{
    struct ff_channel *c = calloc(1, sizeof *c);
    (void)state;
    c->last = 10;
    assert_null(ff_channel_find(c, 10));
    for (long seq = 11; seq <= 10 + 3L * FF_RING_FRAMES; seq++) {
        ff_channel_add(c, seq, text_of(seq, 24));
        expect_number("kept", seq - 10 < FF_RING_FRAMES ? seq - 10 : FF_RING_FRAMES, c->n);
    }
    const long last = c->last;
    for (long seq = last - FF_RING_FRAMES + 1; seq <= last; seq++) {
        char expected[24];
        const struct ff_frame_text *frame = ff_channel_find(c, seq);
        assert_non_null(frame);
        snprintf(expected, sizeof expected, "%ld", seq);
        expect_word("event", expected, frame->text);
    }
    assert_null(ff_channel_find(c, last - FF_RING_FRAMES));
    assert_null(ff_channel_find(c, last + 1));
    /* Bytes are bounded too. */
    for (int i = 0; i < 8; i++) ff_channel_add(c, c->last + 1, text_of(c->last + 1, FF_RING_BYTES / 4));
    assert_true(c->bytes <= FF_RING_BYTES);
    expect_number("large ones kept", 4, c->n);
    /* After a gap the ring holds what is after it only. */
    ff_channel_add(c, c->last + 5, text_of(1, 8));
    expect_number("after a gap", 1, c->n);
    ff_channel_free(c);
}

static bool closed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void what_is_overdue_is_shut_down(void **state)
{
    struct ff_peers *p = ff_peers_new(1000, 5000, 1);
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct ff_peer *peer = ff_peers_add(p, fds[0], true, 0);
    expect_number("open", 1, ff_peers_count(p));
    assert_true(ff_peer_is_owner(peer)); /* our own process is at the other end */
    expect_number("in time", 0, ff_peers_sweep(p, 1000));
    ff_peer_phase(p, peer, FF_PHASE_BODY, 900); /* the clock of the headers goes on */
    ff_peer_received(p, peer, FF_PEER_RATE);    /* a second more */
    expect_number("a body that flows", 0, ff_peers_sweep(p, 1999));
    ff_peer_phase(p, peer, FF_PHASE_BUSY, 2000);
    expect_number("being answered", 0, ff_peers_sweep(p, 1000000));
    expect_number("busy", 1, ff_peers_busy(p));
    ff_peer_phase(p, peer, FF_PHASE_IDLE, 2000000);
    expect_number("idle", 0, ff_peers_sweep(p, 2006000));
    assert_false(closed(fds[1]));
    expect_number("idle for too long", 1, ff_peers_sweep(p, 2006001));
    assert_true(closed(fds[1]));
    expect_number("only once", 0, ff_peers_sweep(p, 3000000));
    ff_peers_remove(p, peer);
    expect_number("gone", 0, ff_peers_count(p));
    peer = ff_peers_add(p, fds[0], false, 0);
    assert_false(ff_peer_is_owner(peer)); /* not a unix socket */
    assert_false(ff_peer_is_extra(peer));
    assert_true(ff_peer_is_extra(ff_peers_add(p, fds[1], false, 0))); /* the second of one */
    assert_false(ff_peer_is_extra(peer));
    ff_peers_free(p);
    close(fds[0]);
    close(fds[1]);
}

static void a_trickling_body_does_not_live_for_ever(void **state)
{
    struct ff_peers *p = ff_peers_new(1000, 5000, 1);
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct ff_peer *peer = ff_peers_add(p, fds[0], false, 0);
    ff_peer_phase(p, peer, FF_PHASE_BODY, 0);
    int64_t now = 0;
    while (now < 60000 && ff_peers_sweep(p, now) == 0) {
        ff_peer_received(p, peer, 1); /* a byte every 10 ms */
        now += 10;
    }
    assert_true(now > 1000 && now < 1100);
    ff_peers_free(p);
    close(fds[0]);
    close(fds[1]);
}

static struct ff_plan plan_of(const char *text)
{
    struct ff_job *job;
    struct ff_plan plan;
    ff_ctx ctx = {0};
    const ff_err err = ff_job_parse_posted(&job, text, strlen(text), true, &ctx);
    if (err) print_error("%s: %s\n", ctx.pointer, ctx.message);
    assert_int_equal(err, FF_OK);
    ff_plan_make(&plan, job);
    ff_job_free(job);
    return plan;
}

/* Memory as the worker counts it, measured: between that and four times as much. */
static void plans_bound_memory_from_above(void **state)
{
    static const struct {
        int npix, padding;
        const char *algorithm;
        double mib;
    } measured[] = {{64, 1, "hmc", 21},   {64, 2, "nuts", 39},   {256, 1, "hmc", 63},   {256, 1, "nuts", 114},
                    {256, 2, "hmc", 136}, {256, 2, "nuts", 337}, {512, 1, "nuts", 397}, {512, 2, "nuts", 1285}};
    (void)state;
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++) {
        char job[400];
        snprintf(job, sizeof job,
                 "{\"kind\":\"posterior\",\"model\":{\"preset\":\"lsst-y10\",\"field\":{\"npix\":%d,\"padding\":%d}},"
                 "\"data\":{\"mock\":{}},\"sampler\":{\"algorithm\":\"%s\"}}",
                 measured[i].npix, measured[i].padding, measured[i].algorithm);
        const double mib = plan_of(job).memory_bytes / 1048576;
        if (mib < measured[i].mib || mib > 4 * measured[i].mib + 64)
            print_error("%d pixels, padding %d, %s: planned %.0f MiB, measured %.0f\n", measured[i].npix,
                        measured[i].padding, measured[i].algorithm, mib, measured[i].mib);
        assert_true(mib >= measured[i].mib && mib <= 4 * measured[i].mib + 64);
    }
}

static void plans_count_what_is_asked_for(void **state)
{
    (void)state;
    const struct ff_plan noop = plan_of("{\"kind\":\"noop\",\"count\":3,\"sleep_s\":2,\"file_bytes\":5}");
    expect_number("seconds", 6, (long long)noop.seconds);
    expect_number("bytes", 5, (long long)noop.disk_bytes);
    const struct ff_plan draws =
        plan_of("{\"kind\":\"draws\",\"count\":1000,\"model\":{\"preset\":\"lsst-y10\",\"field\":{\"npix\":32}}}");
    expect_number("evaluations", 1000, (long long)draws.evaluations);
    expect_number("no gradients", 0, (long long)draws.gradients);
    assert_true(draws.disk_bytes > 1000. * 5 * 32 * 32 * 4);
}

static void arrays_are_npy(void **state)
{
    const double rows[] = {1, 2, 3, 4, 5, 6};
    void *bytes;
    size_t size;
    ff_ctx ctx = {0};
    (void)state;
    expect_number("made", FF_OK, ff_npy_of_rows(rows, 2, 3, &bytes, &size, &ctx));
    expect_number("size", 128 + sizeof rows, (long long)size);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }",
                        10 + 57);
    expect_number("newline", '\n', ((char *)bytes)[127]);
    assert_memory_equal((char *)bytes + 128, rows, sizeof rows);
    free(bytes);
    expect_number("no rows", FF_OK, ff_npy_of_rows(NULL, 0, 2, &bytes, &size, &ctx));
    expect_number("size", 128, (long long)size);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_server_sent_events),
        cmocka_unit_test(rings_keep_the_latest),
        cmocka_unit_test(what_is_overdue_is_shut_down),
        cmocka_unit_test(a_trickling_body_does_not_live_for_ever),
        cmocka_unit_test(plans_bound_memory_from_above),
        cmocka_unit_test(plans_count_what_is_asked_for),
        cmocka_unit_test(arrays_are_npy),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
