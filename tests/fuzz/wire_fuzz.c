/* tests/fuzz/wire_fuzz.c - any bytes as a message, and any text as the body of each type of message. What is accepted can be
** sent on, and says the same then. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "common/wire.h"

static void decode(const uint8_t *data, size_t size)
{
    struct ff_wire message, again;
    ff_ctx ctx = {0};
    void *bytes;
    size_t n;
    const ff_err err = ff_wire_decode(&message, data, size, &ctx);
    if (err) {
        must(ctx.code == err && !message.body, "an error is in the context and there is no message");
        return;
    }
    must(!ff_wire_encode(&message, &bytes, &n, &ctx), "what was accepted can be sent");
    must(!ff_wire_decode(&again, bytes, n, &ctx), "what was sent is accepted");
    must(again.type == message.type && json_equal(again.body, message.body), "it says the same");
    must(again.blob_size == message.blob_size &&
             !memcmp(again.blob_size ? again.blob : "", again.blob_size ? message.blob : "", again.blob_size),
         "it carries the same");
    ff_wire_done(&again);
    ff_wire_done(&message);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode(data, size);
    if (size < 1 || size > 65536) return 0;
    uint8_t *frame = malloc(FF_WIRE_HEAD + size - 1);
    must(frame != NULL, "there is memory");
    memcpy(frame, "FFW1\1\0", 6);
    memset(frame + 6, 0, FF_WIRE_HEAD - 6);
    frame[6] = data[0];
    for (int i = 0; i < 4; i++) frame[8 + i] = (uint8_t)((size - 1) >> 8 * i);
    memcpy(frame + FF_WIRE_HEAD, data + 1, size - 1);
    decode(frame, FF_WIRE_HEAD + size - 1);
    free(frame);
    return 0;
}
