/* tests/bench/wire_bench.c - what it costs to write and to read a heartbeat, which every gang sends all the time
** (common/wire.h). Prints `name value unit threads`. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/wire.h"

enum { PASSES = 20, CALLS = 500 };

static ff_err there_and_back(const struct ff_wire *message, ff_ctx *ctx)
{
    struct ff_wire back;
    void *bytes;
    size_t size;
    ff_err err = ff_wire_encode(message, &bytes, &size, ctx);
    if (err) return err;
    err = ff_wire_decode(&back, bytes, size, ctx);
    ff_wire_done(&back);
    free(bytes);
    return err;
}

int main(void)
{
    ff_ctx ctx = {0};
    ff_err err = FF_OK;
    double best = 1e9;
    json_t *body = json_pack("{s[{ss ss si si sf si}] sf}", "holding", "job", "job_0123456789abcdefghijklmnop", "task",
                             "chain-0", "attempt", 1, "counter", 12345, "last_iteration_ms", 33.3, "expect_next_ms", 0,
                             "free_memory_bytes", 1e10);
    const struct ff_wire heartbeat = {.type = FF_WIRE_HEARTBEAT, .body = body};
    for (int pass = 0; pass < PASSES && !err; pass++) {
        const double start = omp_get_wtime();
        for (int i = 0; i < CALLS && !err; i++) err = there_and_back(&heartbeat, &ctx);
        const double seconds = (omp_get_wtime() - start) / CALLS;
        if (seconds < best) best = seconds;
    }
    json_decref(body);
    if (err) {
        fprintf(stderr, "%s: %s\n", ctx.pointer, ctx.message);
        return 1;
    }
    printf("wire_heartbeat_there_and_back %.4g us 1\n", best * 1e6);
    return 0;
}
