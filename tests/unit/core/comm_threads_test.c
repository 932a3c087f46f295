/* Ranks that are threads keep the promises of every communicator, and nobody waits forever for a rank that has
** failed, has ended, or does something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/core/comm_claims.h"
#include "worker/core/comm_threads.h"

enum { PATIENCE_S = 60 }; /* after which the program is ended: somebody waits forever */

static void every_communicators_claims_hold(void **state)
{
    (void)state;
    const int ranks[] = {1, 2, 3, 8, 64};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        for (int k = 0; k < COMM_CLAIMS; k++) {
            ff_ctx ctx = {0};
            if (ff_comm_threads_run(ranks[i], comm_claims[k].holds, NULL, &ctx))
                fail_msg("%s, %d ranks: %s", comm_claims[k].name, ranks[i], ctx.message);
        }
}

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    assert_int_equal(ff_comm_threads_run(1, a_rank_that_does_not_exist_is_refused, NULL, &ctx), FF_EBUG);
    assert_non_null(strstr(ctx.message, "rank 1 of 1"));
    assert_int_equal(ff_comm_threads_run(1, lengths_that_do_not_agree_are_an_error, NULL, &ctx), FF_EBUG);
    assert_non_null(strstr(ctx.message, "4 bytes where"));
    assert_int_equal(ff_comm_threads_run(0, everyone_gathers_the_same, NULL, &ctx), FF_EBUG);
    assert_int_equal(ff_comm_threads_run(65, everyone_gathers_the_same, NULL, &ctx), FF_EBUG);
}

/* ---- one rank of four goes wrong after some calls that went well ---- */

enum { RANKS = 4, CULPRIT = 2 };

struct trouble {
    ff_err (*wrong)(const struct ff_comm *c, ff_ctx *ctx); /* what the culprit does */
    bool others_late;                                      /* they come to the call when that is done */
    ff_err got[RANKS];                                     /* what the ranks' last calls returned */
};

static ff_err call_well(const struct ff_comm *c, ff_ctx *ctx)
{
    int rank = c->rank, all[RANKS];
    const ff_err err = c->allgather(c, &rank, sizeof rank, all, ctx);
    return err ? err : everyone_gathers_the_same(NULL, c, ctx);
}

static ff_err rank_in_trouble(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    struct trouble *t = self;
    ff_err err = FF_OK;
    for (int i = 0; i < 100 && !err; i++) err = call_well(c, ctx);
    if (t->others_late && c->rank != CULPRIT) usleep(20000);
    if (!err) err = c->rank == CULPRIT ? t->wrong(c, ctx) : call_well(c, ctx);
    return t->got[c->rank] = err;
}

static ff_err gives_up(const struct ff_comm *c, ff_ctx *ctx)
{
    (void)c;
    usleep(20000); /* the others wait by now */
    return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "it came to nothing");
}
static ff_err gives_up_at_once(const struct ff_comm *c, ff_ctx *ctx)
{
    (void)c;
    return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "it came to nothing");
}
static ff_err just_ends(const struct ff_comm *c, ff_ctx *ctx)
{
    (void)c, (void)ctx;
    return FF_OK;
}
static ff_err ends_late(const struct ff_comm *c, ff_ctx *ctx)
{
    (void)c, (void)ctx;
    usleep(20000);
    return FF_OK;
}
static ff_err calls_something_else(const struct ff_comm *c, ff_ctx *ctx)
{
    double x = 1;
    return c->allreduce_f64(c, &x, 1, ctx);
}
static ff_err gathers_more(const struct ff_comm *c, ff_ctx *ctx)
{
    double mine[2] = {0}, all[RANKS][2];
    return c->allgather(c, mine, sizeof mine, all, ctx);
}
/* An error inside a call, of which the rank's function says nothing. */
static ff_err keeps_silent(const struct ff_comm *c, ff_ctx *ctx)
{
    return gathers_more(c, ctx) ? FF_OK : FF_ETOLERANCE;
}

static ff_err run_trouble(struct trouble *t, ff_ctx *ctx)
{
    *ctx = (ff_ctx){0};
    alarm(PATIENCE_S);
    const ff_err err = ff_comm_threads_run(RANKS, rank_in_trouble, t, ctx);
    alarm(0);
    return err;
}

static bool names_rank(const ff_ctx *ctx, int rank)
{
    char name[32];
    snprintf(name, sizeof name, "rank %d of %d", rank, RANKS);
    return ctx->nframes > 0 && strcmp(ctx->frames[ctx->nframes - 1].note, name) == 0;
}

static void an_error_of_one_ends_the_waiting_of_all(void **state)
{
    (void)state;
    struct trouble cases[] = {{.wrong = gives_up}, {.wrong = gives_up_at_once, .others_late = true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ff_ctx ctx;
        assert_int_equal(run_trouble(&cases[i], &ctx), FF_ENUMERIC);
        assert_string_equal(ctx.message, "it came to nothing");
        assert_true(names_rank(&ctx, CULPRIT));
        for (int r = 0; r < RANKS; r++) assert_int_equal(cases[i].got[r], r == CULPRIT ? FF_ENUMERIC : FF_ECRASHED);
    }
}

static void a_rank_that_ended_is_not_waited_for(void **state)
{
    (void)state;
    struct trouble cases[] = {{.wrong = just_ends}, {.wrong = just_ends, .others_late = true}, {.wrong = ends_late}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ff_ctx ctx;
        assert_int_equal(run_trouble(&cases[i], &ctx), FF_ECRASHED);
        assert_false(names_rank(&ctx, CULPRIT));
        for (int r = 0; r < RANKS; r++) assert_int_equal(cases[i].got[r], r == CULPRIT ? FF_OK : FF_ECRASHED);
    }
}

/* Whoever sees it first says so; nobody is left with a good result, and nobody waits. */
static void calls_that_do_not_match_are_an_error(void **state)
{
    (void)state;
    struct trouble cases[] = {{.wrong = calls_something_else}, {.wrong = gathers_more}, {.wrong = keeps_silent}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ff_ctx ctx;
        assert_int_equal(run_trouble(&cases[i], &ctx), FF_EBUG);
        for (int r = 0; r < RANKS; r++)
            if (r != CULPRIT || cases[i].wrong != keeps_silent)
                assert_true(cases[i].got[r] == FF_EBUG || cases[i].got[r] == FF_ECRASHED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_communicators_claims_hold),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(an_error_of_one_ends_the_waiting_of_all),
        cmocka_unit_test(a_rank_that_ended_is_not_waited_for),
        cmocka_unit_test(calls_that_do_not_match_are_an_error),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
