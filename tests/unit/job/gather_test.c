/* gather_test.c - what a chain gathers: moments of maps, bytes of checkpoints, small matrices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "worker/job/blob.h"
#include "worker/job/moments.h"
#include "worker/job/smallmat.h"

static void close_to(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s: expected %.12g, got %.12g, tolerance %g", what, expected, got, tolerance);
}

static float value(int draw, int pixel)
{
    return 1000 + (float)sin(draw * 1.7 + pixel) * (float)(1 + pixel);
}

static void moments_match_two_passes_and_merge(void **state)
{
    (void)state;
    enum { LEN = 5, DRAWS = 37, CUT = 11 };
    struct ff_moments whole, first, second;
    assert_int_equal(ff_moments_init(&whole, LEN, NULL), 0);
    assert_int_equal(ff_moments_init(&first, LEN, NULL), 0);
    assert_int_equal(ff_moments_init(&second, LEN, NULL), 0);
    for (int d = 0; d < DRAWS; d++) {
        float x[LEN];
        for (int i = 0; i < LEN; i++) x[i] = value(d, i);
        ff_moments_add(&whole, x);
        ff_moments_add(d < CUT ? &first : &second, x);
    }
    ff_moments_merge(&first, &second);
    assert_int_equal(first.count, DRAWS);
    float mean[LEN], sd[LEN];
    ff_moments_get(&whole, mean, sd);
    for (int i = 0; i < LEN; i++) {
        double sum = 0, square = 0;
        for (int d = 0; d < DRAWS; d++) sum += value(d, i);
        for (int d = 0; d < DRAWS; d++) square += pow(value(d, i) - sum / DRAWS, 2);
        close_to("mean", mean[i], sum / DRAWS, 1e-3);
        close_to("sd", sd[i], sqrt(square / (DRAWS - 1)), 1e-4);
        close_to("merged mean", first.mean[i], whole.mean[i], 1e-9);
        close_to("merged m2", first.m2[i], whole.m2[i], 1e-7);
    }
    ff_moments_done(&whole);
    ff_moments_done(&first);
    ff_moments_done(&second);
}

static void blob_gives_back_its_pieces(void **state)
{
    (void)state;
    struct ff_blob blob = {0};
    const double numbers[3] = {1, 2, 3};
    double back[3];
    char text[4];
    ff_blob_put(&blob, "abc", 4);
    ff_blob_put(&blob, numbers, sizeof numbers);
    ff_blob_put(&blob, NULL, 0);
    ff_blob_get(&blob, text, sizeof text);
    assert_string_equal(text, "abc");
    ff_blob_get(&blob, back, sizeof back);
    assert_memory_equal(back, numbers, sizeof back);
    ff_blob_get(&blob, back, 0);
    assert_false(blob.failed);
    ff_blob_get(&blob, back, 1);
    assert_true(blob.failed);
    ff_blob_done(&blob);
}

static void blob_refuses_cut_and_foreign_bytes(void **state)
{
    (void)state;
    struct ff_blob whole = {0};
    const double numbers[3] = {1, 2, 3};
    ff_blob_put(&whole, numbers, sizeof numbers);
    for (size_t size = 0; size < whole.size; size++) {
        struct ff_blob cut = {.bytes = whole.bytes, .size = size};
        double back[3];
        ff_blob_get(&cut, back, sizeof back);
        assert_true(cut.failed);
    }
    struct ff_blob other = {.bytes = whole.bytes, .size = whole.size};
    double back[2];
    ff_blob_get(&other, back, sizeof back);
    assert_true(other.failed);
    ff_blob_done(&whole);
}

static void cholesky_solves_and_inverts(void **state)
{
    (void)state;
    const double a[9] = {4, 1, -.5, 1, 3, .2, -.5, .2, 2};
    double lower[9], inverse[9], b[3] = {1, -2, .5};
    memcpy(lower, a, sizeof a);
    assert_true(ff_mat_cholesky(lower, 3));
    ff_mat_solve(lower, 3, b);
    const double rhs[3] = {1, -2, .5};
    for (int i = 0; i < 3; i++)
        close_to("A x", a[3 * i] * b[0] + a[3 * i + 1] * b[1] + a[3 * i + 2] * b[2], rhs[i], 1e-14);
    ff_mat_inverse(lower, 3, inverse);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            double sum = 0;
            for (int k = 0; k < 3; k++) sum += a[3 * i + k] * inverse[3 * k + j];
            close_to("A A^-1", sum, i == j, 1e-14);
        }
    double indefinite[4] = {1, 2, 2, 1};
    assert_false(ff_mat_cholesky(indefinite, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_match_two_passes_and_merge),
        cmocka_unit_test(blob_gives_back_its_pieces),
        cmocka_unit_test(blob_refuses_cut_and_foreign_bytes),
        cmocka_unit_test(cholesky_solves_and_inverts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
