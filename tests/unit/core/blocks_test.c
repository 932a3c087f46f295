/* Blocks of one parity share no place, whatever the slices touch; and there are as many as there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "worker/core/blocks.h"
#include "worker/core/rng.h"

enum { SLICES = 48, PLACES = 60 };

/* Marks every place that a block touches and looks whether another of its parity did. */
static bool share_a_place(const int *lo, const int *hi, int slices, int places, int blocks)
{
    for (int parity = 0; parity < 2; parity++) {
        int owner[PLACES];
        memset(owner, 0xff, sizeof owner);
        for (int b = parity; b < blocks; b += 2)
            for (int i = ff_block_first(slices, blocks, b); i < ff_block_first(slices, blocks, b + 1); i++)
                for (int k = lo[i]; k < hi[i]; k++) {
                    int *o = &owner[(k % places + places) % places];
                    if (*o >= 0 && *o != b) return true;
                    *o = b;
                }
    }
    return false;
}

static void blocks_of_one_parity_share_no_place(void **state)
{
    (void)state;
    int several = 0, one = 0;
    for (uint64_t t = 0; t < 3000; t++) {
        int lo[SLICES], hi[SLICES];
        uint32_t word[4];
        ff_rng_words(1, FF_RNG_TEST, 0, t, word);
        const int slices = 1 + (int)(word[0] % SLICES), places = slices + (int)(word[1] % 3) * 4;
        const int spread = 1 + (int)(word[2] % 9), most = 2 * (1 + (int)(word[3] % 9));
        for (int i = 0; i < slices; i++) {
            ff_rng_words(1, FF_RNG_TEST, 1, t * SLICES + (uint64_t)i, word);
            lo[i] = i - (int)(word[0] % (uint32_t)spread);
            hi[i] = i + 1 + (int)(word[1] % (uint32_t)spread);
            if (word[2] % 400 == 0) lo[i] -= places / 2; /* far off */
            if (word[3] % 400 == 0) hi[i] += places / 2;
        }
        const int blocks = ff_blocks_apart(lo, hi, slices, places, most);
        assert_true(blocks == 1 || (blocks % 2 == 0 && blocks >= 4 && blocks <= most && blocks <= slices));
        assert_false(blocks > 1 && share_a_place(lo, hi, slices, places, blocks));
        several += blocks > 1, one += blocks == 1;
    }
    assert_true(several > 500 && one > 500);
}

static void blocks_are_as_many_as_may_be(void **state)
{
    (void)state;
    int lo[SLICES], hi[SLICES];
    for (int reach = 0; reach < 12; reach++) {
        for (int i = 0; i < SLICES; i++) lo[i] = i - reach, hi[i] = i + reach + 1;
        const int blocks = ff_blocks_apart(lo, hi, SLICES, SLICES, SLICES);
        int expected = SLICES; /* the odd block between two even ones is as wide as two reaches */
        while (expected >= 4 && share_a_place(lo, hi, SLICES, SLICES, expected)) expected -= 2;
        assert_int_equal(blocks, expected >= 4 ? expected : 1);
        assert_int_equal(ff_blocks_apart(lo, hi, SLICES, SLICES, 4), blocks > 1 ? 4 : 1);
    }
    assert_int_equal(ff_blocks_apart(lo, hi, 0, 8, 4), 1);
    assert_int_equal(ff_blocks_apart(lo, hi, SLICES, SLICES, 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_one_parity_share_no_place),
        cmocka_unit_test(blocks_are_as_many_as_may_be),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
